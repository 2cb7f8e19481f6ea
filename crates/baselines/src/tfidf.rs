//! TF-IDF as scikit-learn's `TfidfVectorizer` computes it: counts times `ln((1 + texts) / (1 + texts with the term)) + 1`, each
//! row scaled to length 1.

use emberline_kernels::double::ln;
use emberline_linear::SparseRows;

use crate::counts::{Counts, Vocabulary};

/// The weights of terms, learned from the training texts.
#[derive(Clone, Debug)]
pub struct Tfidf {
    /// The inverse document frequency of each term.
    idf: Vec<f64>,
}

impl Tfidf {
    /// Returns the weights of a vocabulary that was fitted on this number of texts.
    pub fn of(vocabulary: &Vocabulary, texts: usize) -> Self {
        let idf = |&with: &u32| ln((1.0 + texts as f64) / (1.0 + f64::from(with))) + 1.0;
        Self { idf: vocabulary.texts_with().iter().map(idf).collect() }
    }

    /// Returns the TF-IDF of texts from their counts, `[texts, terms]`. A text without a known term has no values.
    pub fn transform(&self, counts: &Counts) -> SparseRows {
        let mut rows = counts.clone();
        let lengths: Vec<f64> = (0..rows.rows()).map(|row| self.length(rows.row(row))).collect();
        let factors = (0..rows.rows()).flat_map(|row| {
            let (ids, values) = counts.row(row);
            let length = lengths[row];
            ids.iter().zip(values).map(move |(&id, &count)| (f64::from(count) * self.idf[id as usize] / length) as f32)
        });
        let values: Vec<f32> = factors.collect();
        rows.values_mut().copy_from_slice(&values);
        rows
    }

    fn length(&self, (ids, values): (&[u32], &[f32])) -> f64 {
        let square = |(&id, &count): (&u32, &f32)| (f64::from(count) * self.idf[id as usize]).powi(2);
        ids.iter().zip(values).map(square).sum::<f64>().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Terms;

    #[test]
    fn a_term_of_all_texts_weighs_least() {
        let texts = ["same rare", "same", "same same"];
        let (vocabulary, counts) = Vocabulary::fit(&texts, Terms::default());
        let rows = Tfidf::of(&vocabulary, 3).transform(&counts);
        // idf: rare ln(4 / 2) + 1, same 1.
        let (rare, length) = (2.0_f64.ln() + 1.0, ((2.0_f64.ln() + 1.0).powi(2) + 1.0).sqrt());
        assert_eq!(rows.row(0), (&[0, 1][..], &[(rare / length) as f32, (1.0 / length) as f32][..]));
        assert_eq!(rows.row(2), (&[1][..], &[1.0][..]));
    }
}
