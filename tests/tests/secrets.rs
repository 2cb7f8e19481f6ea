//! What may be a secret, in urls and in the environment, is neither printed nor recorded.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use emberline_tests::{Ended, Fixture, Pipeline, end};

/// Stands in every secret below.
const SECRET: &str = "hush";

/// A pipeline of one source, whose url holds a user, a password and a token.
fn pipeline() -> Pipeline {
    Pipeline::new("secrets").toml(
        r#"
        [embedding.words.word_vectors]
        path = "words.txt"
        url = "https://me:hush1@example.org/words.txt?token=hush2#hush3"
        [train]
        epochs = 1
        [callbacks.tensorboard]
        "#,
    )
}

fn folder_of(pipeline: &Pipeline) -> Fixture {
    let rows = (0..12).map(|n| (format!("{} {n}", ["good fine", "bad poor"][n % 2]), 1 - n % 2));
    let words = "good 1.0 0.5\nbad -1.0 0.25\nfine 0.75 0.5\npoor -0.5 0.0\n";
    Fixture::empty().rows(rows).file("words.txt", words).pipeline(pipeline)
}

/// Runs a command that is to end with this code, and gives all that it printed.
fn printed(fixture: &Fixture, args: &[&str], code: i32) -> String {
    told(&fixture.emberline(args), &args.join(" "), code)
}

fn told(ended: &Ended, what: &str, code: i32) -> String {
    assert_eq!(ended.code, Some(code), "{what}: {}{}", ended.stdout, ended.stderr);
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!all.contains(SECRET), "{what}: {all}");
    all
}

/// No file below the folder holds a secret but the pipeline itself.
fn assert_nothing_is_recorded(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files += assert_nothing_is_recorded(&path);
        } else if !path.ends_with("p.toml") {
            let bytes = fs::read(&path).expect("readable");
            let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(!found, "{}: {}", path.display(), String::from_utf8_lossy(&bytes));
            files += 1;
        }
    }
    files
}

#[test]
fn secrets_of_urls_are_nowhere_to_be_found() {
    let of_data = "url = \"https://me:hush4@example.org/data.csv?token=hush5\"";
    let fixture = folder_of(&pipeline().data(of_data));
    let shown = "url = \"https://***@example.org/words.txt?***\"";
    assert!(printed(&fixture, &["plan", "p.toml", "--resolved"], 0).contains(shown));
    for args in [
        &["check", "p.toml", "--data"][..],
        &["plan", "p.toml"],
        &["plan", "p.toml", "--format", "json"],
        &["run", "p.toml"],
        &["run", "p.toml", "--format", "json"],
        &["report", "runs/secrets"],
        &["lock", "p.toml"],
        &["compare", "runs/secrets", "p.lock", "--format", "json"],
        &["fetch", "p.toml", "--offline", "--format", "json"],
    ] {
        printed(&fixture, args, 0);
    }
    for format in ["text", "json"] {
        let refused = printed(&fixture, &["fetch", "p.toml", "--format", format], 8);
        assert!(refused.contains("credentials don't belong in a url"), "{refused}");
    }
    assert!(assert_nothing_is_recorded(fixture.path()) > 10);
    let cells = fs::read_dir(fixture.join("runs/secrets/cells")).expect("cells").map(|cell| cell.expect("one").path());
    let settings: Vec<String> =
        cells.map(|cell| fs::read_to_string(cell.join("cell.toml")).expect("settings")).collect();
    assert!(settings.len() == 1 && settings[0].contains(shown), "{settings:?}");
}

#[test]
fn urls_on_an_axis_hold_no_secrets_either() {
    let source = |name: &str| format!("{{word_vectors = {{path = 'words.txt', url = 'https://h.org/{name}?t=hush'}}}}");
    let axes = [
        r#""embedding.url" = ["https://h.org/a?hush1", "https://h.org/b?hush2"]"#.to_owned(),
        r#""data.url" = ["https://h.org/a?hush1", "https://h.org/b?hush2"]"#.to_owned(),
        r#""embedding.words.word_vectors.url" = ["https://hush@h.org/a", "https://hush@h.org/b"]"#.to_owned(),
        format!("\"embedding.words\" = [{}, {}]", source("a"), source("b")),
    ];
    for axis in axes {
        let fixture = folder_of(&pipeline().section("grid", &axis));
        for args in [
            &["plan", "p.toml"][..],
            &["plan", "p.toml", "--format", "json"],
            &["plan", "p.toml", "--resolved"],
            &["run", "p.toml"],
            &["lock", "p.toml"],
        ] {
            let is_silent = args == ["run", "p.toml"] || args == ["lock", "p.toml"];
            assert!(printed(&fixture, args, 0).contains("h.org/") || is_silent, "{axis}: {args:?}");
        }
        assert!(assert_nothing_is_recorded(fixture.path()) > 20);
    }
    // Records couldn't tell these apart.
    let same = r#""embedding.url" = ["https://h.org/a?hush1", "https://h.org/a?hush2"]"#;
    let fixture = folder_of(&pipeline().section("grid", same));
    assert!(printed(&fixture, &["check", "p.toml"], 3).contains("names this value twice"));
}

#[test]
fn faults_beside_a_url_dont_show_its_secrets() {
    let inline = r#"word_vectors = {path = "words.txt", url = "https://me:hush@h.org/?token=hush", combinr = 1}"#;
    let fixture = folder_of(&Pipeline::new("secrets").section("embedding.words", inline));
    let said = printed(&fixture, &["check", "p.toml"], 3);
    assert!(said.contains("unknown key `combinr`") && said.contains("https://***@h.org/?***"), "{said}");
    let fixture = folder_of(&pipeline());
    for assignment in [
        "embedding.words.word_vectors.url=[\"https://me:hush@h.org/?hush\"]",
        "train.epochs=https://me:hush@h.org/?hush",
        "name=https://me:hush@h.org/?hush",
        "embedding.words.word_vectors.url.x=https://h.org/?hush",
    ] {
        let said = printed(&fixture, &["check", "p.toml", "-S", assignment], 3);
        assert!(said.contains("h.org/"), "{said}");
    }
}

/// The variables that `fetch` reads, each with a secret.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("HF_TOKEN", "hf_hush"),
    ("KAGGLE_API_TOKEN", "hush-token"),
    ("KAGGLE_USERNAME", "hush-user"),
    ("KAGGLE_KEY", "hush-key"),
    ("NO_PROXY", "localhost"),
];

fn with_environment(fixture: &Fixture, more: &[(&str, &str)], args: &[&str], code: i32) -> String {
    let mut command = fixture.command(args);
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_FILE"] {
        command.env_remove(variable);
    }
    command.envs(ENVIRONMENT).envs(more.iter().copied());
    told(&end(&mut command), &format!("{more:?} {args:?}"), code)
}

/// Answers all who ask with this status; gives its address.
fn server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            let _ = head.take_while(|line| !line.is_empty()).count();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
            let _ = stream.write_all(head.as_bytes());
        }
    });
    format!("http://{address}")
}

#[test]
fn secrets_of_the_environment_are_nowhere_to_be_found() {
    let fixture = folder_of(&pipeline());
    with_environment(&fixture, &[], &["run", "p.toml"], 0);
    assert!(assert_nothing_is_recorded(fixture.path()) > 10);
    for status in ["401 No", "404 No", "200 OK"] {
        let address = server(status);
        for url in ["hf://org/model@v1", "kaggle://google/nnlm/tensorFlow2/en-dim50/1"] {
            let url = format!("embedding.words.word_vectors.url={url}");
            let args = ["fetch", "p.toml", "--force", "-S", "embedding.words.word_vectors.path=got.txt", "-S", &url];
            let asked = [("HF_ENDPOINT", address.as_str()), ("KAGGLE_API_ENDPOINT", &address)];
            let kept = status == "200 OK" && url.contains("kaggle");
            with_environment(&fixture, &asked, &args, if kept { 0 } else { 8 });
        }
        let url = format!("embedding.words.word_vectors.url={address}/x.txt?token=hush");
        let args = ["fetch", "p.toml", "--force", "-S", "embedding.words.word_vectors.path=got.txt", "-S", &url];
        with_environment(&fixture, &[], &args, if status == "200 OK" { 0 } else { 8 });
    }
    assert_nothing_is_recorded(fixture.path());
}

#[test]
fn addresses_in_the_environment_are_refused_without_their_secrets() {
    let fixture = folder_of(&pipeline());
    let fetch = ["fetch", "p.toml", "--force", "-S", "embedding.words.word_vectors.url=hf://org/model"];
    for (variable, value, code) in [
        ("HF_ENDPOINT", "https://me:hush@h.org", 8),
        ("HF_ENDPOINT", "https://me:hush@[h", 8),
        ("HF_ENDPOINT", "http://h.org/?token=hush", 8),
        ("HTTPS_PROXY", "gopher://me:hush@h.org", 2),
        ("HTTPS_PROXY", "me:hush@", 2),
        ("SSL_CERT_FILE", "p.toml", 2),
    ] {
        let said = with_environment(&fixture, &[(variable, value)], &fetch, code);
        assert!(said.contains(variable), "{said}");
    }
}
