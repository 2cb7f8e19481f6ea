//! What arrived, unpacked where the path doesn't name a packed file.
//!
//! | arrived | the path ends in `.gz`, `.zip`, `.tar`, ... | the path's name is a member's, or has a file's ending | otherwise |
//! |---|---|---|---|
//! | `.tar.gz`, `.tar`, `.zip` | kept as it is | that member (or the only one) | a folder of all members |
//! | `.gz` | kept as it is | the unpacked file | the unpacked file |
//! | anything else | kept as it is | kept as it is | kept as it is |
//!
//! What it is, is read from its first bytes. One folder that stands around all members is left away. Archives hold
//! files and folders only; links, `..`, absolute paths, repeated names and bombs are refused before anything is
//! written. Members go to a temporary folder beside the path.

mod choice;
mod member;
mod tar;
mod zip;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError, TemporaryFolder};
use emberline_base::secret;
use emberline_base::sniff::{Kind, TAR, is_system_file, kind};
use flate2::read::MultiGzDecoder;

use self::choice::Choice;
use self::member::{Capped, pour};
use crate::Error;
use crate::options::Limits;

/// How something is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Tar,
    TarGzip,
    Zip,
    /// Packed in a way that isn't unpacked here.
    Unknown(&'static str),
}

/// A packed file that has arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived<'a> {
    /// Where it is.
    pub(crate) path: &'a Path,
    /// Where it came from.
    pub(crate) url: &'a str,
    /// How much it may hold.
    pub(crate) limits: &'a Limits,
}

/// Something unpacked, in a temporary folder that is removed with it.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// The file or folder.
    pub(crate) path: PathBuf,
    _folder: TemporaryFolder,
}

impl Arrived<'_> {
    /// Unpacks what the path `target` is to be; none where the file itself is it.
    ///
    /// # Errors
    /// When it is damaged, hostile, too large, or doesn't hold what the path names.
    pub(crate) fn unpack(&self, target: &Path) -> Result<Option<Unpacked>, Error> {
        if choice::is_packed(target) {
            return Ok(None);
        }
        match self.packing()? {
            Packing::Plain => Ok(None),
            Packing::Unknown(name) => Err(self.fault(format!("is packed with {name}; unpack it by hand to `path`"))),
            Packing::Gzip => self.gunzip(target).map(Some),
            packing => self.extract(packing, target).map(Some),
        }
    }

    fn packing(&self) -> Result<Packing, Error> {
        let head = self.head(&mut self.open()?)?;
        let packing = match kind(&head) {
            Some(Kind::Gzip) => match self.head(&mut MultiGzDecoder::new(BufReader::new(self.open()?))) {
                Ok(inner) if kind(&inner) == Some(Kind::OtherArchive(TAR)) => Packing::TarGzip,
                _ => Packing::Gzip,
            },
            // Of any kind: what is in it is what the path names.
            _ if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") => Packing::Zip,
            Some(Kind::OtherArchive(TAR)) => Packing::Tar,
            Some(Kind::Zstd) => Packing::Unknown("zstd"),
            Some(Kind::OtherArchive(name)) => Packing::Unknown(name),
            _ => Packing::Plain,
        };
        Ok(packing)
    }

    fn head(&self, reader: &mut dyn Read) -> Result<Vec<u8>, Error> {
        let mut head = Vec::with_capacity(512);
        reader.take(512).read_to_end(&mut head).map_err(FileError::new("read", self.path))?;
        Ok(head)
    }

    fn open(&self) -> Result<File, Error> {
        Ok(file::open(self.path).map_err(FileError::new("read", self.path))?)
    }

    /// The most bytes that it may unpack to.
    fn cap(&self) -> Result<u64, Error> {
        let packed = self.open()?.metadata().map_err(FileError::new("read", self.path))?.len();
        Ok(packed.saturating_mul(self.limits.growth).max(64 << 20).min(self.limits.unpacked))
    }

    fn gunzip(&self, target: &Path) -> Result<Unpacked, Error> {
        let (folder, path) = staging(target)?;
        let reader = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, self.open()?));
        pour(&mut Capped::new(reader, self.cap()?), &path, |error| self.damaged(&error))?;
        Ok(Unpacked { path, _folder: folder })
    }

    fn extract(&self, packing: Packing, target: &Path) -> Result<Unpacked, Error> {
        let mut names = Vec::new();
        self.visit(packing, &mut |name, _| {
            names.push(name.to_owned());
            Ok(())
        })?;
        let choice = choice::choose(&names, target).map_err(|reason| self.fault(reason))?;
        let (folder, path) = staging(target)?;
        self.visit(packing, &mut |name, reader| {
            let into = match &choice {
                Choice::Member(member) if member == name => path.clone(),
                Choice::Member(_) => return Ok(()),
                Choice::Folder(root) => match name.strip_prefix(root.as_str()) {
                    Some(below) if !is_system_file(name) => path.join(below),
                    _ => return Ok(()),
                },
            };
            if let Some(parent) = into.parent() {
                file::make_folder(parent)?;
            }
            pour(reader, &into, |error| self.damaged(&error))
        })?;
        Ok(Unpacked { path, _folder: folder })
    }

    /// Hands every file of the archive to `each`, by its checked name.
    fn visit(&self, packing: Packing, each: &mut member::Each<'_>) -> Result<(), Error> {
        let file = BufReader::with_capacity(1 << 16, self.open()?);
        match packing {
            Packing::Zip => self.visit_zip(file, each),
            Packing::TarGzip => self.visit_tar(Capped::new(MultiGzDecoder::new(file), self.cap()?), each),
            _ => self.visit_tar(Capped::new(file, self.cap()?), each),
        }
    }

    fn fault(&self, reason: impl Into<String>) -> Error {
        Error::Archive { url: secret::url(self.url), reason: reason.into() }
    }

    fn damaged(&self, error: &io::Error) -> Error {
        match error.raw_os_error() {
            None => self.fault(format!("the archive can't be unpacked ({error})")),
            Some(_) => self.fault(format!("can't read {} ({error})", self.path.display())),
        }
    }
}

/// A temporary folder beside the path, and a place in it that has the permissions of any other file.
fn staging(target: &Path) -> Result<(TemporaryFolder, PathBuf), Error> {
    let beside = file::folder_of(target);
    let folder = file::temporary_folder_in(beside).map_err(FileError::new("write", beside))?;
    let path = folder.path().join("unpacked");
    Ok((folder, path))
}
