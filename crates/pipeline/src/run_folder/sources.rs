//! Keeps the pipeline file and its lock in the run folder (`sources/`), for the report that carries them.
//!
//! They are copied when a run begins and when a lock is written, so that the report is made of the run folder alone. A report is passed
//! on, so a file with a URL that may hold a secret isn't copied.

use std::fs;
use std::path::Path;

use emberline_base::secret::mask_urls;
use emberline_base::{Sums, file, run_files};
use emberline_report::CarriedFile;

use crate::Error;
use crate::lock::Lock;

/// Maximum number of bytes of a file: a longer one is no pipeline that a person wrote.
const MAX_BYTES: usize = 4 << 20;

/// Copies the pipeline file and its lock, as far as they are there, into the run folder, in place of earlier copies.
///
/// # Errors
/// If a copy can't be written.
pub(super) fn keep(run: &Path, pipeline: &Path) -> Result<(), Error> {
    let kept = [read(pipeline, "pipeline.toml"), read(&Lock::path_of(pipeline), "pipeline.lock")];
    let kept: Vec<CarriedFile> = kept.into_iter().flatten().collect();
    let folder = run.join(run_files::SOURCES);
    if kept.is_empty() && !folder.exists() {
        return Ok(());
    }
    file::make_folder_below(run, Path::new(run_files::SOURCES))?;
    let mut sums = Sums::default();
    for CarriedFile { name, bytes } in &kept {
        sums.add(name, bytes);
        write(&folder.join(name), bytes)?;
    }
    write(&folder.join(run_files::SUMS), sums.to_text().as_bytes())?;
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let is_kept = kept.iter().any(|file| entry.file_name() == *file.name) || entry.file_name() == run_files::SUMS;
        if !is_kept {
            file::remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Writes a file unless it is there already.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    Ok(file::write_atomic_unflushed(path, bytes)?)
}

/// Reads a file; `None` if it isn't there, is too long or may hold a secret. `plain` is its name in the run folder if its own can't be
/// used on every system.
fn read(path: &Path, plain: &str) -> Option<CarriedFile> {
    let bytes = fs::read(path).ok().filter(|bytes| bytes.len() <= MAX_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    if mask_urls(&text) != text {
        return None;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Some(CarriedFile::named(&name, plain, bytes))
}

#[cfg(test)]
mod tests {
    use emberline_report::SummedFolder;

    use super::*;

    #[test]
    fn the_pipeline_and_its_lock_are_kept_as_they_are() {
        let at = tempfile::tempdir().expect("a folder");
        let (run, pipeline) = (at.path().join("runs/p"), at.path().join("p.toml"));
        let kept = || {
            keep(&run, &pipeline).expect("kept");
            let summed = SummedFolder::open(run.join(run_files::SOURCES)).expect("sums");
            let mut names: Vec<String> = summed.names().map(str::to_owned).collect();
            names.sort();
            names
                .into_iter()
                .map(|name| (summed.read(&name).expect("whole"), name))
                .map(|(bytes, name)| (name, bytes))
                .collect::<Vec<_>>()
        };
        fs::create_dir_all(&run).expect("made");
        keep(&run, &pipeline).expect("nothing to keep");
        assert!(!run.join(run_files::SOURCES).exists());
        let text = "name = \"p\"\r\n# https://example.org/data.csv\n";
        fs::write(&pipeline, text).expect("written");
        assert_eq!(kept(), [("p.toml".to_owned(), text.as_bytes().to_vec())]);
        fs::write(at.path().join("p.lock"), "version = 3\n").expect("written");
        assert_eq!(kept().len(), 2);
        fs::write(&pipeline, "url = \"https://me:hush@example.org/data.csv\"\n").expect("written");
        assert_eq!(
            kept(),
            [("p.lock".to_owned(), b"version = 3\n".to_vec())],
            "a secret stays out, and an earlier copy goes"
        );
    }
}
