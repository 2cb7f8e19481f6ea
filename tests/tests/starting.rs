//! `init --data`: the pipeline file that it writes for a file of any format passes `check --data` and runs as it stands.

use emberline_tests::{Ended, Fixture};

/// Texts of two kinds with a word that tells which.
fn text(row: usize) -> String {
    let topic = ["goal match team", "bank money loan"][row % 2];
    format!("the {topic} of day {row} was {}", ["good", "bad", "long"][row % 3])
}

fn label(row: usize) -> &'static str {
    ["sport", "trade"][row % 2]
}

/// A file of rows, each made by `row`.
fn lines(header: &str, row: impl Fn(usize) -> String) -> String {
    (0..60).map(row).fold(header.to_owned(), |all, row| all + &row + "\n")
}

/// Writes a pipeline for a file, which must pass `check --data` and run; returns what `init` said.
fn started(name: &str, content: impl AsRef<[u8]>, others: &[(&str, &str)]) -> (Ended, String) {
    let fixture = Fixture::empty().file(name, content);
    others.iter().for_each(|(name, content)| fixture.write(name, content));
    let said = fixture.done(&["init", "--data", name, "mine"]);
    fixture.done(&["check", "--data", "mine/pipeline.toml"]);
    let short =
        ["-S", "train.epochs=2", "-S", "data.split.repeats=2", "-S", "grid={embedding=[\"pretrained\", \"hashing\"]}"];
    fixture.done(&[&["run", "mine/pipeline.toml"], short.as_slice()].concat());
    (said, fixture.read("mine/pipeline.toml"))
}

#[test]
fn a_table_with_a_header() {
    let csv = lines("id,comment,topic\n", |row| format!("{row},\"{}, {row}\",{}", text(row), label(row)));
    let (said, file) = started("my posts.csv", csv, &[]);
    for line in [
        "path = \"../my posts.csv\"",
        "text = \"comment\"",
        "label = \"topic\"",
        "#:schema pipeline.schema.json",
        "repeats = 5",
    ] {
        assert!(file.contains(line), "{line}\n{file}");
    }
    for part in ["60 rows", "2 classes", "sport", "30", "--label", "now: emberline run mine/pipeline.toml"] {
        assert!(said.stdout.contains(part), "{part}\n{}", said.stdout);
    }
}

#[test]
fn rows_without_a_header_and_several_classes() {
    let (_, file) = started("rows.tsv", lines("", |row| format!("{}\t{}", text(row), row % 4)), &[]);
    assert!(file.contains("text = 1") && file.contains("label = 2"), "{file}");
}

#[test]
fn several_labels_by_separator_and_by_columns() {
    let combined = |row: usize| format!("{}\t{}", text(row), ["a", "b", "a,b", "c", "b,c"][row % 5]);
    let (_, file) = started("rows.tsv", lines("", combined), &[]);
    assert!(file.contains("separator = \",\"") && file.contains("val_f1"), "{file}");
    let flags = |row: usize| format!("{},{},{}", text(row), row % 2, usize::from(row.is_multiple_of(3)));
    let (_, file) = started("flags.csv", lines("comment_text,toxic,obscene\n", flags), &[]);
    assert!(file.contains("label = [\"toxic\", \"obscene\"]"), "{file}");
}

#[test]
fn objects_and_compressed_files() {
    let object = |row: usize| format!("{{\"review\": \"{}\", \"stars\": {}}}", text(row), 1 + row % 5);
    let (_, file) = started("rows.jsonl", lines("", object), &[]);
    assert!(file.contains("text = \"review\"") && file.contains("label = \"stars\""), "{file}");
}

#[test]
fn lines_and_files_beside_the_data() {
    let (_, file) = started("train.ft", lines("", |row| format!("__label__{} {}", label(row), text(row))), &[]);
    assert!(file.contains("format = \"fasttext\"") && !file.contains("text ="), "{file}");
    let (_, file) = started("q.train", lines("", |row| format!("{}:x {}", label(row), text(row))), &[]);
    assert!(file.contains("format = \"label_first\""), "{file}");
    let labels = lines("", |row| (row % 2).to_string());
    let others = [("x_labels.txt", labels.as_str()), ("mapping.txt", "0\tsport\n1\ttrade\n")];
    let (said, file) = started("x_text.txt", lines("", text), &others);
    assert!(
        file.contains("labels_path = \"../x_labels.txt\"") && file.contains("class_names = \"../mapping.txt\""),
        "{file}"
    );
    assert!(said.stdout.contains("trade"), "{}", said.stdout);
}

#[test]
fn conflicting_labels_are_said_and_do_not_keep_the_file_from_running() {
    // The last rows repeat the first text with another label.
    let row = |row: usize| {
        if row < 58 { format!("{},{}", text(row), label(row)) } else { format!("{},{}", text(0), label(1)) }
    };
    let (_, file) = started("a.csv", lines("text,label\n", row), &[]);
    assert!(
        file.contains("1 text has different labels in different rows") && file.contains("ignore = [\"EMB003\"]"),
        "{file}"
    );
}

/// Writes a pipeline for a file, checks and runs it as it stands; or `init` refuses, and returns why.
fn tried(name: &str, content: impl AsRef<[u8]>) -> Result<String, String> {
    let fixture = Fixture::empty().file(name, content);
    let said = fixture.emberline(&["init", "--data", name, "mine"]);
    if said.code != Some(0) {
        assert!(!fixture.join("mine").exists(), "nothing is written: {}", said.stderr);
        return Err(said.stderr);
    }
    let short = ["-S", "train.epochs=1"];
    fixture.done(&[&["check", "--data", "mine/pipeline.toml"], short.as_slice()].concat());
    fixture.done(&[&["run", "mine/pipeline.toml"], short.as_slice()].concat());
    Ok(fixture.read("mine/pipeline.toml"))
}

#[test]
fn what_is_written_for_few_rows_runs_or_is_refused() {
    let few = |rows: usize| -> String {
        (0..rows)
            .map(|row| format!("{},{}\n", text(row), label(row)))
            .fold("text,label\n".to_owned(), |all, row| all + &row)
    };
    let mut written = 0;
    for rows in [1, 2, 3, 4, 5, 6, 8, 10, 12, 20] {
        match tried("a.csv", few(rows)) {
            Ok(_) => written += 1,
            Err(why) => assert!(why.starts_with("error: ") && !why.contains("internal"), "{rows}: {why}"),
        }
    }
    assert!(written >= 3, "{written}");
    let refused = tried("a.csv", few(3)).expect_err("too few");
    assert!(refused.contains("no pipeline file was written"), "{refused}");
}

#[test]
fn learned_vectors_have_a_length_that_the_texts_can_give() {
    // Texts of one word have no words beside each other.
    let letter = |at: usize| char::from(b'a' + (at % 26) as u8);
    let names = |row: usize| {
        format!("{}{}{},{}", ["annabel", "bernhard"][row % 2], letter(row / 26), letter(row), ["f", "m"][row % 2])
    };
    let file = tried("names.csv", lines("name,sex\n", names)).expect("a file");
    // Nor are they words that the pretrained table knows.
    assert!(!file.contains("[embedding.corpus.corpus]") && file.contains("\nembedding = [\"hashing\"]"), "{file}");
    assert!(
        file.contains("knows 0.0 % of the words of these texts") && !file.contains("[embedding.pretrained"),
        "{file}"
    );
    // The header's names are none that columns usually have.
    assert!(file.contains("text = \"name\"") && file.contains("label = \"sex\""), "{file}");
    let file = tried("a.csv", lines("text,label\n", |row| format!("{},{}", text(row), label(row)))).expect("a file");
    assert!(file.contains("[embedding.corpus.corpus]"), "{file}");
}

#[test]
fn spreadsheets_and_arrays_are_read() {
    let (said, file) =
        started("a.csv", lines("sep=;\r\ntext;label\r\n", |row| format!("{};{}\r", text(row), label(row))), &[]);
    assert!(file.contains("delimiter = \";\"") && said.stdout.contains("`sep=;`"), "{}", said.stdout);
    let objects: Vec<String> =
        (0..60).map(|row| format!("{{\n\"text\": \"{}\",\n\"label\": \"{}\"\n}}", text(row), label(row))).collect();
    let (_, file) = started("a.json", format!("[{}]", objects.join(",\n")), &[]);
    assert!(file.contains("path = \"../a.json\"") && !file.contains("format ="), "{file}");
}

#[test]
fn nothing_is_overwritten() {
    let csv = lines("text,label\n", |row| format!("{},{}", text(row), label(row)));
    let fixture = Fixture::empty().file("a.csv", &csv).file("pipeline.toml", "mine").file(".gitignore", "target\n");
    let refused = fixture.ends(&["init", "--data", "a.csv"], 2);
    assert!(refused.stderr.contains("pipeline.toml is there already"), "{}", refused.stderr);
    assert_eq!(fixture.read("pipeline.toml"), "mine");
    assert!(!fixture.join("models").exists());
    fixture.write("new/.gitignore", "target\n");
    let said = fixture.done(&["init", "--data", "a.csv", "new"]);
    assert!(said.stderr.contains("add the line `runs/`"), "{}", said.stderr);
    assert_eq!(fixture.read("new/.gitignore"), "target\n");
}

#[test]
fn data_that_look_like_nothing_are_refused_with_what_they_hold() {
    let fixture = Fixture::empty().file("a.csv", lines("id,text\n", |row| format!("{row},{}", text(row))));
    let refused = fixture.ends(&["init", "--data", "a.csv"], 4);
    assert!(refused.stderr.contains("no column looks like labels: `id` holds"), "{}", refused.stderr);
    assert!(!fixture.join("pipeline.toml").exists());
    let refused = fixture.ends(&["init", "--data", "none.csv"], 8);
    assert!(refused.stderr.contains("there is no such file"), "{}", refused.stderr);
    fixture.done(&["init", "--data", "a.csv", "--label", "id", "ids", "--text", "text"]);
}

#[test]
fn the_written_file_names_no_key_twice_whatever_the_columns_are_called() {
    let header = "\"te\"\"xt\",\"la\nbel\",#\n";
    let csv = lines(header, |row| format!("{},{},{row}", text(row), label(row)));
    let (_, file) = started("a.csv", csv, &[]);
    assert!(file.contains("te\\\"xt") || file.contains("'te\"xt'"), "{file}");
}
