//! Tests guesses of small files in every format.

use std::fs;

use super::*;
use crate::settings::FileFormat;

/// Guesses the settings of a file with this content.
fn of(name: &str, content: impl AsRef<[u8]>) -> Result<Guess, Error> {
    of_files(&[(name, content.as_ref())])
}

/// Guesses the settings of the first of these files.
fn of_files(files: &[(&str, &[u8])]) -> Result<Guess, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("written");
    }
    let path = folder.path().join(files[0].0);
    let guess = guess(&path, &Given::default())?;
    // What is guessed can be read.
    let read = crate::read(&guess.settings, folder.path());
    assert!(read.is_ok(), "{:?}: {}", guess.settings, read.expect_err("a fault"));
    Ok(guess)
}

fn columns(guess: &Guess) -> (String, String) {
    let text = guess.settings.text_column().to_string();
    let labels: Vec<String> = guess.settings.label_columns().columns().iter().map(ToString::to_string).collect();
    (text, labels.join(" "))
}

/// Rows of an id, a text and a label, which is `label(row)`.
fn rows(delimiter: &str, label: impl Fn(usize) -> String) -> String {
    let text = |row: usize| ["how does it work", "who made this thing", "where is that place"][row % 3];
    let row = |row: usize| format!("q{row:03}{delimiter}{} {row}{delimiter}{}\n", text(row), label(row));
    (0..40).map(row).collect()
}

fn of_two(row: usize) -> String {
    ["spam", "ham"][row % 2].to_owned()
}

#[test]
fn columns_are_found_by_name_and_by_content() {
    let csv = |header: &str| of("a.csv", format!("{header}\n{}", rows(",", of_two))).expect("a guess");
    for header in ["qid,question_text,target", "a,b,c", "key,frase,tipo"] {
        let names: Vec<&str> = header.split(',').collect();
        assert_eq!(columns(&csv(header)), (format!("`{}`", names[1]), format!("`{}`", names[2])), "{header}");
    }
    let guess = csv("qid,question_text,target");
    assert_eq!(guess.settings.separator, None);
    assert_eq!(guess.first[0], ("how does it work 0".to_owned(), "spam".to_owned()));
    let reason = guess.reasons.iter().find(|reason| reason.key == "label").expect("a reason");
    assert_eq!(reason.why, "its name; it holds 2 different values");
}

#[test]
fn a_file_that_is_sorted_by_label_shows_all_of_them() {
    let row = |row: usize| format!("a text of number {row},{}\n", ["first", "second", "third"][row / 20_000]);
    let sorted: String = (0..60_000).map(row).collect();
    let guess = of("a.csv", format!("text,label\n{sorted}")).expect("a guess");
    assert_eq!((columns(&guess).1.as_str(), guess.first.len()), ("`label`", 3));
    assert_eq!(guess.first[1].0, "a text of number 1");
    assert!(guess.reasons.iter().any(|reason| reason.why == "its name; it holds 3 different values"));
}

#[test]
fn a_file_without_a_header_is_read_by_number() {
    let guess = of("a.tsv", rows("\t", of_two)).expect("a guess");
    assert_eq!(columns(&guess), ("2".to_owned(), "3".to_owned()));
    assert_eq!(guess.settings.header, None);
}

#[test]
fn another_delimiter_is_found() {
    for delimiter in [";", "|", "\t"] {
        let content = format!("id{delimiter}text{delimiter}label\n{}", rows(delimiter, of_two));
        let guess = of("a.csv", content).expect("a guess");
        assert_eq!(guess.settings.delimiter, delimiter.chars().next(), "{delimiter}");
        assert_eq!(columns(&guess).0, "`text`");
    }
}

#[test]
fn a_line_that_names_the_delimiter_is_no_row() {
    for (line, delimiter) in [("sep=;", ";"), ("\"sep=,\"", ",")] {
        let content = format!("{line}\r\nid{delimiter}text{delimiter}label\r\n{}", rows(delimiter, of_two));
        let guess = of("a.csv", content).expect("a guess");
        assert_eq!(guess.settings.delimiter, delimiter.chars().next(), "{line}");
        assert_eq!(columns(&guess), ("`text`".to_owned(), "`label`".to_owned()));
        let reason = guess.reasons.iter().find(|reason| reason.key == "delimiter").expect("a reason");
        assert_eq!(reason.why, format!("the first line, `{line}`, says so"));
    }
}

#[test]
fn a_json_array_is_read_as_its_objects_are() {
    let objects: Vec<String> =
        (0..20).map(|row| format!("{{\n  \"text\": \"what is row {row}\",\n  \"label\": {}\n}}", row % 2)).collect();
    let array = format!("[\n{}\n]\n", objects.join(",\n"));
    for (name, format) in [("a.json", None), ("a.txt", Some(FileFormat::Jsonl))] {
        let guess = of(name, &array).expect("a guess");
        assert_eq!((columns(&guess).1.as_str(), guess.settings.format), ("`label`", format), "{name}");
        assert_eq!(guess.first[0], ("what is row 0".to_owned(), "0".to_owned()));
    }
}

#[test]
fn several_labels_are_found() {
    let combined = |row: usize| ["27", "4,27", "2", "4", "2,4,27"][row % 5].to_owned();
    let guess = of("a.tsv", rows("\t", combined)).expect("a guess");
    assert_eq!(guess.settings.separator.as_deref(), Some(","));
    let flags = |row: usize| format!("{},{},{}", row % 2, (row / 2) % 2, u8::from(row.is_multiple_of(7)));
    let guess = of("a.csv", format!("id,comment_text,toxic,obscene,threat\n{}", rows(",", flags))).expect("a guess");
    assert_eq!(columns(&guess), ("`comment_text`".to_owned(), "`toxic` `obscene` `threat`".to_owned()));
    let object = |row: usize| format!("{{\"t\": \"a text of row {row}\", \"tags\": [\"x\", \"{}\"]}}\n", of_two(row));
    let guess = of("a.jsonl", (0..20).map(object).collect::<String>()).expect("a guess");
    assert_eq!(columns(&guess), ("`t`".to_owned(), "`tags`".to_owned()));
}

#[test]
fn names_with_commas_are_no_combinations() {
    let label = |row: usize| format!("\"{}\"", ["arts, music", "sports, games", "home"][row % 3]);
    let guess = of("a.csv", format!("id,text,topic\n{}", rows(",", label))).expect("a guess");
    assert_eq!((guess.settings.separator.as_deref(), columns(&guess).1), (None, "`topic`".to_owned()));
}

#[test]
fn lines_say_their_format() {
    let lines = |of: fn(usize) -> String| (0..40).map(of).collect::<String>();
    let fasttext = lines(|row| format!("__label__{} what is row {row}\n", of_two(row)));
    let first = lines(|row| format!("{} what is row {row}\n", ["DESC:def", "NUM:count"][row % 2]));
    let json = lines(|row| format!("{{\"text\": \"what is row {row}\", \"label\": {}}}\n", row % 2));
    let tabs = lines(|row| format!("what is row {row}\t{}\n", row % 2));
    for (content, format) in [
        (fasttext, FileFormat::Fasttext),
        (first, FileFormat::LabelFirst),
        (json, FileFormat::Jsonl),
        (tabs, FileFormat::Tsv),
    ] {
        let guess = of("rows.train", content).expect("a guess");
        assert_eq!(guess.settings.format, Some(format));
        assert_eq!(guess.first[0].0, "what is row 0");
    }
}

#[test]
fn files_beside_the_data_are_found() {
    let (texts, labels): (String, String) =
        (0..30).map(|row| (format!("what is row {row}\n"), format!("{}\n", row % 3))).unzip();
    let names = b"0\tanger\n1\tjoy\n2\tfear\n";
    let guess = of_files(&[
        ("train_text.txt", texts.as_bytes()),
        ("train_labels.txt", labels.as_bytes()),
        ("mapping.txt", names),
    ]);
    let settings = guess.expect("a guess").settings;
    assert!(settings.labels_path.expect("labels").ends_with("train_labels.txt"));
    assert!(settings.class_names.expect("names").ends_with("mapping.txt"));
    let few = of_files(&[
        ("a.csv", format!("id,text,label\n{}", rows(",", |row| (row % 3).to_string())).as_bytes()),
        ("classes.txt", b"a\nb\n"),
    ]);
    assert_eq!(few.expect("a guess").settings.class_names, None, "a label has no name in it");
}

#[test]
fn what_looks_like_nothing_is_said_to() {
    let unlabelled: String = (0..40).map(|row| format!("what is row {row}\n")).collect();
    let numbers: String = (0..40).map(|row| format!("{row},{}\n", row % 2)).collect();
    let unique: String = (0..40).map(|row| format!("what is row {row},r{row}\n")).collect();
    for (name, content, expected) in [
        ("a.txt", unlabelled, "no column looks like labels: every line is a text"),
        ("a.csv", numbers, "no column looks like texts: `1` holds a different value in every row"),
        ("b.csv", unique, "no column looks like labels"),
        ("c.csv", "text,label\n".to_owned(), "there are no rows"),
        ("d.csv", String::new(), "the file is empty"),
    ] {
        let error = of(name, content).expect_err(expected).to_string();
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
}

#[test]
fn given_columns_are_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.csv");
    fs::write(&path, format!("id,text,label\n{}", rows(",", of_two))).expect("written");
    let name = |name: &str| Some(Column::Name(name.to_owned()));
    let found = guess(&path, &Given { text: name("id"), label: None }).expect("a guess");
    assert_eq!(columns(&found), ("`id`".to_owned(), "`label`".to_owned()));
    let error = guess(&path, &Given { text: None, label: name("lable") }).expect_err("no such column").to_string();
    assert!(error.contains("did you mean `label`?"), "{error}");
}

/// Real files, if the shared data are there.
#[test]
fn real_files_are_guessed() {
    let Some(base) = emberline_test_support::shared("data") else { return };
    for (file, text, label) in [
        ("quora/labelled.csv", "`question_text`", "`target`"),
        ("quora/dirty-first-19999.csv", "`question_text`", "`target`"),
        ("sst2/train.tsv", "1", "2"),
        ("banking77/train.csv", "`text`", "`category`"),
        ("davidson/labeled_data.csv", "`tweet`", "`class`"),
        ("goemotions/train.tsv", "1", "2"),
        ("trec/raw_TREC.test", "`text`", "`label`"),
    ] {
        let guess = guess(&base.join(file), &Given::default()).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(columns(&guess), (text.to_owned(), label.to_owned()), "{file}");
        assert_eq!(guess.settings.separator.is_some(), file.starts_with("goemotions"), "{file}");
        assert_eq!(guess.settings.class_names.is_some(), file.starts_with("goemotions"), "{file}");
    }
}
