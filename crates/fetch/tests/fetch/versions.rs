//! Tests of a file that changes on its server while it is fetched: parts of two versions are never joined.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::file::sha256;
use emberline_fetch::{Error, Fetched, Options, RetryPolicy};

use crate::server::{Asked, Reply, Server, answer, content, cut, fetch, fetch_with, names, options};

const TAG: (&str, &str) = ("etag", "\"v1\"");
const CHANGED: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:49:30 GMT");
const LATER: (&str, &str) = ("date", "Sun, 06 Nov 1994 09:49:30 GMT");

/// Options that give up after the first failure.
fn once() -> Options {
    Options { retry: RetryPolicy { max_attempts: 1, ..options().retry }, ..options() }
}

/// The old and the new version: of equal length, and different from the first byte.
fn versions() -> (Vec<u8>, Vec<u8>) {
    let old = content(400_000);
    let new = old.iter().map(|byte| !byte).collect();
    (old, new)
}

/// Returns a 200 with the complete body.
fn all(body: &[u8], headers: &[(&str, &str)]) -> Reply {
    answer(200, &[headers, &[("content-length", &body.len().to_string())]].concat(), body)
}

/// Returns the bytes of a body from an offset on, whatever was requested.
fn rest(body: &[u8], from: usize, headers: &[(&str, &str)]) -> Reply {
    let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
    let length = (body.len() - from).to_string();
    answer(206, &[headers, &[("content-range", &range), ("content-length", &length)]].concat(), &body[from..])
}

/// A fetch whose first response breaks off after 150,000 bytes of the old version. The response to the second request,
/// which continues there, is `second`; each further request without a range gets the complete new version.
struct Interrupted {
    server: Server,
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Interrupted {
    fn start(first: &'static [(&str, &str)], second: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let (old, new) = versions();
        let server = Server::start(move |asked| match (asked.number, asked.offset()) {
            (0, _) => cut(all(&old, first), 150_000),
            (1, Some(from)) => second(asked, from),
            _ => all(&new, &[("etag", "\"v2\"")]),
        });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.bin");
        Self { server, folder, path }
    }

    fn fetch(&self, sha256: Option<&str>) -> Result<Fetched, Error> {
        fetch_with(options(), &self.server.url("x.bin"), &self.path, sha256)
    }

    fn assert_is(&self, version: &[u8], case: &str) {
        assert!(fs::read(&self.path).expect("there") == version, "{case}: it isn't the version that is meant");
        assert_eq!(names(self.folder.path()), ["x.bin"], "{case}");
    }
}

#[test]
fn a_response_that_may_be_of_another_version_is_not_joined() {
    type Headers = &'static [(&'static str, &'static str)];
    let dated: Headers = &[CHANGED, LATER];
    let cases: [(&str, Headers, Headers); 9] = [
        ("another etag", &[TAG], &[("etag", "\"v2\"")]),
        ("a weak etag", &[TAG], &[("etag", "W/\"v1\"")]),
        ("no validator", &[TAG], &[]),
        ("a date for an etag", &[TAG, CHANGED, LATER], &[CHANGED]),
        ("another etag, the same date", &[TAG, CHANGED, LATER], &[("etag", "\"v2\""), CHANGED]),
        ("another date", dated, &[("last-modified", "Sun, 06 Nov 1994 08:49:31 GMT")]),
        ("no date", dated, &[]),
        ("an etag for a date", dated, &[TAG, CHANGED]),
        ("another etag, without quotes", &[TAG], &[("etag", "v1")]),
    ];
    for (case, first, second) in cases {
        let interrupted = Interrupted::start(first, move |_, from| rest(&versions().1, from, second));
        interrupted.fetch(None).unwrap_or_else(|error| panic!("{case}: {error}"));
        interrupted.assert_is(&versions().1, case);
        let asked = interrupted.server.asked();
        let offsets: Vec<Option<usize>> = asked.iter().map(Asked::offset).collect();
        assert_eq!(offsets, [None, Some(150_000), None], "{case}");
        assert!(asked[1].header("if-range").is_some(), "{case}");
    }
}

#[test]
fn a_response_with_other_bytes_is_not_joined() {
    let ranges = [
        ("it begins earlier", "bytes 149999-399999/400000"),
        ("it begins later", "bytes 150001-399999/400000"),
        ("another length", "bytes 150000-399999/400001"),
        ("it ends behind the end", "bytes 150000-400000/400000"),
        ("it contradicts the body", "bytes 150000-399998/400000"),
        ("no range", "bytes */400000"),
        ("nonsense", "bytes from the middle"),
    ];
    for (case, range) in ranges {
        let interrupted = Interrupted::start(&[TAG], move |_, from| {
            let length = (400_000 - from).to_string();
            let headers = [TAG, ("content-range", range), ("content-length", &length)];
            answer(206, &headers, &versions().1[from..])
        });
        interrupted.fetch(None).unwrap_or_else(|error| panic!("{case}: {error}"));
        interrupted.assert_is(&versions().1, case);
    }
    let interrupted = Interrupted::start(&[TAG], |_, from| answer(206, &[TAG], &versions().1[from..]));
    interrupted.fetch(None).expect("fetched");
    interrupted.assert_is(&versions().1, "no Content-Range");
}

#[test]
fn the_complete_file_replaces_the_part() {
    let interrupted = Interrupted::start(&[TAG], |_, _| all(&versions().1, &[("etag", "\"v2\"")]));
    interrupted.fetch(None).expect("fetched");
    interrupted.assert_is(&versions().1, "200");
    assert_eq!(interrupted.server.asked().len(), 2);
}

#[test]
fn a_416_is_believed_only_for_the_same_version() {
    // The length was never stated, so the part may be the complete file.
    let told = |range: &'static str, headers: &'static [(&str, &str)]| {
        let (old, new) = versions();
        let server = Server::start(move |asked| match (asked.number, asked.offset()) {
            (0, _) => {
                let chunk = [b"61a80\r\n".as_slice(), &old, b"\r\n"].concat();
                answer(200, &[TAG, ("transfer-encoding", "chunked")], &chunk)
            }
            (1, Some(_)) => answer(416, &[headers, &[("content-range", range), ("content-length", "0")]].concat(), b""),
            _ => all(&new, &[("etag", "\"v2\"")]),
        });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.bin");
        fetch(&server.url("x.bin"), &path).expect("fetched");
        fs::read(&path).expect("there")
    };
    assert!(told("bytes */400000", &[TAG]) == versions().0);
    assert!(told("bytes */400000", &[]) == versions().1, "no validator");
    assert!(told("bytes */400000", &[("etag", "\"v2\"")]) == versions().1, "another version");
    assert!(told("bytes */9", &[TAG]) == versions().1, "a shorter file");
}

#[test]
fn what_has_no_strong_validator_is_not_continued() {
    type Headers = &'static [(&'static str, &'static str)];
    let cases: [(&str, Headers); 6] = [
        ("a weak etag", &[("etag", "W/\"v1\"")]),
        ("a weak etag beside a date", &[("etag", "W/\"v1\""), CHANGED, LATER]),
        ("a date that is no later", &[CHANGED, ("date", CHANGED.1)]),
        ("a date within a minute", &[CHANGED, ("date", "Sun, 06 Nov 1994 08:50:00 GMT")]),
        ("a change without the date of the answer", &[CHANGED]),
        ("nothing", &[]),
    ];
    for (case, first) in cases {
        let interrupted = Interrupted::start(first, |_, _| panic!("nobody asks for a part"));
        interrupted.fetch(None).unwrap_or_else(|error| panic!("{case}: {error}"));
        interrupted.assert_is(&versions().1, case);
        assert_eq!(interrupted.server.asked()[1].offset(), None, "{case}");
        assert_eq!(interrupted.server.asked().len(), 2, "{case}");
    }
}

#[test]
fn the_same_version_is_joined() {
    type Headers = &'static [(&'static str, &'static str)];
    let cases: [(&str, Headers, Headers, &str); 3] = [
        ("an etag", &[TAG], &[TAG], "\"v1\""),
        ("an etag and a date", &[TAG, CHANGED, LATER], &[TAG], "\"v1\""),
        ("a date", &[CHANGED, LATER], &[CHANGED], CHANGED.1),
    ];
    for (case, first, second, sent) in cases {
        let interrupted = Interrupted::start(first, move |_, from| rest(&versions().0, from, second));
        interrupted.fetch(None).unwrap_or_else(|error| panic!("{case}: {error}"));
        interrupted.assert_is(&versions().0, case);
        let asked = interrupted.server.asked();
        assert_eq!(
            (asked.len(), asked[1].offset(), asked[1].header("if-range")),
            (2, Some(150_000), Some(sent)),
            "{case}"
        );
    }
}

#[test]
fn parts_of_two_hosts_are_not_joined() {
    let (old, new) = versions();
    for same_host in [true, false] {
        let serve = |body: Vec<u8>, cut_first: bool| {
            move |asked: &Asked| match asked.offset() {
                None if cut_first && asked.number == 0 => cut(all(&body, &[TAG]), 150_000),
                None => all(&body, &[TAG]),
                Some(from) => rest(&body, from, &[TAG]),
            }
        };
        let first = Server::start(serve(old.clone(), true));
        let second = Server::start(serve(new.clone(), false));
        // Storage is reached by redirects whose queries are signed anew each time.
        let (here, there) = (first.url("store/x"), second.url("store/x"));
        let front = Server::start(move |asked| {
            let host = if asked.number == 0 || same_host { &here } else { &there };
            let place = format!("{host}?signature={}", asked.number);
            answer(302, &[("location", &place), ("content-length", "0")], b"")
        });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.bin");
        fetch(&front.url("x.bin"), &path).expect("fetched");
        assert!(fs::read(&path).expect("there") == if same_host { old.as_slice() } else { &new }, "{same_host}");
        assert_eq!(second.asked().len(), if same_host { 0 } else { 2 });
    }
}

#[test]
fn a_later_process_does_not_join_another_version_either() {
    let (old, new) = versions();
    let server = Server::start({
        let new = new.clone();
        move |asked| match (asked.number, asked.offset()) {
            (0, _) => cut(all(&old, &[TAG]), 150_000),
            // The server ignores `If-Range`.
            (_, Some(from)) => rest(&new, from, &[("etag", "\"v2\"")]),
            _ => all(&new, &[("etag", "\"v2\"")]),
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    let url = server.url("x.bin");
    fetch_with(once(), &url, &path, None).expect_err("it breaks off");
    assert_eq!(names(folder.path()), ["x.bin.part", "x.bin.part.json"]);
    fetch(&url, &path).expect("fetched");
    assert!(fs::read(&path).expect("there") == new);
}

#[test]
fn metadata_that_is_invalid_or_of_the_former_format_restarts_the_download() {
    let (_, new) = versions();
    let url_hash = |url: &str| sha256(url.as_bytes());
    for note in [
        |_: String| "{\"url\":".to_owned(),
        |url: String| format!(r#"{{"url":"{url}","validator":"\"v1\"","total":400000}}"#),
        |url: String| format!(r#"{{"url":"{url}","place":"","validator":null,"total":400000}}"#),
        |url: String| format!(r#"{{"url":"{url}","place":"","validator":{{"etag":"\"v1\""}},"total":null}}"#),
    ] {
        let body = new.clone();
        let server = Server::start(move |asked| match asked.offset() {
            Some(from) => rest(&body, from, &[TAG]),
            None => all(&body, &[TAG]),
        });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.bin");
        let url = server.url("x.bin");
        fs::write(folder.path().join("x.bin.part"), [0; 1000]).expect("written");
        let text = note(url_hash(&url));
        fs::write(folder.path().join("x.bin.part.json"), &text).expect("written");
        fetch(&url, &path).expect("fetched");
        assert!(fs::read(&path).expect("there") == new, "{text}");
    }
}

#[test]
fn wrong_bytes_are_fetched_once_more_if_a_hash_reveals_them() {
    // A server that gives two versions the same validator, or a disk that lost bytes of a part.
    let (old, new) = versions();
    let liar = |old: Vec<u8>, new: Vec<u8>| {
        Interrupted::start(&[TAG], {
            let _ = old;
            move |_, from| rest(&new, from, &[TAG])
        })
    };
    let interrupted = liar(old.clone(), new.clone());
    interrupted.fetch(Some(&sha256(&new))).expect("fetched again, from the first byte");
    interrupted.assert_is(&new, "the hash of the new version");
    let interrupted = liar(old.clone(), new);
    let error = interrupted.fetch(Some(&sha256(&old))).expect_err("the old version is gone");
    assert!(matches!(error, Error::Hash { .. }), "{error}");
    assert!(names(interrupted.folder.path()).is_empty());
}

/// Tests the length of the part, and what its metadata says of the complete file.
#[test]
fn the_metadata_is_written_before_the_first_byte() {
    let server = Server::start(|_| cut(all(&content(400_000), &[TAG]), 0));
    let folder = tempfile::tempdir().expect("a folder");
    fetch_with(once(), &server.url("x.bin"), &folder.path().join("x.bin"), None).expect_err("it breaks off");
    let text = fs::read_to_string(folder.path().join("x.bin.part.json")).expect("a note");
    let note: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((note["validator"]["etag"].as_str(), note["total"].as_u64()), (Some("\"v1\""), Some(400_000)));
    assert_eq!(fs::metadata(part(folder.path())).expect("a part").len(), 0);
}

fn part(folder: &Path) -> PathBuf {
    folder.join("x.bin.part")
}
