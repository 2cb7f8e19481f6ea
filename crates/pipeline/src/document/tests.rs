//! Tests of whole documents: syntax, assignments, and all kinds of faults.

use super::*;
use crate::Pipeline;

/// A valid file without `[train]`, `[head]`, `[callbacks]` and `[grid]`.
const SOUND: &str = "\
name = \"t\"
[data]
path = \"d.csv\"
text = \"text\"
label = \"label\"
[embedding.h.hashing]
dim = 8
";

/// Returns the faults of a text, as they are displayed.
fn faults_of(text: &str) -> String {
    let here = Path::new("");
    Pipeline::parse("p.toml", text, here, &[]).err().map(|error| error.to_string()).unwrap_or_default()
}

/// Returns the first line of each fault of `SOUND` with more text appended: position and message.
fn messages(more: &str) -> Vec<String> {
    let shown = faults_of(&format!("{SOUND}{more}"));
    shown.lines().filter_map(|line| line.strip_prefix("p.toml:").map(str::to_owned)).collect()
}

#[test]
fn all_faults_of_the_syntax_are_given() {
    let faults = Document::parse("p.toml", "a = \nb = 1\nb = 2\n[c\n").expect_err("three faults");
    let lines: Vec<usize> = faults.iter().map(|f| f.span.position().0).collect();
    assert!(lines.contains(&1) && lines.contains(&3) && lines.contains(&4), "{faults}");
}

#[test]
fn assignments_are_toml_or_texts() {
    let mut document = Document::parse("p.toml", "[train]\nepochs = 3\n").expect("valid");
    for assignment in ["train.epochs=5", "data.path=x y.csv", "grid.seed=[1, 2]", "data.text = \"q\""] {
        document.set(assignment, Path::new("/here")).expect("set");
    }
    let value = document.root.to_value();
    assert_eq!(value["train"]["epochs"].as_integer(), Some(5));
    assert_eq!(value["data"]["path"].as_str(), Some("/here/x y.csv"));
    assert_eq!(value["data"]["text"].as_str(), Some("q"));
    assert_eq!(value["grid"]["seed"].as_array().map(Vec::len), Some(2));
    assert!(document.set("train.epochs.x=1", Path::new("/")).is_err());
    assert!(document.set("train.epochs", Path::new("/")).is_err());
    assert!(document.set(&format!("{}x=1", "a.".repeat(100_000)), Path::new("/")).is_err());
    assert!(document.set(&format!("x={}", "[".repeat(100_000)), Path::new("/")).is_ok(), "a text");
}

#[test]
fn a_fault_of_an_assignment_points_into_its_value() {
    let error = Pipeline::parse("p.toml", SOUND, Path::new(""), &["head.layers = [{dense=4}, {dense=0}]".to_owned()]);
    let shown = error.expect_err("a fault").to_string();
    assert!(shown.starts_with("-S head.layers = [{dense=4}, {dense=0}]:1:34: `dense` must be"), "{shown}");
}

/// The `toml` crate is the reference: equal tables, and errors for the same texts.
#[test]
fn trees_are_those_of_the_toml_crate() {
    for text in [
        "",
        "a = 1\nb.c = 2\nb.d.e = [1, 2.5, 'x', true, 2026-01-31]\n[t]\nx = {y = 1, z.w = [[], [{}]]}\n[t.u]\nk = \"\\u00e4\\n\"",
        "[a.b.c]\nx = 1\n[a]\ny = 2\n[a.b]\nz = 3\n[[l]]\nn = 1\n[l.m]\no = 1\n[[l]]\nn = 2\n[l.m]\no = 2\n",
        "a = 0xff\nb = 0o17\nc = 0b11\nd = 1_000\ne = +1e3\nf = -inf\ng = '''\nx'''\nh = \"\"\"y\\\n   z\"\"\"\n",
        "\"a.b\" = 1\n'c d' = 2\n1 = 3\nd = 07:32:00\ne = 1979-05-27T07:32:00-08:00\n",
        "a = 1\na = 2",
        "a.b = 1\n[a]\nc = 1",
        "[a]\nb = 1\n[a]\nc = 1",
        "a = {b = 1}\na.c = 2",
        "a = {b = 1}\n[a.c]",
        "[[a]]\n[a]",
        "[a]\n[[a]]",
        "a = []\n[[a]]",
        "a = {b = 1, b = 2}",
        "a = {b.c = 1, b.d = 2}",
        "[a.b]\n[a]\nb.c = 1",
        "[a]\nb.c = 1\n[a.b.d]",
        "a = 01",
        "a = 9223372036854775808",
        "a = 1e999",
        "a = 2026-13-45",
        "a = x",
        "a = [1,\n",
        "= 1",
        "[a]b = 1",
        "a = \"\\q\"",
    ] {
        let expected = toml::from_str::<toml::Table>(text);
        let found = Document::parse("p", text);
        match (&expected, &found) {
            (Ok(expected), Ok(found)) => {
                assert_eq!(found.root.to_value(), toml::Value::Table(expected.clone()), "{text}");
            }
            (Err(_), Err(_)) => {}
            _ => panic!("{text:?}: {expected:?} and {found:?}"),
        }
    }
}

#[test]
fn every_fault_is_found_at_its_place_whatever_its_kind() {
    assert_eq!(
        messages(
            "\
[trainn]
[train]
epochs = -1
batch_size = 0
loss = 'BinaryCrossentropy'
[head]
layers = [{dense = 'x'}, {}, {dense = 1, dropout = 0.5}, {dropout = 1.0}, {dropout = 0.1, activation = 'Relu'}]
[callbacks.csv_logger]
separator = ''
filename = 'a/b'
[callbacks.early_stopping]
min_delta = nan
patience = 1.0
"
        ),
        [
            "8:2: unknown key `trainn`",
            "10:10: `epochs` must be a whole number, 1 or more, not -1",
            "11:14: `batch_size` must be a whole number, 1 or more, not 0",
            "12:8: unknown value `BinaryCrossentropy`",
            "14:20: `dense` must be a whole number from 1 to 65536, not the text \"x\"",
            "14:26: an item of `layers` needs `dense`, `dropout` or `layer_norm`",
            "14:30: `dense` and `dropout` exclude each other",
            "14:69: `dropout` must be a number from 0 to below 1, not 1.0",
            "14:91: `activation` goes with `dense`, which isn't given",
            "14:104: unknown value `Relu`",
            "16:13: the separator is empty",
            "17:12: \"a/b\" can't be used as the log's file name",
            "19:13: `min_delta` must be a finite number, not nan",
            "20:12: `patience` must be a whole number, 0 or more, not 1.0",
        ]
    );
}

/// Messages are made from the schema, never by rewriting serde's messages, so the user's own words stay as they are.
#[test]
fn words_of_the_user_that_sound_like_serde_are_quoted_as_written() {
    let found = messages(
        "[train]\n\"missing field\" = 1\nloss = 'unknown variant, expected a string'\nepochs = 'invalid type: integer `1`, expected u32'\n",
    );
    let expected = [
        ": unknown key `missing field`",
        "10:8: unknown value `unknown variant, expected a string`",
        "11:10: `epochs` must be a whole number, 1 or more, not the text \"invalid type: integer `1`, expected u32\"",
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    assert!(found.iter().zip(expected).all(|(found, expected)| found.ends_with(expected)), "{found:?}");
}

#[test]
fn a_fault_that_comes_of_another_is_not_told() {
    for (more, only) in [
        ("[embedding.w.word_vectors]\npath = 'x'\ndim = 3\nreduce = 'pcaa'\n", "11:10: unknown value `pcaa`"),
        ("[data.split]\ntrain = 'x'\n[callbacks.early_stopping]\n", "9:9: `train` must be"),
        ("[embedding.w.hashing]\ndim = '8'\nbuckets = 268435456\n", "9:7: `dim` must be"),
    ] {
        let found = messages(more);
        assert!(found.len() == 1 && found[0].starts_with(only), "{found:?}");
    }
    let found = messages("").len() + faults_of(&SOUND.replace("\"d.csv\"", "1")).matches("p.toml:").count();
    assert_eq!(found, 1, "that no file is given comes of the faulty path");
}

#[test]
fn faults_of_the_grid_are_told_with_the_others() {
    let found = messages(
        "[train]\nepochs = 0\n[grid]\n\"train.batch_size\" = [4, \"x\", -1]\nembedding = [\"H\"]\nhead.layer = [1]\nseed = 3\n",
    );
    assert_eq!(
        found,
        [
            "9:10: `epochs` must be a whole number, 1 or more, not 0",
            "11:26: `batch_size` must be a whole number, 1 or more, not the text \"x\"",
            "11:31: `batch_size` must be a whole number, 1 or more, not -1",
            "12:14: there is no such embedding",
            "13:6: there is no key `head.layer`",
            "14:8: `grid.seed` must be a list",
        ]
    );
}

/// Every kind of value that TOML has; none of them suits every key.
const VALUES: &[&str] = &[
    "\"x\"",
    "\"\"",
    "3",
    "-3",
    "99999999999",
    "0.5",
    "-0.5",
    "1e300",
    "nan",
    "inf",
    "true",
    "2026-01-31",
    "[]",
    "[3, 4]",
    "[\"val_loss\", 2, 0.0]",
    "[[]]",
    "[{}]",
    "{}",
    "{ x = 1 }",
    "{ x = {} }",
    "{ adam = {}, sgd = {} }",
];

/// Terms of Rust and serde, which mean nothing to users of TOML.
const FOREIGN: &[&str] = &[
    "struct",
    "enum",
    "variant",
    "invalid type",
    "invalid value",
    "invalid length",
    "expected",
    " map",
    "u8",
    "u32",
    "u64",
    "usize",
    "i64",
    "f32",
    "f64",
    "bool",
    "integer",
    "string",
    "sequence",
    "tuple",
    "unit",
    "null",
    "None",
    "Some(",
    "64 bits",
    "untagged",
    "did not match",
    "field",
];

/// Collects the dotted keys of a shape, including those in lists and kinds.
fn keys(shape: &Shape, path: &str, found: &mut Vec<String>) {
    if !path.is_empty() {
        found.push(path.to_owned());
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match shape {
        Shape::Table(table) => {
            table.keys.iter().filter(|(key, _)| *key != "grid").for_each(|(key, k)| keys(&k.shape, &below(key), found));
            table.others.iter().for_each(|shape| keys(shape, &below("w"), found));
        }
        Shape::Kinds(kinds) => kinds.iter().for_each(|(kind, shape)| keys(shape, &below(kind), found)),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| keys(shape, path, found)),
        Shape::Any | Shape::Boolean | Shape::Integer(_) | Shape::Number(_) | Shape::Text { .. } | Shape::List(_) => {}
    }
}

#[test]
fn no_key_is_answered_in_the_words_of_rust() {
    let mut all = Vec::new();
    keys(&shape_of::<crate::Settings>(), "", &mut all);
    all.push("head.layers".to_owned());
    assert!(all.len() > 100, "{all:?}");
    for key in &all {
        for value in VALUES {
            for assignment in [format!("{key}={value}"), format!("grid={{\"{key}\"=[{value}]}}")] {
                let outcome = Pipeline::parse("p.toml", SOUND, Path::new(""), std::slice::from_ref(&assignment));
                let Err(error) = outcome else { continue };
                for line in error.to_string().lines().filter(|line| !line.contains(" | ")) {
                    // `f32` in backticks is a name of ours, a kind of quantisation.
                    let line = line.replace(&assignment, "").replace(value, "").replace("`f32`", "");
                    let word = FOREIGN.iter().find(|word| line.contains(*word));
                    assert!(word.is_none(), "{assignment}: {word:?} in {line}");
                    assert!(
                        !line.contains("isn't allowed here"),
                        "{assignment}: the schema allows what the type refuses"
                    );
                }
            }
        }
    }
}

/// A table can't be given as a list of its values, and a kind can't be given as a string.
#[test]
fn tables_are_no_lists() {
    let shape = shape_of::<crate::Settings>();
    let mut all = Vec::new();
    keys(&shape, "", &mut all);
    let is_table =
        |key: &&String| matches!(&*shape.at(key.split('.')).expect("a key"), Shape::Table(_) | Shape::Kinds(_));
    let tables: Vec<&String> = all.iter().filter(is_table).collect();
    assert!(tables.len() > 25, "{tables:?}");
    for key in tables {
        for value in ["[]", "[1, 2]", "[\"val_loss\", 2, 0.0]", "\"adam\"", "1"] {
            let outcome = Pipeline::parse("p.toml", SOUND, Path::new(""), &[format!("{key}={value}")]);
            let message = outcome.expect_err("no table").to_string();
            assert!(message.contains("must be a table"), "{key}={value}: {message}");
        }
    }
}

/// Each number of the schema has a range, or is listed here with the reason.
#[test]
fn every_number_has_a_range() {
    // Their sign has a meaning, or none at all; the weights of classes are checked beside the names of the classes.
    let free = ["min_delta", "gamma", "expect.value", "class_weight.w"];
    let shape = shape_of::<crate::Settings>();
    let mut all = Vec::new();
    keys(&shape, "", &mut all);
    for key in &all {
        let bounded = match &*shape.at(key.split('.')).expect("a key") {
            Shape::Integer(range) => range.from.is_some(),
            Shape::Number(range) => range.from.is_some() || range.above.is_some(),
            _ => true,
        };
        assert!(bounded || free.iter().any(|free| key.ends_with(free)), "{key}");
    }
}

/// Texts that are inserted into a file to change it.
const PIECES: &[&str] = &[
    "\n",
    " ",
    "=",
    ".",
    ",",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "#",
    "1",
    "-1",
    "0.5",
    "nan",
    "true",
    "x",
    "\"x\"",
    "[]",
    "{}",
    "[1, 2]",
    "{a = 1}",
    "a = 1\n",
    "[train]\n",
    "[[head.layers]]\n",
    "epochs = 0\n",
    "\\",
    "é",
    "[grid]\nseed = [1, 1]\n",
    "\"train.epochs\" = [0, 'x']\n",
    "00",
    "_",
    "\u{0}",
    "[embedding.b.tfhub]\n",
    "dim = -1\n",
];

/// Changes a file in one to nine places, by deleting, repeating or inserting text.
fn mutated(text: &str, stream: &mut emberline_base::Substream) -> String {
    let mut below = |bound: usize| stream.below(bound);
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=below(8) {
        let at = below(characters.len() + 1);
        let end = (at + below(12)).min(characters.len());
        let piece: Vec<char> = match below(3) {
            0 => Vec::new(),
            1 => characters[at..end].repeat(2),
            _ => PIECES[below(PIECES.len())].chars().collect(),
        };
        characters.splice(at..end, piece);
    }
    characters.into_iter().collect()
}

/// Any text is parsed as the `toml` crate parses it, and its faults are reported briefly.
#[test]
fn changed_files_are_read_or_answered() {
    let whole = format!(
        "{SOUND}[train]\nepochs = 3\noptimizer = {{ adam = {{ learning_rate = 1e-3 }} }}\n[head]\n\
         layers = [{{ dense = 4, activation = \"relu\" }}, {{ dropout = 0.1 }}]\n[callbacks.early_stopping]\n\
         [data.split]\nvalid = 0.5\n[grid]\nseed = [1, 2]\n\"embedding.dim\" = [4, 8]\n"
    );
    assert_eq!(faults_of(&whole), "");
    let mut stream = emberline_base::Substream::new(16, "test/documents");
    for _ in 0..3000 {
        let text = mutated(&whole, &mut stream);
        let (expected, found) = (toml::from_str::<toml::Table>(&text), Document::parse("p", &text));
        match (&expected, &found) {
            (Ok(expected), Ok(found)) => {
                // The texts are compared, since NaN doesn't equal itself.
                assert_eq!(
                    format!("{:?}", found.root.to_value()),
                    format!("{:?}", toml::Value::Table(expected.clone()))
                );
            }
            (Err(_), Err(_)) => {}
            (Err(error), Ok(_)) => panic!("{text}\nis read, but {error}"),
            (Ok(_), Err(faults)) => panic!("{text}\nis TOML, but {faults}"),
        }
        let shown = faults_of(&text);
        assert!(shown.len() < 30_000 && !shown.contains("isn't allowed here"), "{text}\n{shown}");
    }
}
