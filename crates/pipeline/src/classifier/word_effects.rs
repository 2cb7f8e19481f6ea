//! Explains a decision by words: the effect of a word is what the probability loses if all its occurrences are left
//! out.
//!
//! The text's vector is pooled again without the rows of the word, which is exact for every table whose rows are
//! pooled. An encoder of whole texts has no such rows.

use rayon::prelude::*;

use emberline_base::Task;
use emberline_embedding::{Opened, TextWord, WordBags};

use super::{Classifier, Prediction};
use crate::Error;

/// Maximum number of words that are reported per text.
const MAX_WORDS: usize = 5;

/// Number of words of a text whose vectors are in memory at a time.
const WORDS_PER_BLOCK: usize = 1024;

/// A word of a text and its effect on the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct WordEffect {
    /// The word.
    pub word: String,
    /// The probability of the decided class with the word, minus that without it.
    pub effect: f64,
}

impl Classifier {
    /// Checks that [`explain`](Self::explain) is possible.
    ///
    /// # Errors
    /// If the embedding is an encoder of whole texts.
    pub fn check_explains(&self) -> Result<(), Error> {
        match self.embedding.opened().as_ref() {
            Opened::Table(_) => Ok(()),
            Opened::Encoder(_) => Err(self.no_words()),
        }
    }

    fn no_words(&self) -> Error {
        let why = "encodes whole texts, so no word's part in a decision can be told; leave --explain out, or choose a cell whose \
                   embedding is a table of words with --cell";
        Error::Embedding { name: self.label.clone(), source: emberline_embedding::Error::Unsupported(why.to_owned()) }
    }

    /// Returns the words with the largest effect on each decision, the strongest first, at most five per text. In a
    /// multi-label task the decision is that for the likeliest predicted label; there are no words if none is
    /// predicted.
    ///
    /// # Errors
    /// If the embedding is an encoder of whole texts, or there is too little memory.
    pub fn explain<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        predictions: &[Prediction],
    ) -> Result<Vec<Vec<WordEffect>>, Error> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let failed = |source| Error::Embedding { name: self.label.clone(), source };
        let bags = self.embedding.word_bags(&texts).map_err(failed)?.ok_or_else(|| self.no_words())?;
        let of_text = |(text, prediction): (usize, &Prediction)| self.effects(&bags, text, prediction);
        predictions.par_iter().enumerate().map(of_text).collect()
    }

    fn effects(&self, bags: &WordBags, text: usize, prediction: &Prediction) -> Result<Vec<WordEffect>, Error> {
        let Some(class) = likeliest(prediction) else { return Ok(Vec::new()) };
        let whole = self.without(bags, text, &[TextWord::default()], class)?[0];
        let mut effects = Vec::new();
        for words in bags.words_of(text).chunks(WORDS_PER_BLOCK) {
            let without = self.without(bags, text, words, class)?;
            let each = words.iter().zip(without).map(|(word, without)| (word, whole - without));
            let moving = each.filter(|(_, effect)| *effect != 0.0);
            effects.extend(moving.map(|(word, effect)| WordEffect { word: word.name.clone(), effect }));
            effects.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
            effects.truncate(MAX_WORDS);
        }
        Ok(effects)
    }

    /// Returns the probability of a class without each of some words.
    fn without(&self, bags: &WordBags, text: usize, words: &[TextWord], class: usize) -> Result<Vec<f64>, Error> {
        let vectors = bags.without_each(text, words).map_err(emberline_train::Error::from)?;
        let logits = self.model.logits_of_vectors(&vectors).map_err(emberline_train::Error::from)?;
        let probability = |row: usize| {
            let of_outputs = self.model.probabilities(logits.row(row));
            match (self.task(), class) {
                (Task::Binary, 0) => 1.0 - of_outputs[0],
                (Task::Binary, _) => of_outputs[0],
                _ => of_outputs[class],
            }
        };
        Ok((0..words.len()).map(probability).collect())
    }
}

/// Returns the predicted class with the highest probability.
fn likeliest(prediction: &Prediction) -> Option<usize> {
    let probability = |class: &usize| prediction.probabilities[*class];
    prediction.classes.iter().copied().max_by(|a, b| probability(a).total_cmp(&probability(b)))
}
