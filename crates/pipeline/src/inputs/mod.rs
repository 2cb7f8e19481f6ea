//! The inputs of cells, in stages: files -> rows -> data -> opened source -> features.
//!
//! Each [`Stage`] keeps its latest result, so data are read and split once, and texts embedded once, for all cells that
//! need the same; the execution order puts such cells next to each other.

mod class_names;
mod data;
mod key;
mod source;
mod stage;

use std::path::PathBuf;
use std::sync::Arc;

use emberline_base::record::KnownWords;
use emberline_base::{CancellationToken, Digest, Features, Splits, Warning, catch_panic};
use emberline_cache::Cache;
use emberline_device::Device;
use emberline_embedding::encode::{Encoding, Event, Progress};
use emberline_embedding::features::{self, FeatureSpec};
use emberline_embedding::reduce::Projection;
use emberline_embedding::{FittedEmbedding, HostEncoder, LearnedState, Opened};

pub(crate) use self::class_names::ClassVectors;
pub(crate) use self::data::Data;
use self::data::RowsRead;
use self::key::{EmbeddedKey, OpenedKey};
pub(crate) use self::key::{Keys, rows_key};
pub use self::source::Encoded;
pub(crate) use self::source::HeldOutWords;
use self::source::{Embedded, embed, label, open};
use self::stage::Stage;
use crate::Error;
use crate::facts::{DataFacts, EmbeddingFacts};
use crate::plan::Cell;

/// Reads and embeds the inputs of cells, each input once.
pub(crate) struct Inputs {
    folder: PathBuf,
    device: Device,
    cache: Option<Cache>,
    interrupt: CancellationToken,
    keys: Keys,
    rows: Stage<String, RowsRead>,
    data: Stage<String, Arc<Data>>,
    opened: Stage<OpenedKey, Arc<Opened>>,
    digest: Stage<(FeatureSpec, EmbeddedKey), Digest>,
    embedded: Stage<(FeatureSpec, EmbeddedKey), Embedded>,
    encoded: Encoded,
}

/// Everything that a cell is trained on. Cells that need the same share it.
pub(crate) struct Prepared {
    pub(crate) data: Arc<Data>,
    pub(crate) opened: Arc<Opened>,
    pub(crate) features: Arc<Splits<Features>>,
    /// The encoder whose weights are trained; `None` for a frozen encoder, and for other sources.
    pub(crate) encoder: Option<HostEncoder>,
    /// The share of the texts' words that the embedding knows; `None` for an encoder of whole texts.
    pub(crate) known_words: Option<KnownWords>,
    /// The words of each held-out text, with those that the table knows; `None` for other sources.
    pub(crate) words: Option<Arc<HeldOutWords>>,
    /// What users should know of the embedding of these texts; `cells` is empty.
    pub(crate) warnings: Arc<[Warning]>,
    /// The digest of everything that decides the vectors.
    pub(crate) digest: Digest,
    wanted: FeatureSpec,
    projection: Option<Arc<Projection>>,
}

impl Prepared {
    /// Returns what the embedding learned from the training texts, if it did; later texts are embedded with it.
    pub(crate) fn learned(&self) -> Option<LearnedState> {
        let (opened, projection) = (self.opened.clone(), self.projection.clone());
        FittedEmbedding::new(opened, self.wanted.clone(), projection, self.digest.clone()).learned()
    }
}

impl Inputs {
    /// Returns inputs without any content. Paths in settings are relative to `folder`; neural encoders compute on
    /// `device`, and their vectors are kept in `cache`.
    pub(crate) fn new(folder: PathBuf, device: Device, cache: Option<Cache>) -> Self {
        Self {
            folder,
            device,
            cache,
            interrupt: CancellationToken::default(),
            keys: Keys::default(),
            rows: Stage::default(),
            data: Stage::default(),
            opened: Stage::default(),
            digest: Stage::default(),
            embedded: Stage::default(),
            encoded: Encoded::default(),
        }
    }

    /// Sets the token that interrupts encodings.
    pub(crate) fn interrupted_by(self, interrupt: &CancellationToken) -> Self {
        Self { interrupt: interrupt.clone(), ..self }
    }

    /// Returns how many texts were encoded for the cells so far, or taken from the cache.
    pub(crate) fn encoded(&self) -> Encoded {
        self.encoded
    }

    /// Reads the data of the first cell that is run, and opens its source at the same time if the source reads no
    /// texts.
    pub(crate) fn begin(&mut self, cell: &Cell) -> Result<Arc<Data>, Error> {
        if cell.source().1.reads_texts() {
            return self.data(cell);
        }
        let key = (self.keys.source(cell).to_owned(), None);
        let (folder, device) = (self.folder.clone(), self.device);
        let opened = || catch_panic(|| open(&folder, device, cell, &Splits::default()));
        let (data, opened) = rayon::join(|| self.data(cell), opened);
        // An error is reported later, when the cell is run and the source is opened again.
        if let Ok(Ok(opened)) = opened {
            self.opened.put(key, opened);
        }
        data
    }

    /// Returns the cell's data.
    pub(crate) fn data(&mut self, cell: &Cell) -> Result<Arc<Data>, Error> {
        let Self { keys, rows, data, folder, .. } = self;
        let settings = &cell.settings.data;
        data.get(keys.data(cell).to_owned(), || {
            let read = rows.get(rows_key(settings), || RowsRead::read(settings, folder))?;
            Data::of(read, cell)
        })
    }

    /// Returns the cell's embedding, opened for its texts.
    pub(crate) fn opened(&mut self, cell: &Cell) -> Result<Arc<Opened>, Error> {
        let data = self.data(cell)?;
        let reads_texts = cell.source().1.reads_texts();
        let key = (self.keys.source(cell).to_owned(), reads_texts.then(|| data.digest.clone()));
        let Self { opened, folder, device, .. } = self;
        opened.get(key, || {
            let texts = if reads_texts { data.texts() } else { Splits::default() };
            open(folder, *device, cell, &texts)
        })
    }

    /// Returns the digest of everything that decides the cell's vectors.
    pub(crate) fn embedding_digest(&mut self, cell: &Cell) -> Result<Digest, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let key = self.embedded_key(cell, &data);
        let wanted = cell.source().1.feature_spec();
        self.digest.get(key, || Ok(features::digest(&opened, &wanted, &data.dataset.lists().train)))
    }

    /// Returns everything that the cell is trained on. `on_event` is notified of an encoding that takes long.
    pub(crate) fn prepare(&mut self, cell: &Cell, on_event: &mut dyn FnMut(Event)) -> Result<Prepared, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let Embedded { features, known_words, words, warnings, projection } = self.embedded(cell, on_event)?;
        let (wanted, digest) = (cell.source().1.feature_spec(), self.embedding_digest(cell)?);
        let encoder = wanted.fine_tuning.map(|scope| opened.fine_tune(scope)).transpose();
        let encoder = encoder.map_err(|source| Error::Embedding { name: cell.embedding().to_owned(), source })?;
        Ok(Prepared { data, opened, features, encoder, known_words, words, warnings, digest, wanted, projection })
    }

    /// Returns the features of the cell's texts: vectors, or bags of table rows.
    fn embedded(&mut self, cell: &Cell, on_event: &mut dyn FnMut(Event)) -> Result<Embedded, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let key = self.embedded_key(cell, &data);
        let Self { embedded, encoded, cache, device, interrupt, .. } = self;
        embedded.get(key, || {
            let on_event = &mut |event: Event| {
                encoded.count(&event);
                on_event(event);
            };
            let (cache, device, interrupt) = (cache.as_ref(), *device, interrupt.clone());
            let mut encoding = Encoding { cache, device, label: &label(cell), on_event, interrupt };
            embed(cell, &opened, &data, &cell.source().1.feature_spec(), &mut encoding)
        })
    }

    fn embedded_key(&mut self, cell: &Cell, data: &Data) -> (FeatureSpec, EmbeddedKey) {
        (cell.source().1.feature_spec(), (self.keys.source(cell).to_owned(), data.digest.clone()))
    }

    /// Describes the cell's data.
    pub(crate) fn data_facts(&mut self, cell: &Cell) -> Result<DataFacts, Error> {
        self.data(cell)?.facts(cell, &self.folder)
    }

    /// Describes the cell's embedding.
    pub(crate) fn embedding_facts(&mut self, cell: &Cell) -> Result<EmbeddingFacts, Error> {
        let (name, source) = cell.source();
        Ok(EmbeddingFacts {
            name: name.to_owned(),
            kind: source.kind().to_owned(),
            digest: self.embedding_digest(cell)?,
            content: self.opened(cell)?.digest(),
        })
    }

    /// Has a share of the cell's distinct texts encoded, in the order of the data, so that their vectors are in the cache. Returns how many
    /// there were, and how many of them were there before; nothing for a source that isn't a neural encoder.
    pub(crate) fn encode_share(
        &mut self,
        cell: &Cell,
        (part, parts): (usize, usize),
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Encoded, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let (cache, device, interrupt) = (self.cache.as_ref(), self.device, self.interrupt.clone());
        let mut encoded = Encoded::default();
        let on_event = &mut |event: Event| {
            encoded.count(&event);
            on_event(event);
        };
        let mut encoding = Encoding { cache, device, label: &label(cell), on_event, interrupt };
        source::encode_share(cell, &opened, &data, (part, parts), &mut encoding)?;
        Ok(encoded)
    }

    /// Returns how many of the cell's texts a neural encoder has to encode, or `None` for other sources.
    pub(crate) fn encodings(&mut self, cell: &Cell) -> Result<Option<Progress>, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let (cache, device, interrupt) = (self.cache.as_ref(), self.device, self.interrupt.clone());
        let mut encoding = Encoding { cache, device, label: &label(cell), on_event: &mut |_| {}, interrupt };
        Ok(source::survey(&opened, &data, &mut encoding))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::data_files::DataFiles;
    use crate::pipeline::Pipeline;
    use crate::plan::Plan;

    const PIPELINE: &str = r#"
name = "small"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.table.hashing]
dim = 2
[embedding.learned.corpus]
dim = 2
min_count = 1
[grid]
embedding = ["table", "learned"]
"data.split.train" = [10, 20]
"#;

    /// Returns the inputs and the first cell of a pipeline, whose data have been read.
    fn read(folder: &Path, rows: &str) -> (Inputs, Cell) {
        fs::write(folder.join("texts.csv"), rows).expect("written");
        let pipeline = Pipeline::parse("p", PIPELINE, folder, &[]).expect("sound");
        let cell = Plan::of(&pipeline).cells[0].clone();
        let mut inputs = Inputs::new(folder.to_owned(), Device::Cpu, None);
        inputs.data(&cell).expect("data");
        (inputs, cell)
    }

    #[test]
    fn a_hash_is_recorded_only_of_the_bytes_that_were_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let rows: String = (0..60).map(|row| format!("good and bad {row},{}\n", row % 2)).collect();
        let rows = format!("text,label\n{rows}");
        let (mut inputs, cell) = read(folder.path(), &rows);
        let path = folder.path().join("texts.csv");
        let hash = |inputs: &mut Inputs| inputs.data_facts(&cell).map(|facts| facts.files["texts.csv"].clone());
        assert_eq!(hash(&mut inputs).expect("facts"), emberline_base::file::sha256(rows.as_bytes()));
        // Another file with the same rows gives the same data, and its own hash.
        let other = rows.replace('\n', "\r\n");
        fs::write(folder.path().join("new"), &other).expect("written");
        fs::rename(folder.path().join("new"), &path).expect("replaced");
        assert_eq!(hash(&mut inputs).expect("facts"), emberline_base::file::sha256(other.as_bytes()));
        fs::write(&path, rows.replace("good", "fine")).expect("written");
        let error = hash(&mut inputs).expect_err("other data").to_string();
        assert!(error.contains("texts.csv: it was changed or replaced"), "{error}");
    }

    #[test]
    fn data_that_change_while_they_are_read_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let rows: String = (0..60).map(|row| format!("good and bad {row},{}\n", row % 2)).collect();
        let (_, cell) = read(folder.path(), &format!("text,label\n{rows}"));
        let path = folder.path().join("texts.csv");
        let work = || {
            fs::write(&path, b"text,label\n").expect("written");
            Ok(())
        };
        let error = DataFiles::unchanged(&cell.settings.data, folder.path(), work).expect_err("changed").to_string();
        assert!(error.contains("texts.csv: it was changed or replaced"), "{error}");
    }

    #[test]
    fn a_source_is_opened_again_for_other_texts_only_where_it_reads_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let rows: String = (0..60).map(|row| format!("good and bad {row},{}\n", row % 2)).collect();
        fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
        let plan = Plan::of(&Pipeline::parse("p", PIPELINE, folder.path(), &[]).expect("sound"));
        for (name, again) in [("table", false), ("learned", true)] {
            let mut inputs = Inputs::new(folder.path().to_owned(), Device::Cpu, None);
            let cells: Vec<&Cell> = plan.cells.iter().filter(|cell| cell.embedding() == name).collect();
            inputs.begin(cells[0]).expect("data");
            let key = (inputs.keys.source(cells[0]).to_owned(), None);
            assert_eq!(inputs.opened.latest(&key).is_some(), !again, "{name} is opened beside the data");
            let [first, second] = [0, 1].map(|at| inputs.opened(cells[at]).expect("opened"));
            assert_eq!(Arc::ptr_eq(&first, &second), !again, "{name}");
        }
    }
}
