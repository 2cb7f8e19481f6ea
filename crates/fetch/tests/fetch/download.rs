//! Tests of downloads from misbehaving servers.

use std::fs;
use std::time::{Duration, Instant};

use emberline_base::file::sha256;
use emberline_fetch::{Error, Fetcher, Limits, Options, RetryPolicy};

use crate::server::{
    Asked, Server, Step, answer, content, cut, fetch, fetch_with, names, options, part, request, whole,
};

#[test]
fn a_file_arrives_once() {
    let body = content(300_000);
    let server = Server::start({
        let body = body.clone();
        move |_| whole(&body)
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/vectors.vec");
    let fetched = fetch(&server.url("vectors.vec"), &path).expect("fetched");
    assert!(fetched.new && fetched.bytes == 300_000 && fetched.sha256 == Some(sha256(&body)));
    assert_eq!(fs::read(&path).expect("there"), body);
    assert_eq!(names(&folder.path().join("deep")), ["vectors.vec"]);
    for hash in [None, Some(sha256(&body)), Some(sha256(&body).to_uppercase())] {
        let again = fetch_with(options(), &server.url("vectors.vec"), &path, hash.as_deref()).expect("there");
        assert!(!again.new);
    }
    assert_eq!(server.asked().len(), 1);
    let asked = &server.asked()[0];
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    assert!(asked.header("user-agent").expect("an agent").starts_with("emberline/"));
}

#[test]
fn a_cut_connection_is_continued() {
    let body = content(3_000_000);
    let server = Server::start({
        let body = body.clone();
        move |asked| if asked.number < 2 { cut(part(asked, &body), 1_000_000) } else { part(asked, &body) }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    fetch_with(options(), &server.url("x.bin"), &path, Some(&sha256(&body))).expect("fetched");
    assert_eq!(fs::read(&path).expect("there"), body);
    assert_eq!(names(folder.path()), ["x.bin"]);
    let offsets: Vec<_> = server.asked().iter().map(Asked::offset).collect();
    assert_eq!(offsets.len(), 3);
    assert_eq!(offsets[0], None);
    assert!(offsets[1].is_some_and(|at| at > 500_000) && offsets[2] > offsets[1], "{offsets:?}");
}

#[test]
fn a_later_process_continues() {
    let body = content(1_000_000);
    let server = Server::start({
        let body = body.clone();
        move |asked| if asked.number < 1 { cut(part(asked, &body), 400_000) } else { part(asked, &body) }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    let once = Options { retry: RetryPolicy { max_attempts: 1, ..options().retry }, ..options() };
    let url = server.url("x.bin?token=secret");
    let error = fetch_with(once, &url, &path, None).expect_err("cut");
    assert!(matches!(error, Error::Network { .. }) && !error.to_string().contains("secret"), "{error}");
    assert_eq!(names(folder.path()), ["x.bin.part", "x.bin.part.json"]);
    let note = fs::read_to_string(folder.path().join("x.bin.part.json")).expect("readable");
    assert!(!note.contains("secret"), "{note}");
    fetch(&url, &path).expect("continued");
    assert_eq!(fs::read(&path).expect("there"), body);
    assert!(server.asked()[1].offset().is_some_and(|at| at > 100_000));
    assert_eq!(names(folder.path()), ["x.bin"]);
}

#[test]
fn a_part_of_something_else_isnt_continued() {
    let body = content(500_000);
    let server = Server::start({
        let body = body.clone();
        // The content has changed: it has another entity tag, and the server sends the complete file.
        move |asked| match asked.number {
            0 => cut(answer(200, &[("content-length", "600000"), ("etag", "\"old\"")], &content(600_000)), 300_000),
            _ => part(asked, &body),
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    fetch(&server.url("x.bin"), &path).expect("fetched");
    assert_eq!(fs::read(&path).expect("there"), body);
    assert_eq!(server.asked()[1].header("if-range"), Some("\"old\""));
    // Nor is the part of another URL.
    fs::remove_file(&path).expect("removed");
    fs::write(folder.path().join("x.bin.part"), b"other").expect("written");
    fs::write(folder.path().join("x.bin.part.json"), br#"{"url":"https://a.org","validator":"\"v1\"","total":9}"#)
        .expect("written");
    fetch(&server.url("x.bin"), &path).expect("fetched");
    assert_eq!(server.asked()[2].offset(), None);
    assert_eq!(fs::read(&path).expect("there"), body);
}

#[test]
fn servers_that_know_no_ranges_start_anew() {
    let body = content(400_000);
    for (case, later) in [
        ("ignores it", whole(&body)),
        (
            "sends another part",
            answer(206, &[("content-range", "bytes 5-9/400000"), ("content-length", "5")], b"xxxxx"),
        ),
        ("refuses it", answer(416, &[("content-range", "bytes */7"), ("content-length", "0")], b"")),
    ] {
        let server = Server::start({
            let body = body.clone();
            move |asked| match asked.number {
                0 => cut(whole(&body), 100_000),
                1 => later.clone(),
                _ => whole(&body),
            }
        });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.bin");
        fetch(&server.url("x.bin"), &path).unwrap_or_else(|e| panic!("{case}: {e}"));
        assert!(server.asked()[1].offset().is_some(), "{case}");
        assert_eq!(fs::read(&path).expect("there"), body, "{case}");
    }
}

#[test]
fn a_wrong_hash_leaves_nothing() {
    let server = Server::start(|_| whole(b"new"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    let wanted = sha256(b"wanted");
    let error = fetch_with(options(), &server.url("x"), &path, Some(&wanted)).expect_err("another hash");
    assert!(matches!(&error, Error::Hash { expected, found, .. } if *expected == wanted && *found == sha256(b"new")));
    assert!(names(folder.path()).is_empty());
    // What a person has placed there is never discarded, unless forced.
    fs::write(&path, b"mine").expect("written");
    let error = fetch_with(options(), &server.url("x"), &path, Some(&sha256(b"new"))).expect_err("another hash");
    assert!(error.to_string().contains("--force"), "{error}");
    assert_eq!(server.asked().len(), 1);
    let forced = Options { force: true, ..options() };
    let error = fetch_with(forced.clone(), &server.url("x"), &path, Some(&wanted)).expect_err("another hash");
    assert!(matches!(error, Error::Hash { .. }));
    assert_eq!(fs::read(&path).expect("there"), b"mine");
    assert!(fetch_with(forced, &server.url("x"), &path, Some(&sha256(b"new"))).expect("fetched").new);
    assert_eq!(fs::read(&path).expect("there"), b"new");
    assert_eq!(names(folder.path()), ["x.bin"]);
}

#[test]
fn redirects_are_followed_within_limits() {
    for (to, reason) in [
        ("/loop", "more than 10 redirects"),
        ("file:///etc/passwd", "`file` can't be fetched"),
        ("http://example.org/x", "use https"),
        ("http://[", "invalid URL"),
        ("", "more than 10 redirects"),
    ] {
        let server = Server::start(move |_| answer(302, &[("location", to), ("content-length", "0")], b""));
        let folder = tempfile::tempdir().expect("a folder");
        let error = fetch(&server.url("x"), &folder.path().join("x.bin")).expect_err(to);
        assert!(matches!(error, Error::Answer { .. }) && error.to_string().contains(reason), "{error}");
        assert!(names(folder.path()).is_empty());
    }
    let server = Server::start(|asked| match asked.path.as_str() {
        "/a/x" => answer(307, &[("location", "../b?sign=1"), ("content-length", "0")], b""),
        "/b?sign=1" => whole(b"there"),
        _ => answer(404, &[("content-length", "0")], b""),
    });
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(fetch(&server.url("a/x"), &folder.path().join("x.bin")).expect("fetched").bytes, 5);
}

#[test]
fn endless_bodies_end() {
    let small = Options { limits: Limits { download: 1_000_000, ..Limits::default() }, ..options() };
    let close = "HTTP/1.1 200 X\r\nconnection: close\r\n\r\n";
    let chunked = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &[7; 0x10000], b"\r\n"].concat();
    for (head, piece) in [(close, vec![7; 65_536]), (chunked, chunk)] {
        let server =
            Server::start(move |_| vec![Step::Send(head.into()), Step::Forever(piece.clone(), Duration::ZERO)]);
        let folder = tempfile::tempdir().expect("a folder");
        let error =
            fetch_with(small.clone(), &server.url("x"), &folder.path().join("x.bin"), None).expect_err("endless");
        assert!(error.to_string().contains("sends more than 1000000 bytes"), "{error}");
        assert_eq!((names(folder.path()).len(), server.asked().len()), (0, 1));
    }
    let server = Server::start(|_| answer(200, &[("content-length", "1000001")], b"x"));
    let folder = tempfile::tempdir().expect("a folder");
    let error = fetch_with(small, &server.url("x"), &folder.path().join("x.bin"), None).expect_err("too large");
    assert!(error.to_string().contains("has 1000001 bytes"), "{error}");
}

#[test]
fn a_wrong_length_is_noticed() {
    // A length that is too large: the connection ends too early.
    let server = Server::start(|_| answer(200, &[("content-length", "100")], b"short"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    let error = fetch(&server.url("x"), &path).expect_err("short");
    assert!(matches!(error, Error::Network { .. }) && !path.exists(), "{error}");
    assert_eq!(server.asked().len(), 3);
    // A length that is too small: the rest isn't part of the body, and the hash reveals it.
    let server = Server::start(|_| answer(200, &[("content-length", "5")], b"longer"));
    let error = fetch_with(options(), &server.url("x"), &path, Some(&sha256(b"longer"))).expect_err("longer");
    assert!(matches!(&error, Error::Hash { found, .. } if *found == sha256(b"longe")), "{error}");
}

#[test]
fn transient_failures_are_retried() {
    for status in [429, 500, 502, 503, 504] {
        let server = Server::start(move |asked| match asked.number {
            0 => answer(status, &[("retry-after", "0"), ("content-length", "0")], b""),
            1 => answer(status, &[("content-length", "4")], b"busy"),
            _ => whole(b"fine"),
        });
        let folder = tempfile::tempdir().expect("a folder");
        fetch(&server.url("x"), &folder.path().join("x.bin")).expect("fine at last");
        assert_eq!(server.asked().len(), 3);
    }
    let server = Server::start(|_| answer(503, &[("retry-after", "100000"), ("content-length", "0")], b""));
    let folder = tempfile::tempdir().expect("a folder");
    let error = fetch(&server.url("x"), &folder.path().join("x.bin")).expect_err("never");
    assert!(matches!(error, Error::Status { status: 503, .. }), "{error}");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn permanent_failures_are_not_retried() {
    for (status, hint) in [(404, "correct the `url`"), (401, "login"), (403, "login"), (400, "answered 400")] {
        let server = Server::start(move |_| answer(status, &[("content-length", "0")], b""));
        let folder = tempfile::tempdir().expect("a folder");
        let error = fetch(&server.url("x"), &folder.path().join("x.bin")).expect_err("refused");
        assert!(matches!(&error, Error::Status { status: found, .. } if *found == status), "{error}");
        assert!(error.to_string().contains(hint), "{error}");
        assert_eq!((names(folder.path()).len(), server.asked().len()), (0, 1));
    }
}

#[test]
fn a_stalled_download_is_continued() {
    let body = content(200_000);
    let server = Server::start({
        let body = body.clone();
        move |asked| {
            let mut reply = part(asked, &body);
            if asked.number == 0 {
                reply = cut(reply, 90_000);
                reply.push(Step::Wait(Duration::from_secs(20)));
            }
            reply
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    let start = Instant::now();
    fetch(&server.url("x"), &path).expect("continued");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(fs::read(&path).expect("there"), body);
    assert_eq!(server.asked()[1].offset(), Some(90_000));
}

#[test]
fn a_trickle_is_broken_off() {
    let server = Server::start(|_| {
        let head = b"HTTP/1.1 200 X\r\ncontent-length: 1000000\r\n\r\n".to_vec();
        vec![Step::Send(head), Step::Forever(b"x".to_vec(), Duration::from_millis(20))]
    });
    let folder = tempfile::tempdir().expect("a folder");
    let retry = RetryPolicy { min_bytes_per_second: 1_000_000, max_attempts: 2, ..options().retry };
    let start = Instant::now();
    let error = fetch_with(Options { retry, ..options() }, &server.url("x"), &folder.path().join("x.bin"), None)
        .expect_err("too slow");
    assert!(error.to_string().contains("stalled"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_server_that_never_answers_or_isnt_there() {
    let server = Server::start(|_| vec![Step::Wait(Duration::from_secs(20))]);
    let folder = tempfile::tempdir().expect("a folder");
    let start = Instant::now();
    let error = fetch(&server.url("x"), &folder.path().join("x.bin")).expect_err("silent");
    assert!(error.to_string().contains("no response in time"), "{error}");
    let error = fetch("http://127.0.0.1:1/x", &folder.path().join("x.bin")).expect_err("nobody");
    assert!(matches!(error, Error::Network { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_isnt_the_file_is_refused() {
    for (header, value, reason) in [
        ("content-type", "text/html; charset=utf-8", "a web page instead of a file"),
        ("content-encoding", "gzip", "compresses the file"),
    ] {
        let server = Server::start(move |_| answer(200, &[(header, value), ("content-length", "1")], b"x"));
        let folder = tempfile::tempdir().expect("a folder");
        let error = fetch(&server.url("x"), &folder.path().join("x.bin")).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
        assert!(names(folder.path()).is_empty());
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (url, path) in [("https://a.org/model.pt?x=1", "x.bin"), ("https://a.org/x", "pytorch_model.bin")] {
        let error = fetch(url, &folder.path().join(path)).expect_err("a pickle");
        assert!(error.to_string().contains("pickle"), "{error}");
    }
}

#[test]
fn two_concurrent_fetches_download_once() {
    let body = content(2_000_000);
    let server = Server::start({
        let body = body.clone();
        move |_| {
            let mut reply = whole(&body);
            reply.insert(0, Step::Wait(Duration::from_millis(200)));
            reply
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    let hash = sha256(&body);
    let news: Vec<bool> = std::thread::scope(|scope| {
        let fetch = || fetch_with(options(), &server.url("x"), &path, Some(&hash)).expect("fetched").new;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(fetch)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!((news.iter().filter(|new| **new).count(), server.asked().len()), (1, 1));
    assert_eq!(names(folder.path()), ["x.bin"]);
}

#[test]
fn a_proxy_isnt_asked_for_this_machine() {
    let server = Server::start(|_| whole(b"direct"));
    let folder = tempfile::tempdir().expect("a folder");
    let behind = Options { proxy: Some("http://127.0.0.1:1".to_owned()), ..options() };
    let fetcher = Fetcher::new(behind).expect("sound options");
    let path = folder.path().join("x.bin");
    let wanted = request(&server.url("x"), &path, None);
    assert!(fetcher.fetch(&wanted, &mut emberline_fetch::IgnoreProgress).expect("fetched").new);
}
