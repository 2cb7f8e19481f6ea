//! Texts, classes and names that hold HTML, ANSI escapes and formulas of spreadsheets: shown everywhere, obeyed nowhere.

use std::fs;

use emberline_tests::{Ended, Fixture, Pipeline};
use serde_json::json;

/// Names of columns, which an axis of the grid goes through.
const COLUMNS: [&str; 5] =
    ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "@SUM(A1)", "+1", "\u{1b}[31mred\u{9b}2J\r\u{202e}"];
const CLASSES: [&str; 2] = ["<img src=x onerror=alert(2)>\u{1b}[2J", "=1+1"];

/// A pipeline whose data come from a stranger.
fn folder() -> Fixture {
    let mut rows = String::new();
    for number in 0..12 {
        let class = CLASSES[number % 2];
        let mut row = json!({"text": format!("{class} {} <b>\u{1b}]0;title\u{7}", COLUMNS[number % 5])});
        for column in COLUMNS {
            row[column] = json!(class);
        }
        rows += &format!("{row}\n{row}\n");
    }
    // JSON's strings are TOML's, too.
    let pipeline = Pipeline::without_data("hostile")
        .data(&format!("path = \"data.jsonl\"\ntext = \"text\"\nlabel = {}", json!(COLUMNS[0])))
        .toml("[embedding.hashing.hashing]\ndim = 8\n[train]\nepochs = 1")
        .section("grid", &format!("\"data.label\" = {}", json!(COLUMNS)));
    Fixture::empty().file("data.jsonl", rows).pipeline(&pipeline)
}

/// A terminal shows what was printed, and does nothing else. What programs read is JSON or TOML, which write out the
/// control characters of ASCII.
fn assert_only_shown(ended: &Ended, what: &[&str]) {
    let for_programs = what.contains(&"json") || what.contains(&"--resolved");
    for text in [&ended.stdout, &ended.stderr] {
        let drives = |c: char| {
            let acts = if for_programs { c.is_ascii_control() } else { c.is_control() || c == '\u{202e}' };
            acts && c != '\n' && c != '\t'
        };
        assert!(!text.contains(drives), "{what:?}: {}", text.escape_debug());
    }
}

#[test]
fn hostile_data_are_shown_and_not_obeyed() {
    let fixture = folder();
    fs::copy(fixture.join("p.toml"), fixture.join("\u{1b}[31mp.toml")).expect("copied");
    for (args, code) in [
        (&["check", "p.toml", "--data"][..], 0),
        (&["plan", "p.toml"], 0),
        (&["plan", "p.toml", "--format", "json"], 0),
        (&["plan", "p.toml", "--resolved"], 0),
        (&["run", "p.toml", "--jobs", "1"], 0),
        (&["run", "p.toml", "--force", "--jobs", "2"], 0),
        (&["run", "p.toml", "--format", "json"], 0),
        (&["report", "runs/hostile"], 0),
        (&["check", "\u{1b}[31mp.toml"], 2),
        (&["embed", "hashing", "--similarity", "--input", "data.jsonl"], 0),
        (&["check", "p.toml", "-S", "data.label=\u{1b}[31m<b>", "-S", "grid={}", "--data"], 4),
        (&["check", "p.toml", "-S", "name=\u{1b}[31m"], 3),
        (&["check", "p.toml", "-S", "\u{1b}[31m=1"], 3),
        (&["run", "p.toml", "--only", "\u{1b}[31m"], 2),
        (&["check", "\u{1b}[31mgone.toml"], 8),
    ] {
        let ended = fixture.emberline(args);
        assert_only_shown(&ended, args);
        assert_eq!(ended.code, Some(code), "{args:?}: {}{}", ended.stdout, ended.stderr);
    }
    let page = fixture.read("runs/hostile/report.html");
    // Two blocks of data, which no browser runs, and the page's own script.
    assert_eq!((page.matches("<script").count(), page.matches("<img").count()), (3, 0));
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("&lt;img src=x onerror=alert(2)&gt;")
    );
    let markdown = fixture.read("runs/hostile/report.md");
    assert!(!markdown.contains("<script") && !markdown.contains("<img"), "{markdown}");
    assert!(markdown.contains("&lt;script&gt;alert(1)") && markdown.contains("&lt;img src=x"), "{markdown}");
    let csv = fixture.read("runs/hostile/summary.csv");
    assert_eq!(csv.lines().count(), 1 + COLUMNS.len());
    for field in csv.lines().flat_map(|line| line.split(',')).map(|field| field.trim_start_matches('"')) {
        assert!(field.parse::<f64>().is_ok() || !field.starts_with(['=', '+', '-', '@']), "{field}");
    }
    for column in ["'=cmd|' /C calc'!A0", "'@SUM(A1)", "'+1"] {
        assert!(csv.contains(column), "{column}: {csv}");
    }
    for text in [&page, &markdown, &csv] {
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\r', '\u{202e}']), "{}", text.escape_debug());
        // Markdown's own escapes stand before what means something there.
        assert!(text.replace("\\\\u\\{1b\\}\\[", "\\u{1b}[").contains("\\u{1b}[31mred"), "{}", text.escape_debug());
    }
}
