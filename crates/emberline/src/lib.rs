//! Classifies texts with a model that the program `emberline` trained.
//!
//! A bundle (`emberline export RUN --bundle FILE`) or a run folder enters, [`Prediction`]s of texts leave: the same, to the bit,
//! as those of `emberline predict`. A bundle is one file and needs nothing else; a run folder needs the files of the embedding's
//! source. The crate [`pipeline`] beneath does everything else that the program does: train, compare, prove, export.
//!
//! ```
//! use emberline::pipeline::{ClassifierOptions, Options, Pipeline, RunFolder, Silent, bundle, run};
//! use emberline::{Classifier, Device};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A small pipeline and its data; a program would use files of its own.
//! let folder = tempfile::tempdir()?;
//! let row = |n: usize| [format!("a good film {n},yes\n"), format!("a bad film {n},no\n")].concat();
//! std::fs::write(folder.path().join("data.csv"), "text,label\n".to_owned() + &(0..40).map(row).collect::<String>())?;
//! std::fs::write(folder.path().join("films.toml"), r#"
//!     name = "films"
//!     data = { path = "data.csv", text = "text", label = "label", split = { train = 0.7, valid = 0.3 } }
//!     embedding.words.hashing = { dim = 16 }
//!     train = { epochs = 20, batch_size = 8, optimizer = { adam = { learning_rate = 0.05 } } }
//! "#)?;
//! let films = Pipeline::load(&folder.path().join("films.toml"), &[])?;
//! let trained = RunFolder::beside(&films);
//! run(&films, &trained, &Options::on(Device::Cpu), &mut Silent)?;
//! let file = folder.path().join("films.bundle");
//! bundle::export(&trained, None, &file, false, &ClassifierOptions::on(Device::Cpu))?;
//!
//! // This is all that a program needs which classifies.
//! let classifier = Classifier::load(&file)?;
//! let predictions = classifier.classify(&["a good film", "a bad film"])?;
//! assert_eq!(predictions[0].label(), Some("yes"));
//! assert!(predictions[1].probability_of("no") > Some(0.5));
//! # Ok(())
//! # }
//! ```

mod prediction;

use std::path::Path;
use std::sync::Arc;

use emberline_pipeline::ClassifierOptions;

pub use emberline_base::Task;
pub use emberline_device::Device;
/// Pipelines, runs and bundles.
pub use emberline_pipeline as pipeline;

pub use self::prediction::Prediction;

/// Why texts can't be classified. The message names the file and the cure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle or run folder can't be opened.
    #[error("{0}")]
    Load(#[source] pipeline::Error),
    /// The texts can't be classified: an encoder can't compute, or there is too little memory.
    #[error("{0}")]
    Classify(#[source] pipeline::Error),
}

/// A trained model with its embedding, ready for texts. It can be shared between threads.
pub struct Classifier {
    inner: pipeline::Classifier,
    classes: Arc<[String]>,
}

impl Classifier {
    /// Opens a bundle, or of a run folder the refit if there is one, else the best cell of the best setting, to compute on the
    /// processor.
    ///
    /// # Errors
    /// When nothing is at the path, or it is damaged or of another version; of a run folder, when no cell is done, or a file of
    /// its embedding is missing or isn't the one that it was trained with.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::load_with(path, None, ClassifierOptions::on(Device::Cpu))
    }

    /// Opens a bundle, or a cell of a run folder by its id, with options: the device, a cache of encoders' vectors, ...
    ///
    /// # Errors
    /// Those of [`load`](Self::load), and when there is no such cell.
    pub fn load_with(path: impl AsRef<Path>, cell: Option<&str>, options: ClassifierOptions) -> Result<Self, Error> {
        let inner = pipeline::Classifier::open(path.as_ref(), cell, options).map_err(Error::Load)?;
        let classes = inner.classes().into();
        Ok(Self { inner, classes })
    }

    /// Classifies texts, a prediction each, in order. What is said of one doesn't depend on the others; many at once are faster.
    ///
    /// # Errors
    /// When an encoder can't compute, or there is too little memory.
    pub fn classify(&self, texts: &[&str]) -> Result<Vec<Prediction>, Error> {
        let predictions = self.inner.classify(texts, &mut |_| {}).map_err(Error::Classify)?;
        let named = |prediction| Prediction::new(prediction, self.task(), Arc::clone(&self.classes));
        Ok(predictions.into_iter().map(named).collect())
    }

    /// The names of the classes. Of a binary task the second is the positive one.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Whether a text has one of two classes, one of several, or any number of them.
    pub fn task(&self) -> Task {
        self.inner.task()
    }

    /// Which model it is and why it was taken, in one line.
    pub fn description(&self) -> &str {
        self.inner.description()
    }
}
