//! Tests of what killed processes leave behind, and of symbolic links.

use std::fs;
use std::os::unix::fs::symlink;

use emberline_fetch::{Options, RetryPolicy};

use crate::server::{Server, cut, fetch, fetch_with, names, options, part, whole};

#[test]
fn what_a_killed_process_left_goes_with_the_next_fetch_into_the_folder() {
    let server = Server::start(|_| whole(b"new"));
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let leave = || {
        // A partial download, an archive that was being unpacked, a lock.
        fs::write(here.join(".emberline-a.tmp"), b"half").expect("written");
        fs::create_dir_all(here.join(".emberline-b.tmp/unpacked/deep")).expect("made");
        fs::write(here.join(".emberline-b.tmp/unpacked/deep/half"), b"half").expect("written");
        fs::write(here.join(".emberline-other.bin.lock"), b"").expect("written");
    };
    // Similar files of a user are kept.
    for name in ["x.bin.lock", "p.lock", ".emberline-notes", "other.tmp"] {
        fs::write(here.join(name), b"mine").expect("written");
    }
    let mut expected = names(here);
    expected.push("x.bin".to_owned());
    expected.sort();
    leave();
    fetch(&server.url("x"), &here.join("x.bin")).expect("fetched");
    assert_eq!(names(here), expected);
    // The same if nothing has to be fetched.
    leave();
    assert!(!fetch(&server.url("x"), &here.join("x.bin")).expect("there").new);
    assert_eq!(names(here), expected);
}

#[test]
fn a_part_goes_when_its_file_is_there() {
    let server = Server::start(|asked| cut(part(asked, b"0123456789"), 4));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    let once = Options { retry: RetryPolicy { max_attempts: 1, ..options().retry }, ..options() };
    fetch_with(once, &server.url("x"), &path, None).expect_err("cut");
    assert_eq!(names(folder.path()), ["x.bin.part", "x.bin.part.json"]);
    fs::write(&path, b"by hand").expect("written");
    assert!(!fetch(&server.url("x"), &path).expect("there").new);
    assert_eq!(names(folder.path()), ["x.bin"]);
    // A file of that name without metadata belongs to the user.
    fs::write(folder.path().join("x.bin.part"), b"mine").expect("written");
    assert!(!fetch(&server.url("x"), &path).expect("there").new);
    assert_eq!(names(folder.path()), ["x.bin", "x.bin.part"]);
}

#[test]
fn nothing_is_written_through_a_link() {
    let server = Server::start(|asked| part(asked, b"new"));
    for name in ["x.bin.part", "x.bin.part.json", ".emberline-x.bin.lock", "x.bin"] {
        for there in [false, true] {
            let (folder, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
            let target = elsewhere.path().join("mine");
            if there {
                fs::write(&target, b"mine").expect("written");
            }
            symlink(&target, folder.path().join(name)).expect("linked");
            let forced = Options { force: true, ..options() };
            fetch_with(forced, &server.url("x"), &folder.path().join("x.bin"), None).expect("fetched");
            assert_eq!(fs::read(&target).ok(), there.then(|| b"mine".to_vec()), "{name}");
            assert_eq!(names(folder.path()), ["x.bin"], "{name}");
            assert_eq!(fs::read(folder.path().join("x.bin")).expect("there"), b"new", "{name}");
        }
    }
}

#[test]
fn the_folder_of_a_path_may_be_a_link() {
    let server = Server::start(|_| whole(b"new"));
    let (folder, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    symlink(elsewhere.path(), folder.path().join("models")).expect("linked");
    fetch(&server.url("x"), &folder.path().join("models/x.bin")).expect("fetched");
    assert_eq!(names(elsewhere.path()), ["x.bin"]);
}
