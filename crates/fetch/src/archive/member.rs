//! The members of an archive: names that stay inside, bytes that stay within their cap.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::Path;

use emberline_base::file::FileError;

use crate::Error;

/// What is done with every file of an archive.
pub(super) type Each<'a> = dyn FnMut(&str, &mut dyn Read) -> Result<(), Error> + 'a;

/// The names of an archive's files, as they are met.
#[derive(Debug)]
pub(super) struct Names {
    seen: HashSet<String>,
    most: usize,
}

impl Names {
    /// At most so many.
    pub(super) fn new(most: usize) -> Self {
        Self { seen: HashSet::new(), most }
    }

    /// `a/b` of an entry's name; else why it is refused.
    pub(super) fn check(&mut self, name: &str) -> Result<String, String> {
        if name.starts_with('/') || name.contains(['\\', '\0']) || name.split('/').any(|part| part == "..") {
            return Err(format!("its entry {name:?} leads out of it"));
        }
        let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let plain = parts.join("/");
        if plain.is_empty() {
            return Err("it has an entry without a name".to_owned());
        }
        if !self.seen.insert(plain.clone()) {
            return Err(format!("its entry {name:?} is there twice"));
        }
        if self.seen.len() > self.most {
            return Err(format!("it has more than {} files", self.most));
        }
        Ok(plain)
    }
}

/// A reader that gives up on what unpacks to too much.
#[derive(Debug)]
pub(super) struct Capped<R> {
    inner: R,
    left: u64,
    cap: u64,
}

impl<R> Capped<R> {
    pub(super) fn new(inner: R, cap: u64) -> Self {
        Self { inner, left: cap, cap }
    }

    /// What may still come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(format!("it unpacks to more than {} bytes", self.cap))),
        }
        Ok(read)
    }
}

/// Writes a member to a new file; `damaged` words a failure to read it.
pub(super) fn pour(reader: &mut dyn Read, path: &Path, damaged: impl Fn(io::Error) -> Error) -> Result<(), Error> {
    let open = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = open.map_err(FileError::new("write", path))?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => file.write_all(&buffer[..read]).map_err(FileError::new("write", path))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(damaged(error)),
        }
    }
    file.sync_all().map_err(FileError::new("write", path))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        let mut names = Names::new(4);
        assert_eq!(names.check("./a//b.txt").as_deref(), Ok("a/b.txt"));
        assert_eq!(names.check("a..b").as_deref(), Ok("a..b"));
        for (name, reason) in [
            ("/etc/passwd", "leads out"),
            ("a/../../b", "leads out"),
            ("..", "leads out"),
            ("a\\b", "leads out"),
            ("./", "without a name"),
            ("a/./b.txt", "twice"),
        ] {
            let error = names.check(name).expect_err(name);
            assert!(error.contains(reason), "{error}");
        }
        assert!(names.check("c").is_ok() && names.check("d").is_ok());
        assert!(names.check("e").expect_err("a fifth").contains("more than 4"));
    }

    #[test]
    fn a_reader_ends_at_its_cap() {
        let mut read = Vec::new();
        assert!(Capped::new(&b"12345"[..], 5).read_to_end(&mut read).is_ok());
        let error = Capped::new(io::repeat(0), 5).read_to_end(&mut read).expect_err("endless");
        assert!(error.to_string().contains("more than 5 bytes"), "{error}");
    }
}
