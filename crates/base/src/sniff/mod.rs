//! Detects file types by content ("magic numbers"), so that a message can say what a file is if it isn't what its name says.
//!
//! Input: the first bytes of a file ([`head`] reads them). Output: a [`Kind`], with its name and the advice for messages.
//! Every reader of data and models uses this module, so that a Git LFS pointer or a saved error page gets the same message
//! everywhere. The signatures are in `signatures.rs`, the advice about invalid UTF-8 is in `utf8.rs`.

mod signatures;
mod utf8;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

pub use self::signatures::kind;
pub use self::utf8::cure_of_invalid_utf8;

/// Number of bytes that are enough to detect the type of a file.
pub const HEAD: usize = 4096;

/// The name of the tar format in [`Kind::OtherArchive`].
pub const TAR: &str = "tar";

/// What a reader needs the file for; the advice depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileUse {
    /// A table of texts.
    Data,
    /// A file of a pretrained model.
    Model,
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Git LFS pointer: the text file that Git checks out if the large file wasn't downloaded.
    GitLfsPointer,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// Another compression or archive format, with its name.
    OtherArchive(&'static str),
    /// A zip archive that is none of the zip-based formats below.
    Zip,
    /// An Excel or OpenDocument workbook.
    Workbook,
    /// Another office document.
    OfficeDocument,
    /// A model saved by PyTorch: a zip archive of pickles.
    PyTorch,
    /// An HTML page.
    Html,
    /// An XML document.
    Xml,
    /// Text in UTF-16.
    Utf16 {
        /// Whether the byte order is big-endian.
        big_endian: bool,
        /// Whether the text begins with a byte order mark.
        marked: bool,
    },
    /// Text in UTF-32.
    Utf32,
    /// A TensorFlow Lite model.
    TfLite,
    /// A TensorFlow SavedModel or graph in protobuf's text form.
    GraphText,
    /// An AppleDouble file: the extended attributes of `NAME`, which macOS writes to `._NAME`.
    AppleDouble,
    /// A Python pickle.
    Pickle,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow, also known as Feather.
    Arrow,
    /// HDF5.
    Hdf5,
    /// safetensors.
    Safetensors,
    /// A GGUF model of llama.cpp.
    Gguf,
    /// A fastText model, `.bin` or `.ftz`.
    FastText,
    /// finalfusion word vectors.
    Finalfusion,
    /// A NumPy array.
    Npy,
    /// A SQLite database.
    Sqlite,
    /// A PDF document.
    Pdf,
    /// Text in UTF-8 without control characters.
    Text,
}

impl Kind {
    /// Returns the name of the type, as a noun phrase or an adjective for a message.
    pub fn name(self) -> String {
        let name = match self {
            Self::GitLfsPointer => "a Git LFS pointer, which stands for a file that was not downloaded",
            Self::Gzip => "gzip-compressed",
            Self::Zstd => "compressed with Zstandard",
            Self::OtherArchive(format) => return format!("packed with {format}"),
            Self::Zip => "a zip archive",
            Self::Workbook => "a spreadsheet (an Excel .xlsx or .xls, or an OpenDocument .ods)",
            Self::OfficeDocument => "a document of an office program",
            Self::PyTorch => "a PyTorch model, a pickle that may run code and is never loaded",
            Self::Html => "a web page, such as a login or error page that was saved in the file's place",
            Self::Xml => "an XML document, such as the error message of a server",
            Self::Utf16 { .. } => "text in UTF-16",
            Self::Utf32 => "text in UTF-32",
            Self::TfLite => "a TensorFlow Lite model",
            Self::GraphText => "a TensorFlow graph in text form (.pbtxt)",
            Self::AppleDouble => "an AppleDouble file, which macOS writes next to the file itself as `._NAME`",
            Self::Pickle => "a Python pickle, which may run code and is never loaded",
            Self::Parquet => "Parquet",
            Self::Arrow => "an Arrow (Feather) file",
            Self::Hdf5 => "an HDF5 file",
            Self::Safetensors => "a safetensors file",
            Self::Gguf => "a GGUF model of llama.cpp",
            Self::FastText => "a fastText model",
            Self::Finalfusion => "word vectors of finalfusion",
            Self::Npy => "a NumPy array",
            Self::Sqlite => "a SQLite database",
            Self::Pdf => "a PDF document",
            Self::Text => "plain text",
        };
        name.to_owned()
    }

    /// Returns the advice for a file of this type that was found in place of another type.
    pub fn cure(self, used_as: FileUse) -> &'static str {
        self.common_cure().unwrap_or_else(|| match used_as {
            FileUse::Data => self.cure_of_data(),
            FileUse::Model => self.cure_of_model(),
        })
    }

    /// Returns the advice that is the same for data and models, if there is any.
    fn common_cure(self) -> Option<&'static str> {
        Some(match self {
            Self::GitLfsPointer => "run `git lfs pull` in its repository to get the file itself",
            Self::Html | Self::Xml => {
                "download the file itself: look at its address in a browser, and log in where that is needed"
            }
            Self::Utf16 { marked: true, .. } => "convert the file: iconv -f UTF-16 -t UTF-8 OLD > NEW",
            Self::Utf16 { big_endian: false, .. } => "convert the file: iconv -f UTF-16LE -t UTF-8 OLD > NEW",
            Self::Utf16 { .. } => "convert the file: iconv -f UTF-16BE -t UTF-8 OLD > NEW",
            Self::Utf32 => "convert the file: iconv -f UTF-32 -t UTF-8 OLD > NEW",
            Self::AppleDouble => "name the file without `._`",
            Self::OtherArchive(_) => "unpack it and name the file inside",
            _ => return None,
        })
    }

    fn cure_of_data(self) -> &'static str {
        match self {
            Self::Gzip => "let its name end in .gz, so that it is unpacked",
            Self::Zstd => "let its name end in .zst, so that it is unpacked",
            Self::Zip => {
                "let its name end in .zip, so that it is unpacked; or, if it is an Excel workbook (.xlsx), export the sheet as \
                 CSV in UTF-8"
            }
            Self::Parquet => "let its name end in .parquet",
            Self::Workbook => "export the sheet as CSV in UTF-8",
            Self::Pickle | Self::PyTorch | Self::Arrow | Self::Hdf5 | Self::Npy => {
                "write the table as Parquet or CSV, for example with pandas' `to_parquet`"
            }
            Self::Sqlite => "export the table as CSV, for example: sqlite3 -header -csv OLD 'SELECT ...' > NEW.csv",
            Self::Text => "let its name end in what it is: .csv, .tsv or .jsonl",
            _ => "name a file of texts: CSV, TSV, JSON Lines or Parquet",
        }
    }

    fn cure_of_model(self) -> &'static str {
        match self {
            Self::Gzip => "unpack it with gunzip",
            Self::Zstd => "unpack it with `zstd -d`",
            Self::Zip => "unpack it and name what is inside",
            Self::Pickle | Self::PyTorch => "save a model as safetensors, and word vectors as word2vec text or binary",
            Self::TfLite => "download the model as a SavedModel (`TF2.0 SavedModel` or `TensorFlow 2`) instead",
            Self::GraphText => "save it in binary form as saved_model.pb, as `tf.saved_model.save` does",
            Self::Gguf => "take the model's safetensors or ONNX files instead",
            Self::FastText | Self::Finalfusion => "open it as the source `word_vectors`",
            Self::Safetensors => "open its folder as the source `sentence_transformer` or `model2vec`",
            Self::Hdf5 => {
                "ELMo's weights are opened as the source `elmo`; Keras models have to be saved as a SavedModel"
            }
            _ => "name the model's own file, or download it again",
        }
    }

    /// Returns the message for a file of another type than expected: the expected type, the actual one and the advice. The
    /// caller puts the file's path in front.
    ///
    /// `expected`: a noun phrase such as `CSV` or `a safetensors file`.
    pub fn mismatch_message(self, expected: &str, used_as: FileUse) -> String {
        format!("not {expected} but {}; {}", self.name(), self.cure(used_as))
    }

    /// Returns whether the type is text in UTF-8, so that a reader of text may try to read it.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Html | Self::Xml | Self::GraphText)
    }
}

/// Reads the first bytes of a file, at most [`HEAD`]. Returns no bytes for a pipe or a device.
///
/// # Errors
/// If the file can't be read.
pub fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if fs::metadata(path)?.is_file() {
        File::open(path)?.take(HEAD as u64).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Returns the message for a model file whose first bytes contradict the extension of its name. Returns `None` if they
/// don't, or if the type is unknown: a damaged file gets its reader's own message.
///
/// `also_read`: types that the reader accepts under any name.
pub fn explain_model_file(path: &Path, head: &[u8], also_read: &[Kind]) -> Option<String> {
    let expected = Expected::of(path);
    let found = kind(head).filter(|found| Some(*found) != expected.own && !also_read.contains(found))?;
    match found {
        Kind::Text if !expected.is_binary => None,
        Kind::Text => {
            let (expected, cure) = (expected.name, Kind::Text.cure(FileUse::Model));
            Some(format!("not {expected} but text that begins with {}; {cure}", beginning(head)))
        }
        found => Some(found.mismatch_message(expected.name, FileUse::Model)),
    }
}

/// Returns the type of a placeholder for another file (a Git LFS pointer or a saved web page), and `None` for any other file.
/// It is for readers of formats without a syntax, which would accept such a file: any bytes are numbers, any lines are words.
pub fn placeholder_kind(head: &[u8]) -> Option<Kind> {
    kind(&head[..head.len().min(HEAD)]).filter(|found| matches!(found, Kind::GitLfsPointer | Kind::Html))
}

/// The type of a model file that the extension of its name promises.
struct Expected {
    /// The type as a noun phrase.
    name: &'static str,
    /// The type itself, if its content can be detected.
    own: Option<Kind>,
    /// Whether the format is binary, so that text is a mistake.
    is_binary: bool,
}

impl Expected {
    fn of(path: &Path) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let (name, own, is_binary) = match ending.as_str() {
            "safetensors" => ("a safetensors file", Some(Kind::Safetensors), true),
            "hdf5" | "h5" => ("HDF5", Some(Kind::Hdf5), true),
            "onnx" => ("an ONNX graph", None, true),
            "pb" => ("a SavedModel", None, true),
            "index" => ("the index of a TensorFlow checkpoint", None, true),
            "gz" | "tgz" => ("gzip-compressed", Some(Kind::Gzip), true),
            "ftz" => ("a fastText model", Some(Kind::FastText), true),
            "fifu" => ("word vectors of finalfusion", Some(Kind::Finalfusion), true),
            "bin" | "vec" => ("word vectors", None, false),
            "txt" => ("text", None, false),
            "json" => ("JSON", None, false),
            "pbtxt" => ("a graph in text form", Some(Kind::GraphText), false),
            ending if ending.starts_with("data-") => ("the numbers of a TensorFlow checkpoint", None, true),
            _ => ("a file of a model", None, false),
        };
        Self { name, own, is_binary }
    }
}

/// Quotes the first 60 characters of a text on one line, for a message about text in place of a binary file.
pub fn beginning(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let line: String = text.trim_start().chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{:?}", line.trim_end())
}

/// Returns whether a member of an archive was added by an operating system: macOS' resource forks (`__MACOSX/`, `._NAME`) and
/// other hidden files, and Windows' thumbnails. `name`: the member's path in the archive, with `/` as the separator.
pub fn is_system_file(name: &str) -> bool {
    name.split('/').any(|part| {
        part == "__MACOSX"
            || part.len() > 1 && part.starts_with('.') && part != ".."
            || part == "Thumbs.db"
            || part == "desktop.ini"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_is_expected() {
        let of = |name: &str, head: &[u8]| explain_model_file(Path::new(name), head, &[]).unwrap_or_default();
        let gzip = b"\x1f\x8b\x08\0";
        assert_eq!(of("a.vec.gz", gzip), "");
        assert_eq!(of("a.safetensors", gzip), "not a safetensors file but gzip-compressed; unpack it with gunzip");
        assert_eq!(explain_model_file(Path::new("a.vec"), gzip, &[Kind::Gzip]), None);
        assert!(of("a.safetensors", b"Entry not found").contains("text that begins with \"Entry not found\""));
        assert!(of("variables.data-00000-of-00001", b"Entry not found").contains("checkpoint"));
        assert!(of("config.json", b"<!DOCTYPE html><html>").contains("a web page"));
        assert_eq!(of("config.json", b"{}"), "");
        assert_eq!(of("a.safetensors", &[0xff; 64]), "");
        let pointer = b"version https://git-lfs.github.com/spec/v1\n";
        for name in ["a.vec", "a.onnx", "saved_model.pb", "variables.index", "tokenizer.json", "a.hdf5", "a.ftz"] {
            assert!(of(name, pointer).contains("git lfs pull"), "{name}");
        }
    }

    #[test]
    fn files_of_systems_are_told_from_others() {
        for name in ["__MACOSX/a.csv", "m/._saved_model.pb", ".DS_Store", "a/Thumbs.db"] {
            assert!(is_system_file(name), "{name}");
        }
        for name in ["a.csv", "./a.csv", "m/old_saved_model.pb", "../a"] {
            assert!(!is_system_file(name), "{name}");
        }
    }

    #[test]
    fn a_beginning_is_one_line() {
        assert_eq!(beginning(b" Entry\nnot\tfound\n"), "\"Entry not found\"");
    }
}
