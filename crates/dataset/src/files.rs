//! The files that `[data]` names: their paths, their addresses for download, and their SHA-256 hashes.
//!
//! Results depend only on the content of the file at `path`: `url` and `sha256` enter no digest.

use std::fs;
use std::path::Path;

use emberline_base::{Fault, file};

use crate::error::Error;
use crate::format::{Format, FormatOf, Packing};
use crate::settings::{Settings, SplitFile};

/// What the name of a file must end in.
const ENDINGS: &str =
    "its name must end in .csv, .tsv, .jsonl, .json or .parquet, plain or with .gz, .zst or .zip after it";

/// What to do about a file whose name ends otherwise.
const OTHER_FORMATS: &str = "or say what it is: format = \"csv\", \"tsv\", \"jsonl\", \"parquet\", \"fasttext\" (lines with __label__) or \
                             \"label_first\" (lines that begin with the label); labels_path = \"FILE\" if it has a text per line and \
                             the labels are in another file";

/// A file of `[data]`, or of one of its splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataFile<'a> {
    /// The table below `[data]` that names the file: `train`, `valid`, `test`, or `split` for explicit rows; none for `[data]`
    /// itself.
    pub table: Option<&'static str>,
    /// Its path, relative to the folder of the pipeline file.
    pub path: &'a Path,
    /// The address from which `emberline fetch` downloads it.
    pub url: Option<&'a str>,
    /// The SHA-256 that the file must have, in hex.
    pub sha256: Option<&'a str>,
    /// The file with the labels of its texts, if they are in another one.
    pub labels: Option<&'a Path>,
}

impl Settings {
    /// Returns the data files: the one with all rows, or those of the splits.
    pub fn data_files(&self) -> impl Iterator<Item = DataFile<'_>> {
        let (url, sha256, labels) = (self.url.as_deref(), self.sha256.as_deref(), self.labels_path.as_deref());
        let whole = self.path.iter().map(move |path| DataFile { table: None, path, url, sha256, labels });
        let splits = [("train", &self.train), ("valid", &self.valid), ("test", &self.test)];
        whole.chain(splits.into_iter().filter_map(|(name, file)| Some(file.as_ref()?.at(name))))
    }

    /// Returns the paths of all files that a dataset depends on: the data files, and those of labels, of class names and of explicit
    /// rows if there are any.
    pub fn all_paths(&self) -> impl Iterator<Item = &Path> {
        let labels = self.data_files().filter_map(|file| file.labels);
        let others = labels.chain(self.class_names.as_deref()).chain(self.split.rows.as_deref());
        self.data_files().map(|file| file.path).chain(others)
    }

    /// Returns an error for each file that is missing or can't be opened; no file is read. Relative paths are resolved against
    /// `base`.
    pub fn missing_files(&self, base: &Path) -> Vec<Error> {
        let plain = |path| DataFile { table: None, path, url: None, sha256: None, labels: None };
        let labels = self.data_files().filter_map(|file| file.labels).chain(self.class_names.as_deref()).map(plain);
        self.data_files().chain(labels).chain(self.rows_file()).filter_map(|file| file.find(base).err()).collect()
    }

    /// Returns the faults of the files' names, addresses and hashes.
    pub(crate) fn name_faults(&self) -> Vec<Fault> {
        let of_rows = self.rows_file().into_iter().flat_map(|file| file.faults(Format::of));
        self.data_files().flat_map(|file| file.faults(self.format_of())).chain(of_rows).collect()
    }

    /// Returns the file of explicit rows, `split.rows`.
    fn rows_file(&self) -> Option<DataFile<'_>> {
        let path = self.split.rows.as_deref()?;
        Some(DataFile { table: Some("split"), path, url: None, sha256: None, labels: None })
    }
}

impl SplitFile {
    /// Returns the file as the one of the split with this name.
    fn at(&self, name: &'static str) -> DataFile<'_> {
        let Self { path, url, sha256, labels_path } = self;
        let labels = labels_path.as_deref();
        DataFile { table: Some(name), path, url: url.as_deref(), sha256: sha256.as_deref(), labels }
    }
}

impl DataFile<'_> {
    /// Returns the path of a key of the file's table below `[data]`, such as `train.url`.
    pub(crate) fn key(&self, name: &str) -> String {
        // The file of explicit rows has a key of its own for its path.
        let name = if self.table == Some("split") { "rows" } else { name };
        self.table.map_or_else(|| name.to_owned(), |table| format!("{table}.{name}"))
    }

    /// Checks that the path is that of an ordinary file that can be opened.
    fn find(&self, base: &Path) -> Result<(), Error> {
        let path = base.join(self.path);
        let found = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => return Err(Error::Folder { path }),
            Ok(_) => file::open(&path).map(drop),
            Err(error) => Err(error),
        };
        found.map_err(Error::reading(&path)).map_err(|error| match error {
            Error::Missing { path } if self.url.is_some() => Error::NotFetched { path },
            other => other,
        })
    }

    /// Checks that the file exists and has the hash `sha256`. It is read only if there is a `sha256`.
    ///
    /// # Errors
    /// When the file is missing, can't be read, or has another hash.
    pub(crate) fn check(&self, base: &Path) -> Result<(), Error> {
        self.find(base)?;
        let Some(expected) = self.sha256 else { return Ok(()) };
        let path = base.join(self.path);
        let found = file::sha256_of(&path)?;
        if found.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        Err(Error::Hash { path, expected: expected.to_owned(), found })
    }

    /// Returns the faults of the settings of this file. `format_of` derives its format from its name.
    pub(crate) fn faults(&self, format_of: FormatOf) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.path.as_os_str().is_empty() {
            faults.push(Fault::new(self.key("path"), "the path is empty", "give a file"));
        } else if let (Packing::Plain | Packing::Gzip | Packing::Zstd, None) = Packing::of(self.path, format_of) {
            let hint =
                if self.table == Some("split") { ENDINGS.to_owned() } else { format!("{ENDINGS}; {OTHER_FORMATS}") };
            let message = format!("`{}` is of no known format", self.path.display());
            faults.push(Fault::new(self.key("path"), message, hint));
        }
        if self.url.is_some_and(|url| url.trim().is_empty()) {
            let hint = "say where the file can be downloaded, or leave it out";
            faults.push(Fault::new(self.key("url"), "the url is empty", hint));
        }
        if self.sha256.is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
            faults.push(Fault::new(
                self.key("sha256"),
                "not a SHA-256",
                "give 64 hex digits, as `sha256sum` prints them",
            ));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Column, LabelColumns};

    const ROWS: &str = "text,label\na,0\nb,1\n";

    fn settings(url: Option<&str>, sha256: Option<&str>) -> Settings {
        let named = |name: &str| Column::Name(name.to_owned());
        let whole = Settings::new("a.csv", named("text"), LabelColumns::One(named("label")));
        Settings { url: url.map(str::to_owned), sha256: sha256.map(str::to_owned), ..whole }
    }

    #[test]
    fn a_missing_file_with_a_url_can_be_fetched() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |url| settings(url, None).missing_files(folder.path()).remove(0).to_string();
        assert!(of(Some("https://example.org/a.csv")).contains("run `emberline fetch FILE`"), "{}", of(Some("u")));
        assert!(!of(None).contains("fetch"), "{}", of(None));
    }

    #[test]
    fn another_content_than_the_hash_says_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.csv"), ROWS).expect("written");
        let hash = file::sha256(ROWS.as_bytes());
        for sound in [hash.clone(), hash.to_uppercase()] {
            crate::read(&settings(None, Some(&sound)), folder.path()).expect("the file that is meant");
        }
        fs::write(folder.path().join("a.csv"), ROWS.replace('a', "c")).expect("written");
        let error = crate::read(&settings(None, Some(&hash)), folder.path()).expect_err("another");
        assert!(error.is_asset() && error.to_string().contains(&hash), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_without_reading() {
        let folder = tempfile::tempdir().expect("a folder");
        let _listener = std::os::unix::net::UnixListener::bind(folder.path().join("a.csv")).expect("a socket");
        let found = settings(None, None).missing_files(folder.path());
        assert!(found[0].is_asset() && found[0].to_string().contains("a socket"), "{found:?}");
        assert_eq!(
            found[0].to_string(),
            crate::read(&settings(None, None), folder.path()).expect_err("refused").to_string()
        );
    }

    #[test]
    fn addresses_and_hashes_contradict() {
        let keys = |settings: Settings| settings.faults().into_iter().map(|fault| fault.key).collect::<Vec<_>>();
        assert_eq!(keys(settings(Some("https://e.org/a.csv"), Some(&"0aF1".repeat(16)))), [""; 0]);
        assert_eq!(keys(settings(Some(" "), Some("abc"))), ["url", "sha256"]);
        let train = SplitFile { url: Some(String::new()), sha256: Some("g".repeat(64)), ..SplitFile::new("a.csv") };
        let splits = Settings { path: None, train: Some(train), ..settings(None, None) };
        assert_eq!(keys(splits.clone()), ["train.url", "train.sha256"]);
        let train = Some(SplitFile::new("a.csv"));
        let astray = Settings { url: Some("https://e.org/a.csv".into()), train, ..splits };
        assert_eq!(keys(astray), ["url"]);
    }
}
