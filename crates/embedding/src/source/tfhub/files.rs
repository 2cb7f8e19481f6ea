//! The files of a module: a folder, or a `.tar.gz` of one that is unpacked into memory; and the messages about faults
//! in them.
//!
//! A folder's files are read on demand, tables in pieces. An archive may contain files and folders only; links,
//! absolute paths, `..`, repeated names, and archives that unpack to far more than their size are refused.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Component, Path};

use emberline_base::file::{self, FileError};
use emberline_base::{OutOfMemory, sniff};
use flate2::read::MultiGzDecoder;
use savedmodel::{Files, SAVED_MODEL};
use tar::{Archive, EntryType};

use super::{Settings, missing};
use crate::Error;
use crate::source::location::missing_hint;

/// The maximum number of entries of an archive; no module has more.
const MAX_ENTRIES: usize = 10_000;
/// Every archive may unpack to this many bytes ...
const FREE_BYTES: u64 = 64 << 20;
/// ... and a larger one to this many times its own size. Trained vectors hardly compress.
const MAX_RATIO: u64 = 32;
/// The maximum size of an archive that is unpacked in memory.
const MAX_BYTES: u64 = 8 << 30;

/// Opens the module that the settings name, and checks its hash if they have one and it is a file.
pub(super) fn open(settings: &Settings, path: &Path) -> Result<Files, Error> {
    let Ok(metadata) = fs::metadata(path) else {
        return Err(Error::Missing { path: path.to_owned(), hint: missing_hint(settings.url.as_deref()) });
    };
    if metadata.is_dir() {
        return Ok(Files::Folder(path.to_owned()));
    }
    let bytes = file::read(path)?;
    if let Some(expected) = &settings.sha256 {
        let found = file::sha256(&bytes);
        if !found.eq_ignore_ascii_case(expected) {
            return Err(Error::Hash { path: path.to_owned(), expected: expected.clone(), found });
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(known) = missing::known(&name).filter(|_| !name.ends_with(".gz")) {
        return Err(Error::format(path, format!("not a module of TensorFlow Hub: {known}")));
    }
    let files = unpack(&bytes).map_err(|reason| Error::format(path, reason))?;
    Ok(Files::Memory(path.to_owned(), files))
}

/// Returns an error about one file; if its first bytes show that it is another kind of file altogether, the message
/// says that instead.
pub(super) fn fault(files: &Files, name: &str, reason: impl Into<String>) -> Error {
    let place = files.place(name);
    let mut head = Vec::new();
    if let Ok(reader) = files.reader(name, 0) {
        // A file that can't be read isn't explained.
        let _ = reader.take(sniff::HEAD as u64).read_to_end(&mut head);
    }
    let explained = sniff::explain_model_file(&place, &head, &[]);
    Error::format(place, explained.unwrap_or_else(|| reason.into()))
}

/// Returns a function for `map_err`, which adds what is known of these files to an error of the SavedModel reader.
pub(super) fn explained(files: &Files) -> impl Fn(savedmodel::Error) -> Error + Copy {
    move |error| match error {
        savedmodel::Error::File { path, source } => FileError { action: "read", path, source }.into(),
        savedmodel::Error::Missing { file, .. } => {
            fault(files, &file, format!("isn't there; {}", instead_of(files, &file)))
        }
        savedmodel::Error::Format { file, reason, .. } => fault(files, &file, reason),
        savedmodel::Error::OutOfMemory { bytes } => OutOfMemory { bytes }.into(),
        savedmodel::Error::Run { reason } => fault(files, SAVED_MODEL, reason),
    }
}

/// Returns what is there in place of a missing file, and what to do.
fn instead_of(files: &Files, name: &str) -> String {
    match files {
        Files::Folder(folder) if name == SAVED_MODEL => missing::instead_of_saved_model(folder),
        _ => "the module is incomplete, get it again".to_owned(),
    }
}

/// Returns only the graph of the module at a path, of at most `cap` bytes; an archive is unpacked no further than to
/// the graph. `None` if there is no such file.
pub(super) fn graph(path: &Path, cap: u64) -> Option<Vec<u8>> {
    let small = |reader: &mut dyn Read, len: u64| {
        let mut bytes = Vec::new();
        (len <= cap && reader.take(cap).read_to_end(&mut bytes).is_ok()).then_some(bytes)
    };
    if path.is_dir() {
        let mut file = file::open(&path.join(SAVED_MODEL)).ok()?;
        let len = file.metadata().ok()?.len();
        return small(&mut file, len);
    }
    let mut archive = Archive::new(MultiGzDecoder::new(file::open(path).ok()?).take(MAX_BYTES));
    for entry in archive.entries().ok()?.take(MAX_ENTRIES) {
        let mut entry = entry.ok()?;
        let name = plain_name(&entry.path().ok()?)?;
        if root_of(&name).is_some() {
            let len = entry.size();
            return small(&mut entry, len);
        }
    }
    None
}

/// Returns the files of a `.tar.gz`, by their names below the folder that contains `saved_model.pb`.
fn unpack(packed: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    if !packed.starts_with(&[0x1f, 0x8b]) {
        return Err(format!("neither a folder nor a .tar.gz; name the folder that holds {SAVED_MODEL}"));
    }
    let cap = (packed.len() as u64).saturating_mul(MAX_RATIO).clamp(FREE_BYTES, MAX_BYTES);
    // One byte more than allowed, so that a longer stream is noticed.
    let mut archive = Archive::new(MultiGzDecoder::new(packed).take(cap + 1));
    let mut files = BTreeMap::new();
    let mut total = 0_u64;
    for (index, entry) in archive.entries().map_err(|e| damaged(&e))?.enumerate() {
        let mut entry = entry.map_err(|e| damaged(&e))?;
        if index >= MAX_ENTRIES {
            return Err(format!("more than {MAX_ENTRIES} entries"));
        }
        let path = entry.path().map_err(|e| damaged(&e))?.into_owned();
        let name = plain_name(&path).ok_or_else(|| format!("the entry {path:?} leads out of the archive"))?;
        match entry.header().entry_type() {
            EntryType::Directory => continue,
            // The tar of macOS stores the attributes of a file in an extra file `._NAME`.
            _ if sniff::is_system_file(&name) => continue,
            EntryType::Regular | EntryType::Continuous => {}
            kind => return Err(format!("the entry {path:?} is a {kind:?}; only files and folders are read")),
        }
        total = total.saturating_add(entry.size());
        if total > cap {
            return Err(format!("unpacks to more than {cap} bytes; unpack it and name the folder"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
        if bytes.len() as u64 != entry.size() {
            return Err(format!("ends within the entry {path:?}"));
        }
        if files.insert(name, bytes).is_some() {
            return Err(format!("the entry {path:?} is there twice"));
        }
    }
    below_root(files)
}

fn damaged(error: &std::io::Error) -> String {
    format!("a damaged .tar.gz ({error}); get it again")
}

/// Returns an entry's path in the form `a/b`; `None` if it is absolute or contains `..`.
fn plain_name(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// Returns the folder around a module, with its `/`, if this is the name of the file that marks one; a module may be
/// inside one folder.
fn root_of(name: &str) -> Option<&str> {
    let root = name.strip_suffix(SAVED_MODEL)?;
    (root.is_empty() || root.ends_with('/') && root.matches('/').count() == 1).then_some(root)
}

/// Removes the one folder that may be around the module.
fn below_root(files: BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, Vec<u8>>, String> {
    if files.contains_key(SAVED_MODEL) {
        return Ok(files);
    }
    let mut roots = files.keys().filter_map(|name| root_of(name));
    let Some(root) = roots.next().map(str::to_owned) else { return Err(missing::instead_of_root(files.keys())) };
    if roots.next().is_some() {
        return Err(format!("holds {SAVED_MODEL} more than once; unpack it and name the folder"));
    }
    let below = |(name, bytes): (String, Vec<u8>)| Some((name.strip_prefix(&root)?.to_owned(), bytes));
    Ok(files.into_iter().filter_map(below).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use tar::{Builder, Header};

    use super::*;

    fn packed(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, kind, bytes) in entries {
            let mut header = Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            builder.append(&header, *bytes).expect("appended");
        }
        builder.into_inner().and_then(GzEncoder::finish).expect("packed")
    }

    #[test]
    fn a_module_may_lie_in_one_folder() {
        let file = EntryType::Regular;
        for root in ["", "./", "nnlm/"] {
            let name = format!("{root}saved_model.pb");
            let other = format!("{root}assets/tokens.txt");
            let files = unpack(&packed(&[(&name, file, b"x"), (&other, file, b"y")])).expect("unpacked");
            assert_eq!(files.keys().collect::<Vec<_>>(), ["assets/tokens.txt", "saved_model.pb"]);
        }
    }

    #[test]
    fn what_macos_puts_beside_files_is_passed_over() {
        let file = EntryType::Regular;
        let entries: [(&str, EntryType, &[u8]); 5] = [
            ("./._m", file, b"\0\x05\x16\x07"),
            ("m/._saved_model.pb", file, b"\0\x05\x16\x07"),
            ("m/saved_model.pb", file, b"x"),
            ("m/old_saved_model.pb", file, b"y"),
            ("__MACOSX/m/saved_model.pb", file, b"z"),
        ];
        let archive = packed(&entries);
        let files = unpack(&archive).expect("unpacked");
        assert_eq!(files.keys().collect::<Vec<_>>(), ["old_saved_model.pb", "saved_model.pb"]);
        assert_eq!(files["saved_model.pb"], b"x");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.tar.gz");
        fs::write(&path, archive).expect("written");
        assert_eq!(graph(&path, 9).as_deref(), Some(&b"x"[..]));
    }

    #[test]
    fn a_file_of_another_kind_is_named() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\n";
        let archive = packed(&[("saved_model.pb", EntryType::Regular, pointer)]);
        let files = Files::Memory("m.tar.gz".into(), unpack(&archive).expect("unpacked"));
        let error = fault(&files, SAVED_MODEL, "a damaged SavedModel").to_string();
        assert!(error.starts_with("m.tar.gz/saved_model.pb: not a SavedModel but a Git LFS pointer"), "{error}");
    }

    #[test]
    fn hostile_entries_are_refused() {
        let file = EntryType::Regular;
        for (entries, message) in [
            (vec![("../saved_model.pb", file, &b"x"[..])], "leads out"),
            (vec![("/saved_model.pb", file, b"x")], "leads out"),
            (vec![("saved_model.pb", EntryType::Symlink, b"")], "Symlink"),
            (vec![("saved_model.pb", EntryType::Link, b"")], "Link"),
            (vec![("saved_model.pb", EntryType::Fifo, b"")], "Fifo"),
            (vec![("saved_model.pb", file, b"x"), ("./saved_model.pb", file, b"y")], "twice"),
            (vec![("a/saved_model.pb", file, b"x"), ("b/saved_model.pb", file, b"y")], "more than once"),
            (vec![("other", file, b"x")], "holds no saved_model.pb"),
        ] {
            let error = unpack(&packed(&entries)).expect_err(message);
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut header = Header::new_gnu();
        header.set_path("saved_model.pb").expect("a name");
        header.set_size(1 << 40);
        header.set_cksum();
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(header.as_bytes()).and_then(|()| gz.write_all(&[0; 4096])).expect("written");
        let error = unpack(&gz.finish().expect("packed")).expect_err("too large");
        assert!(error.contains("unpacks to more than"), "{error}");
    }

    #[test]
    fn more_entries_than_a_module_has_are_refused() {
        let names: Vec<String> = (0..=MAX_ENTRIES).map(|number| number.to_string()).collect();
        let entries: Vec<_> = names.iter().map(|name| (name.as_str(), EntryType::Regular, &b""[..])).collect();
        let error = unpack(&packed(&entries)).expect_err("too many");
        assert!(error.contains("more than 10000 entries"), "{error}");
    }

    #[test]
    fn every_truncation_is_refused_or_read_whole() {
        let whole = packed(&[("saved_model.pb", EntryType::Regular, &[7; 3000])]);
        for len in 0..whole.len() {
            if let Ok(files) = unpack(&whole[..len]) {
                assert_eq!(files["saved_model.pb"], [7; 3000]);
            }
        }
    }
}
