//! Opens a file, by the ending of its name, as a stream of uncompressed bytes: plain, gzip (RFC 1952, with several members),
//! Zstandard (RFC 8878) and zip (APPNOTE 6.3: stored or deflated).
//!
//! To stop decompression bombs, the output of a compressed file is limited to [`GROWTH`] times its size once it exceeds [`FREE`]
//! bytes, and to [`MAX`] bytes. Nothing is ever decompressed to the disk.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use emberline_base::file;
use emberline_base::sniff::{self, Kind};
use zip::ZipArchive;
use zip::result::ZipError;

use super::Format;
use crate::error::Error;

/// Uncompressed bytes below which no ratio is suspicious.
const FREE: u64 = 64 << 20;
/// The largest allowed ratio of uncompressed to compressed bytes; that of texts is 3 to 20.
const GROWTH: u64 = 250;
/// The largest allowed number of uncompressed bytes.
const MAX: u64 = 64 << 30;

/// How a file is compressed, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not compressed.
    Plain,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
    /// `.zip`
    Zip,
}

impl Packing {
    /// Returns the compression of a file and, if the name says it, the format of its content. `format_of` derives the format from
    /// a name without the ending of the compression.
    pub(crate) fn of(path: &Path, format_of: FormatOf) -> (Self, Option<Format>) {
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let packing = match ending.as_str() {
            "gz" => Self::Gzip,
            "zst" => Self::Zstd,
            "zip" => Self::Zip,
            _ => return (Self::Plain, format_of(path)),
        };
        (packing, path.file_stem().map(PathBuf::from).and_then(|stem| format_of(&stem)))
    }

    /// Refuses a file whose first bytes show another compression, or none.
    fn check(self, path: &Path, head: &[u8]) -> Result<(), Error> {
        let (ending, expected) = match self {
            Self::Plain => return Ok(()),
            Self::Gzip => (".gz", "gzip-compressed"),
            Self::Zstd => (".zst", "compressed with Zstandard"),
            Self::Zip => (".zip", "a zip archive"),
        };
        let is_zip = self == Self::Zip && head.starts_with(b"PK");
        match sniff::kind(head) {
            Some(Kind::Gzip) if self == Self::Gzip => Ok(()),
            Some(Kind::Zstd) if self == Self::Zstd => Ok(()),
            Some(found) if found.is_text() || found == Kind::Parquet => {
                let reason = format!("not {expected} but {}; remove {ending} from its name", found.name());
                Err(Error::OtherKind { path: path.to_owned(), reason })
            }
            Some(found) if !is_zip => Err(Error::other_kind(path, found, expected)),
            _ => Ok(()),
        }
    }
}

/// Derives the format of a file from its name.
pub(crate) type FormatOf = fn(&Path) -> Option<Format>;

/// The uncompressed bytes of a file.
pub(super) enum Input<'a> {
    /// A plain file, in which a reader may seek.
    File(File),
    /// The output of a decoder.
    Packed(&'a mut dyn Read),
}

impl Input<'_> {
    /// Returns all bytes as a stream.
    pub(super) fn stream(&mut self) -> &mut dyn Read {
        match self {
            Self::File(file) => file,
            Self::Packed(reader) => *reader,
        }
    }
}

/// Opens a file and passes its format and uncompressed bytes to `read`.
///
/// # Errors
/// When it doesn't exist, is a folder, is of no known format, or isn't compressed as its name says.
pub(super) fn open<T>(
    path: &Path,
    format_of: FormatOf,
    read: impl FnOnce(Format, &mut Input<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let metadata = fs::metadata(path).map_err(Error::reading(path))?;
    if metadata.is_dir() {
        return Err(Error::Folder { path: path.to_owned() });
    }
    let (packing, format) = Packing::of(path, format_of);
    let unknown = || Error::UnknownFormat { path: path.to_owned() };
    let file = file::open(path).map_err(Error::reading(path))?;
    if packing != Packing::Plain && metadata.len() == 0 {
        return Err(Error::Empty { path: path.to_owned() });
    }
    if packing != Packing::Plain {
        packing.check(path, &sniff::head(path).map_err(Error::reading(path))?)?;
    }
    match packing {
        Packing::Plain => read(format.ok_or_else(unknown)?, &mut Input::File(file)),
        Packing::Gzip => {
            let unpacked = flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(1 << 16, file));
            read(format.ok_or_else(unknown)?, &mut Input::Packed(&mut Capped::new(unpacked, metadata.len())))
        }
        Packing::Zstd => {
            let unpacked = zstd::Decoder::new(file).map_err(explained(path))?;
            read(format.ok_or_else(unknown)?, &mut Input::Packed(&mut Capped::new(unpacked, metadata.len())))
        }
        Packing::Zip => {
            let mut archive = ZipArchive::new(io::BufReader::new(file)).map_err(|error| unzipped(path, error))?;
            let (index, format) = data_file(path, &mut archive, format, format_of)?;
            let unpacked = archive.by_index(index).map_err(|error| unzipped(path, error))?;
            read(format, &mut Input::Packed(&mut Capped::new(unpacked, metadata.len())))
        }
    }
}

/// A file of an archive.
struct Entry {
    index: usize,
    name: PathBuf,
    /// The format that its name says, if any.
    format: Option<Format>,
    encrypted: bool,
}

/// Finds the only data file in an archive.
fn data_file(
    path: &Path,
    archive: &mut ZipArchive<io::BufReader<File>>,
    outer: Option<Format>,
    format_of: FormatOf,
) -> Result<(usize, Format), Error> {
    let refused = |reason: String| Error::Archive { path: path.to_owned(), reason };
    let (mut named, others): (Vec<Entry>, Vec<Entry>) =
        entries(path, archive, format_of)?.into_iter().partition(|entry| entry.format.is_some());
    // Beside one table, text files are notes such as a README, not data.
    if named.iter().filter(|entry| entry.format != Some(Format::Lines)).count() == 1 {
        named.retain(|entry| entry.format != Some(Format::Lines));
    }
    let (entry, format) = match (named.as_slice(), others.as_slice(), outer) {
        ([entry], _, _) => (entry, entry.format),
        ([], [entry], Some(_)) => (entry, outer),
        _ => return Err(refused(no_single_file(&named, &others))),
    };
    let format = format.expect("either the entry's name or the archive's says the format");
    if entry.encrypted {
        return Err(refused("the archive is encrypted; unpack it first".to_owned()));
    }
    Ok((entry.index, format))
}

/// Lists the files of an archive. Folders, hidden files and `__MACOSX` are skipped.
fn entries(
    path: &Path,
    archive: &mut ZipArchive<io::BufReader<File>>,
    format_of: FormatOf,
) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| unzipped(path, error))?;
        let Some(name) = entry.enclosed_name().filter(|_| !entry.name().starts_with(['/', '\\'])) else {
            let reason = format!("`{}` would lie outside the archive; pack it again without such names", entry.name());
            return Err(Error::Archive { path: path.to_owned(), reason });
        };
        if entry.is_file() && !sniff::is_system_file(&name.to_string_lossy().replace('\\', "/")) {
            entries.push(Entry { index, format: format_of(&name), encrypted: entry.encrypted(), name });
        }
    }
    Ok(entries)
}

/// Says why an archive has no single data file, and what to do about it.
fn no_single_file(named: &[Entry], others: &[Entry]) -> String {
    if named.is_empty() && others.iter().any(|entry| entry.name.ends_with("[Content_Types].xml")) {
        return "this is an Excel workbook or another office document; export the sheet as CSV in UTF-8".to_owned();
    }
    if named.is_empty() {
        return "no .csv, .tsv, .jsonl, .json or .parquet file is in this archive".to_owned();
    }
    let names: Vec<String> = named.iter().take(5).map(|entry| entry.name.display().to_string()).collect();
    format!("{} data files are in this archive ({}, ...); unpack the one that is meant", named.len(), names.join(", "))
}

fn unzipped(path: &Path, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => explained(path)(error),
        ZipError::UnsupportedArchive(reason) => Error::Archive {
            path: path.to_owned(),
            reason: format!("this kind of zip can't be read ({reason}); pack it with deflate, without a password"),
        },
        error => Error::Damaged { path: path.to_owned(), reason: error.to_string() },
    }
}

/// Returns a function for `map_err` that distinguishes damaged files and decompression bombs from failures of the system.
pub(super) fn explained(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| match error.get_ref().and_then(|inner| inner.downcast_ref::<Bomb>()) {
        Some(&Bomb { packed, unpacked }) => Error::Oversized { path, packed, unpacked },
        None if error.kind() == io::ErrorKind::OutOfMemory => Error::reading(&path)(error),
        None if error.raw_os_error().is_none() => Error::Damaged { path, reason: error.to_string() },
        None => Error::reading(&path)(error),
    }
}

/// Returns the limit of the uncompressed size of a file with `packed` bytes.
pub(super) fn cap(packed: u64) -> u64 {
    packed.saturating_mul(GROWTH).clamp(FREE, MAX)
}

/// The error of a stream that exceeds its limit.
#[derive(Debug, thiserror::Error)]
#[error("{unpacked} bytes from {packed}")]
struct Bomb {
    packed: u64,
    unpacked: u64,
}

/// A reader that fails once its output exceeds the limit of [`cap`].
struct Capped<R> {
    inner: R,
    packed: u64,
    unpacked: u64,
}

impl<R> Capped<R> {
    fn new(inner: R, packed: u64) -> Self {
        Self { inner, packed, unpacked: 0 }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.unpacked += count as u64;
        if self.unpacked > cap(self.packed) {
            return Err(io::Error::other(Bomb { packed: self.packed, unpacked: self.unpacked }));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_determine_compression_and_format() {
        let of = |name: &str| Packing::of(Path::new(name), Format::of);
        assert_eq!(of("a/train.csv"), (Packing::Plain, Some(Format::Csv)));
        assert_eq!(of("a/Train.TSV.GZ"), (Packing::Gzip, Some(Format::Tsv)));
        assert_eq!(of("a.b/x.jsonl.zst"), (Packing::Zstd, Some(Format::Jsonl)));
        assert_eq!(of("x.parquet"), (Packing::Plain, Some(Format::Parquet)));
        assert_eq!(of("x.zip"), (Packing::Zip, None));
        assert_eq!(of("x.xlsx"), (Packing::Plain, None));
        assert_eq!(of("csv"), (Packing::Plain, None));
    }

    #[test]
    fn a_stream_beyond_its_cap_ends_in_an_error() {
        let mut capped = Capped::new(io::repeat(b'a'), 1000);
        let error = io::copy(&mut capped, &mut io::sink()).expect_err("it never ends");
        let error = explained(Path::new("x.csv.gz"))(error);
        assert!(matches!(error, Error::Oversized { packed: 1000, unpacked, .. } if unpacked > FREE), "{error}");
    }
}
