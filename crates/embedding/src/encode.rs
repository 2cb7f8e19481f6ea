//! Encodes whole texts, each distinct text once, and reads vectors from the cache if it has them.
//!
//! New texts are encoded in chunks of texts of similar length, so that memory is bounded and progress can be
//! reported. Finished vectors are written to the disk every half a minute, so that an interrupted encoding resumes
//! where it stopped.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use emberline_base::{CancellationToken, Matrix};
use emberline_cache::{Cache, EmbeddingStore, Key, Producer, Writer};
use emberline_device::Device;
use rayon::prelude::*;

use crate::{Encoder, Error};

/// Target duration of a chunk; progress is reported after each one.
const CHUNK_TIME: Duration = Duration::from_secs(1);
/// Number of texts in the first chunk, and in the largest one.
const FIRST_CHUNK: usize = 64;
const MAX_CHUNK: usize = 8192;
/// Finished vectors are written to the disk this often, or earlier if many have accumulated.
const FLUSH_EVERY: Duration = Duration::from_secs(30);

/// An event during encoding, given to [`Encoding::on_event`].
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The progress so far.
    Progress(Progress),
    /// A problem that costs time but changes no result.
    Warning(String),
}

/// How far an encoding has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of distinct texts.
    pub texts: usize,
    /// Number of texts whose vectors were in the cache.
    pub cached: usize,
    /// Number of texts encoded in this run.
    pub encoded: usize,
    /// Bytes of the texts to encode in this run, finished or not: the time needed is roughly proportional to them.
    pub bytes: u64,
    /// Bytes of the texts encoded so far in this run.
    pub encoded_bytes: u64,
}

/// Encodes whole texts through the cache.
pub struct Encoding<'a> {
    /// The cache. Without one, vectors are computed anew each time.
    pub cache: Option<&'a Cache>,
    /// The device that the encoder runs on. Other devices round differently, and their vectors are never taken from
    /// the cache.
    pub device: Device,
    /// A label that the cache shows to people, such as `sentence_transformer minilm`.
    pub label: &'a str,
    /// Called with progress and warnings.
    pub on_event: &'a mut dyn FnMut(Event),
    /// Stops the encoding between two chunks; finished vectors are kept in the cache.
    pub interrupt: CancellationToken,
}

/// A text to encode, with its cache key.
struct New<'t> {
    text: &'t [u8],
    key: Key,
    /// The first row that belongs to this text.
    row: usize,
}

impl Encoding<'_> {
    /// Returns one vector per text, `[texts, dim]`.
    ///
    /// # Errors
    /// When the encoder fails or the encoding is cancelled. A cache that can't be used is only a warning.
    pub fn vectors(&mut self, encoder: &dyn Encoder, texts: &[&[u8]]) -> Result<Matrix, Error> {
        let keys: Vec<Key> = texts.par_iter().map(|text| Key::of(text)).collect();
        let store = self.open_store(encoder);
        let dim = encoder.dim();
        let mut vectors = Matrix::try_zeros(texts.len(), dim)?;
        let held: Vec<bool> = match &store {
            Some(store) if dim > 0 => {
                let rows = vectors.values_mut().par_chunks_mut(dim);
                rows.zip(&keys).map(|(vector, key)| store.read(key, vector)).collect()
            }
            _ => vec![false; texts.len()],
        };
        let mut first_rows = HashMap::with_capacity(texts.len());
        let (mut new, mut again) = (Vec::new(), Vec::new());
        for (row, ((&text, &key), held)) in texts.iter().zip(&keys).zip(held).enumerate() {
            match first_rows.entry(key) {
                Entry::Vacant(first) => {
                    first.insert(row);
                    if !held {
                        new.push(New { text, key, row });
                    }
                }
                Entry::Occupied(first) if !held => again.push((row, *first.get())),
                Entry::Occupied(_) => {}
            }
        }
        let texts = first_rows.len();
        let mut progress = Progress { texts, cached: texts - new.len(), ..Progress::default() };
        progress.bytes = new.iter().map(|new| new.text.len() as u64).sum();
        // The longest texts come first: if they don't fit into memory, that shows at once.
        new.sort_by(|a, b| b.text.len().cmp(&a.text.len()).then_with(|| a.text.cmp(b.text)));
        let mut writer = store.as_ref().map(EmbeddingStore::writer);
        self.encode(encoder, &new, &mut writer, progress, |row, vector| {
            vectors.row_mut(row).copy_from_slice(vector);
        })?;
        if let Some(Err(error)) = writer.map(Writer::finish) {
            self.warn(&error);
        }
        for (row, first) in again {
            vectors.copy_row(first, row);
        }
        Ok(vectors)
    }

    /// Counts the distinct texts, and those whose vectors are in the cache.
    pub fn survey(&mut self, encoder: &dyn Encoder, texts: &[&[u8]]) -> Progress {
        let store = self.open_store(encoder);
        let mut lengths: HashMap<Key, u64> = texts.iter().map(|text| (Key::of(text), text.len() as u64)).collect();
        let texts = lengths.len();
        lengths.retain(|key, _| !store.as_ref().is_some_and(|store| store.contains(key)));
        Progress { texts, cached: texts - lengths.len(), bytes: lengths.values().sum(), ..Progress::default() }
    }

    /// Opens the part of the cache that holds this encoder's vectors.
    fn open_store(&mut self, encoder: &dyn Encoder) -> Option<EmbeddingStore> {
        let producer = Producer {
            source: encoder.digest(),
            computation: encoder.computation(),
            device: self.device.to_string(),
            arithmetic: self.device.arithmetic(),
        };
        match self.cache?.store(&producer, encoder.dim(), self.label) {
            Ok(store) => {
                store.warnings().iter().for_each(|message| (self.on_event)(Event::Warning(message.clone())));
                Some(store)
            }
            Err(error) => {
                self.warn(&error);
                None
            }
        }
    }

    fn encode(
        &mut self,
        encoder: &dyn Encoder,
        mut new: &[New<'_>],
        writer: &mut Option<Writer<'_>>,
        mut progress: Progress,
        mut take: impl FnMut(usize, &[f32]),
    ) -> Result<(), Error> {
        let mut size = FIRST_CHUNK;
        let mut flushed = Instant::now();
        (self.on_event)(Event::Progress(progress));
        while !new.is_empty() {
            let (chunk, rest) = new.split_at(size.min(new.len()));
            let started = Instant::now();
            let texts: Vec<&[u8]> = chunk.iter().map(|new| new.text).collect();
            let vectors = encoder.encode(&texts)?;
            for (at, New { key, text, row }) in chunk.iter().enumerate() {
                take(*row, vectors.row(at));
                if let Some(writer) = writer {
                    writer.add(*key, vectors.row(at));
                }
                progress.encoded_bytes += text.len() as u64;
            }
            progress.encoded += chunk.len();
            (self.on_event)(Event::Progress(progress));
            let ends = self.interrupt.is_cancelled();
            if ends || flushed.elapsed() > FLUSH_EVERY || writer.as_ref().is_some_and(Writer::is_full) {
                if let Some(Err(error)) = writer.as_mut().map(Writer::flush) {
                    self.warn(&error);
                    *writer = None;
                }
                flushed = Instant::now();
            }
            if ends {
                return Err(Error::Interrupted);
            }
            size = next_size(size, started.elapsed());
            new = rest;
        }
        Ok(())
    }

    fn warn(&mut self, error: &dyn std::error::Error) {
        (self.on_event)(Event::Warning(format!("the cache can't be used: {error}; texts are encoded without it")));
    }
}

/// Returns the size of the next chunk: chunks grow until they take about [`CHUNK_TIME`]. A text's vector doesn't
/// depend on its chunk.
fn next_size(size: usize, took: Duration) -> usize {
    let next = if took < CHUNK_TIME { size * 2 } else { size / 2 };
    next.clamp(FIRST_CHUNK / 8, MAX_CHUNK)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use emberline_base::Digest;

    use super::*;

    /// An encoder whose vectors hold the text's length. It records the texts that it was given.
    #[derive(Default)]
    struct Lengths(Mutex<Vec<Vec<u8>>>, u32);

    impl Encoder for Lengths {
        fn dim(&self) -> usize {
            2
        }

        fn parameters(&self) -> u64 {
            0
        }

        fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error> {
            self.0.lock().expect("no panic").extend(texts.iter().map(|text| text.to_vec()));
            if texts.contains(&b"bad".as_slice()) {
                return Err(Error::Unsupported("bad".into()));
            }
            Ok(Matrix::new(texts.len(), 2, texts.iter().flat_map(|text| [text.len() as f32, 1.0]).collect()))
        }

        fn digest(&self) -> Digest {
            Digest::of(b"lengths")
        }

        fn computation(&self) -> u32 {
            self.1
        }
    }

    fn vectors(encoder: &Lengths, cache: Option<&Cache>, texts: &[&str]) -> (Result<Matrix, Error>, Vec<Event>) {
        let mut events = Vec::new();
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let on_event = &mut |event| events.push(event);
        let made = Encoding {
            cache,
            device: Device::Cpu,
            label: "lengths",
            on_event,
            interrupt: CancellationToken::default(),
        }
        .vectors(encoder, &texts);
        (made, events)
    }

    fn asked(encoder: &Lengths) -> Vec<String> {
        let texts = std::mem::take(&mut *encoder.0.lock().expect("no panic"));
        texts.into_iter().map(|text| String::from_utf8(text).expect("text")).collect()
    }

    #[test]
    fn a_text_is_encoded_once_and_the_longest_first() {
        let encoder = Lengths::default();
        let (made, events) = vectors(&encoder, None, &["a", "ccc", "a", "", "bb", "ccc"]);
        assert_eq!(made.expect("fine").values(), [1., 1., 3., 1., 1., 1., 0., 1., 2., 1., 3., 1.]);
        assert_eq!(asked(&encoder), ["ccc", "bb", "a", ""]);
        let last = Progress { texts: 4, cached: 0, encoded: 4, bytes: 6, encoded_bytes: 6 };
        assert_eq!(events.last(), Some(&Event::Progress(last)));
    }

    #[test]
    fn the_cache_answers_the_second_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::at(folder.path());
        let encoder = Lengths::default();
        let (first, _) = vectors(&encoder, Some(&cache), &["a", "bb"]);
        asked(&encoder);
        let (second, events) = vectors(&encoder, Some(&cache), &["bb", "ccc", "a"]);
        assert_eq!(first.expect("fine").row(1), second.expect("fine").row(0));
        assert_eq!(asked(&encoder), ["ccc"]);
        assert_eq!(events[0], Event::Progress(Progress { texts: 3, cached: 2, bytes: 3, ..Progress::default() }));
    }

    #[test]
    fn another_version_of_the_computation_encodes_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::at(folder.path());
        for (version, encoded) in [(1, 1), (2, 1), (1, 0), (2, 0)] {
            let encoder = Lengths(Mutex::default(), version);
            vectors(&encoder, Some(&cache), &["a"]).0.expect("fine");
            assert_eq!(asked(&encoder).len(), encoded, "version {version}");
        }
    }

    #[test]
    fn an_encoding_that_is_interrupted_goes_on_where_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::at(folder.path());
        let texts: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let bytes: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let interrupt = CancellationToken::default();
        interrupt.cancel();
        let on_event = &mut |_| {};
        let mut encoding = Encoding { cache: Some(&cache), device: Device::Cpu, label: "lengths", on_event, interrupt };
        let ended = encoding.vectors(&Lengths::default(), &bytes);
        assert!(matches!(ended, Err(Error::Interrupted)));
        let (made, events) = vectors(&Lengths::default(), Some(&cache), &texts);
        assert_eq!(made.expect("fine").row(199), [3.0, 1.0]);
        let first = Progress { texts: 200, cached: FIRST_CHUNK, ..Progress::default() };
        assert!(matches!(&events[0], Event::Progress(p) if Progress { bytes: 0, ..*p } == first), "{events:?}");
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_a_warning() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("embeddings"), b"in the way").expect("written");
        let (made, events) = vectors(&Lengths::default(), Some(&Cache::at(folder.path())), &["a"]);
        assert_eq!(made.expect("fine").values(), [1., 1.]);
        assert!(events.iter().any(|event| matches!(event, Event::Warning(_))), "{events:?}");
    }

    #[test]
    fn an_encoder_that_fails_is_an_error() {
        assert!(vectors(&Lengths::default(), None, &["a", "bad"]).0.is_err());
    }

    #[test]
    fn many_texts_come_back_in_their_order() {
        let encoder = Lengths::default();
        let texts: Vec<String> = (0..1000).map(|n| "x".repeat(n * 7 % 307)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (made, _) = vectors(&encoder, None, &texts);
        let made = made.expect("fine");
        assert!(texts.iter().enumerate().all(|(row, text)| made.row(row)[0] == text.len() as f32));
        assert_eq!(asked(&encoder).len(), 307);
    }
}
