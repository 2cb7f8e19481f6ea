//! Folders of test fixtures in which one file is replaced by the fuzzer's input.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// The files of a folder of fixtures, by their relative paths with `/`: `MODEL/FOLDER/FILE`.
pub struct Fixtures {
    root: &'static str,
    files: OnceLock<BTreeMap<String, Vec<u8>>>,
}

/// A fixture with one file replaced. Dropping it restores the file.
pub struct Changed<'a> {
    /// The name of the fixture, a folder in [`folder`](crate::folder).
    pub model: &'a str,
    /// The size of all its files in bytes.
    pub bytes: usize,
    name: &'a str,
    original: &'a [u8],
}

impl Fixtures {
    /// Uses the fixtures in a folder, relative to `crates/`.
    pub const fn of(root: &'static str) -> Self {
        Self { root, files: OnceLock::new() }
    }

    /// Replaces the file that is named by the first line of the input by the rest of the input. Returns `None` if there is no
    /// such file. The first call copies the fixtures to [`folder`](crate::folder).
    pub fn changed<'a>(&'a self, input: &'a [u8]) -> Option<Changed<'a>> {
        let files = self.files.get_or_init(|| copy(self.root));
        let (name, content) = crate::first_line(input)?;
        let original = files.get(name)?;
        crate::write(name, content);
        let model = name.split('/').next()?;
        let others =
            files.iter().filter(|(other, _)| other.as_str() != name && other.starts_with(&format!("{model}/")));
        let bytes = content.len() + others.map(|(_, other)| other.len()).sum::<usize>();
        Some(Changed { model, bytes, name, original })
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        crate::write(self.name, self.original);
    }
}

fn copy(root: &str) -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates")).join(root);
    let mut files = BTreeMap::new();
    read_all(&root, "", &mut files);
    files.iter().for_each(|(name, bytes)| crate::write(name, bytes));
    files
}

fn read_all(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.expect("a folder that can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("names of fixtures are plain");
        if path.is_dir() {
            read_all(&path, &format!("{prefix}{name}/"), files);
        } else if !prefix.is_empty() {
            files.insert(format!("{prefix}{name}"), fs::read(&path).expect("a fixture can be read"));
        }
    }
}
