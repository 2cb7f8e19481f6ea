//! Recognises files by their first bytes, so that a message can say what a file is when it is not what its name says.
//!
//! The first bytes enter ([`head`] reads them), a [`Kind`] leaves: what the file is, and what to do about it. Every reader
//! of data and of models asks here, so that a Git LFS pointer or a saved error page gets the same words everywhere.
//! Signatures are in `signatures.rs`; advice about bytes that are not UTF-8 is in `utf8.rs`.

mod signatures;
mod utf8;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

pub use self::signatures::kind;
pub use self::utf8::cure_of_invalid_utf8;

/// How many bytes are enough to recognise a file.
pub const HEAD: usize = 4096;

/// The name of tar among [`Kind::OtherArchive`].
pub const TAR: &str = "tar";

/// What a reader wanted the file for: the cure depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A table of texts.
    Data,
    /// A file of a pretrained model.
    Model,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The text file that Git LFS checks out when the large file was not downloaded.
    GitLfsPointer,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// Another compression or archive format, by its name.
    OtherArchive(&'static str),
    /// A zip archive of no kind that is told apart below.
    Zip,
    /// An Excel or OpenDocument workbook.
    Workbook,
    /// Another document of an office program.
    OfficeDocument,
    /// A model saved by PyTorch: a zip archive of pickles.
    PyTorch,
    /// An HTML page.
    Html,
    /// An XML document.
    Xml,
    /// Text in UTF-16.
    Utf16 {
        /// Whether the high byte comes first.
        big_endian: bool,
        /// Whether it begins with a byte order mark.
        marked: bool,
    },
    /// Text in UTF-32.
    Utf32,
    /// A TensorFlow Lite model.
    TfLite,
    /// A TensorFlow SavedModel or graph in protobuf's text form.
    GraphText,
    /// The extended attributes that macOS writes beside a file as `._NAME`.
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
    /// What it is, as a noun phrase.
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
            Self::AppleDouble => "an AppleDouble file, which macOS writes beside the file itself as `._NAME`",
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

    /// What to do about it.
    pub fn cure(self, used_as: Use) -> &'static str {
        self.common_cure().unwrap_or_else(|| match used_as {
            Use::Data => self.cure_of_data(),
            Use::Model => self.cure_of_model(),
        })
    }

    /// The cure, if it is the same for data and models.
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

    /// What a message says after the file's name: what was expected, what is there, and the cure.
    ///
    /// `expected`: a noun phrase such as `CSV` or `a safetensors file`.
    pub fn instead_of(self, expected: &str, used_as: Use) -> String {
        format!("not {expected} but {}; {}", self.name(), self.cure(used_as))
    }

    /// Whether its bytes are text in UTF-8, so that a reader of text may try them.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Html | Self::Xml | Self::GraphText)
    }
}

/// The first bytes of a file, at most [`HEAD`]. Of a pipe or a device nothing is read.
///
/// # Errors
/// When it can't be read.
pub fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if fs::metadata(path)?.is_file() {
        File::open(path)?.take(HEAD as u64).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// What a message about a model's file says after its name, if the first bytes show that it can't be what the ending of the
/// name says. `None` also if the bytes say nothing: a damaged file keeps the message of its reader.
///
/// `also_read`: what the reader takes under any name.
pub fn explain_model_file(path: &Path, head: &[u8], also_read: &[Kind]) -> Option<String> {
    let expected = Expected::of(path);
    let found = kind(head).filter(|found| Some(*found) != expected.own && !also_read.contains(found))?;
    match found {
        Kind::Text if !expected.is_binary => None,
        Kind::Text => {
            let (expected, cure) = (expected.name, Kind::Text.cure(Use::Model));
            Some(format!("not {expected} but text that begins with {}; {cure}", beginning(head)))
        }
        found => Some(found.instead_of(expected.name, Use::Model)),
    }
}

/// What a file is that only stands for another one, a Git LFS pointer or a saved page; `None` for every other file. For
/// readers that can't fail by themselves: any bytes are numbers, and any lines are words.
pub fn stand_in(head: &[u8]) -> Option<Kind> {
    kind(&head[..head.len().min(HEAD)]).filter(|found| matches!(found, Kind::GitLfsPointer | Kind::Html))
}

/// What the ending of a model file's name says.
struct Expected {
    /// As a noun phrase.
    name: &'static str,
    own: Option<Kind>,
    /// Whether text can't be right.
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

/// The first characters of a text on one line, between quotes, for a message about a text in a binary file's place.
pub fn beginning(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let line: String = text.trim_start().chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{:?}", line.trim_end())
}

/// Whether a member of an archive was put there by an operating system: macOS' resource forks (`__MACOSX/`, `._NAME`) and
/// other hidden files, Windows' thumbnails. `name`: its path in the archive, with `/`.
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
