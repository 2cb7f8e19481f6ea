//! Reads the files beside a run folder that its report carries: the pipeline file and its lock.
//!
//! A report is passed on, so a file with a URL that may hold a secret isn't put into it, and the report says so.

use std::fs;
use std::path::Path;

use emberline_base::secret::mask_urls;
use emberline_report::{CarriedFile, SourceFiles};

use super::owner;
use crate::lock::Lock;

/// Maximum number of bytes of a file: a longer one is no pipeline that a person wrote.
const MAX_BYTES: usize = 4 << 20;

/// Reads the pipeline file that a run folder belongs to, and its lock, as far as they are there.
pub(super) fn of(folder: &Path) -> SourceFiles {
    let mut sources = SourceFiles::default();
    let Some(pipeline) = owner::pipeline_file(folder) else { return sources };
    read(&mut sources, &pipeline, "pipeline.toml");
    read(&mut sources, &Lock::path_of(&pipeline), "pipeline.lock");
    sources
}

/// Adds a file, or the reason why it isn't carried. `plain` is its name in the report if its own can't be used everywhere.
fn read(sources: &mut SourceFiles, path: &Path, plain: &str) {
    let Ok(bytes) = fs::read(path) else { return };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = String::from_utf8_lossy(&bytes);
    if bytes.len() > MAX_BYTES {
        sources.left_out.push(format!("This page doesn't carry {name}, which has more than 4 MiB."));
    } else if mask_urls(&text) != text {
        sources.left_out.push(format!(
            "This page doesn't carry {name}: a URL in it has a user, a query or a fragment, which may be a secret."
        ));
    } else {
        sources.files.push(CarriedFile::named(&name, plain, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources_of(pipeline: &str) -> SourceFiles {
        let at = tempfile::tempdir().expect("a folder");
        let folder = at.path().join("runs/p");
        fs::create_dir_all(&folder).expect("made");
        fs::write(at.path().join("p.toml"), pipeline).expect("written");
        fs::write(at.path().join("p.lock"), "version = 3\n").expect("written");
        owner::claim(&folder, &at.path().join("p.toml")).expect("claimed");
        of(&folder)
    }

    #[test]
    fn the_pipeline_and_its_lock_are_carried_as_they_are() {
        let text = "name = \"p\"\r\n# https://example.org/data.csv\n";
        let expected = [CarriedFile::new("p.toml", text), CarriedFile::new("p.lock", "version = 3\n")];
        assert_eq!(sources_of(text), SourceFiles { files: expected.into(), left_out: Vec::new() });
    }

    #[test]
    fn a_pipeline_with_a_secret_stays_at_home() {
        let sources = sources_of("url = \"https://me:hush@example.org/data.csv\"\n");
        assert_eq!(sources.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["p.lock"]);
        assert!(sources.left_out[0].contains("may be a secret") && !sources.left_out[0].contains("hush"), "{sources:?}");
    }

    #[test]
    fn a_folder_that_belongs_to_no_pipeline_has_no_sources() {
        let at = tempfile::tempdir().expect("a folder");
        assert_eq!(of(at.path()), SourceFiles::default());
    }
}
