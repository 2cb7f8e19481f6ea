//! Members of an archive: checks that their names stay inside the target folder, and limits how much they unpack to.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::Path;

use emberline_base::file::FileError;

use crate::Error;

/// A function that is called with the name and the content of every file of an archive.
pub(super) type MemberVisitor<'a> = dyn FnMut(&str, &mut dyn Read) -> Result<(), Error> + 'a;

/// Checks the names of an archive's files, in the order in which they are read.
#[derive(Debug)]
pub(super) struct NameChecker {
    seen: HashSet<String>,
    max_files: usize,
}

impl NameChecker {
    /// Accepts at most `max_files` names.
    pub(super) fn new(max_files: usize) -> Self {
        Self { seen: HashSet::new(), max_files }
    }

    /// Returns the name of an entry in plain form, such as `a/b` for `./a//b`; the error says why the entry is refused.
    pub(super) fn check(&mut self, name: &str) -> Result<String, String> {
        if name.starts_with('/') || name.contains(['\\', '\0']) || name.split('/').any(|part| part == "..") {
            return Err(format!("its entry {name:?} leads out of the target folder"));
        }
        let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let plain = parts.join("/");
        if plain.is_empty() {
            return Err("it has an entry without a name".to_owned());
        }
        if !self.seen.insert(plain.clone()) {
            return Err(format!("it has the entry {name:?} twice"));
        }
        if self.seen.len() > self.max_files {
            return Err(format!("it has more than {} files", self.max_files));
        }
        Ok(plain)
    }
}

/// A reader that fails once it has read more than a limit.
#[derive(Debug)]
pub(super) struct LimitedReader<R> {
    inner: R,
    remaining: u64,
    limit: u64,
}

impl<R> LimitedReader<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self { inner, remaining: limit, limit }
    }

    /// Returns the number of bytes that may still be read.
    pub(super) fn remaining(&self) -> u64 {
        self.remaining
    }
}

impl<R: Read> Read for LimitedReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        match self.remaining.checked_sub(read as u64) {
            Some(remaining) => self.remaining = remaining,
            None => return Err(io::Error::other(format!("it unpacks to more than {} bytes", self.limit))),
        }
        Ok(read)
    }
}

/// Writes a member to a new file. `damaged` converts an error of the reader.
pub(super) fn write_member(
    reader: &mut dyn Read,
    path: &Path,
    damaged: impl Fn(io::Error) -> Error,
) -> Result<(), Error> {
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
        let mut names = NameChecker::new(4);
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
        assert!(LimitedReader::new(&b"12345"[..], 5).read_to_end(&mut read).is_ok());
        let error = LimitedReader::new(io::repeat(0), 5).read_to_end(&mut read).expect_err("endless");
        assert!(error.to_string().contains("more than 5 bytes"), "{error}");
    }
}
