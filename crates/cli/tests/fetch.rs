//! `fetch` from a local server, and a run with the downloaded files.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use emberline_base::file::sha256;

const WORDS: &str = "good 1.0 0.5\nbad -1.0 0.25\nfine 0.75 0.5\npoor -0.5 0.0\n";

/// Serves the same bytes for every request, at the returned address.
fn serve(body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            let _ = head.take_while(|line| !line.is_empty()).count();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    format!("http://{address}/words.txt")
}

fn pipeline(folder: &Path, url: &str) {
    let rows: String = (0..12).map(|n| format!("{} {n},{}\n", ["good fine", "bad poor"][n % 2], 1 - n % 2)).collect();
    let settings = format!(
        "name = \"tiny\"\n[data]\npath = \"tiny.csv\"\ntext = \"text\"\nlabel = \"label\"\n[data.split]\nvalid = 4\n\
         [embedding.words.word_vectors]\npath = \"models/words.txt\"\nurl = \"{url}\"\n[train]\nepochs = 1\n"
    );
    fs::write(folder.join("tiny.csv"), format!("text,label\n{rows}")).expect("written");
    fs::write(folder.join("pipeline.toml"), settings).expect("written");
}

/// The exit code and output of a command.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(folder: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emberline"));
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_FILE"] {
        command.env_remove(variable);
    }
    let output = command.current_dir(folder).args(args).output().expect("the program starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn what_is_fetched_can_be_run() {
    let folder = tempfile::tempdir().expect("a folder");
    pipeline(folder.path(), &serve(WORDS.as_bytes()));
    assert_eq!(run(folder.path(), &["fetch", "pipeline.toml", "--offline"]).code, Some(8));
    let fetched = run(folder.path(), &["fetch", "pipeline.toml"]);
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    let hash = sha256(WORDS.as_bytes());
    assert!(fetched.stdout.contains(&format!("[embedding.words.word_vectors]\nsha256 = \"{hash}\"\n")), "{fetched:?}");
    assert!(fetched.stderr.contains("words: downloading 55 B"), "{fetched:?}");
    assert_eq!(fs::read_to_string(folder.path().join("models/words.txt")).expect("there"), WORDS);
    let assign = format!("embedding.words.word_vectors.sha256={hash}");
    let again = run(folder.path(), &["fetch", "pipeline.toml", "-S", &assign, "--format", "json"]);
    let list: serde_json::Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!(list["assets"][0]["status"], "there");
    assert_eq!(list["assets"][0]["sha256"], hash.as_str());
    assert_eq!(run(folder.path(), &["run", "pipeline.toml", "--offline", "-S", &assign]).code, Some(0));
}

#[test]
fn another_content_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    pipeline(folder.path(), &serve(b"something else\n"));
    let wanted = sha256(WORDS.as_bytes());
    let assign = format!("embedding.words.word_vectors.sha256={wanted}");
    let ended = run(folder.path(), &["fetch", "pipeline.toml", "-S", &assign]);
    assert_eq!(ended.code, Some(8));
    assert!(ended.stderr.contains(&wanted) && ended.stderr.contains(&sha256(b"something else\n")), "{}", ended.stderr);
    assert!(!folder.path().join("models/words.txt").exists());
}

/// A pipeline whose data have a url.
fn pipeline_of_data(folder: &Path, url: &str, keys: &str) {
    let settings = format!(
        "name = \"tiny\"\n[data]\ntext = \"text\"\nlabel = \"label\"\n{keys}path = \"raw/rows.csv\"\nurl = \"{url}\"\n\
         [embedding.small.hashing]\ndim = 4\nbuckets = 64\n[train]\nepochs = 1\n"
    );
    fs::write(folder.join("pipeline.toml"), settings).expect("written");
}

const ROWS: &str = "text,label\ngood one,1\nbad two,0\ngood three,1\nbad four,0\ngood five,1\nbad six,0\n\
                    good seven,1\nbad eight,0\ngood nine,1\nbad ten,0\n";

#[test]
fn data_are_fetched_and_their_address_changes_no_cell() {
    let folder = tempfile::tempdir().expect("a folder");
    for (keys, table) in [("", "data"), ("[data.train]\n", "data.train")] {
        let _ = fs::remove_dir_all(folder.path().join("raw"));
        pipeline_of_data(folder.path(), &serve(ROWS.as_bytes()), keys);
        for command in ["plan", "check", "run"] {
            let ended = run(folder.path(), &[command, "pipeline.toml"]);
            assert_eq!(ended.code, Some(8), "{ended:?}");
            assert!(
                ended.stderr.contains("raw/rows.csv: there is no such file; run `emberline fetch FILE`"),
                "{ended:?}"
            );
        }
        assert_eq!(run(folder.path(), &["fetch", "pipeline.toml", "--offline"]).code, Some(8));
        let fetched = run(folder.path(), &["fetch", "pipeline.toml"]);
        let hash = sha256(ROWS.as_bytes());
        assert!(fetched.stdout.contains(&format!("[{table}]\nsha256 = \"{hash}\"\n")), "{fetched:?}");
        assert_eq!(run(folder.path(), &["run", "pipeline.toml"]).code, Some(0));
        // Another address, and the hash: the cells that are done stay.
        let (url, hash) = (format!("{table}.url=https://example.org/rows.csv"), format!("{table}.sha256={hash}"));
        let planned = run(folder.path(), &["plan", "pipeline.toml", "-S", &url, "-S", &hash]);
        assert!(planned.stdout.contains("1 cell: 1 done"), "{planned:?}");
        let listed = run(folder.path(), &["fetch", "pipeline.toml", "-S", &hash, "--format", "json"]);
        let list: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
        assert_eq!((&list["assets"][0]["data"], &list["assets"][0]["status"]), (&table.into(), &"there".into()));
    }
}

#[test]
fn data_with_another_hash_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    pipeline_of_data(
        folder.path(),
        &serve(b"text,label\nother,1\n"),
        &format!("sha256 = \"{}\"\n", sha256(ROWS.as_bytes())),
    );
    let ended = run(folder.path(), &["fetch", "pipeline.toml"]);
    assert_eq!(ended.code, Some(8));
    assert!(ended.stderr.contains("error: [data]: raw/rows.csv: its sha256 is"), "{ended:?}");
    assert!(!folder.path().join("raw/rows.csv").exists());
    fs::create_dir_all(folder.path().join("raw")).expect("made");
    fs::write(folder.path().join("raw/rows.csv"), ROWS.replace("good", "fine")).expect("written");
    for command in [&["plan", "pipeline.toml"][..], &["run", "pipeline.toml"], &["check", "pipeline.toml", "--data"]] {
        let ended = run(folder.path(), command);
        assert_eq!(ended.code, Some(8), "{ended:?}");
        assert!(ended.stderr.contains("raw/rows.csv: its sha256 is"), "{ended:?}");
    }
}
