//! An opened text module: the token ids of texts, and the rows of its table.

use std::ops::Range;
use std::sync::OnceLock;

use emberline_base::{Combiner, Digest, Matrix};
use savedmodel::text::{Tokens, fingerprint64};

use super::graph::{Element, Lines, Plan};
use super::tokenizer::Tokenizer;
use crate::{Lookup, WordCounts};

/// The row of a token that the graph drops.
const DROPPED: u32 = u32::MAX;

/// A text module, ready for texts.
#[derive(Debug)]
pub struct TextModule {
    tokenizer: Tokenizer,
    tokens: Tokens,
    /// The row of each known token. `None` if it is the token's line.
    known: Option<Vec<u32>>,
    /// The row of an unknown token by its hash bucket. If there is only one, no hash is computed.
    unknown: Vec<u32>,
    /// The row of a text without tokens, and of one whose tokens are all dropped. `None`: a vector of zeros.
    no_token: Option<u32>,
    all_dropped: Option<u32>,
    combiner: Combiner,
    table: Matrix,
    digest: Digest,
    /// The token of each row, `None` for a row with several tokens or none; computed on first use.
    words: OnceLock<Vec<Option<u32>>>,
}

impl TextModule {
    /// Fills a plan with its vocabulary and table; evaluates it for every token and bucket.
    pub(super) fn new(plan: &Plan, tokens: Tokens, table: Matrix, digest: Digest) -> Result<Self, String> {
        let lines = Lines(tokens.len());
        let rows = table.rows();
        if u32::try_from(rows).is_err() {
            return Err(format!("has {rows} rows; fewer than 2^32 are read"));
        }
        let row = |id: i64, what: &dyn Fn() -> String| match u32::try_from(id).ok().filter(|&row| (row as usize) < rows)
        {
            Some(row) => Ok(row),
            None => Err(format!("gives {} the id {id}, but its table has {rows} rows", what())),
        };
        let row_of = |token: Element, what: &dyn Fn() -> String| match plan.id(token, lines)? {
            Some(id) => row(id, what),
            None => Ok(DROPPED),
        };
        let known: Vec<u32> = (0..lines.0)
            .map(|line| row_of(Element::Known(line), &|| format!("the token on line {}", line + 1)))
            .collect::<Result<_, String>>()?;
        let buckets = plan.buckets().unwrap_or(1);
        if buckets > rows as u64 {
            return Err(format!("hashes unknown tokens into {buckets} buckets, but its table has {rows} rows"));
        }
        let unknown = (0..buckets)
            .map(|bucket| row_of(Element::Unknown(bucket), &|| "an unknown token".to_owned()))
            .collect::<Result<Vec<_>, String>>()?;
        let element = |token: &[u8]| match tokens.line(token) {
            Some(line) => Element::Known(line),
            None => Element::Unknown(fingerprint64(token) % buckets),
        };
        let fills = plan.fills(lines, &element)?;
        let fill = |ids: &[i64]| ids.first().map(|&id| row(id, &|| "an empty text".to_owned())).transpose();
        let (no_token, all_dropped) = (fill(&fills.no_token)?, fill(&fills.all_dropped)?);
        let known = if known.iter().zip(0..).all(|(&row, line)| row == line) { None } else { Some(known) };
        let tokenizer = Tokenizer::new(plan.edits(), plan.split())?;
        let (combiner, words) = (plan.combiner(), OnceLock::new());
        Ok(Self { tokenizer, tokens, known, unknown, no_token, all_dropped, combiner, table, digest, words })
    }

    /// Returns the line of the only token that each row belongs to.
    fn lines_of_rows(&self) -> Vec<Option<u32>> {
        let mut lines = vec![None; self.table.rows()];
        let mut is_shared = vec![false; self.table.rows()];
        for line in 0..self.tokens.len() {
            let row = self.known.as_ref().map_or(line, |known| known[line as usize]);
            if row != DROPPED {
                is_shared[row as usize] |= lines[row as usize].replace(line).is_some();
            }
        }
        self.unknown.iter().filter(|&&row| row != DROPPED).for_each(|&row| is_shared[row as usize] = true);
        lines.iter().zip(is_shared).map(|(line, is_shared)| line.filter(|_| !is_shared)).collect()
    }

    /// Returns the row of the token at this place of a text, and whether the vocabulary contains the token.
    fn row_of(&self, text: &[u8], place: Range<usize>) -> (u32, bool) {
        match (self.tokens.line_of(text, place.clone()), &self.known, self.unknown.as_slice()) {
            (Some(line), None, _) => (line, true),
            (Some(line), Some(known), _) => (known[line as usize], true),
            (None, _, &[row]) => (row, false),
            (None, _, rows) => (rows[(fingerprint64(&text[place]) % rows.len() as u64) as usize], false),
        }
    }
}

impl Lookup for TextModule {
    fn dim(&self) -> usize {
        self.table.cols()
    }

    fn table_rows(&self) -> u64 {
        self.table.rows() as u64
    }

    /// A word in a bucket for out-of-vocabulary words isn't known, nor is one that the graph drops.
    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> WordCounts {
        let start = ids.len();
        let (mut any, mut words) = (false, WordCounts::default());
        self.tokenizer.each(text, |text, place| {
            any = true;
            let (row, known) = self.row_of(text, place.clone());
            words.count_token(&text[place], known && row != DROPPED);
            if row != DROPPED {
                ids.push(row);
            }
        });
        if ids.len() == start {
            ids.extend(if any { self.all_dropped } else { self.no_token });
        }
        words
    }

    fn table(&self) -> &[f32] {
        self.table.values()
    }

    fn combiner(&self) -> Combiner {
        self.combiner
    }

    fn digest(&self) -> Digest {
        self.digest.clone()
    }

    fn row_word(&self, id: u32) -> Option<String> {
        let line = (*self.words.get_or_init(|| self.lines_of_rows()).get(id as usize)?)?;
        String::from_utf8(self.tokens.token(line).to_vec()).ok()
    }
}
