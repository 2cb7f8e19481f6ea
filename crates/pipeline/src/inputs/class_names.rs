//! Vectors of held-out texts and of the names of classes, by one source: what the zero-label baseline compares.

use std::sync::Arc;

use emberline_base::{Digest, Features, Matrix, Splits};
use emberline_device::memory;
use emberline_embedding::encode::Encoding;
use emberline_embedding::features::{self, FeatureSpec};
use emberline_embedding::{Opened, WordCounts};

use super::source::open;
use super::{Inputs, label};
use crate::Error;
use crate::plan::Cell;

/// The vectors of held-out texts and of class names, before `dim` and `reduce` shorten them.
pub(crate) enum ClassVectors {
    /// The vectors: of the validation and test texts, `[texts, dim]`, and, in place of training texts, of the names of the
    /// classes, `[classes, dim]`.
    Found(Splits<Matrix>),
    /// The class at this place has a name without a word that the table knows.
    Unknown(usize),
}

impl Inputs {
    /// Embeds the held-out texts and the names of classes with the source of a cell, as the cell's texts are embedded. Returns
    /// `None` if the source isn't any more the one with the digest `expected`.
    ///
    /// # Errors
    /// Those of embedding the cell's texts.
    pub(crate) fn class_vectors(
        &mut self,
        cell: &Cell,
        names: &[String],
        expected: &Digest,
    ) -> Result<Option<ClassVectors>, Error> {
        let (data, opened) = (self.data(cell)?, self.opened_with(cell, names)?);
        if features::digest(&opened, &cell.source().1.feature_spec(), &data.dataset.lists().train) != *expected {
            return Ok(None);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let texts = Splits { train: names, ..data.texts() };
        let dim = match opened.as_ref() {
            Opened::Table(table) => table.dim(),
            Opened::Encoder(encoder) => encoder.dim(),
        };
        let rows: usize = texts.iter().map(|(_, texts)| texts.len()).sum();
        memory::require((rows as u64).saturating_mul(8 * dim as u64)).map_err(emberline_train::Error::from)?;
        // The vectors of a frozen cell; a mix of layers or an encoder that is trained begins with these too.
        let spec =
            FeatureSpec { reduction: None, trainable: false, fine_tuning: None, ..cell.source().1.feature_spec() };
        let (cache, device, interrupt) = (self.cache.as_ref(), self.device, self.interrupt.clone());
        let mut encoding = Encoding { cache, device, label: &label(cell), on_event: &mut |_| {}, interrupt };
        let embedded = features::embed(&opened, &texts, &spec, &mut encoding);
        let embedded = embedded.map_err(|source| Error::Embedding { name: cell.embedding().to_owned(), source })?;
        let knows_none = |words: &WordCounts| words.known + words.composed == 0;
        if let Some(unknown) = embedded.words.and_then(|words| words.train.iter().position(knows_none)) {
            return Ok(Some(ClassVectors::Unknown(unknown)));
        }
        Ok(Some(ClassVectors::Found(embedded.features.map(|_, features| match features {
            Features::Frozen(vectors) => vectors.clone(),
            Features::Trainable(_) | Features::Mixed(_) | Features::Tokens { .. } => {
                unreachable!("features of frozen vectors are asked for")
            }
        }))))
    }

    /// Opens the cell's source; one that reads texts, and may have only the words of these, is opened for the names too.
    fn opened_with(&mut self, cell: &Cell, names: &[String]) -> Result<Arc<Opened>, Error> {
        if !cell.source().1.reads_texts() {
            return self.opened(cell);
        }
        let data = self.data(cell)?;
        let mut texts = data.texts();
        texts.test.get_or_insert_default().extend(names.iter().map(String::as_str));
        open(&self.folder, self.device, cell, &texts)
    }
}
