//! `docs/guarantees.md` names a test for each promise: the tests are there, and what the page counts is so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/guarantees.md")).expect("docs/guarantees.md")
}

/// What stands between backticks, in order.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The abbreviations of folders that the page introduces as "T is `folder`".
fn abbreviations(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some(at) = rest.find(" is `crates/").or_else(|| rest.find(" `crates/")) {
        let letter = rest[..at].chars().next_back().filter(char::is_ascii_uppercase);
        let folder = rest[at..].split('`').nth(1).unwrap_or_default();
        if let Some(letter) = letter {
            found.insert(letter.to_string(), folder.to_owned());
        }
        rest = &rest[at + 4..];
    }
    found
}

#[test]
fn every_test_that_is_named_exists() {
    let text = page();
    let folders = abbreviations(&text);
    assert!(folders.contains_key("T") && folders.contains_key("D"), "{folders:?}");
    let mut file: Option<(PathBuf, String)> = None;
    let mut missing = Vec::new();
    let mut tests = 0;
    for span in code_spans(&text) {
        let (path, name) = span.split_once("::").map_or((span, None), |(path, name)| (path, Some(name)));
        if path.ends_with(".rs") || path.ends_with(".sh") {
            let (first, rest) = path.split_once('/').unwrap_or(("", path));
            let full = folders.get(first).map_or_else(|| path.to_owned(), |folder| format!("{folder}/{rest}"));
            let full = root().join(full);
            match fs::read_to_string(&full) {
                Ok(content) => file = Some((full, content)),
                Err(_) => missing.push(format!("there is no file {span}")),
            }
        } else if !path.is_empty() {
            continue;
        }
        if let (Some(name), Some((full, content))) = (name, &file) {
            tests += 1;
            if !content.contains(&format!("fn {name}(")) {
                missing.push(format!("there is no test {name} in {}", full.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(tests > 50, "only {tests} tests are named");
}

#[test]
fn every_section_names_a_test() {
    let text = page();
    let sections: Vec<&str> = text.split("\n## ").skip(1).collect();
    let without: Vec<&str> = sections
        .iter()
        .filter(|section| !section.contains(".rs`") && !section.contains(".rs::"))
        .map(|section| section.lines().next().unwrap_or_default())
        .collect();
    assert!(sections.len() >= 8 && without.is_empty(), "without a test: {without:?}");
}

/// Returns the lines that stand for something to be written later, with their numbers: one word in capitals alone, or a remark.
/// Code isn't looked at.
fn placeholders(text: &str) -> Vec<String> {
    let mut in_code = false;
    let is_placeholder = |line: &str| {
        let is_capitals = line.len() > 2 && line.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
        is_capitals
            || words.any(|word| ["TODO", "TBD", "FIXME", "XXX"].contains(&word))
            || line.contains("not measured yet")
    };
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        in_code ^= line.starts_with("```");
        if !in_code && is_placeholder(line) {
            found.push(format!("line {number}: {line}"));
        }
    }
    found
}

/// A table that was to be filled in with measured figures is filled in before anybody reads the page.
#[test]
fn no_page_holds_a_placeholder() {
    let docs = fs::read_dir(root().join("docs")).expect("the folder").map(|entry| entry.expect("an entry").path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let pages: Vec<_> = pages.chain(["README.md", "CHANGELOG.md"].map(|name| root().join(name))).collect();
    assert!(pages.len() > 10, "{pages:?}");
    for page in pages {
        let found = placeholders(&fs::read_to_string(&page).expect("a page"));
        assert!(found.is_empty(), "{}: {found:?}", page.display());
    }
    for planted in ["Rates:\n\nSIMULATION\n## Next", "a | TBD |", "TODO: say why", "| speed | not measured yet |"] {
        assert_eq!(placeholders(planted).len(), 1, "{planted}");
    }
    assert_eq!(placeholders("```\nDONE\n```\nAUC is AUC.\n- OK\nok"), Vec::<String>::new());
}

/// The page says how many `unsafe` blocks there are, and where.
#[test]
fn unsafe_blocks_are_counted() {
    fn collect(folder: &Path, found: &mut BTreeMap<String, usize>) {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.file_name().is_some_and(|name| name == "tests") {
                // The promise is of the program.
            } else if entry.is_dir() {
                collect(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&entry).expect("source code");
                let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let blocks: usize = lines.map(|line| line.matches("unsafe {").count()).sum();
                if blocks > 0 {
                    let name = entry.strip_prefix(root()).expect("in the workspace").display().to_string();
                    found.insert(name, blocks);
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(&root().join("crates"), &mut found);
    let text = page();
    let total: usize = found.values().sum();
    let said = format!("`unsafe` is {total} blocks");
    assert!(text.contains(&said), "the page doesn't say {said:?}: {found:?}");
    let unnamed: Vec<&String> = found.keys().filter(|file| !text.contains(file.as_str())).collect();
    assert!(unnamed.is_empty(), "the page doesn't name {unnamed:?}");
}
