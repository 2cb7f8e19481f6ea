//! Classifies texts with a model that the program `emberline` trained.
//!
//! [`Classifier::load`] opens a bundle (`emberline export RUN --bundle FILE`) or a run folder; [`Classifier::classify`] returns
//! one [`Prediction`] per text, equal to the bit to those of `emberline predict`. A bundle is one self-contained file; a run
//! folder needs the files of the embedding's source. The crate [`pipeline`] has everything else that the program does: train,
//! compare, verify, export.
//!
//! ```
//! use emberline::pipeline::{ClassifierOptions, Options, Pipeline, RunFolder, Silent, bundle, run};
//! use emberline::{Classifier, Device};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A small pipeline and its data; a real program uses its own files.
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
//! // These lines are all that a program needs to classify texts.
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

/// The reason why texts can't be classified. The message names the file and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle or run folder can't be opened.
    #[error("{0}")]
    Load(#[source] pipeline::Error),
    /// The texts can't be classified: an encoder fails, or there is not enough memory.
    #[error("{0}")]
    Classify(#[source] pipeline::Error),
}

/// A trained model with its embedding. It can be shared between threads.
pub struct Classifier {
    inner: pipeline::Classifier,
    classes: Arc<[String]>,
}

impl Classifier {
    /// Opens a bundle, or the best model of a run folder (the refit, or else the best cell of the best setting), on the CPU.
    ///
    /// # Errors
    /// If the path doesn't exist, or the bundle or run folder is corrupt or of another version. For a run folder, also if no
    /// cell is done, or a file of its embedding is missing or isn't the one that it was trained with.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::load_with(path, None, ClassifierOptions::on(Device::Cpu))
    }

    /// Opens a bundle, or a cell of a run folder by its id, with options such as the device and a cache of encoded vectors.
    ///
    /// # Errors
    /// Those of [`load`](Self::load), or if there is no such cell.
    pub fn load_with(path: impl AsRef<Path>, cell: Option<&str>, options: ClassifierOptions) -> Result<Self, Error> {
        let inner = pipeline::Classifier::open(path.as_ref(), cell, options).map_err(Error::Load)?;
        let classes = inner.classes().into();
        Ok(Self { inner, classes })
    }

    /// Classifies texts and returns one prediction per text, in order. A prediction doesn't depend on the other texts; it is
    /// faster to classify many texts at once.
    ///
    /// # Errors
    /// If an encoder fails, or there is not enough memory.
    pub fn classify(&self, texts: &[&str]) -> Result<Vec<Prediction>, Error> {
        let predictions = self.inner.classify(texts, &mut |_| {}).map_err(Error::Classify)?;
        let with_names = |prediction| Prediction::new(prediction, self.task(), Arc::clone(&self.classes));
        Ok(predictions.into_iter().map(with_names).collect())
    }

    /// Returns the names of the classes. For a binary task, the second one is the positive class.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Returns the classification task: binary, multi-class or multi-label.
    pub fn task(&self) -> Task {
        self.inner.task()
    }

    /// Describes the model and why it was chosen, in one line.
    pub fn description(&self) -> &str {
        self.inner.description()
    }
}
