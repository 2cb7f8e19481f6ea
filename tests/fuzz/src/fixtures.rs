//! Folders of fixtures with one file replaced.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// The files of a kind's fixtures, by their names below it with `/` between: `MODEL/FOLDER/FILE`.
pub struct Fixtures {
    root: &'static str,
    files: OnceLock<BTreeMap<String, Vec<u8>>>,
}

/// A fixture with one file replaced, which is put back in the end.
pub struct Changed<'a> {
    /// The fixture: a folder's name below [`folder`](crate::folder).
    pub model: &'a str,
    /// The bytes of all its files.
    pub bytes: usize,
    name: &'a str,
    whole: &'a [u8],
}

impl Fixtures {
    /// Those in a folder below `crates/`.
    pub const fn of(root: &'static str) -> Self {
        Self { root, files: OnceLock::new() }
    }

    /// Copies them to [`folder`](crate::folder) at first, and replaces the file that an input's first line names by
    /// the rest. None where it names no file.
    pub fn changed<'a>(&'a self, input: &'a [u8]) -> Option<Changed<'a>> {
        let files = self.files.get_or_init(|| copied(self.root));
        let (name, content) = crate::first_line(input)?;
        let whole = files.get(name)?;
        crate::write(name, content);
        let model = name.split('/').next()?;
        let others =
            files.iter().filter(|(other, _)| other.as_str() != name && other.starts_with(&format!("{model}/")));
        let bytes = content.len() + others.map(|(_, other)| other.len()).sum::<usize>();
        Some(Changed { model, bytes, name, whole })
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        crate::write(self.name, self.whole);
    }
}

fn copied(root: &str) -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates")).join(root);
    let mut files = BTreeMap::new();
    gather(&root, "", &mut files);
    files.iter().for_each(|(name, bytes)| crate::write(name, bytes));
    files
}

fn gather(folder: &Path, before: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.expect("a folder that can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("names of fixtures are plain");
        if path.is_dir() {
            gather(&path, &format!("{before}{name}/"), files);
        } else if !before.is_empty() {
            files.insert(format!("{before}{name}"), fs::read(&path).expect("a fixture can be read"));
        }
    }
}
