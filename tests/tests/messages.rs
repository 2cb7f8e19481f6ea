//! The mistakes that people make in pipeline files and data, and what they are told: `tests/messages`.
//!
//! Each `GROUP.toml` there lists mistakes; `GROUP.txt` beside it holds the answers, to the letter, in the same order.
//! `EMBERLINE_BLESS=1 cargo test --workspace --test messages` writes the answers anew: read them before committing, as the person who
//! made the mistake. Every answer must name its place, in the file and in the data, and a cure, in the words of the pipeline file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use emberline_tests::{Ended, Fixture, end};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;

/// One file of mistakes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    mistake: Vec<Mistake>,
}

/// A mistake: what is added to a sound pipeline file, or the whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mistake {
    name: String,
    /// Lines at the top of the file.
    #[serde(default)]
    top: String,
    /// Lines of `[data]`.
    #[serde(default)]
    data: String,
    /// Lines of `[embedding.words.hashing]`.
    #[serde(default)]
    embedding: String,
    /// Lines at the end of the file.
    #[serde(default)]
    toml: String,
    /// The whole file, instead.
    whole: Option<String>,
    /// Files beside it, in place of the sound `data.csv`.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// A file that is missing.
    without: Option<String>,
    /// The command; `check p.toml` by default.
    args: Option<Vec<String>>,
    /// What a shell does before it starts the command, such as `PATH=bin`.
    after: Option<String>,
}

/// In files, the folder that they are in; in answers too, where its name would be another each time.
const HERE: &str = "HERE";

/// Sound data.
const ROWS: &str =
    "text,label\na red one,yes\na blue one,no\na green one,yes\na white one,no\na black one,yes\na pink one,no\n";

/// Words of Rust and of its libraries, which say nothing to the reader of a message.
const FOREIGN: [&str; 24] = [
    "expected struct",
    "struct ",
    "invalid type",
    "invalid value",
    "invalid length",
    "variant",
    "Option",
    "Some(",
    "None)",
    "usize",
    "u64",
    "u32",
    "i64",
    "f64",
    "serde",
    "deserial",
    "untagged",
    "did not match",
    "missing field",
    "unknown field",
    "panicked",
    "os error",
    "unwrap",
    "EOF",
];

/// Verbs and phrases one of which says what to do.
const CURES: [&str; 39] = [
    "write ",
    "set ",
    "give ",
    "remove ",
    "leave ",
    "add ",
    "correct ",
    "use ",
    "name ",
    "convert ",
    "let ",
    "lower ",
    "raise ",
    "put ",
    "run ",
    "copy ",
    "export ",
    "choose ",
    "unpack ",
    "shorten ",
    "did you mean",
    "there are ",
    "there is only",
    "must be ",
    "it is called",
    "belongs ",
    "expected ",
    "close it",
    "needs `",
    "begin with",
    "keep one",
    "goes with",
    "is the right column",
    "are needed",
    "download ",
    "are the right columns",
    "free ",
    "move it ",
    "submit again",
];

impl Mistake {
    /// The pipeline file.
    fn file(&self) -> String {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        let Self { top, data, embedding, toml, .. } = self;
        format!(
            "name = \"p\"\n{top}\n[data]\npath = \"data.csv\"\ntext = \"text\"\nlabel = \"label\"\n{data}\n\
             [embedding.words.hashing]\ndim = 8\n{embedding}\n{toml}"
        )
    }

    /// Makes the mistake, and returns what the program says.
    fn answer(&self) -> Ended {
        let fixture = Fixture::empty().file("p.toml", self.file());
        if self.without.as_deref() != Some("data.csv") && !self.files.contains_key("data.csv") {
            fixture.write("data.csv", ROWS);
        }
        let here = fixture.path().display().to_string();
        self.files.iter().for_each(|(name, content)| fixture.write(name, content.replace(HERE, &here)));
        let default = ["check".to_owned(), "p.toml".to_owned()];
        let args: Vec<&str> = self.args.as_deref().unwrap_or(&default).iter().map(String::as_str).collect();
        let mut ended = match &self.after {
            None => fixture.emberline(&args),
            Some(script) => end(&mut fixture.command_after(script, &args)),
        };
        ended.stderr = ended.stderr.replace(&here, HERE);
        ended
    }

    /// The answer as it is kept.
    fn kept(&self) -> String {
        let Ended { code, stdout, stderr } = self.answer();
        let mut text = format!("## {}\n", self.name);
        // The findings about sound parts of the data are no message.
        let findings = if stderr.trim().is_empty() { stdout.as_str() } else { "" };
        for stream in [stderr.as_str(), findings] {
            stream.lines().for_each(|line| text += &(line.trim_end().to_owned() + "\n"));
        }
        let _ = writeln!(text, "(exit code {})\n", code.unwrap_or(-1));
        text
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("messages")
}

fn main() -> ExitCode {
    let entries = fs::read_dir(folder()).expect("the messages").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    let mut trials: Vec<Trial> = files.iter().cloned().map(trial).collect();
    trials.push(Trial::test("there_are_many", move || {
        let count: usize = files.iter().map(|path| group(path).mistake.len()).sum();
        if count >= 120 { Ok(()) } else { Err(Failed::from(format!("only {count} mistakes"))) }
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn group(path: &Path) -> Group {
    let text = fs::read_to_string(path).expect("readable");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn trial(path: PathBuf) -> Trial {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    Trial::test(name, move || {
        let wrong = check_group(&path);
        if wrong.is_empty() { Ok(()) } else { Err(Failed::from(wrong.join("\n\n"))) }
    })
}

/// Compares the answers of a group with the kept ones, and judges each.
fn check_group(path: &Path) -> Vec<String> {
    let answers: Vec<String> = group(path).mistake.iter().map(Mistake::kept).collect();
    let kept = path.with_extension("txt");
    if std::env::var_os("EMBERLINE_BLESS").is_some() {
        fs::write(&kept, answers.concat()).expect("written");
    }
    let expected = fs::read_to_string(&kept).unwrap_or_default();
    let mut wrong: Vec<String> = answers.iter().flat_map(|answer| faults(answer)).collect();
    let missing = answers.iter().filter(|answer| !expected.contains(*answer));
    wrong.extend(missing.map(|answer| format!("not as kept in {}:\n{answer}", kept.display())));
    if expected.len() != answers.concat().len() {
        wrong.push(format!("{} has other entries", kept.display()));
    }
    wrong
}

/// What is wrong with an answer: it names no place or no cure, or speaks the words of Rust.
fn faults(answer: &str) -> Vec<String> {
    // Lines of the user's file are quoted as they are.
    let said: String =
        answer.lines().skip(1).filter(|line| !line.contains(" | ")).fold(String::new(), |all, line| all + line + "\n");
    let mut wrong = Vec::new();
    let mut require = |is_sound: bool, what: &str| {
        if !is_sound {
            wrong.push(format!("{what}:\n{answer}"));
        }
    };
    let of_file = said.contains("p.toml:") && said.contains(|c: char| c.is_ascii_digit());
    let of_data = ["data.csv", "v.csv", "d.jsonl", "t.txt", "l.txt", "names.", "draws.csv"]
        .iter()
        .any(|file| said.contains(file));
    // Two settings that can't be combined are named, each by its key.
    let of_settings = said.contains("no cell can be run");
    let of_cluster =
        [HERE, "profile.toml", "--profile-file", "on this machine's PATH"].iter().any(|place| said.contains(place));
    require(of_file || of_data || of_settings || of_cluster, "no place");
    require(CURES.iter().any(|cure| said.contains(cure)), "no cure");
    // 1 is that of an error of the program, or of the system.
    let is_unexpected = said.contains("(exit code 1)") && !said.contains("can't write");
    require(!said.contains("(exit code 0)") && !is_unexpected && !said.contains("(exit code -1)"), "no fault");
    for word in FOREIGN.iter().filter(|word| said.contains(*word)) {
        require(false, &format!("the word `{word}`"));
    }
    wrong
}
