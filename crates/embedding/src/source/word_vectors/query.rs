//! The query to a file of word vectors: the words of texts.

use std::collections::HashSet;
use std::error::Error;

use emberline_device::memory;
use wordvectors::{Query, Selection};

use super::tokens::{self, Rules, Tokens, Vocabulary};

/// The words of texts, and how they are found in them.
#[derive(Clone, Copy)]
pub(super) struct WordsOf<'a> {
    /// `None`: the texts aren't known yet, so that every word of the file may be asked for.
    pub(super) texts: Option<&'a [&'a str]>,
    pub(super) rules: Rules,
}

impl Query for WordsOf<'_> {
    fn candidates(&self) -> Option<HashSet<Box<[u8]>>> {
        self.texts.map(|texts| tokens::candidates(texts, self.rules))
    }

    fn select(&self, selection: &mut Selection<'_>) {
        tokens::resolve_all(self.texts.unwrap_or_default(), self.rules, &mut Hits(selection));
    }

    fn reads_lines(&self) -> bool {
        self.rules.tokens == Tokens::Fasttext
    }

    fn reserve(&self, bytes: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(memory::require(bytes)?)
    }
}

/// Records which words are asked for.
struct Hits<'s, 'd>(&'s mut Selection<'d>);

impl Vocabulary for Hits<'_, '_> {
    fn known(&mut self, form: &str) -> Option<u32> {
        self.0.known(form).then_some(0)
    }

    fn composed(&mut self, word: &str) -> Option<u32> {
        self.0.composed(word);
        None
    }

    fn is_cased(&self) -> bool {
        self.0.is_cased()
    }
}
