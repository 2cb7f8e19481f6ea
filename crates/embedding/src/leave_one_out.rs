//! Leave-one-word-out: the words of a text, and its vector without each of them, without tokenising the text again.
//!
//! A word is left out with all its occurrences. Sums are computed in 64 bits, so that subtracting a row leaves
//! exactly the sum of the others.

use std::collections::HashMap;

use emberline_base::{Combiner, Matrix, OutOfMemory};

use crate::WordBags;
use crate::combine::normalize;

/// A word of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextWord {
    /// The word of the row; for a source whose rows have no words, the token's own text; for a row that has neither,
    /// `row N`.
    pub name: String,
    /// The positions of the word among the tokens of the text.
    places: Vec<usize>,
}

impl WordBags {
    /// Returns the distinct words of a text, in the order of their first occurrences.
    pub fn words_of(&self, text: usize) -> Vec<TextWord> {
        let mut found: Vec<TextWord> = Vec::new();
        let mut index: HashMap<String, usize> = HashMap::new();
        for place in 0..self.bags.of_text(text).len() {
            let name = self.name(text, place);
            let at = *index.entry(name).or_insert_with_key(|name| {
                found.push(TextWord { name: name.clone(), places: Vec::new() });
                found.len() - 1
            });
            found[at].places.push(place);
        }
        found
    }

    fn name(&self, text: usize, place: usize) -> String {
        if let Some(tokens) = &self.tokens {
            return tokens[self.bags.offsets[text] + place].clone();
        }
        let row = self.bags.of_text(text)[place] as usize;
        self.words[row].clone().unwrap_or_else(|| format!("row {}", self.bags.rows[row]))
    }

    /// Returns the vectors of a text without each of some of its words, `[words, dim]`. A default [`TextWord`] leaves
    /// nothing out.
    ///
    /// # Errors
    /// When there is too little memory.
    pub fn without_each(&self, text: usize, words: &[TextWord]) -> Result<Matrix, OutOfMemory> {
        let (ids, table) = (self.bags.of_text(text), &self.bags.table);
        let mut vectors = Matrix::try_zeros(words.len(), table.cols())?;
        let whole = self.sum(ids.iter().copied());
        for (at, word) in words.iter().enumerate() {
            let vector = vectors.row_mut(at);
            let left = ids.len() - word.places.len();
            match (self.bags.combiner, left) {
                (_, 0) => {}
                (Combiner::Max, _) => {
                    let stays = |place: &usize| word.places.binary_search(place).is_err();
                    let rows = (0..ids.len()).filter(stays).map(|place| table.row(ids[place] as usize));
                    vector.fill(f32::NEG_INFINITY);
                    rows.for_each(|row| vector.iter_mut().zip(row).for_each(|(most, value)| *most = most.max(*value)));
                }
                (combiner, _) => {
                    let taken = self.sum(word.places.iter().map(|&place| ids[place]));
                    let scale = scale(combiner, left);
                    let sums = whole.iter().zip(&taken);
                    vector
                        .iter_mut()
                        .zip(sums)
                        .for_each(|(value, (whole, taken))| *value = ((whole - taken) * scale) as f32);
                }
            }
            if self.bags.normalize {
                normalize(vector);
            }
        }
        self.quantize.apply(&mut vectors);
        Ok(vectors)
    }

    /// Returns the sum of rows, `[dim]`.
    fn sum(&self, ids: impl Iterator<Item = u32>) -> Vec<f64> {
        let table = &self.bags.table;
        let mut sum = vec![0.0; table.cols()];
        for id in ids {
            sum.iter_mut().zip(table.row(id as usize)).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        sum
    }
}

/// Returns the factor by which the combiner multiplies the sum over `tokens` tokens.
fn scale(combiner: Combiner, tokens: usize) -> f64 {
    match combiner {
        Combiner::Sum | Combiner::Max => 1.0,
        Combiner::Mean => 1.0 / tokens as f64,
        Combiner::Sqrtn => 1.0 / (tokens as f64).sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use emberline_base::Bags;

    use super::*;

    /// The rows `a` (1, 0), `b` (0, 2) and one without a word (4, 4); the text is `a b a row`.
    fn bags(combiner: Combiner, normalize: bool) -> WordBags {
        let table = Arc::new(Matrix::new(3, 2, vec![1.0, 0.0, 0.0, 2.0, 4.0, 4.0]));
        let (offsets, ids) = (vec![0, 4], vec![0, 1, 0, 2]);
        let bags = Bags { table, rows: Arc::from([5, 6, 7]), combiner, normalize, offsets, ids };
        WordBags {
            bags,
            words: vec![Some("a".into()), Some("b".into()), None],
            tokens: None,
            quantize: crate::Quantize::F32,
        }
    }

    #[test]
    fn a_word_is_left_out_with_all_its_occurrences() {
        let words = bags(Combiner::Sum, false).words_of(0);
        assert_eq!(words.iter().map(|word| word.name.as_str()).collect::<Vec<_>>(), ["a", "b", "row 7"]);
        let without =
            |combiner, normalize| bags(combiner, normalize).without_each(0, &words).expect("memory").values().to_vec();
        assert_eq!(without(Combiner::Sum, false), [4.0, 6.0, 6.0, 4.0, 2.0, 2.0]);
        assert_eq!(without(Combiner::Mean, false), [2.0, 3.0, 2.0, 4.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]);
        assert_eq!(without(Combiner::Max, false), [4.0, 4.0, 4.0, 4.0, 1.0, 2.0]);
        let half = std::f32::consts::FRAC_1_SQRT_2;
        assert_eq!(without(Combiner::Sqrtn, true)[4..], [half, half]);
    }

    #[test]
    fn nothing_and_all_can_be_left_out() {
        let bags = bags(Combiner::Mean, false);
        let all = TextWord { name: String::new(), places: vec![0, 1, 2, 3] };
        let vectors = bags.without_each(0, &[TextWord::default(), all]).expect("memory");
        assert_eq!(vectors.values(), [1.5, 1.5, 0.0, 0.0]);
    }

    #[test]
    fn tokens_name_the_rows_that_several_words_share() {
        let tokens = ["x", "y", "z", "y"].map(str::to_owned).to_vec();
        let bags = WordBags { tokens: Some(tokens), ..bags(Combiner::Sum, false) };
        let words = bags.words_of(0);
        assert_eq!(words.iter().map(|word| word.name.as_str()).collect::<Vec<_>>(), ["x", "y", "z"]);
        assert_eq!(bags.without_each(0, &words[..1]).expect("memory").values(), [5.0, 6.0]);
    }
}
