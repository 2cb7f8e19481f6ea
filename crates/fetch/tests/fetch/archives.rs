//! Tests of archives, valid and hostile ones.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use emberline_base::file::sha256;
use emberline_fetch::{Error, Fetched, Limits, Options};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use zip::write::SimpleFileOptions;

use crate::server::{Server, fetch_with, names, options, whole};

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn tarball(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, *bytes).expect("appended");
    }
    builder.into_inner().expect("packed")
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).expect("started");
        writer.write_all(bytes).expect("packed");
    }
    writer.finish().expect("packed").into_inner()
}

/// Fetches what a server sends to `name` in a folder.
fn arrive(folder: &Path, name: &str, body: Vec<u8>, sha256: Option<&str>) -> Result<Fetched, Error> {
    arrive_with(options(), folder, name, body, sha256)
}

fn arrive_with(
    options: Options,
    folder: &Path,
    name: &str,
    body: Vec<u8>,
    sha256: Option<&str>,
) -> Result<Fetched, Error> {
    let server = Server::start(move |_| whole(&body));
    fetch_with(options, &server.url("archive"), &folder.join(name), sha256)
}

fn module() -> Vec<u8> {
    let file = EntryType::Regular;
    gz(&tarball(&[
        ("./", EntryType::Directory, b""),
        ("./saved_model.pb", file, b"graph"),
        ("./assets/tokens.txt", file, b"a\nb\n"),
        ("./variables/variables.index", file, b"index"),
    ]))
}

#[test]
fn a_module_becomes_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let fetched = arrive(folder.path(), "gnews-swivel.v1", module(), None).expect("fetched");
    let path = folder.path().join("gnews-swivel.v1");
    assert_eq!(names(&path), ["assets", "saved_model.pb", "variables"]);
    assert_eq!(fs::read(path.join("assets/tokens.txt")).expect("there"), b"a\nb\n");
    assert_eq!(names(folder.path()), ["gnews-swivel.v1"]);
    let lines = [("assets/tokens.txt", "a\nb\n"), ("saved_model.pb", "graph"), ("variables/variables.index", "index")];
    let lines: String = lines.iter().map(|(name, text)| format!("{}  {name}\n", sha256(text.as_bytes()))).collect();
    assert_eq!(fetched.sha256, Some(sha256(lines.as_bytes())));
    assert_eq!(fetched.bytes, 14);
    // The digest of the folder can be verified later; that of the archive isn't its digest.
    let server = Server::start(|_| whole(b""));
    assert!(!fetch_with(options(), &server.url("x"), &path, fetched.sha256.as_deref()).expect("there").new);
    let of_archive = sha256(&module());
    let error = arrive(folder.path(), "other", module(), Some(&of_archive)).expect_err("another hash");
    assert!(error.to_string().contains("the SHA-256 of the archive"), "{error}");
    assert_eq!(names(folder.path()), ["gnews-swivel.v1"]);
    // An existing folder is replaced completely.
    fs::write(path.join("old"), b"old").expect("written");
    arrive_with(Options { force: true, ..options() }, folder.path(), "gnews-swivel.v1", module(), None)
        .expect("forced");
    assert_eq!(names(&path), ["assets", "saved_model.pb", "variables"]);
}

#[test]
fn a_file_gives_way_to_a_folder_when_forced() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("module"), b"old").expect("written");
    assert!(!arrive(folder.path(), "module", module(), None).expect("left alone").new);
    arrive_with(Options { force: true, ..options() }, folder.path(), "module", module(), None).expect("forced");
    assert!(folder.path().join("module/saved_model.pb").is_file());
}

#[test]
#[cfg(unix)]
fn permissions_are_those_of_any_other_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    arrive(folder.path(), "module", module(), None).expect("fetched");
    let like = folder.path().join("like");
    fs::create_dir(&like).expect("made");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode();
    assert_eq!(mode(&folder.path().join("module")), mode(&like));
}

#[test]
fn a_path_that_names_an_archive_keeps_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["module.tar.gz", "module.TGZ"] {
        let hash = sha256(&module());
        arrive(folder.path(), name, module(), Some(&hash)).expect("fetched");
        assert_eq!(fs::read(folder.path().join(name)).expect("there"), module());
    }
    let news = gz(b"3 2\n");
    arrive(folder.path(), "news.bin.gz", news.clone(), None).expect("fetched");
    assert_eq!(fs::read(folder.path().join("news.bin.gz")).expect("there"), news);
    arrive(folder.path(), "news.bin", news, Some(&sha256(b"3 2\n"))).expect("fetched");
    assert_eq!(fs::read(folder.path().join("news.bin")).expect("there"), b"3 2\n");
}

#[test]
fn a_member_is_selected_by_the_name_of_the_path() {
    let glove = || zipped(&[("glove.6B.50d.txt", b"a 1\n"), ("glove.6B.100d.txt", b"a 1 2\n")]);
    let folder = tempfile::tempdir().expect("a folder");
    arrive(folder.path(), "glove.6B.100d.txt", glove(), Some(&sha256(b"a 1 2\n"))).expect("fetched");
    assert_eq!(names(folder.path()), ["glove.6B.100d.txt"]);
    let error = arrive(folder.path(), "glove.txt", glove(), None).expect_err("no such member");
    assert!(error.to_string().contains("glove.6B.50d.txt"), "{error}");
    arrive(folder.path(), "glove", glove(), None).expect("fetched");
    assert_eq!(names(&folder.path().join("glove")), ["glove.6B.100d.txt", "glove.6B.50d.txt"]);
}

#[test]
fn hostile_tarballs_are_refused() {
    let file = EntryType::Regular;
    for (entries, reason) in [
        (vec![("../x", file, &b"x"[..])], "leads out"),
        (vec![("/x", file, b"x")], "leads out"),
        (vec![("a/../../x", file, b"x")], "leads out"),
        (vec![("../d", EntryType::Directory, b""), ("x", file, b"x")], "leads out"),
        (vec![("x", EntryType::Symlink, b"")], "Symlink"),
        (vec![("x", EntryType::Link, b"")], "Link"),
        (vec![("x", EntryType::Fifo, b"")], "Fifo"),
        (vec![("x", file, b"x"), ("./x", file, b"y")], "twice"),
        (vec![("x", file, b"x"), ("x/y", file, b"y")], ""),
        (vec![], ""),
    ] {
        let around = tempfile::tempdir().expect("a folder");
        let folder = around.path().join("deep");
        let error = arrive(&folder, "module", gz(&tarball(&entries)), None).err();
        assert!(entries.is_empty() || error.as_ref().is_some_and(|e| e.to_string().contains(reason)), "{error:?}");
        assert!(!folder.join("module").is_dir());
        assert_eq!(names(around.path()), ["deep"]);
    }
}

#[test]
fn hostile_zips_are_refused() {
    let mut twice = zipped(&[("a.txt", b"1"), ("b.txt", b"2")]);
    for at in 0..twice.len() - 5 {
        if &twice[at..at + 5] == b"b.txt" {
            twice[at] = b'a';
        }
    }
    let mut link = zip::ZipWriter::new(Cursor::new(Vec::new()));
    link.add_symlink("a", "/etc/passwd", SimpleFileOptions::default()).expect("added");
    let link = link.finish().expect("packed").into_inner();
    for (body, reason) in [
        (twice, "twice"),
        (link, "link"),
        (zipped(&[("../x", b"x")]), "leads out"),
        (zipped(&[("/x", b"x")]), "leads out"),
        (zipped(&[("a\\..\\x", b"x")]), "leads out"),
        (zipped(&[]), "empty"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let error = arrive(folder.path(), "module", body, None).expect_err(reason);
        assert!(matches!(error, Error::Archive { .. }) && error.to_string().contains(reason), "{error}");
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 70 << 20];
    let tight = Options { limits: Limits { max_ratio: 10, ..Limits::default() }, ..options() };
    let tar = tarball(&[("a", EntryType::Regular, &zeros)]);
    for (name, body) in [("x.bin", gz(&zeros)), ("folder", gz(&tar)), ("folder", zipped(&[("a", &zeros)]))] {
        let folder = tempfile::tempdir().expect("a folder");
        let error = arrive_with(tight.clone(), folder.path(), name, body, None).expect_err("a bomb");
        assert!(error.to_string().contains("unpacks to more than"), "{error}");
        assert!(names(folder.path()).is_empty());
    }
    let many = Options { limits: Limits { files: 2, ..Limits::default() }, ..options() };
    let folder = tempfile::tempdir().expect("a folder");
    let body = zipped(&[("a", b""), ("b", b""), ("c", b"")]);
    let error = arrive_with(many, folder.path(), "folder", body, None).expect_err("too many");
    assert!(error.to_string().contains("more than 2 files"), "{error}");
}

/// A header that announces a terabyte.
#[test]
fn an_announced_bomb_is_refused_before_it_unpacks() {
    let mut tar = tarball(&[("a", EntryType::Regular, b"x")]);
    let mut header = Header::new_ustar();
    header.set_path("a").expect("a name");
    header.set_size(1 << 40);
    header.set_cksum();
    tar[..512].copy_from_slice(header.as_bytes());
    let folder = tempfile::tempdir().expect("a folder");
    let error = arrive(folder.path(), "folder", gz(&tar), None).expect_err("a bomb");
    assert!(error.to_string().contains("unpacks to more than"), "{error}");
}

#[test]
fn damaged_archives_never_half_arrive() {
    let zip = zipped(&[("module/a.txt", b"aaaa"), ("module/b.txt", b"bbbb")]);
    for whole_body in [module(), zip] {
        for length in (0..whole_body.len()).step_by(3) {
            let folder = tempfile::tempdir().expect("a folder");
            let ended = arrive(folder.path(), "module", whole_body[..length].to_vec(), None);
            let path = folder.path().join("module");
            if path.is_dir() {
                let fetched = ended.expect("a folder only where it is sound");
                assert!(fetched.bytes >= 8, "{length}");
            }
            assert!(names(folder.path()).len() <= 1, "{length}: {:?}", names(folder.path()));
        }
    }
}

#[test]
fn unsupported_compressions_are_named() {
    for (head, name) in [(&[0x28, 0xb5, 0x2f, 0xfd, 0][..], "zstd"), (b"BZh91AY&SY", "bzip2"), (b"\xfd7zXZ\0\0", "xz")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let error = arrive(folder.path(), "x.txt", head.to_vec(), None).expect_err(name);
        assert!(error.to_string().contains(name), "{error}");
    }
}
