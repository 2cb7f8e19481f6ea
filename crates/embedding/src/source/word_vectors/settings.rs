//! `[embedding.NAME.word_vectors]`: the settings, and the checks of them.

use std::path::Path;

use emberline_base::sniff::Kind as FileKind;
use emberline_base::{Combiner, Fault, canonical, variant_name};
use emberline_device::Device;

use super::tokens::{Rules, Tokens};
use super::weights::Weights;
use crate::learned::Learned;
use crate::source::file_settings::{file_settings, file_settings_methods};
use crate::source::{SourceSettings, Texts, tuning};
use crate::{Error, LearnedState, Opened};

file_settings! {
    /// `[embedding.NAME.word_vectors]`
    settings,
    /// A file of word2vec (binary or text), GloVe, fastText (.vec, .bin, .ftz) or finalfusion (.fifu), plain or .gz.
    path {}
    /// Where the file can be downloaded.
    url,
    /// The SHA-256 of the file.
    sha256 {
        /// How the vectors of a text's words become one.
        #[serde(default = "mean")]
        pub combiner: Combiner,
        /// How a text falls into words: into the largest pieces that the file knows (auto), at white space, or as fastText
        /// does it.
        #[serde(default)]
        pub tokens: Tokens,
        /// Whether words are looked up in lower case only (true) or as written only (false); when left out:
        /// as written, and in lower case where the file doesn't hold that (not under `tokens = "fasttext"`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub lowercase: Option<bool>,
        /// Whether an unknown word with two or more digits is looked up with `#` in place of each, as the vectors of
        /// GoogleNews have it.
        #[serde(default)]
        pub digits_as_hash: bool,
        /// Whether each word's vector is scaled to length 1 before they are combined; a word with the vector 0 is left out.
        #[serde(default)]
        pub pre_normalize: bool,
        /// How words are weighed against each other, by their counts in the training texts; all alike when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub weights: Option<Weights>,
        /// Whether a text's vector is scaled to length 1.
        #[serde(default)]
        pub normalize: bool,
    }
    /// The length to reduce vectors to; their own when left out. Needs `reduce`.
    dim,
    /// How they are reduced.
    reduce,
    /// Whether training moves the vectors.
    trainable,
}

fn mean() -> Combiner {
    Combiner::Mean
}

impl Settings {
    /// Returns how words are found.
    pub(super) fn rules(&self) -> Rules {
        Rules { tokens: self.tokens, lowercase: self.lowercase, digits_as_hash: self.digits_as_hash }
    }

    /// Returns all settings that decide a vector, for the digest.
    pub(super) fn description(&self) -> String {
        let Self { combiner, tokens, lowercase, digits_as_hash, pre_normalize, weights, normalize, .. } = self;
        let (combiner, tokens) = (variant_name(combiner), variant_name(tokens));
        let (lowercase, weights) = (canonical(lowercase), canonical(weights));
        format!(
            "word_vectors/3 combiner={combiner} tokens={tokens} lowercase={lowercase} digits_as_hash={digits_as_hash} \
             pre_normalize={pre_normalize} weights={weights} normalize={normalize}"
        )
    }
}

impl SourceSettings for Settings {
    file_settings_methods!("word_vectors", "a file of word vectors");

    fn own_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.dim.is_some_and(|dim| dim > 0) && self.reduce.is_none() {
            let hint = "set `reduce` too: pca, random, or truncate if the columns are principal components";
            let message = "can't be truncated to `dim`, because the columns of word vectors have no meaningful order";
            faults.push(Fault::new("dim", message, hint).related_to("reduce"));
        }
        if self.digits_as_hash && self.tokens == Tokens::Fasttext {
            let message = "`tokens = \"fasttext\"` looks words up exactly as they are written";
            faults.push(Fault::new("digits_as_hash", message, "leave one of the two out").related_to("tokens"));
        }
        faults.extend(tuning::fault(self.trainable, self.combiner));
        faults
    }

    fn length(&self, base: &Path) -> Option<usize> {
        super::length(&base.join(&self.path))
    }

    fn reads_texts(&self) -> bool {
        true
    }

    fn accepted_formats(&self) -> &'static [FileKind] {
        &super::FORMATS
    }

    fn open(&self, base: &Path, texts: Texts<'_>, _: Device) -> Result<Opened, Error> {
        Ok(Opened::Table(Box::new(super::open(self, base, texts)?)))
    }

    fn reopen(&self, base: &Path, state: Option<&LearnedState>, _: Device) -> Result<Opened, Error> {
        let learned = match (self.weights, state.and_then(|state| Some((state.source.clone()?, &state.content)))) {
            (None, _) => None,
            (Some(_), Some((Learned::Weights(weights), content))) => Some((weights, content.clone())),
            (Some(_), Some((Learned::Table(_), _)) | None) => {
                return Err(Error::NotLearned { what: "the weights of words (`weights`)" });
            }
        };
        Ok(Opened::Table(Box::new(super::reopen(self, base, learned)?)))
    }
}
