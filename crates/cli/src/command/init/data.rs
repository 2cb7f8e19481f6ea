//! `init --data FILE`: guesses what the file holds, says so, and writes a pipeline file for it.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use emberline_base::file;
use emberline_base::number::{counted, grouped};
use emberline_dataset::guess::{Given, Guess, Reason, guess};
use emberline_dataset::{FileFindings, Findings, Settings};
use emberline_pipeline::schema::Schema;
use emberline_pipeline::starter::{SCHEMA_FILE, Starter};
use serde::Deserialize;

use super::{PIPELINE, TABLE, attributes, refuse_existing, write_file};
use crate::args::Init;
use crate::exit::{Code, Error};
use crate::terminal::{printable, say, table};
use crate::texts::column;

/// The number of classes that are shown.
const MAX_CLASSES: usize = 12;

/// The largest number of folders that a relative path goes up.
const MAX_UP: usize = 3;

/// The number of characters that are shown of a text.
const MAX_TEXT: usize = 90;

pub(super) fn run(args: &Init, data: &Path) -> Result<Code, Error> {
    refuse_existing(&args.dir, [PIPELINE, SCHEMA_FILE])?;
    let column_of = |word: Option<&str>| word.map(|word| column(word).column);
    let given = Given { text: column_of(args.text.as_deref()), label: column_of(args.label.as_deref()) };
    let guess = guess(data, &given)?;
    let rows = emberline_dataset::read(&guess.settings, Path::new(""))?;
    let findings = rows.findings();
    let data_file = data.to_string_lossy();
    let starter = Starter {
        data_file: &data_file,
        settings: &guess.settings,
        reasons: &guess.reasons,
        columns: &guess.columns,
        others: &guess.others,
        rows: &rows,
        findings: &findings,
        pretrained_words: &pretrained_words(),
    };
    // Nothing is written that couldn't run.
    let learned_dim = starter.learnable_dim().map_err(|error| refusal(error.into()))?;
    let settings = relative(&guess.settings, &args.dir)?;
    let starter = Starter { settings: &settings, ..starter };
    let mut text = description(&data_file, &guess, &findings);
    text += &write_file(&args.dir, PIPELINE, starter.text(learned_dim).as_bytes())?;
    text += &write_file(&args.dir, SCHEMA_FILE, Schema::Pipeline.text().as_bytes())?;
    let unsuitable = starter.unsuitable_pretrained();
    for (name, content) in TABLE.into_iter().filter(|_| unsuitable.is_none()) {
        text += &write_file(&args.dir, name, content)?;
    }
    text += &ignore_runs(&args.dir)?;
    text += &attributes::add(&args.dir)?;
    if let Some(share) = unsuitable {
        text += &format!(
            "\nno pretrained embedding is compared: the table that comes with the program, of English words, knows {:.1} % of the \
             words\n",
            100.0 * share
        );
    }
    let file = args.dir.join(PIPELINE).display().to_string();
    text += &format!("\nwrong? change `text` and `label` in {file}, or name them with --text and --label\n");
    text += &format!("now: emberline run {file}\n");
    // Whoever closes standard output early, has all files.
    write!(io::stdout(), "{}", printable(&text))?;
    Ok(Code::Fine)
}

/// Returns the words of the pretrained table.
fn pretrained_words() -> HashSet<String> {
    #[derive(Deserialize)]
    struct Tokenizer {
        model: Model,
    }
    #[derive(Deserialize)]
    struct Model {
        vocab: HashMap<String, u32>,
    }
    let file = TABLE.iter().find(|(name, _)| name.ends_with("tokenizer.json")).map(|(_, content)| *content);
    let tokenizer = file.and_then(|content| serde_json::from_slice::<Tokenizer>(content).ok());
    tokenizer.map(|tokenizer| tokenizer.model.vocab.into_keys().collect()).unwrap_or_default()
}

/// Returns why no file is written, with what was asked of the data.
fn refusal(error: Error) -> Error {
    let place = "no pipeline file was written, since it couldn't run: it would hold out a fifth of the rows for validation and a fifth \
                 for test, five times over. Label more rows, or write the file yourself (`emberline init DIR` writes an example)";
    Error::Located { error: Box::new(error), place: place.to_owned() }
}

/// Describes the guess: the columns and why, three rows, and the classes.
fn description(data: &str, guess: &Guess, findings: &Findings) -> String {
    let file = &findings.files[0];
    let mut text = format!("{data}: {}", counted(file.rows, "row"));
    let left_out = [(file.empty_texts, "without a text"), (file.missing_labels, "without a label")];
    for (count, what) in left_out.into_iter().filter(|(count, _)| *count > 0) {
        text += &format!(", {} more {what}", grouped(count as u64));
    }
    let reason =
        |reason: &Reason| vec![format!("  {}", reason.key), value_of(&guess.settings, reason.key), reason.why.clone()];
    let guessed = table(&guess.reasons.iter().map(reason).collect::<Vec<_>>());
    let row = |(text, label): &(String, String)| vec![format!("  {}", cut(label, 30)), cut(text, MAX_TEXT)];
    let first = table(&guess.first.iter().map(row).collect::<Vec<_>>());
    text += &format!("\n\nguessed\n{guessed}\nthe first rows\n{first}\n{}", classes(file));
    if let Some(positive) = &findings.positive {
        text += &format!("  positive: {positive}\n");
    }
    text + "\n"
}

/// Lists the classes, the largest first, with their rows.
fn classes(file: &FileFindings) -> String {
    let mut classes: Vec<(&String, &usize)> = file.classes.iter().collect();
    classes.sort_by(|a, b| b.1.cmp(a.1));
    let row = |(class, count): &(&String, &usize)| vec![format!("  {}", cut(class, 40)), grouped(**count as u64)];
    let rows: Vec<Vec<String>> = classes.iter().take(MAX_CLASSES).map(row).collect();
    let mut text = format!("{}\n{}", counted(classes.len(), "class"), table(&rows));
    if classes.len() > MAX_CLASSES {
        let fewest = classes.last().map_or(0, |(_, count)| **count);
        let more = classes.len() - MAX_CLASSES;
        text += &format!("  and {more} more, the smallest with {}\n", counted(fewest, "row"));
    }
    text
}

/// Returns the value of a guessed key, as people read it.
fn value_of(settings: &Settings, key: &str) -> String {
    let resolved = serde_json::to_value(settings).unwrap_or_default();
    match &resolved[key] {
        // Of a path, the name of the file.
        serde_json::Value::String(text) if key.ends_with("path") || key == "class_names" => {
            Path::new(text).file_name().unwrap_or_default().to_string_lossy().into_owned()
        }
        serde_json::Value::String(text) => text.replace('\t', "\\t"),
        serde_json::Value::Array(items) => {
            let names: Vec<String> =
                items.iter().map(|item| item.as_str().map_or(item.to_string(), str::to_owned)).collect();
            names.join(", ")
        }
        other => other.to_string(),
    }
}

/// Returns a text on one line, cut if it is long.
fn cut(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Returns the same settings with paths that are relative to the folder of the pipeline file.
fn relative(settings: &Settings, folder: &Path) -> Result<Settings, Error> {
    let mut settings = settings.clone();
    for path in [&mut settings.path, &mut settings.labels_path, &mut settings.class_names].into_iter().flatten() {
        *path = relative_path(path, folder)?;
    }
    Ok(settings)
}

/// Returns the path of a file relative to a folder, which needn't exist yet.
fn relative_path(path: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let absolute = |path: &Path| std::path::absolute(path).map(|path| without_dots(&path));
    let failed = |source| Error::File(file::FileError::new("find", path)(source));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let (file, folder) = (absolute(path).map_err(failed)?, absolute(folder).map_err(failed)?);
    let shared = file.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    // From far away, an absolute path says more.
    if up.clone().count() > MAX_UP {
        return Ok(file);
    }
    Ok(up.chain(file.components().skip(shared)).collect())
}

/// Removes `.` and `..` from an absolute path.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

/// Writes a `.gitignore` that keeps run folders out of git, and returns its path as a line. An existing one is left as it is.
pub(super) fn ignore_runs(folder: &Path) -> Result<String, Error> {
    let path = folder.join(".gitignore");
    match std::fs::read_to_string(&path) {
        Ok(text) if text.lines().any(|line| matches!(line.trim(), "runs" | "runs/" | "/runs/" | "/runs")) => {
            Ok(String::new())
        }
        Ok(_) => {
            say(&format!(
                "{} is there already; add the line `runs/` to it, so that results stay out of git",
                path.display()
            ));
            Ok(String::new())
        }
        Err(_) => write_file(folder, ".gitignore", b"runs/\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_pretrained_table_are_known() {
        let words = pretrained_words();
        assert!(words.len() > 6000 && ["why", "people", "question"].iter().all(|word| words.contains(*word)));
    }

    #[test]
    fn paths_are_relative_to_the_pipeline_file() {
        let relative = |path: &str, folder: &str| {
            relative_path(Path::new(path), Path::new(folder)).map(|path| path.display().to_string()).unwrap_or_default()
        };
        assert_eq!(relative("a.csv", "."), "a.csv");
        assert_eq!(relative("data/a.csv", ""), "data/a.csv");
        assert_eq!(relative("a.csv", "new/folder"), "../../a.csv");
        assert_eq!(relative("new/./data/../a.csv", "new"), "a.csv");
        assert_eq!(relative("/x/y/a.csv", "/x/z"), "../y/a.csv");
        assert_eq!(relative("/x/a.csv", "/1/2/3/4"), "/x/a.csv");
    }
}
