//! The files of a dataset and their hashes. A hash is recorded only if it belongs to the bytes that were read.
//!
//! Files are hashed after they were read, and only if the hash is needed. Hashing while reading would cost every run 60
//! to 80 ms per 100 MB. Instead, the state of each file (see [`Stamp`]) is noted before it is read, and compared after
//! it was read and again after it was hashed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, Stamp};
use emberline_dataset::Settings;

use crate::Error;

/// The files of a dataset, with their state at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFiles(Vec<(PathBuf, Option<Stamp>)>);

impl DataFiles {
    /// Returns the present state of the files. A file that is missing or isn't regular has none.
    pub(crate) fn of(settings: &Settings, folder: &Path) -> Self {
        let paths = settings.all_paths().map(|path| folder.join(path));
        Self(paths.map(|path| (path.clone(), Stamp::of(&path))).collect())
    }

    /// Runs `work` on the files, and refuses its result if one of them was changed or replaced meanwhile.
    ///
    /// # Errors
    /// Those of `work`; or the file that was changed.
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

    /// Returns the SHA-256 of the files as they were read, by their paths in the settings. If one has been replaced
    /// since, `again` reads all of them and returns whether they still give the same data; only then their hashes
    /// count.
    ///
    /// # Errors
    /// If a file can't be read, or differs from what was read before.
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
