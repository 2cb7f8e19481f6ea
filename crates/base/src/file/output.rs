//! Files that a person names as an output: written beside their place, renamed into it when they are complete, and through
//! symbolic links.
//!
//! | at the path | what happens |
//! |---|---|
//! | nothing | the file is made, and the folders above it |
//! | a file | it is replaced when the new one is complete |
//! | a symbolic link | it stays, and the same is done with what it names |
//! | a device, a pipe | it takes the bytes as they come |
//!
//! Files that the program names itself, such as those of a run folder, are written by [`write_atomic`](super::write_atomic),
//! which follows no link.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{FileError, TemporaryFile, clear_litter, folder_of, is_stream, make_folder, open_stream, temporary_in};

/// As many links in a row are followed; more of them lead in a circle.
const MOST_LINKS: usize = 40;

/// An output that is written piece by piece.
#[derive(Debug)]
pub struct Output {
    /// The path, as it was given.
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    Stream(BufWriter<File>),
    File { out: BufWriter<TemporaryFile>, target: PathBuf },
}

impl Output {
    /// Opens an output. Nothing is at its path before [`finish`](Self::finish), unless it was there already.
    ///
    /// # Errors
    /// When the folder can't be made or written, or the device can't be opened.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let failed = || FileError::new("write", path);
        let target = link_target(path);
        if is_stream(&target) {
            let out = BufWriter::new(open_stream(&target).map_err(failed())?);
            return Ok(Self { path: path.to_owned(), to: To::Stream(out) });
        }
        let folder = folder_of(&target);
        make_folder(folder)?;
        clear_litter(folder);
        let out = BufWriter::new(temporary_in(folder).map_err(failed())?);
        Ok(Self { path: path.to_owned(), to: To::File { out, target } })
    }

    /// Puts the complete file in its place, and waits until it is on the disk.
    ///
    /// # Errors
    /// When the disk is full, ...; what was at the path is there still.
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

/// Writes a whole output.
///
/// # Errors
/// Those of [`Output::create`] and [`Output::finish`].
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).map_err(FileError::new("write", path))?;
    output.finish()
}

/// What a path leads to through symbolic links, whether it exists or not; the path itself if it is none. Links such as
/// `/dev/stdout`, which name what is open, stay.
pub fn link_target(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
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
