//! The folder `baselines/`: the results of baselines, a file `<digest of the rows>.json` per dataset.
//!
//! A file depends on the rows alone, so that any run in the folder may use it. It holds the format's version, the record, and a
//! checksum of the record; a file that is damaged or of another version counts as missing.

use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::record::{self, Baselines};
use emberline_base::{Digest, canonical, run_files};
use serde::{Deserialize, Serialize};

use super::{RunFolder, pretty};

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// The digest of the record's canonical JSON.
    checksum: Digest,
    record: Baselines,
}

impl RunFolder {
    /// Returns the stored baselines of a dataset; none if there is no sound file of this version.
    pub(crate) fn baselines(&self, data: &Digest) -> Option<Baselines> {
        let bytes = file::read(&self.baselines_path(data)).ok()?;
        let Stored { version, checksum, record } = serde_json::from_slice(&bytes).ok()?;
        let is_sound = version == record::VERSION && record.data == *data && checksum == digest(&record);
        is_sound.then_some(record)
    }

    /// Writes the baselines of a dataset in place of earlier ones.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn write_baselines(&self, record: &Baselines) -> Result<(), FileError> {
        file::make_folder_below(&self.path, Path::new(run_files::BASELINES))?;
        let stored = Stored { version: record::VERSION, checksum: digest(record), record: record.clone() };
        file::write_atomic(&self.baselines_path(&record.data), (pretty(&stored) + "\n").as_bytes())
    }

    fn baselines_path(&self, data: &Digest) -> PathBuf {
        self.path.join(run_files::BASELINES).join(format!("{}.json", data.as_str()))
    }
}

fn digest(record: &Baselines) -> Digest {
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
            converged: None,
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
}
