//! The section on how to get the same result: the commands, what the result was made from, and the files that the page carries.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use emberline_base::Digest;
use emberline_base::file::sha256;
use emberline_base::record::{Invocation, Outcome, Summary};

use super::parts::{Section, label, table};
use crate::details::{Details, is_lock};
use crate::document::{Column, Field, Row, Table};
use crate::escape::html;
use crate::number::count;

/// Number of digits of a digest that are shown; the summary has all of them.
const SHOWN_DIGITS: usize = 16;

/// Maximum number of digests that are listed of one kind.
const MAX_DIGESTS: usize = 3;

/// Renders the section.
pub(super) fn render(summary: &Summary, details: &Details) -> Section {
    let mut body = commands(summary, details);
    body.push_str(&table(&origins(summary)));
    if !details.files.is_empty() {
        body.push_str(&carried(details));
    }
    for reason in &details.left_out {
        let _ = writeln!(body, "<p class=\"notes\">{}</p>", html(reason));
    }
    Section::new("reproduce", "How to get this result again", body).linked("Reproduce")
}

/// Returns the commands that make and check the result.
fn commands(summary: &Summary, details: &Details) -> String {
    let invocation = summary.invocation.as_ref();
    let arguments = |of: fn(&Invocation) -> &Vec<String>| {
        invocation.map(of).into_iter().flatten().map(|word| format!(" {}", shell_word(word))).collect::<String>()
    };
    let names = || details.files.iter().map(|file| file.name.as_str());
    let is_pipeline = |name: &&str| name.ends_with(".toml");
    let pipeline = shell_word(names().find(is_pipeline).unwrap_or("PIPELINE.toml"));
    let (command, what) = match names().find(|name| is_lock(name)) {
        Some(_) => {
            ("verify", "trains every cell again, and compares inputs and scores with the lock that this page carries.")
        }
        None => (
            "lock",
            "writes a lock beside the pipeline, by which anyone can verify this result; the next report carries it.",
        ),
    };
    format!(
        "<dl class=\"commands\">\n<div><dt><code>emberline run {0}{1}</code></dt><dd>makes this result; what is done already is kept.</dd></div>\n\
         <div><dt><code>emberline {command} {0}{2}</code></dt><dd>{what}</dd></div>\n\
         <div><dt><code>emberline report --from report.html</code></dt><dd>gives back the files that this page carries, byte for byte.</dd></div>\n</dl>\n",
        html(&pipeline),
        html(&arguments(|invocation| &invocation.run)),
        html(&arguments(|invocation| &invocation.lock))
    )
}

/// Quotes a word for a shell if it has other characters than letters, digits and a few marks.
fn shell_word(name: &str) -> String {
    let is_plain = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | '=' | '/' | ':' | ',' | '+' | '%' | '@')
    };
    if name.chars().all(is_plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

/// Returns the table of what the result was made from.
fn origins(summary: &Summary) -> Table {
    let mut facts: Vec<(&str, String)> = Vec::new();
    let outcomes = || summary.cells.iter().filter_map(|cell| cell.outcome.as_ref());
    facts.push(("records", format!("version {}", summary.version)));
    facts.push(("rendered by", format!("emberline {}", env!("CARGO_PKG_VERSION"))));
    facts.push(("devices", distinct(outcomes().map(device))));
    facts.push(("computation", distinct(outcomes().map(|outcome| format!("version {}", outcome.computation)))));
    facts.push(("data and split", distinct(outcomes().map(|outcome| shown(&outcome.digests.data)))));
    let mut embeddings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for cell in &summary.cells {
        let Some(outcome) = &cell.outcome else { continue };
        let digests = embeddings.entry(format!("{} ({})", cell.embedding, cell.source)).or_default();
        digests.push(shown(&outcome.digests.embedding));
    }
    let embeddings: Vec<(String, String)> = embeddings
        .into_iter()
        .map(|(name, digests)| (format!("embedding {name}"), distinct(digests.into_iter())))
        .collect();
    let row = |name: &str, value: String| Row { fields: vec![Field::text(name), Field::text(value)], muted: false };
    let rows = facts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| row(name, value));
    let rows = rows.chain(embeddings.into_iter().map(|(name, value)| row(&name, value))).collect();
    let columns = vec![Column::text("what"), Column::text("digest or version")];
    Table { caption: "What the result was made from".to_owned(), columns, rows, notes: Vec::new() }
}

fn device(outcome: &Outcome) -> String {
    let Outcome { device, arithmetic, .. } = outcome;
    if arithmetic.is_empty() { device.clone() } else { format!("{device} ({arithmetic})") }
}

fn shown(digest: &Digest) -> String {
    digest.as_str().chars().take(SHOWN_DIGITS).collect()
}

/// Lists the distinct texts in order, and counts those beyond the first ones.
fn distinct(texts: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = texts.collect();
    all.sort_unstable();
    all.dedup();
    let more = all.len().saturating_sub(MAX_DIGESTS);
    all.truncate(MAX_DIGESTS);
    all.join(", ") + &if more > 0 { format!(" and {} more", count(more as u64)) } else { String::new() }
}

/// Renders the list of the files that the page carries. The script makes each name a button that saves the file.
fn carried(details: &Details) -> String {
    let mut out = String::from("<h3>Files in this page</h3>\n<ul class=\"files\">\n");
    for file in &details.files {
        let digest = &sha256(&file.bytes)[..SHOWN_DIGITS];
        let size = count(file.bytes.len() as u64);
        let name = label(&file.name);
        let _ = writeln!(
            out,
            "<li data-file=\"{name}\"><span>{name}</span> <small>{size} bytes, SHA-256 {digest}…</small></li>"
        );
    }
    out + "</ul>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carried::CarriedFile;
    use crate::sample;

    fn rendered(files: &[&str]) -> String {
        let files = files.iter().map(|name| CarriedFile::new(*name, "x")).collect();
        render(&sample::course().summary, &Details { files, ..Details::default() }).body
    }

    #[test]
    fn a_lock_is_verified_and_a_missing_one_written() {
        let with = rendered(&["summary.json", "quora.toml", "quora.lock"]);
        assert!(with.contains("emberline verify quora.toml") && with.contains("data-file=\"quora.lock\""), "{with}");
        let without = rendered(&["my file.toml"]);
        assert!(without.contains("emberline lock &#39;my file.toml&#39;"), "{without}");
        assert!(rendered(&[]).contains("emberline run PIPELINE.toml"));
    }

    #[test]
    fn what_the_command_line_changed_is_in_the_commands() {
        let mut summary = sample::course().summary;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        summary.invocation = Some(Invocation {
            run: words(&["-S", "train.epochs=2", "--until", "decided"]),
            lock: words(&["-S", "grid={seed=[1, 2]}"]),
        });
        let files = vec![CarriedFile::new("quora.toml", "x")];
        let body = render(&summary, &Details { files, ..Details::default() }).body;
        assert!(body.contains("emberline run quora.toml -S train.epochs=2 --until decided</code>"), "{body}");
        assert!(body.contains("emberline lock quora.toml -S &#39;grid={seed=[1, 2]}&#39;</code>"), "{body}");
    }

    #[test]
    fn devices_and_embeddings_are_named_once() {
        let shown = rendered(&[]);
        assert_eq!(shown.matches("cpu (x86_64 avx2)").count(), 1);
        assert_eq!(shown.matches("embedding swivel-20 (tfhub)").count(), 1);
    }
}
