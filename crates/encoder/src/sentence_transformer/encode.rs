//! Encodes texts: each distinct text once, the longest first, in batches of a limited number of tokens.

use std::collections::HashMap;

use emberline_base::{Matrix, TokenSequences};
use rayon::prelude::*;

use super::SentenceTransformer;
use super::pooling::Pooling;
use crate::Error;
use crate::transformer::Forward;

impl SentenceTransformer {
    /// Encodes texts, one vector per text, `[texts, dim]`. A text without tokens is pooled from no tokens. Equal texts have
    /// equal vectors, bit for bit, in any order and company. Invalid UTF-8 is replaced by U+FFFD.
    ///
    /// # Errors
    /// If the tokenizer fails, or gives a token that isn't in the model's vocabulary. The first call, which loads the model,
    /// also fails if the tokenizer or the weights are corrupt, or this build doesn't support the device.
    pub fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error> {
        let (unique, indices) = unique(texts);
        let ids = unique.par_iter().map(|text| self.tokens.ids(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.of_ids(&ids)?.select(&indices))
    }

    /// Returns the token ids of texts, by which [`encode`](Self::encode) computes their vectors: with those of the prompt and
    /// special tokens, cut to the maximum length.
    ///
    /// # Errors
    /// If the tokenizer is corrupt, or gives a token that isn't in the model's vocabulary.
    pub fn tokens(&self, texts: &[&[u8]]) -> Result<TokenSequences, Error> {
        let each = texts.par_iter().map(|text| self.tokens.ids(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(TokenSequences::of_texts(each.iter().map(Vec::as_slice)))
    }

    /// Encodes texts by their token ids, `[texts, dim]`: to the bit as [`encode`](Self::encode) does the texts that have these
    /// [`tokens`](Self::tokens).
    ///
    /// # Errors
    /// If a token isn't in the model's vocabulary, and those of [`encode`](Self::encode).
    pub fn encode_tokens(&self, tokens: &TokenSequences) -> Result<Matrix, Error> {
        let ids: Vec<Vec<u32>> = (0..tokens.texts()).map(|text| tokens.of_text(text).to_vec()).collect();
        ids.iter().try_for_each(|ids| self.tokens.check_rows(ids))?;
        self.of_ids(&ids)
    }

    fn of_ids(&self, ids: &[Vec<u32>]) -> Result<Matrix, Error> {
        let prompt_tokens = self.tokens.prompt_tokens()?;
        let vector = |tokens: &[f32]| {
            let pooled = self.pooling.pool(tokens, self.hidden, prompt_tokens);
            self.stages.iter().fold(pooled, |vector, stage| stage.apply(vector))
        };
        self.vectors(ids, (self.last_layers, self.dim), vector)
    }

    /// Returns the mean of the transformer's token vectors for each list of token ids, `[lists, hidden]`. The model's own
    /// pooling and the modules after it are left out.
    ///
    /// # Errors
    /// If a token isn't in the model's vocabulary, and those of [`encode`](Self::encode).
    pub fn token_means(&self, ids: &[Vec<u32>]) -> Result<Matrix, Error> {
        ids.iter().try_for_each(|ids| self.tokens.check_rows(ids))?;
        let pooling = Pooling::mean();
        self.vectors(ids, (1, self.hidden), |tokens| pooling.pool(tokens, self.hidden, 0))
    }

    /// Computes a vector of `dim` numbers for each list of token ids, `[lists, dim]`: for each of the `layers` last layers the
    /// part that `pool` makes of the vectors of the tokens, `[tokens, hidden]`.
    fn vectors(
        &self,
        ids: &[Vec<u32>],
        (layers, dim): (usize, usize),
        pool: impl Fn(&[f32]) -> Vec<f32> + Sync,
    ) -> Result<Matrix, Error> {
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|&text| std::cmp::Reverse(ids[text].len()));
        let forward = self.transformer.forward()?;
        let batches = batches(&order, ids, forward.batch_tokens(ids.iter().map(Vec::len).sum()));
        let vectors = |batch: &&[usize]| self.of_batch(forward, batch, ids, (layers, &pool));
        let vectors: Vec<Vec<f32>> = if forward.runs_in_parallel() {
            batches.par_iter().map(vectors).collect()
        } else {
            batches.iter().map(vectors).collect()
        };
        let mut all = Matrix::zeros(ids.len(), dim);
        let rows = vectors.iter().flat_map(|batch| batch.chunks_exact(dim));
        for (&text, row) in order.iter().zip(rows) {
            all.row_mut(text).copy_from_slice(row);
        }
        Ok(all)
    }

    /// Computes the vectors of a batch, one after another.
    fn of_batch(
        &self,
        forward: &dyn Forward,
        batch: &[usize],
        ids: &[Vec<u32>],
        (layers, pool): (usize, &impl Fn(&[f32]) -> Vec<f32>),
    ) -> Vec<f32> {
        let texts: Vec<&[u32]> = batch.iter().map(|&text| &ids[text][..]).filter(|ids| !ids.is_empty()).collect();
        let hidden = if texts.is_empty() { vec![Vec::new(); layers] } else { forward.layers(&texts, layers) };
        let mut first = 0;
        let mut vectors = Vec::new();
        for &text in batch {
            let end = first + ids[text].len() * self.hidden;
            hidden.iter().for_each(|layer| vectors.extend(pool(&layer[first..end])));
            first = end;
        }
        vectors
    }
}

/// Returns the distinct texts, in order of their first occurrence, and the index of each text among them.
fn unique<'a>(texts: &[&'a [u8]]) -> (Vec<&'a [u8]>, Vec<usize>) {
    let mut known = HashMap::with_capacity(texts.len());
    let mut unique = Vec::new();
    let index = |text: &&'a [u8]| {
        *known.entry(*text).or_insert_with(|| {
            unique.push(*text);
            unique.len() - 1
        })
    };
    let indices = texts.iter().map(index).collect();
    (unique, indices)
}

/// Splits `order` into batches of at most `most` tokens, but at least one text.
fn batches<'a>(order: &'a [usize], ids: &[Vec<u32>], most: usize) -> Vec<&'a [usize]> {
    let mut batches = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (at, &text) in order.iter().enumerate() {
        if at > start && tokens + ids[text].len() > most {
            batches.push(&order[start..at]);
            (start, tokens) = (at, 0);
        }
        // A text without tokens counts as one token, so that the number of texts in a batch is bounded too.
        tokens += ids[text].len().max(1);
    }
    batches.push(&order[start..]);
    batches
}
