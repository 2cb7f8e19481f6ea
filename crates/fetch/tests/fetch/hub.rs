//! Tests against a Hugging Face Hub with a model whose listing has two pages.

use std::fs;
use std::sync::Arc;

use emberline_base::file::sha256;
use emberline_fetch::{Fetched, Fetcher, IgnoreProgress, Options, Request};

use crate::server::{Asked, Reply, Server, answer, cut, fetch_with, names, options, part, request, whole};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The files of a model: path, content, and whether the Hub states its hash.
type Files = Vec<(&'static str, &'static [u8], bool)>;

fn files() -> Files {
    vec![
        ("model.safetensors", b"weights", true),
        ("pytorch_model.bin", b"\x80\x02pickle", true),
        ("config.json", b"{}", false),
        ("1_Pooling/config.json", b"{\"a\":1}", false),
        ("vocab.txt", b"a\nb\n", false),
        ("README.md", b"# Model", false),
        ("onnx/model.onnx", b"graph", true),
        ("onnx/config.json", b"{}", false),
        (".gitattributes", b"x", false),
    ]
}

/// `[{type, path, size, lfs}]`
fn page(files: &[(&str, &[u8], bool)]) -> String {
    let entry = |(path, body, large): &(&str, &[u8], bool)| {
        let lfs = format!(r#","lfs":{{"oid":"{}","size":{},"pointerSize":130}}"#, sha256(body), body.len());
        let lfs = if *large { lfs.as_str() } else { "" };
        format!(r#"{{"type":"file","oid":"0","path":"{path}","size":{}{lfs}}}"#, body.len())
    };
    let entries: Vec<String> =
        files.iter().map(entry).chain([r#"{"type":"directory","oid":"0","path":"onnx","size":0}"#.into()]).collect();
    format!("[{}]", entries.join(","))
}

fn json(text: &str, headers: &[(&str, &str)]) -> Reply {
    let length = text.len().to_string();
    answer(200, &[headers, &[("content-length", length.as_str())]].concat(), text.as_bytes())
}

fn respond(asked: &Asked, files: &Files) -> Reply {
    let host = asked.header("host").expect("a host");
    if asked.path.starts_with("/api/models/org/model/revision/") {
        return json(&format!(r#"{{"sha":"{COMMIT}"}}"#), &[]);
    }
    let (first, second) = files.split_at(files.len() / 2);
    if asked.path == format!("/api/models/org/model/tree/{COMMIT}?recursive=true") {
        let next =
            format!("<http://{host}/api/models/org/model/tree/{COMMIT}?recursive=true&cursor=x%3D>; rel=\"next\"");
        return json(&page(first), &[("link", &next)]);
    }
    if asked.path.contains("cursor=x%3D") {
        return json(&page(second), &[]);
    }
    let name = asked.path.strip_prefix(&format!("/org/model/resolve/{COMMIT}/"));
    match files.iter().find(|(path, ..)| Some(*path) == name) {
        Some((_, body, _)) => part(asked, body),
        None => answer(404, &[("content-length", "0")], b""),
    }
}

fn hub(files: Files) -> Server {
    Server::start(move |asked| respond(asked, &files))
}

fn at(server: &Server) -> Options {
    Options { hub: server.url(""), ..options() }
}

fn resolved(server: &Server) -> Vec<String> {
    let asked = server.asked().into_iter();
    asked.filter_map(|a| a.path.split_once(&format!("/resolve/{COMMIT}/")).map(|(_, name)| name.to_owned())).collect()
}

#[test]
fn a_model_comes_without_pickles() {
    let server = hub(files());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    let fetched = fetch_with(at(&server), "hf://org/model", &path, None).expect("fetched");
    assert_eq!(names(&path), ["1_Pooling", "config.json", "model.safetensors", "vocab.txt"]);
    assert_eq!(fs::read(path.join("1_Pooling/config.json")).expect("there"), b"{\"a\":1}");
    assert_eq!(names(folder.path()), ["model"]);
    assert_eq!(resolved(&server), ["1_Pooling/config.json", "config.json", "model.safetensors", "vocab.txt"]);
    assert_eq!(fetched.pinned.as_deref(), Some(format!("hf://org/model@{COMMIT}").as_str()));
    assert_eq!(fetched.bytes, 20);
    // The digest that is printed is that of the folder.
    let again = fetch_with(at(&server), "hf://org/model", &path, fetched.sha256.as_deref()).expect("there");
    assert!(!again.new && again.sha256 == fetched.sha256);
    // Changed content is detected.
    fs::write(path.join("config.json"), b"[]").expect("written");
    assert!(fetch_with(at(&server), "hf://org/model", &path, fetched.sha256.as_deref()).is_err());
}

#[test]
fn a_graph_takes_the_place_of_safetensors() {
    let mut listed = files();
    listed.extend([("onnx/model.onnx_data", b"numbers".as_slice(), true), ("onnx/model_O4.onnx", b"other", true)]);
    let server = hub(listed);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    let wanted = |names: &[&str]| {
        let graphs = names.iter().map(|name| (*name).to_owned()).collect();
        Request { graphs, ..request("hf://org/model", &path, None) }
    };
    let fetcher = Fetcher::new(at(&server)).expect("sound options");
    let error = fetcher.fetch(&wanted(&["graph.onnx"]), &mut IgnoreProgress).expect_err("no such graph");
    assert!(error.to_string().contains("but onnx/model.onnx, onnx/model_O4.onnx; name the graph"), "{error}");
    fetcher.fetch(&wanted(&["model.onnx", "onnx/model.onnx"]), &mut IgnoreProgress).expect("fetched");
    assert_eq!(names(&path), ["1_Pooling", "config.json", "onnx", "vocab.txt"]);
    assert_eq!(names(&path.join("onnx")), ["model.onnx", "model.onnx_data"]);
}

#[test]
fn revisions_folders_and_single_files() {
    let server = hub(files());
    let folder = tempfile::tempdir().expect("a folder");
    let pooling = folder.path().join("pooling");
    fetch_with(at(&server), "hf://org/model@refs/pr/3/1_Pooling", &pooling, None).expect("fetched");
    assert_eq!(names(&pooling), ["config.json"]);
    assert_eq!(server.asked()[0].path, "/api/models/org/model/revision/refs%2Fpr%2F3");
    let vocabulary = folder.path().join("vocab.txt");
    let fetched: Fetched = fetch_with(at(&server), "hf://org/model/vocab.txt", &vocabulary, None).expect("fetched");
    assert_eq!(fetched.sha256, Some(sha256(b"a\nb\n")));
    assert_eq!(fetched.pinned, Some(format!("hf://org/model@{COMMIT}/vocab.txt")));
    assert_eq!(names(folder.path()), ["pooling", "vocab.txt"]);
    let error = fetch_with(at(&server), "hf://org/model/none", &folder.path().join("none"), None).expect_err("none");
    assert!(error.to_string().contains("no file that an encoder reads"), "{error}");
}

/// A Hub with a dataset, which lists one folder at a time.
fn dataset_hub() -> Server {
    Server::start(|asked| {
        let rows: &[u8] = b"text,label\na,1\n";
        match asked.path.strip_prefix("/api/datasets/org/rows/").unwrap_or(&asked.path) {
            "revision/main" | "revision/v2" => json(&format!(r#"{{"sha":"{COMMIT}"}}"#), &[]),
            path if path == format!("tree/{COMMIT}/data") => json(&page(&[("data/train.csv", rows, true)]), &[]),
            path if path == format!("tree/{COMMIT}") => json(&page(&[("README.md", b"# Rows", false)]), &[]),
            path if path == format!("/datasets/org/rows/resolve/{COMMIT}/data/train.csv") => part(asked, rows),
            _ => answer(404, &[("content-length", "0")], b""),
        }
    })
}

#[test]
fn a_file_of_a_dataset_comes_with_the_token() {
    let server = dataset_hub();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.csv");
    let options = || Options { hub_token: Some("hf_secret".to_owned()), ..at(&server) };
    for url in ["hf://datasets/org/rows/data/train.csv", "hf://datasets/org/rows@v2/data/train.csv"] {
        let _ = fs::remove_file(&path);
        let fetched = fetch_with(options(), url, &path, None).expect("fetched");
        assert_eq!(fs::read(&path).expect("there"), b"text,label\na,1\n");
        let pinned = format!("hf://datasets/org/rows@{COMMIT}/data/train.csv");
        assert_eq!(fetched.pinned.as_deref(), Some(pinned.as_str()));
    }
    assert_eq!(server.asked()[3].path, "/api/datasets/org/rows/revision/v2");
    assert!(server.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer hf_secret")));
    let other = folder.path().join("other.csv");
    let error = fetch_with(options(), "hf://datasets/org/rows/data/test.csv", &other, None).expect_err("no such file");
    assert!(error.to_string().contains("no file `data/test.csv`, but `data/train.csv`"), "{error}");
    let error = fetch_with(options(), "hf://datasets/org/rows/data", &other, None).expect_err("a folder");
    assert!(error.to_string().contains("no file `data`, but `README.md`"), "{error}");
}

#[test]
fn weights_that_are_only_a_pickle_are_named() {
    let server = hub(vec![("pytorch_model.bin", b"x", true), ("config.json", b"{}", false)]);
    let folder = tempfile::tempdir().expect("a folder");
    let error = fetch_with(at(&server), "hf://org/model", &folder.path().join("model"), None).expect_err("a pickle");
    assert!(error.to_string().contains("`pytorch_model.bin`, which could run code"), "{error}");
    assert!(resolved(&server).is_empty());
}

#[test]
fn a_hostile_listing_is_refused() {
    for path in ["../x.json", "/x.json", "a/../../x.json", "a//x.json", "a\\\\x.json"] {
        let files: Files = vec![(path, b"{}", false), ("config.json", b"{}", false)];
        let server = hub(files);
        let folder = tempfile::tempdir().expect("a folder");
        let error = fetch_with(at(&server), "hf://org/model", &folder.path().join("deep/model"), None).expect_err(path);
        assert!(error.to_string().contains("leads out"), "{error}");
        assert!(resolved(&server).is_empty());
    }
}

#[test]
fn what_the_hub_says_of_a_file_is_checked() {
    let listed = files();
    let server = Server::start(move |asked| {
        if asked.path.ends_with("/model.safetensors") { whole(b"WEIGHTS") } else { respond(asked, &listed) }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    let error = fetch_with(at(&server), "hf://org/model", &path, None).expect_err("another hash");
    assert!(error.to_string().contains("the Hub says"), "{error}");
    assert!(!path.exists());
    let listed = files();
    let server =
        Server::start(
            move |asked| {
                if asked.path.ends_with("/config.json") { whole(b"{ }") } else { respond(asked, &listed) }
            },
        );
    let error =
        fetch_with(at(&server), "hf://org/model", &folder.path().join("other"), None).expect_err("another size");
    assert!(error.to_string().contains("3 bytes"), "{error}");
}

#[test]
fn an_interrupted_model_is_continued() {
    let big: &'static [u8] = Box::leak(crate::server::content(500_000).into_boxed_slice());
    let listed: Arc<Files> = Arc::new(vec![("a.safetensors", b"first", true), ("b.safetensors", big, true)]);
    let cutting = {
        let listed = listed.clone();
        Server::start(move |asked| {
            let reply = respond(asked, &listed);
            if asked.path.ends_with("/b.safetensors") { cut(reply, 200_000) } else { reply }
        })
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    let once = Options { retry: emberline_fetch::RetryPolicy { max_attempts: 1, ..options().retry }, ..at(&cutting) };
    fetch_with(once.clone(), "hf://org/model", &path, None).expect_err("cut");
    assert_eq!(names(folder.path()), ["model.part", "model.part.json"]);
    fetch_with(once, "hf://org/model", &path, None).expect_err("cut again, further on");
    let asked = resolved(&cutting);
    assert_eq!(asked, ["a.safetensors", "b.safetensors", "b.safetensors"]);
    // Another address serves the rest, so the download starts again.
    let server = Server::start(move |asked| respond(asked, &listed));
    fetch_with(at(&server), "hf://org/model", &path, None).expect("fetched");
    assert_eq!(fs::read(path.join("b.safetensors")).expect("there"), big);
    assert_eq!(resolved(&server), ["b.safetensors"]);
    assert_eq!(names(folder.path()), ["model"]);
    assert_eq!(names(&path), ["a.safetensors", "b.safetensors"]);
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let storage = Server::start(|_| whole(b"{}"));
    let there = storage.url("stored?signature=1");
    let listed: Files = vec![("config.json", b"{}", false)];
    let server = Server::start(move |asked| match asked.path.contains("/resolve/") {
        true => answer(302, &[("location", &there), ("content-length", "0")], b""),
        false => respond(asked, &listed),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { hub_token: Some("hf_secret".to_owned()), ..at(&server) };
    fetch_with(options, "hf://org/model", &folder.path().join("model"), None).expect("fetched");
    assert!(server.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer hf_secret")));
    assert_eq!(storage.asked().len(), 1);
    assert_eq!(storage.asked()[0].header("authorization"), None);
}

#[test]
fn a_model_that_needs_a_login_or_isnt_there() {
    for (status, hint) in [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, "correct the `url`")] {
        let server = Server::start(move |_| answer(status, &[("content-length", "0")], b""));
        let folder = tempfile::tempdir().expect("a folder");
        let error = fetch_with(at(&server), "hf://org/model", &folder.path().join("m"), None).expect_err("refused");
        assert!(error.to_string().contains(hint), "{error}");
    }
    for (text, reason) in [("[]", "names no commit"), (r#"{"sha":"../x"}"#, "names no commit")] {
        let server = Server::start(move |_| json(text, &[]));
        let folder = tempfile::tempdir().expect("a folder");
        let error = fetch_with(at(&server), "hf://org/model", &folder.path().join("m"), None).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_list_without_end_ends() {
    let server = Server::start(|asked| match asked.path.contains("/tree/") {
        true => json("[]", &[("link", "<?cursor=1>; rel=\"next\"")]),
        false => json(&format!(r#"{{"sha":"{COMMIT}"}}"#), &[]),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let error = fetch_with(at(&server), "hf://org/model", &folder.path().join("m"), None).expect_err("endless");
    assert!(error.to_string().contains("more than 100 pages"), "{error}");
    let server = Server::start(|asked| match asked.path.contains("/tree/") {
        true => json("[]", &[("link", "<https://example.org/>; rel=\"next\"")]),
        false => json(&format!(r#"{{"sha":"{COMMIT}"}}"#), &[]),
    });
    let error = fetch_with(at(&server), "hf://org/model", &folder.path().join("m"), None).expect_err("elsewhere");
    assert!(error.to_string().contains("another server"), "{error}");
}

#[test]
fn the_folder_under_way_is_no_link_and_holds_none() {
    use std::os::unix::fs::symlink;
    let server = hub(files());
    let fetch = |path: &std::path::Path| fetch_with(at(&server), "hf://org/model", path, None);
    for case in ["the folder", "a folder in it", "a file in it", "a part in it"] {
        let (folder, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (path, under_way) = (folder.path().join("model"), folder.path().join("model.part"));
        fs::write(elsewhere.path().join("mine"), b"mine").expect("written");
        let mine = elsewhere.path().join("mine");
        // The metadata of an earlier attempt at the same commit: existing files are kept.
        let note = format!("hf://org/model@{COMMIT}");
        fs::write(folder.path().join("model.part.json"), note).expect("written");
        match case {
            "the folder" => symlink(elsewhere.path(), &under_way),
            "a folder in it" => {
                fs::create_dir(&under_way).and_then(|()| symlink(elsewhere.path(), under_way.join("1_Pooling")))
            }
            "a file in it" => fs::create_dir(&under_way).and_then(|()| symlink(&mine, under_way.join("config.json"))),
            _ => fs::create_dir(&under_way).and_then(|()| symlink(&mine, under_way.join("config.json.part"))),
        }
        .expect("linked");
        let ended = fetch(&path);
        assert_eq!(ended.is_err(), case == "a folder in it", "{case}: {ended:?}");
        assert_eq!(names(elsewhere.path()), ["mine"], "{case}");
        assert_eq!(fs::read(&mine).expect("there"), b"mine", "{case}");
        if let Err(error) = ended {
            assert!(error.to_string().contains("1_Pooling: it is a symbolic link"), "{error}");
        } else {
            let is_file = |path: std::path::PathBuf| fs::symlink_metadata(path).expect("there").is_file();
            assert!(is_file(path.join("config.json")) && is_file(path.join("1_Pooling/config.json")), "{case}");
        }
    }
}

#[test]
fn a_file_and_a_model_take_each_others_place_under_way() {
    let server = hub(files());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    fs::write(folder.path().join("model.part"), b"half").expect("written");
    fs::write(folder.path().join("model.part.json"), br#"{"url":"x","place":"","validator":null,"total":9}"#)
        .expect("written");
    fetch_with(at(&server), "hf://org/model", &path, None).expect("fetched");
    assert_eq!(names(folder.path()), ["model"]);
    let web = Server::start(|_| whole(b"one file"));
    fs::create_dir(folder.path().join("one.part")).expect("made");
    fs::write(folder.path().join("one.part/config.json"), b"half").expect("written");
    fs::write(folder.path().join("one.part.json"), format!("hf://org/model@{COMMIT}")).expect("written");
    fetch_with(at(&server), &web.url("one"), &folder.path().join("one"), None).expect("fetched");
    assert_eq!(names(folder.path()), ["model", "one"]);
}
