//! The folder `baselines/`: the results of baselines, a file `<digest of the rows>.json` per dataset, and a file
//! `<digest of the rows>.<digest of the vectors>.json` per dataset and embedding for the zero-label baseline.
//!
//! A file depends on the rows, and on the vectors, alone, so that any run in the folder may use it. It holds the format's version,
//! the record, and a checksum of the record; a file that is damaged or of another version counts as missing.

use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::record::{self, Baseline, Baselines, Digests};
use emberline_base::{Digest, canonical, run_files};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{RunFolder, pretty};

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Stored<R> {
    version: u32,
    /// The digest of the record's canonical JSON.
    checksum: Digest,
    record: R,
}

/// The zero-label baseline of one dataset and embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ZeroLabel {
    /// The digest of the rows.
    data: Digest,
    /// The digest of the vectors.
    embedding: Digest,
    /// The version of the computation.
    pub(crate) computation: u32,
    /// The result, without the embedding's name.
    pub(crate) result: Baseline,
}

impl ZeroLabel {
    pub(crate) fn new(digests: &Digests, computation: u32, result: Baseline) -> Self {
        Self { data: digests.data.clone(), embedding: digests.embedding.clone(), computation, result }
    }

    fn is_of(&self, digests: &Digests) -> bool {
        (&self.data, &self.embedding) == (&digests.data, &digests.embedding)
    }
}

impl RunFolder {
    /// Returns the stored baselines of a dataset; none if there is no sound file of this version.
    pub(crate) fn baselines(&self, data: &Digest) -> Option<Baselines> {
        read(&self.baselines_path(data)).filter(|record: &Baselines| record.data == *data)
    }

    /// Writes the baselines of a dataset in place of earlier ones.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn write_baselines(&self, record: &Baselines) -> Result<(), FileError> {
        self.write_baseline(&self.baselines_path(&record.data), record)
    }

    /// Returns the stored zero-label baseline of a cell's rows and vectors; none if there is no sound file of this version.
    pub(crate) fn zero_label(&self, digests: &Digests) -> Option<ZeroLabel> {
        read(&self.zero_label_path(&digests.data, &digests.embedding))
            .filter(|record: &ZeroLabel| record.is_of(digests))
    }

    /// Writes the zero-label baseline of a dataset and an embedding in place of an earlier one.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn write_zero_label(&self, record: &ZeroLabel) -> Result<(), FileError> {
        self.write_baseline(&self.zero_label_path(&record.data, &record.embedding), record)
    }

    fn write_baseline<R: Serialize>(&self, path: &Path, record: &R) -> Result<(), FileError> {
        file::make_folder_below(&self.path, Path::new(run_files::BASELINES))?;
        let stored = Stored { version: record::VERSION, checksum: digest(record), record };
        file::write_atomic(path, (pretty(&stored) + "\n").as_bytes())
    }

    fn baselines_path(&self, data: &Digest) -> PathBuf {
        self.path.join(run_files::BASELINES).join(format!("{}.json", data.as_str()))
    }

    fn zero_label_path(&self, data: &Digest, embedding: &Digest) -> PathBuf {
        self.path.join(run_files::BASELINES).join(format!("{}.{}.json", data.as_str(), embedding.as_str()))
    }
}

/// Reads a record; none if the file is missing, damaged or of another version.
fn read<R: Serialize + DeserializeOwned>(path: &Path) -> Option<R> {
    let bytes = file::read(path).ok()?;
    let Stored { version, checksum, record } = serde_json::from_slice(&bytes).ok()?;
    (version == record::VERSION && checksum == digest(&record)).then_some(record)
}

fn digest(record: &impl Serialize) -> Digest {
    Digest::of(canonical(record).as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use emberline_base::record::Baseline;

    use super::*;

    #[test]
    fn a_damaged_file_counts_as_missing() {
        let at = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::new(at.path());
        let baseline = Baseline {
            name: "prior".to_owned(),
            metrics: [("val_loss".to_owned(), 0.1 + 0.2)].into(),
            ..Baseline::default()
        };
        let data = Digest::of(b"rows");
        let record = Baselines {
            data: data.clone(),
            computation: 1,
            settings: Default::default(),
            n_train: 3,
            baselines: vec![baseline],
        };
        assert_eq!(folder.baselines(&data), None);
        folder.write_baselines(&record).expect("written");
        assert_eq!(folder.baselines(&data), Some(record));
        let path = folder.baselines_path(&data);
        let text = fs::read_to_string(&path).expect("readable");
        fs::write(&path, text.replace("\"n_train\": 3", "\"n_train\": 4")).expect("written");
        assert_eq!(folder.baselines(&data), None);
        fs::write(&path, &text[..text.len() / 2]).expect("written");
        assert_eq!(folder.baselines(&data), None);
    }
    #[test]
    fn a_zero_label_baseline_is_that_of_its_rows_and_vectors() {
        let at = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::new(at.path());
        let digests = |data: &[u8], embedding: &[u8]| Digests {
            data: Digest::of(data),
            embedding: Digest::of(embedding),
            weights: Digest::of(b"weights"),
            predictions: None,
        };
        let result =
            Baseline { name: "zero_label".to_owned(), not_applicable: Some("why".into()), ..Baseline::default() };
        let own = digests(b"rows", b"vectors");
        let record = ZeroLabel::new(&own, 1, result);
        folder.write_zero_label(&record).expect("written");
        assert_eq!(folder.zero_label(&own), Some(record));
        assert_eq!(folder.zero_label(&digests(b"rows", b"others")), None);
        assert_eq!(folder.zero_label(&digests(b"others", b"vectors")), None);
        assert_eq!(folder.baselines(&own.data), None);
        // A file under another name isn't taken for the one that is asked for.
        let other = digests(b"rows", b"others");
        fs::copy(
            folder.zero_label_path(&own.data, &own.embedding),
            folder.zero_label_path(&own.data, &other.embedding),
        )
        .expect("copied");
        assert_eq!(folder.zero_label(&other), None);
    }
}
