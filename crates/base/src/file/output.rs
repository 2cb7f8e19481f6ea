//! Writes output files that the user names: into a temporary file in the same folder, which is renamed to the final path when it
//! is complete. Symbolic links are followed.
//!
//! | at the path | what happens |
//! |---|---|
//! | nothing | the file and its parent folders are created |
//! | a file | it is replaced when the new one is complete |
//! | a symbolic link | it is kept, and these rules apply to its target |
//! | a device, a pipe | the bytes are written to it directly |
//!
//! Files that the program names itself, such as those of a run folder, are written by [`write_atomic`](super::write_atomic),
//! which doesn't follow links.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{FileError, TemporaryFile, folder_of, is_stream, make_folder, open_stream, remove_stale, temporary_in};

/// Maximum number of consecutive links that are followed; a longer chain is taken for a cycle.
const MAX_LINKS: usize = 40;

/// An output file that is written incrementally.
#[derive(Debug)]
pub struct Output {
    /// The path, as the user gave it.
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    Stream(BufWriter<File>),
    File { out: BufWriter<TemporaryFile>, target: PathBuf },
}

impl Output {
    /// Opens an output. The path isn't changed before [`finish`](Self::finish).
    ///
    /// # Errors
    /// If the folder can't be created or written, or the device can't be opened.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let failed = || FileError::new("write", path);
        let target = link_target(path);
        if is_stream(&target) {
            let out = BufWriter::new(open_stream(&target).map_err(failed())?);
            return Ok(Self { path: path.to_owned(), to: To::Stream(out) });
        }
        let folder = folder_of(&target);
        make_folder(folder)?;
        remove_stale(folder);
        let out = BufWriter::new(temporary_in(folder).map_err(failed())?);
        Ok(Self { path: path.to_owned(), to: To::File { out, target } })
    }

    /// Flushes the file to the disk and renames it to its final path.
    ///
    /// # Errors
    /// If it can't be written, for example because the disk is full; an existing file at the path is then unchanged.
    pub fn finish(self) -> Result<(), FileError> {
        let finish = || match self.to {
            To::Stream(mut out) => out.flush(),
            To::File { out, target } => {
                let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.as_file().sync_all()?;
                file.persist(&target)
            }
        };
        finish().map_err(FileError::new("write", &self.path))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Stream(out) => out.write(bytes),
            To::File { out, .. } => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Stream(out) => out.flush(),
            To::File { out, .. } => out.flush(),
        }
    }
}

/// Writes an output file as a whole.
///
/// # Errors
/// Those of [`Output::create`] and [`Output::finish`].
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).map_err(FileError::new("write", path))?;
    output.finish()
}

/// Resolves symbolic links and returns the target, whether it exists or not; returns the path itself if it isn't a link. Links
/// to open files, such as `/dev/stdout`, are not resolved.
pub fn link_target(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        if is_stream(&target) {
            break;
        }
        let Ok(next) = fs::read_link(&target) else { return target };
        target = folder_of(&target).join(next);
    }
    target
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_stays_and_what_it_names_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("far")).and_then(|()| fs::write(at("far/there"), b"old")).expect("written");
        for (link, to) in [("a", "far/there"), ("b", "a"), ("dangling", "far/new")] {
            symlink(to, at(link)).expect("linked");
            write_output(&at(link), link.as_bytes()).expect("written");
            assert!(fs::symlink_metadata(at(link)).expect("it is there").is_symlink(), "{link}");
            assert_eq!(fs::read(at(link)).expect("readable"), link.as_bytes());
        }
        assert_eq!(fs::read(at("far/there")).expect("readable"), b"b");
        assert_eq!(fs::read_dir(at("far")).expect("readable").count(), 2);
        symlink("circle", at("circle")).expect("linked");
        write_output(&at("circle"), b"new").expect("a link that leads nowhere is replaced");
        assert_eq!(fs::read(at("circle")).expect("readable"), b"new");
    }

    #[test]
    fn a_link_to_a_pipe_leads_to_the_pipe() {
        let folder = tempfile::tempdir().expect("a folder");
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        symlink("pipe", &link).expect("linked");
        let reader = std::thread::spawn(move || fs::read(pipe).expect("readable"));
        write_output(&link, b"bytes").expect("written");
        assert_eq!(reader.join().expect("it ends"), b"bytes");
        assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
    }

    #[test]
    fn an_output_appears_when_it_is_complete_and_its_folder_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/deep/out.csv");
        let mut output = Output::create(&path).expect("opened");
        output.write_all(b"half").expect("written");
        assert!(!path.exists());
        drop(output);
        assert_eq!(fs::read_dir(folder.path().join("new/deep")).expect("readable").count(), 0);
        write_output(&path, b"whole").expect("written");
        assert_eq!(fs::read(&path).expect("readable"), b"whole");
        let below = write_output(&path.join("x"), b"").expect_err("a file is in the folder's place").to_string();
        assert!(below.contains("out.csv"), "{below}");
    }
}
