//! Unpacks a downloaded archive, unless the path names an archive itself.
//!
//! | download | the path ends in `.gz`, `.zip`, `.tar`, ... | the path has the name of a member, or the extension of a file | otherwise |
//! |---|---|---|---|
//! | `.tar.gz`, `.tar`, `.zip` | kept as it is | that member (or the only one) | a folder of all members |
//! | `.gz` | kept as it is | the unpacked file | the unpacked file |
//! | anything else | kept as it is | kept as it is | kept as it is |
//!
//! The format is detected from the first bytes. A single folder that contains all members is stripped. Archives may
//! hold files and folders only; links, `..`, absolute paths, duplicate names and decompression bombs are refused before
//! anything is written. Members are extracted to a temporary folder next to the path.

mod extraction;
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

use self::extraction::Extraction;
use self::member::{LimitedReader, write_member};
use crate::Error;
use crate::options::Limits;

/// The format of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Plain,
    Gzip,
    Tar,
    TarGzip,
    Zip,
    /// A compression that isn't supported.
    Unknown(&'static str),
}

/// A downloaded file that may be an archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Downloaded<'a> {
    /// The path of the file.
    pub(crate) path: &'a Path,
    /// The URL that it came from.
    pub(crate) url: &'a str,
    /// The maximum sizes and counts.
    pub(crate) limits: &'a Limits,
}

/// Unpacked content in a temporary folder, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// The unpacked file or folder.
    pub(crate) path: PathBuf,
    _folder: TemporaryFolder,
}

impl Downloaded<'_> {
    /// Unpacks the content for the path `target`; none if the download itself is the content.
    ///
    /// # Errors
    /// When the archive is damaged, hostile or too large, or doesn't hold what the path names.
    pub(crate) fn unpack(&self, target: &Path) -> Result<Option<Unpacked>, Error> {
        if extraction::names_archive(target) {
            return Ok(None);
        }
        match self.format()? {
            Format::Plain => Ok(None),
            Format::Unknown(name) => {
                Err(self
                    .error(format!("it is compressed with {name}, which isn't supported; unpack it by hand to `path`")))
            }
            Format::Gzip => self.gunzip(target).map(Some),
            format => self.extract(format, target).map(Some),
        }
    }

    fn format(&self) -> Result<Format, Error> {
        let head = self.head(&mut self.open()?)?;
        let format = match kind(&head) {
            Some(Kind::Gzip) => match self.head(&mut MultiGzDecoder::new(BufReader::new(self.open()?))) {
                Ok(inner) if kind(&inner) == Some(Kind::OtherArchive(TAR)) => Format::TarGzip,
                _ => Format::Gzip,
            },
            // Any kind of zip: the path names what is in it.
            _ if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") => Format::Zip,
            Some(Kind::OtherArchive(TAR)) => Format::Tar,
            Some(Kind::Zstd) => Format::Unknown("zstd"),
            Some(Kind::OtherArchive(name)) => Format::Unknown(name),
            _ => Format::Plain,
        };
        Ok(format)
    }

    fn head(&self, reader: &mut dyn Read) -> Result<Vec<u8>, Error> {
        let mut head = Vec::with_capacity(512);
        reader.take(512).read_to_end(&mut head).map_err(FileError::new("read", self.path))?;
        Ok(head)
    }

    fn open(&self) -> Result<File, Error> {
        Ok(file::open(self.path).map_err(FileError::new("read", self.path))?)
    }

    /// Returns the maximum number of bytes that the archive may unpack to.
    fn unpacked_limit(&self) -> Result<u64, Error> {
        let packed = self.open()?.metadata().map_err(FileError::new("read", self.path))?.len();
        Ok(packed.saturating_mul(self.limits.max_ratio).max(64 << 20).min(self.limits.unpacked))
    }

    fn gunzip(&self, target: &Path) -> Result<Unpacked, Error> {
        let (folder, path) = staging(target)?;
        let reader = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, self.open()?));
        write_member(&mut LimitedReader::new(reader, self.unpacked_limit()?), &path, |error| self.damaged(&error))?;
        Ok(Unpacked { path, _folder: folder })
    }

    fn extract(&self, format: Format, target: &Path) -> Result<Unpacked, Error> {
        let mut names = Vec::new();
        self.visit(format, &mut |name, _| {
            names.push(name.to_owned());
            Ok(())
        })?;
        let selected = extraction::select(&names, target).map_err(|reason| self.error(reason))?;
        let (folder, path) = staging(target)?;
        self.visit(format, &mut |name, reader| {
            let into = match &selected {
                Extraction::Member(member) if member == name => path.clone(),
                Extraction::Member(_) => return Ok(()),
                Extraction::Folder(root) => match name.strip_prefix(root.as_str()) {
                    Some(below) if !is_system_file(name) => path.join(below),
                    _ => return Ok(()),
                },
            };
            if let Some(parent) = into.parent() {
                file::make_folder(parent)?;
            }
            write_member(reader, &into, |error| self.damaged(&error))
        })?;
        Ok(Unpacked { path, _folder: folder })
    }

    /// Calls `each` with every file of the archive, by its checked name.
    fn visit(&self, format: Format, each: &mut member::MemberVisitor<'_>) -> Result<(), Error> {
        let file = BufReader::with_capacity(1 << 16, self.open()?);
        match format {
            Format::Zip => self.visit_zip(file, each),
            Format::TarGzip => {
                self.visit_tar(LimitedReader::new(MultiGzDecoder::new(file), self.unpacked_limit()?), each)
            }
            _ => self.visit_tar(LimitedReader::new(file, self.unpacked_limit()?), each),
        }
    }

    fn error(&self, reason: impl Into<String>) -> Error {
        Error::Archive { url: secret::mask_url(self.url), reason: reason.into() }
    }

    fn damaged(&self, error: &io::Error) -> Error {
        match error.raw_os_error() {
            None => self.error(format!("the archive can't be unpacked ({error})")),
            Some(_) => self.error(format!("can't read {} ({error})", self.path.display())),
        }
    }
}

/// Creates a temporary folder next to the path, and returns it with a path inside it that gets the permissions of any
/// other file.
fn staging(target: &Path) -> Result<(TemporaryFolder, PathBuf), Error> {
    let beside = file::folder_of(target);
    let folder = file::temporary_folder_in(beside).map_err(FileError::new("write", beside))?;
    let path = folder.path().join("unpacked");
    Ok((folder, path))
}
