//! Where the pipeline file says what an error is about, so that faults of data and embeddings point into the file, too.

use crate::Error;
use crate::diagnostic::Span;
use crate::pipeline::Pipeline;

impl Pipeline {
    /// Returns the position of the setting that an error of the data or of an embedding is about. `None` if there is no such setting,
    /// or it isn't written.
    pub fn place_of(&self, error: &Error) -> Option<Span> {
        match error {
            Error::Data(error) => self.place_of_key(&format!("data.{}", error.key(&self.settings.data)?)),
            Error::Embedding { name, .. } => {
                let source = self.settings.embedding.get(name)?;
                self.place_of_key(&format!("embedding.{name}.{}.path", source.kind()))
            }
            _ => None,
        }
    }

    /// Returns the position of a dotted key, or of the nearest table above it that is written.
    pub fn place_of_key(&self, key: &str) -> Option<Span> {
        let span = self.tree.locate(key.split('.'));
        (!span.range().is_empty()).then_some(span)
    }
}
