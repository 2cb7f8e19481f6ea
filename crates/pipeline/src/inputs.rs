//! What cells are made from: data read and divided once, texts embedded once, shared by all cells
//! that need the same.
//!
//! Of every stage the latest result is kept; the run's order puts cells that share beside each other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_base::record::KnownWords;
use emberline_base::{Digest, Features, Interrupt, Matrix, Splits, TextList, fenced, record};
use emberline_cache::Cache;
use emberline_dataset::{Dataset, Rows};
use emberline_device::{Device, memory};
use emberline_embedding::encode::{Encoding, Event, Progress};
use emberline_embedding::features::{self, Wanted};
use emberline_embedding::{Opened, Texts};
use serde::Serialize;

use crate::Error;
use crate::data_files::DataFiles;
use crate::facts::{DataFacts, EmbeddingFacts, SplitFacts};
use crate::plan::{Cell, Embedding};

/// Reads and embeds for cells, each thing once.
pub(crate) struct Inputs {
    folder: PathBuf,
    device: Device,
    cache: Option<Cache>,
    keys: Keys,
    rows: Option<(String, Arc<Rows>, DataFiles)>,
    data: Option<(String, Arc<Data>)>,
    opened: Option<(OpenedKey, Arc<Opened>)>,
    digest: Option<(Wanted, EmbeddedKey, Digest)>,
    embedded: Option<(Wanted, EmbeddedKey, Embedded)>,
    interrupt: Interrupt,
    encoded: Encoded,
}

/// How many texts neural encoders were asked for, each different text of an encoding once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Encoded {
    /// All of them.
    pub texts: usize,
    /// Those whose vectors came from the cache.
    pub cached: usize,
}

impl Encoded {
    /// Counts an encoding, by its first event.
    fn count(&mut self, event: &Event) {
        if let Event::Progress(Progress { texts, cached, encoded: 0, .. }) = event {
            self.texts += texts;
            self.cached += cached;
        }
    }
}

/// What decides an opened source: its settings without `trainable` and the reduction, and the texts where it reads them.
type OpenedKey = (String, Option<Digest>);

/// What decides the vectors of texts, but for what is wanted of them: the source's settings, and the texts.
type EmbeddedKey = (String, Digest);

/// Everything that a cell is trained on, shared with the cells that need the same.
pub(crate) struct Prepared {
    pub(crate) data: Arc<Data>,
    pub(crate) opened: Arc<Opened>,
    pub(crate) features: Arc<Splits<Features>>,
    /// How many words of the texts the embedding knows; none of an encoder of whole texts.
    pub(crate) known_words: Option<KnownWords>,
    /// The content address of everything that decides the vectors.
    pub(crate) digest: Digest,
}

/// What an embedding makes of the texts, shared with the cells that need the same.
#[derive(Clone)]
struct Embedded {
    features: Arc<Splits<Features>>,
    known_words: Option<KnownWords>,
}

/// A divided dataset, ready for training.
pub(crate) struct Data {
    pub(crate) dataset: Dataset,
    pub(crate) targets: Splits<Matrix>,
    pub(crate) digest: Digest,
    /// The files as they were read.
    files: DataFiles,
}

impl Data {
    fn strings(&self) -> Splits<Vec<&str>> {
        self.dataset.splits.map(|name, _| self.dataset.texts_of(name).collect())
    }
}

impl Inputs {
    /// Paths in settings are relative to `folder`; neural encoders compute on `device`, and what they made is kept in
    /// `cache`.
    pub(crate) fn new(folder: PathBuf, device: Device, cache: Option<Cache>) -> Self {
        let keys = Keys::default();
        let interrupt = Interrupt::default();
        Self {
            folder,
            device,
            cache,
            keys,
            rows: None,
            data: None,
            opened: None,
            digest: None,
            embedded: None,
            interrupt,
            encoded: Encoded::default(),
        }
    }

    /// Encodings end when they are asked to.
    pub(crate) fn interrupted_by(self, interrupt: &Interrupt) -> Self {
        Self { interrupt: interrupt.clone(), ..self }
    }

    /// How many texts were encoded for the cells so far, or taken from the cache.
    pub(crate) fn encoded(&self) -> Encoded {
        self.encoded
    }

    /// The cell's data.
    pub(crate) fn data(&mut self, cell: &Cell) -> Result<Arc<Data>, Error> {
        let settings = &cell.settings.data;
        let key = self.keys.data(cell);
        if let Some((known, data)) = &self.data
            && *known == key
        {
            return Ok(data.clone());
        }
        let (key, files) = (key.to_owned(), rows_key(settings));
        let (rows, state) = match &self.rows {
            Some((known, rows, state)) if *known == files => (rows.clone(), state.clone()),
            Some(_) | None => {
                let read = || Ok(Arc::new(emberline_dataset::read(settings, &self.folder)?));
                DataFiles::unchanged(settings, &self.folder, read)?
            }
        };
        self.rows = Some((files, rows.clone(), state.clone()));
        let dataset = rows.split(&settings.split, settings.split.seed.unwrap_or(cell.settings.seed))?;
        let targets =
            dataset.splits.try_map(|_, rows| dataset.labels.matrix(rows)).map_err(emberline_dataset::Error::from)?;
        let digest = dataset.digest();
        let data = Arc::new(Data { dataset, targets, digest, files: state });
        self.data = Some((key, data.clone()));
        Ok(data)
    }

    /// The data of the first cell that is run; where its source reads no text, it is opened beside them.
    pub(crate) fn begin(&mut self, cell: &Cell) -> Result<Arc<Data>, Error> {
        if cell.source().1.reads_texts() {
            return self.data(cell);
        }
        let key = (self.keys.source(cell).to_owned(), None);
        let (folder, device) = (self.folder.clone(), self.device);
        let opened = || fenced(|| open(&folder, device, cell, &Splits::default()));
        let (data, opened) = rayon::join(|| self.data(cell), opened);
        // Why it can't be opened is told of the cell, when that is met again.
        self.opened = opened.ok().and_then(Result::ok).map(|opened| (key, opened));
        data
    }

    /// The cell's embedding, opened for its texts.
    pub(crate) fn opened(&mut self, cell: &Cell) -> Result<Arc<Opened>, Error> {
        let data = self.data(cell)?;
        let reads_texts = cell.source().1.reads_texts();
        let key = (self.keys.source(cell).to_owned(), reads_texts.then(|| data.digest.clone()));
        if let Some((known, opened)) = &self.opened
            && *known == key
        {
            return Ok(opened.clone());
        }
        let texts = if reads_texts { data.strings() } else { Splits::default() };
        let opened = open(&self.folder, self.device, cell, &texts)?;
        self.opened = Some((key, opened.clone()));
        Ok(opened)
    }

    /// The content address of everything that decides the cell's vectors.
    pub(crate) fn embedding_digest(&mut self, cell: &Cell) -> Result<Digest, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let (wanted, key) = (cell.source().1.wanted(), self.embedded_key(cell, &data));
        if let Some((known, texts, digest)) = &self.digest
            && (known, texts) == (&wanted, &key)
        {
            return Ok(digest.clone());
        }
        let digest = features::digest(&opened, &wanted, &data.dataset.lists().train);
        self.digest = Some((wanted, key, digest.clone()));
        Ok(digest)
    }

    /// The vectors, or bags, of the cell's texts; `told` hears of an encoding that takes its time.
    fn embedded(&mut self, cell: &Cell, told: &mut dyn FnMut(Event)) -> Result<Embedded, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let (wanted, key) = (cell.source().1.wanted(), self.embedded_key(cell, &data));
        if let Some((known, texts, embedded)) = &self.embedded
            && (known, texts) == (&wanted, &key)
        {
            return Ok(embedded.clone());
        }
        // What is no longer needed makes room first.
        self.embedded = None;
        memory::require(size(&opened, &data, &wanted)).map_err(emberline_train::Error::from)?;
        let about = about(cell);
        let (cache, device, interrupt) = (self.cache.as_ref(), self.device, self.interrupt.clone());
        let encoded = &mut self.encoded;
        let told = &mut |event: Event| {
            encoded.count(&event);
            told(event);
        };
        let mut encoding = Encoding { cache, device, about: &about, told, interrupt };
        let made = features::embed(&opened, &data.dataset.lists(), &wanted, &mut encoding);
        let name = cell.embedding();
        let made = made.map_err(|source| Error::Embedding { name: name.to_owned(), source })?;
        let embedded = Embedded { features: Arc::new(made.features), known_words: made.known_words };
        self.embedded = Some((wanted, key, embedded.clone()));
        Ok(embedded)
    }

    /// Everything that the cell is trained on.
    pub(crate) fn prepare(&mut self, cell: &Cell, told: &mut dyn FnMut(Event)) -> Result<Prepared, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let Embedded { features, known_words } = self.embedded(cell, told)?;
        Ok(Prepared { data, opened, features, known_words, digest: self.embedding_digest(cell)? })
    }

    fn embedded_key(&mut self, cell: &Cell, data: &Data) -> EmbeddedKey {
        (self.keys.source(cell).to_owned(), data.digest.clone())
    }

    /// The cell's data, in words.
    pub(crate) fn data_facts(&mut self, cell: &Cell) -> Result<DataFacts, Error> {
        let data = self.data(cell)?;
        let settings = &cell.settings.data;
        let again = || {
            let seed = settings.split.seed.unwrap_or(cell.settings.seed);
            let dataset = emberline_dataset::read(settings, &self.folder)?.split(&settings.split, seed)?;
            Ok(dataset.digest() == data.digest && dataset.data == data.dataset.data)
        };
        let files = data.files.hashes(settings, &self.folder, again)?;
        let splits = data.dataset.data.splits.map(|name, split| SplitFacts {
            rows: split.rows,
            digest: data.dataset.split_digest(name),
            classes: split.classes.clone(),
        });
        let record::Data { rows_read, positive, .. } = &data.dataset.data;
        Ok(DataFacts { digest: data.digest.clone(), rows_read: *rows_read, files, positive: positive.clone(), splits })
    }

    /// The cell's embedding, in words.
    pub(crate) fn embedding_facts(&mut self, cell: &Cell) -> Result<EmbeddingFacts, Error> {
        let (name, source) = cell.source();
        Ok(EmbeddingFacts {
            name: name.to_owned(),
            kind: source.kind().to_owned(),
            digest: self.embedding_digest(cell)?,
            content: self.opened(cell)?.digest(),
        })
    }

    /// How many of the cell's texts a neural encoder has to encode; none for other sources.
    pub(crate) fn encodings(&mut self, cell: &Cell) -> Result<Option<Progress>, Error> {
        let (data, opened) = (self.data(cell)?, self.opened(cell)?);
        let Opened::Encoder(encoder) = opened.as_ref() else { return Ok(None) };
        let (texts, about) = (data.dataset.lists(), about(cell));
        let all: Vec<&[u8]> = texts.iter().flat_map(|(_, texts)| texts.all()).collect();
        let told = &mut |_| {};
        let (cache, device, interrupt) = (self.cache.as_ref(), self.device, self.interrupt.clone());
        let mut encoding = Encoding { cache, device, about: &about, told, interrupt };
        Ok(Some(encoding.survey(encoder.as_ref(), &all)))
    }
}

/// Opens the cell's source.
fn open(folder: &Path, device: Device, cell: &Cell, texts: &Splits<Vec<&str>>) -> Result<Arc<Opened>, Error> {
    let (name, source) = cell.source();
    let all: Vec<&str> = texts.iter().flat_map(|(_, texts)| texts.iter().copied()).collect();
    let opened = source.bare().open(folder, Texts { all: &all, train: &texts.train }, device);
    opened.map(Arc::new).map_err(|source| Error::Embedding { name: name.to_owned(), source })
}

/// The bytes that features take while they are made, about: all vectors, once more where they are shortened, mixed or divided
/// among the splits, and the numbers of tokens with the rows that they name.
fn size(opened: &Opened, data: &Data, wanted: &Wanted) -> u64 {
    let rows: usize = data.dataset.splits.iter().map(|(_, rows)| rows.len()).sum();
    let bytes =
        data.dataset.splits.iter().flat_map(|(name, _)| data.dataset.texts_of(name)).map(str::len).sum::<usize>();
    let vectors = |dim: usize| (rows as u64).saturating_mul(4 * dim as u64);
    match (opened, wanted) {
        (Opened::Table(table), Wanted { reduction: None, trainable: false, .. }) => vectors(table.dim()),
        (Opened::Table(table), _) => {
            // A token takes two bytes of its text at least, with the space behind it; mostly six.
            let tokens = bytes as u64 / 2;
            let named = table.table_rows().min(tokens).saturating_mul(4 * table.dim() as u64);
            let vectors = if wanted.trainable && wanted.reduction.is_none() { 0 } else { vectors(table.dim()) };
            named.saturating_mul(2).saturating_add(vectors.saturating_mul(2)).saturating_add(8 * tokens)
        }
        (Opened::Encoder(encoder), _) => vectors(encoder.dim()).saturating_mul(2),
    }
}

/// What the cache says of a source to people.
fn about(cell: &Cell) -> String {
    let (name, source) = cell.source();
    format!("{} {name}", source.kind())
}

/// What decides which rows are read.
pub(crate) fn rows_key(data: &emberline_dataset::Settings) -> String {
    format!("{:?}", emberline_dataset::Settings { split: Default::default(), ..data.clone() })
}

/// What cells share, spelled out: cells with equal keys share it. Each is spelled once for all cells that hold the same
/// settings.
#[derive(Default)]
pub(crate) struct Keys {
    /// By the settings' place in memory, which they keep while they are held here, and the seed.
    data: HashMap<(usize, u64), (Arc<emberline_dataset::Settings>, String)>,
    sources: HashMap<usize, (Arc<Embedding>, String)>,
}

impl Keys {
    /// What decides a dataset.
    pub(crate) fn data(&mut self, cell: &Cell) -> &str {
        let data = &cell.settings.data;
        let seed = data.split.seed.unwrap_or(cell.settings.seed);
        let spelled = || (data.clone(), format!("{data:?} {seed}"));
        &self.data.entry((Arc::as_ptr(data).addr(), seed)).or_insert_with(spelled).1
    }

    /// What decides an opened source, the texts aside.
    pub(crate) fn source(&mut self, cell: &Cell) -> &str {
        let embedding = &cell.settings.embedding;
        let spelled = || (embedding.clone(), format!("{} {:?}", embedding.name, embedding.source.bare()));
        &self.sources.entry(Arc::as_ptr(embedding).addr()).or_insert_with(spelled).1
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
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

    /// The inputs and the first cell of a pipeline, whose data have been read.
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
        // Another file with the same rows gives the same data, and its hash is that of what gives them.
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
            assert_eq!(inputs.opened.is_some(), !again, "{name} is opened beside the data");
            let [first, second] = [0, 1].map(|at| inputs.opened(cells[at]).expect("opened"));
            assert_eq!(Arc::ptr_eq(&first, &second), !again, "{name}");
        }
    }
}
