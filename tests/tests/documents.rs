//! The commands and pipeline files in README and `docs/`: every line of TOML is one that the program reads, and every command is one
//! that it has.
//!
//! A block of TOML may be a part of a pipeline file. What it lacks is added: a name, data and an embedding. It must then pass
//! `check`; files that it names needn't be there. A block that isn't of a pipeline file says so: ```` ```toml ignore ````. Of
//! a command, the words are checked, not what it does: `--help` is added to it.

use std::fs;
use std::path::PathBuf;

use emberline_tests::fixture::repository;
use emberline_tests::{Ended, Fixture};
use toml::{Table, Value};

/// A fenced block of a page.
struct Block {
    /// The page and the line in which the block begins.
    place: String,
    /// What follows the fence, such as `toml`.
    language: String,
    code: String,
}

/// The pages, by their paths in the repository.
fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(repository("docs")).expect("docs").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    paths.push(repository("README.md"));
    paths.sort();
    assert!(paths.len() > 10, "{paths:?}");
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).expect("readable"))).collect()
}

fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (at, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(language) if !is_open => {
                let place = format!("{page}:{}", at + 1);
                found.push(Block { place, language: language.trim().to_owned(), code: String::new() });
                is_open = true;
            }
            Some(_) => is_open = false,
            None if is_open => found.last_mut().expect("an open block").code += &format!("{line}\n"),
            None => {}
        }
    }
    found
}

fn all_blocks() -> Vec<Block> {
    pages().iter().flat_map(|(name, text)| blocks(name, text)).collect()
}

/// Adds what a part of a pipeline file lacks. `"..."` stands for a hash, and for an embedding that another part defines.
fn completed(mut file: Table) -> Table {
    remove_dots(&mut file);
    let compared = file.get("grid").and_then(|grid| grid.get("embedding")).and_then(Value::as_array).cloned();
    file.entry("name").or_insert("p".into());
    let data = file.entry("data").or_insert(Table::new().into()).as_table_mut().expect("[data] is a table");
    let in_split = |split: &str| data.get(split).is_some_and(|file| file.get("labels_path").is_some());
    let is_of_lines = data.contains_key("labels_path")
        || in_split("train")
        || data
            .get("format")
            .and_then(Value::as_str)
            .is_some_and(|format| ["fasttext", "label_first"].contains(&format));
    if !data.contains_key("path") && !data.contains_key("train") {
        data.insert("path".into(), "texts.csv".into());
    }
    for column in ["text", "label"].into_iter().filter(|_| !is_of_lines) {
        data.entry(column).or_insert(column.into());
    }
    let sources =
        file.entry("embedding").or_insert(Table::new().into()).as_table_mut().expect("[embedding] is a table");
    let hashing = || Table::from_iter([("hashing".to_owned(), Table::new().into())]).into();
    for name in compared.iter().flatten().filter_map(Value::as_str) {
        sources.entry(name).or_insert_with(hashing);
    }
    if sources.is_empty() {
        sources.insert("words".into(), hashing());
    }
    file
}

fn remove_dots(table: &mut Table) {
    table.retain(|key, value| key != "sha256" || value.as_str() != Some("..."));
    for (_, value) in table.iter_mut() {
        if let Value::Table(below) = value {
            remove_dots(below);
        }
    }
}

fn check(file: &Table) -> Ended {
    let fixture = Fixture::empty().rows((0..40).map(|row| (format!("{} {row}", ["good", "bad"][row % 2]), row % 2)));
    fixture.write("p.toml", toml::to_string(file).expect("TOML"));
    fixture.emberline(&["check", "p.toml"])
}

#[test]
fn every_pipeline_file_in_the_documents_is_valid() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for Block { place, code, .. } in all_blocks().into_iter().filter(|block| block.language == "toml") {
        count += 1;
        let ended = match code.parse::<Table>() {
            Ok(file) => check(&completed(file)),
            Err(error) => {
                wrong.push(format!("{place}: {error}"));
                continue;
            }
        };
        // Files that a page names are missing here.
        if !matches!(ended.code, Some(0 | 8)) {
            wrong.push(format!("{place}: {}", ended.stderr));
        }
    }
    assert!(count >= 30, "only {count} blocks");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_command_in_the_documents_exists() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for Block { place, code, .. } in
        all_blocks().into_iter().filter(|block| ["sh", "bash", "text", ""].contains(&block.language.as_str()))
    {
        for command in code.lines().filter_map(|line| line.trim().strip_prefix("emberline ")) {
            let words = words(command);
            count += 1;
            let args: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
            let ended = Fixture::empty().emberline(&args);
            if ended.code != Some(0) {
                wrong.push(format!("{place}: emberline {command}\n{}", ended.stderr));
            }
        }
    }
    assert!(count >= 15, "only {count} commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The words of a command, up to a comment, a pipe or a redirection; words in quotes are one.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut characters = command.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => quote = Some(c),
            ('#', None) if word.is_empty() => break,
            ('|' | '>' | '<' | ';' | '&', None) => break,
            ('\\', None) => drop(characters.next()),
            (c, None) if c.is_whitespace() => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (c, None) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// The parts of a page that tells of one experiment are one pipeline file, which runs beside what `init` writes.
#[test]
fn the_experiments_of_other_programs_run_here() {
    for (page, sizes) in [
        ("from-keras.md", r#"grid={"data.split.train"=[200], "embedding.trainable"=[false, true]}"#),
        ("from-sklearn.md", r#"grid={"embedding.dim"=[32], "train.optimizer.lbfgs.l2"=[1.0, 10.0]}"#),
        ("from-setfit.md", r#"grid={embedding=["words"], "data.split.per_class"=[8]}"#),
    ] {
        let text = fs::read_to_string(repository(&format!("docs/{page}"))).expect("readable");
        let code: Vec<String> =
            blocks(page, &text).into_iter().filter(|b| b.language == "toml").map(|b| b.code).collect();
        let fixture = Fixture::empty();
        fixture.done(&["init", "."]);
        fixture.write("p.toml", code.join("\n"));
        let checked = fixture.emberline(&["check", "p.toml"]);
        assert!(matches!(checked.code, Some(0 | 8)), "{page}: {}", checked.stderr);
        fixture.done(&["run", "p.toml", "-S", sizes]);
    }
}

/// What `init --from` prints is the code of the pages, each line of both programs.
#[test]
fn init_shows_the_experiments_side_by_side() {
    for (program, page) in [("keras", "from-keras.md"), ("sklearn", "from-sklearn.md"), ("setfit", "from-setfit.md")] {
        let text = fs::read_to_string(repository(&format!("docs/{page}"))).expect("readable");
        let shown = Fixture::empty().done(&["init", "--from", program]).stdout;
        for block in blocks(page, &text).iter().filter(|block| ["python", "toml"].contains(&block.language.as_str())) {
            for line in block.code.lines() {
                assert!(shown.contains(line.trim_end()), "{program}: {line}");
            }
        }
        assert!(shown.lines().all(|line| line.chars().count() <= 140), "{program}: it fits a terminal");
    }
}
