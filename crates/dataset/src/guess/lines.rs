//! Finds out by its first lines what a file holds whose name says no format: JSON Lines, a table, lines with labels, or texts whose labels are in another
//! file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::SAMPLED;
use super::sample::{Cell, SHOWN, Table};
use crate::error::Error;
use crate::format::{self, Field, Format, LABEL_PREFIX, Request, delimiter_line, first_word, lines_of};
use crate::settings::{Column, FileFormat};

/// What a file of lines is.
pub(super) enum Found {
    /// A file of this format, and how it was found out.
    Format(FileFormat, String),
    /// Lines that are a text and a label each.
    Table(Table),
}

/// Looks at the first lines of a file.
///
/// # Errors
/// When it can't be read, or no line shows a label.
pub(super) fn found(path: &Path) -> Result<Found, Error> {
    let lines = first_lines(path)?;
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).filter(|line| !line.trim().is_empty()).collect();
    let Some(first) = lines.first() else { return Err(Error::Empty { path: path.to_owned() }) };
    let with_prefix = lines.iter().filter(|line| line.split_ascii_whitespace().any(is_label)).count();
    if 10 * with_prefix >= 9 * lines.len() {
        return Ok(Found::Table(of_fasttext(&lines, with_prefix)));
    }
    if first.starts_with('{') && serde_json::from_str::<serde_json::Value>(first).is_ok_and(|value| value.is_object()) {
        return Ok(Found::Format(FileFormat::Jsonl, "its lines are JSON objects".to_owned()));
    }
    if first.trim_start().starts_with('[') && is_array_of_objects(&lines) {
        return Ok(Found::Format(FileFormat::Jsonl, "it is a JSON array of objects".to_owned()));
    }
    if let Some(labels) = labels_beside(path)
        && let Some(table) = of_two_files(path, labels)?
    {
        return Ok(Found::Table(table));
    }
    let tabs = |line: &&str| line.matches('\t').count();
    if tabs(first) > 0 && lines.iter().all(|line| tabs(line) == tabs(first)) {
        return Ok(Found::Format(FileFormat::Tsv, "every line has as many tabs".to_owned()));
    }
    if let Some(why) = label_first(&lines) {
        return Ok(Found::Table(of_label_first(&lines, why)));
    }
    let commas = |line: &&str| line.matches(',').count();
    if commas(first) > 0 && lines.iter().all(|line| commas(line) >= commas(first)) {
        return Ok(Found::Format(FileFormat::Csv, "every line has commas".to_owned()));
    }
    let columns = vec!["every line is a text, and none begins with a label".to_owned()];
    Err(Error::NothingLooksLike { path: path.to_owned(), what: "labels", columns })
}

/// Whether the first characters that aren't white space are `[` and `{`.
fn is_array_of_objects(lines: &[&str]) -> bool {
    let mut visible = lines.iter().flat_map(|line| line.chars()).filter(|c| !c.is_whitespace());
    (visible.next(), visible.next()) == (Some('['), Some('{'))
}

fn is_label(word: &str) -> bool {
    word.len() > LABEL_PREFIX.len() && word.starts_with(LABEL_PREFIX)
}

/// Returns the delimiter that the first line of a file names, as spreadsheets do with `sep=;`, and that line.
pub(super) fn named_delimiter(path: &Path) -> Option<(char, String)> {
    let first = lines_up_to(path, 1).ok()?.into_iter().next()?;
    let (delimiter, _) = delimiter_line(format!("{first}\n").as_bytes())?;
    Some((char::from(delimiter), first.trim_end().to_owned()))
}

fn first_lines(path: &Path) -> Result<Vec<String>, Error> {
    lines_up_to(path, SAMPLED)
}

fn lines_up_to(path: &Path, most: usize) -> Result<Vec<String>, Error> {
    let request = Request { path, columns: &[], header: None, delimiter: None, originals: false, needs_text: false };
    let mut lines = Vec::new();
    let read = format::read(&request, |_| Some(Format::Lines), &mut |row| {
        if let Some(Field::Text(line)) = row.fields.first() {
            lines.push(line.trim_start_matches('\u{feff}').to_owned());
        }
        if lines.len() >= most { Err(Error::Stopped) } else { Ok(()) }
    });
    match read {
        Ok(_) | Err(Error::Stopped) => Ok(lines),
        Err(error) => Err(error),
    }
}

/// Returns a table of a label and a text in every line.
fn of_pairs(rows: Vec<[Cell; 2]>) -> Table {
    let names = ["label", "text"];
    let first = rows.iter().take(SHOWN).cloned().map(Vec::from).collect();
    Table {
        first,
        names: names.iter().map(|name| Some((*name).to_owned())).collect(),
        columns: names.iter().map(|name| Column::Name((*name).to_owned())).collect(),
        rows: rows.into_iter().map(Vec::from).collect(),
        ..Table::default()
    }
}

fn of_fasttext(lines: &[&str], with_prefix: usize) -> Table {
    let row = |line: &&str| {
        let words = || line.split_ascii_whitespace();
        let labels: Vec<String> = words().filter(|w| is_label(w)).map(|w| w[LABEL_PREFIX.len()..].to_owned()).collect();
        let text: Vec<&str> = words().filter(|word| !word.starts_with(LABEL_PREFIX)).collect();
        let label = match &labels[..] {
            [] => Cell::Missing,
            [only] => Cell::Text(only.clone()),
            _ => Cell::List(labels),
        };
        [label, Cell::Text(text.join(" "))]
    };
    let why = format!("{with_prefix} of {} lines have words that begin with {LABEL_PREFIX}", lines.len());
    Table { format: Some((FileFormat::Fasttext, why)), ..of_pairs(lines.iter().map(row).collect()) }
}

fn of_label_first(lines: &[&str], why: String) -> Table {
    let row = |line: &&str| {
        let (label, text) = first_word(line);
        [Cell::Text(label.to_owned()), Cell::Text(text.to_owned())]
    };
    Table { format: Some((FileFormat::LabelFirst, why)), ..of_pairs(lines.iter().map(row).collect()) }
}

/// Returns why the first words of the lines are labels, if they are: they are few, and don't look like the first words of
/// sentences.
fn label_first(lines: &[&str]) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        let (label, text) = first_word(line);
        if text.is_empty() {
            return None;
        }
        *counts.entry(label).or_default() += 1;
    }
    let is_code = |word: &&str| {
        let is_marked = word.contains([':', '_', '=']) || word.parse::<f64>().is_ok();
        is_marked || (word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || !c.is_alphabetic()))
    };
    let distinct = counts.len();
    let are_codes = counts.keys().all(is_code) && distinct <= 200 && 2 * distinct <= lines.len().max(4);
    let are_few = distinct <= 20 && 5 * distinct <= lines.len();
    (distinct > 1 && (are_codes || are_few)).then(|| format!("every line begins with one of {distinct} words"))
}

/// Returns the file of labels that lies beside a file of texts, by its name: `train_labels.txt` beside `train_text.txt`.
fn labels_beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let words = ["texts", "text", "sentences", "sents", "data"];
    let renamed = words
        .iter()
        .filter(|word| name.contains(**word))
        .flat_map(|word| ["labels", "label"].map(|labels| path.with_file_name(name.replacen(word, labels, 1))));
    let with_ending = ["labels", "label"].map(|ending| path.with_extension(ending));
    renamed.chain(with_ending).find(|other| other != path && other.is_file())
}

/// Returns the table of a file of texts and a file of labels, if they have equally many lines.
fn of_two_files(path: &Path, labels: PathBuf) -> Result<Option<Table>, Error> {
    let (texts, of_labels) = (lines_of(path)?, lines_of(&labels)?);
    let cell = |text: &String| if text.trim().is_empty() { Cell::Missing } else { Cell::Text(text.clone()) };
    let rows = of_labels.iter().zip(&texts).take(SAMPLED).map(|(label, text)| [cell(label), cell(text)]);
    let is_pair = texts.len() == of_labels.len();
    Ok(is_pair.then(|| Table { labels: Some(labels), ..of_pairs(rows.collect()) }))
}
