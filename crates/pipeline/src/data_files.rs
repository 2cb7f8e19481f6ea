//! The files of a dataset and their hashes: a hash is recorded for a file only if it is of the bytes that were read.
//!
//! Files are hashed after they were read, and only where somebody wants to know. To hash what is read in passing would cost
//! every run 60 to 80 ms per 100 MB. Instead the state of each file (see [`Stamp`]) is noted before it is read, and
//! compared after it was read and again after it was hashed. The settings and the folder of the data enter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, Stamp};
use emberline_dataset::Settings;

use crate::Error;

/// The files of a dataset in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFiles(Vec<(PathBuf, Option<Stamp>)>);

impl DataFiles {
    /// The present state of the files. What is missing, or is no regular file, has none.
    pub(crate) fn of(settings: &Settings, folder: &Path) -> Self {
        let paths = settings.all_paths().map(|path| folder.join(path));
        Self(paths.map(|path| (path.clone(), Stamp::of(&path))).collect())
    }

    /// Does something with the files, and refuses what came of it if one of them was changed or replaced meanwhile.
    ///
    /// # Errors
    /// Those of `work`; which file was changed.
    pub(crate) fn unchanged<T>(
        settings: &Settings,
        folder: &Path,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(T, Self), Error> {
        let before = Self::of(settings, folder);
        let done = work()?;
        let after = Self::of(settings, folder);
        match before.0.iter().zip(&after.0).find(|(before, after)| before != after) {
            Some(((path, _), _)) => Err(Stamp::changed_error(path).into()),
            None => Ok((done, before)),
        }
    }

    /// The SHA-256 of the files as they were read, by their paths in the settings. Where one has been replaced since, `again`
    /// reads all of them and returns whether they still give the same data: only then their hashes count.
    ///
    /// # Errors
    /// When a file can't be read, or isn't what was read before.
    pub(crate) fn hashes(
        &self,
        settings: &Settings,
        folder: &Path,
        again: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let hash = |path: &Path| Ok((path.display().to_string(), file::sha256_of(&folder.join(path))?));
        let work = || {
            let now = Self::of(settings, folder);
            if let Some((path, _)) = self.0.iter().zip(&now.0).find_map(|(read, now)| (read != now).then_some(read))
                && !again()?
            {
                return Err(Stamp::changed_error(path).into());
            }
            settings.all_paths().map(hash).collect()
        };
        Ok(Self::unchanged(settings, folder, work)?.0)
    }
}
