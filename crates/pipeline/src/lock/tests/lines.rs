//! Tests of locks as files: merged, edited, damaged and of other versions.

use super::*;

fn fault(text: &str) -> LockFault {
    Lock::parse(text.as_bytes()).expect_err(text)
}

/// Returns the text with its checksums made anew.
fn resealed(text: &str) -> String {
    let sealed = |line: &str| match line.rsplit_once(" # ") {
        Some((content, _)) => format!("{content} # {}\n", &file::sha256(content.as_bytes())[..16]),
        None => format!("{line}\n"),
    };
    text.lines().map(sealed).collect()
}

/// Returns the lines of a text that begin so.
fn lines<'t>(text: &'t str, beginning: &str) -> Vec<&'t str> {
    text.lines().filter(|line| line.starts_with(beginning)).collect()
}

#[test]
fn a_lock_is_toml_with_one_line_per_subject() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = locked(folder.path()).2.to_text();
    let table: toml::Table = text.parse().expect("TOML");
    let keys: Vec<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(keys, ["version", "pipeline", "settings", "files", "data", "embedding", "cells"]);
    let cells = table["cells"].as_table().expect("cells");
    let name = "one-learning_rate-1e+38-frozen-s2";
    assert!(cells.len() == 4 && cells.contains_key(name), "{cells:?}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.parse::<toml::Table>().is_ok(), "every line by itself: {line}");
    }
    assert_eq!(lines(&text, "cells.").len(), 4);
    let digits = |metric: &str| metric.trim_start_matches(['0', '.', '-']).trim_end_matches('0').replace('.', "").len();
    let metrics = cells["one-frozen-s1"]["result"]["metrics"].as_table().expect("metrics");
    assert!(metrics.len() > 5 && metrics.values().all(|value| digits(&value.to_string()) <= 6), "{metrics:?}");
}

#[test]
fn a_lock_that_was_edited_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = locked(folder.path()).2;
    let text = lock.to_text();
    assert_eq!(Lock::parse(text.as_bytes()).as_ref(), Ok(&lock));
    let bytes = text.as_bytes();
    for at in (HEAD.len()..bytes.len()).step_by(7) {
        let mut edited = bytes.to_vec();
        edited[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
        assert!(Lock::parse(&edited).is_err(), "at {at}: {}", &text[at.saturating_sub(20)..at + 1]);
    }
    // Wherever the file is cut: the rest is refused, or it lacks whole lines, which a comparison with the plan shows.
    for at in 0..bytes.len() {
        match Lock::parse(&bytes[..at]) {
            Ok(part) => assert!(bytes[at - 1] == b'\n' || bytes[at] == b'\n', "{at}: {}", part.cells()),
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    }
}

#[test]
fn every_fault_is_named_with_its_line_and_its_cure() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = locked(folder.path()).2.to_text();
    let cells = lines(&text, "cells.");
    let with = |line: &str| format!("{text}{line}\n");
    let count = text.lines().count();
    let said = |text: &str| fault(text).to_string();

    let merged = said(&with("<<<<<<< HEAD"));
    assert!(merged.starts_with(&format!("line {}: a merge of git left its markers here", count + 1)), "{merged}");
    assert_eq!(fault(&with("=======")), LockFault::Marker { line: count + 1 });
    assert_eq!(fault(&with("cells.\"x\" = {}")), LockFault::NoChecksum { line: count + 1 });
    let cut = text.trim_end().to_owned();
    assert_eq!(fault(&cut[..cut.len() - 1]), LockFault::NoChecksum { line: count });
    assert_eq!(fault(&text.replacen("epochs = 2", "epochs = 3", 1)).line(), Some(lines_before(&text, "epochs = 2")));
    assert!(said(&text.replacen("epochs = 2", "epochs = 3", 1)).contains("it was changed after it was written"));
    assert!(said(&resealed(&with("more = 1 # x"))).contains("`more` isn't as it was written"));
    assert!(said(&resealed(&text.replacen("epochs = 2", "epoch = 2", 9))).contains("isn't as it was written"));
    assert!(said(&resealed(&text.replace("version = 4", "version = 5"))).contains("version 5 is newer"));
    let earlier = said("# a lock\nversion = 3\nchecksum = \"ab\"\nname = \"p\"\n[settings]\nname = \"p\"\n");
    assert!(earlier.starts_with("line 2: its version 3 is that of an earlier program"), "{earlier}");
    assert!(earlier.contains("`emberline lock` writes it anew from the finished run"), "{earlier}");
    let mixed = said(&with("version = 3"));
    assert!(mixed.starts_with(&format!("line {}: its version 3", count + 1)), "{mixed}");
    assert_eq!(fault(""), LockFault::NoVersion);
    assert_eq!(fault("a,b\n1,2\n"), LockFault::NoVersion);
    let mut bytes = text.clone().into_bytes();
    bytes.truncate(HEAD.len() + 40);
    bytes.extend(b"\n\xff\n");
    assert!(matches!(Lock::parse(&bytes), Err(LockFault::NotUtf8 { line: 5 })));

    let without = |line: &str| text.replace(&format!("{line}\n"), "");
    let data = lines(&text, "data.")[0];
    assert!(said(&without(data)).contains("the line of data.\"48-12-"), "{}", said(&without(data)));
    assert!(said(&without(lines(&text, "files.")[0])).contains("the line of files.\"texts.csv-"));
    assert_eq!(fault(&without(lines(&text, "pipeline")[0])), LockFault::NoPipeline);

    let other = resealed(&cells[0].replacen("best_epoch = ", "best_epoch = 1", 1));
    let disagreeing = said(&with(other.trim_end()));
    let line = 1 + text.lines().position(|line| line == cells[0]).expect("a line");
    let expected = format!("lines {line} and {} disagree about the cell `one-frozen-s1-", count + 1);
    assert!(disagreeing.starts_with(&expected) && disagreeing.contains("(result.best_epoch: "), "{disagreeing}");
    let settings = resealed(&lines(&text, "settings.train")[0].replacen("epochs = 2", "epochs = 4", 1));
    let disagreeing = said(&with(settings.trim_end()));
    assert!(disagreeing.contains("disagree about the setting `train` (epochs: 2 and 4)"), "{disagreeing}");
}

fn lines_before(text: &str, part: &str) -> usize {
    text[..text.find(part).expect("the part")].lines().count()
}

#[test]
fn what_a_merge_or_a_checkout_does_to_lines_is_harmless() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = locked(folder.path()).2;
    let text = lock.to_text();
    let (head, body) = text.split_at(HEAD.len());
    let reversed: String = body.lines().rev().map(|line| format!("{line}\n")).collect();
    for same in [
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
        format!("{text}{body}"),
        format!("{body}\n\n# a comment\n"),
        format!("{head}{reversed}"),
        text.trim_end().to_owned(),
        text.replace('\n', "  \n"),
    ] {
        assert_eq!(Lock::parse(same.as_bytes()).as_ref(), Ok(&lock), "{same}");
    }
    assert_eq!(Lock::parse(format!("{head}{reversed}").as_bytes()).expect("read").to_text(), text, "lines are sorted");
}

/// Cells that two branches added, each with the lines of its inputs, come together in one lock.
#[test]
fn the_lines_of_two_locks_make_a_third() {
    let folder = tempfile::tempdir().expect("a folder");
    write_texts(folder.path(), 60);
    let lock_of = |seeds: &str| {
        let pipeline = pipeline(folder.path(), &[&format!("grid={{seed={seeds}}}")]);
        let run_folder = RunFolder::new(folder.path().join(format!("run{}", seeds.len())));
        run(&pipeline, &run_folder, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
        (lock(&pipeline, &run_folder, 0.01).expect("all has run"), pipeline)
    };
    let ((one, _), (other, _), (both, of_both)) = (lock_of("[1, 2]"), lock_of("[1,     3]"), lock_of("[1, 2, 3]"));
    let merged = Lock::parse(format!("{}{}", one.to_text(), other.to_text()).as_bytes()).expect("merged");
    assert_eq!(merged, both);
    let found = verified(&of_both, &merged, folder.path());
    assert!(found.inputs.is_empty() && found.cells.len() == 3 && found.holds(), "{found:?}");
    let found = lines_of(&one.check(&of_both));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("cells: the cell one-frozen-s3-"), "{found:?}");
}

/// Names of axes, values and classes that try to end a line or a string.
#[test]
fn hostile_names_stay_in_their_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let hostile = "a\\\"b\\n# 0000 = {} \\u202e";
    let line = |row: usize| format!("text number {row},\"{}\"\n", ["cells.\"\"x\"\" = 1 # aa\nb", "é'\t"][row % 2]);
    let rows: String = (0..60).map(line).collect();
    fs::write(folder.path().join("texts.csv"), format!("text,label\n{rows}")).expect("written");
    let grid = "grid={\"embedding.combiner\"=[\"sum\"], seed=[1]}";
    let pipeline = pipeline(folder.path(), &[grid, "train.epochs=1"]);
    let run_folder = RunFolder::new(folder.path().join("run"));
    run(&pipeline, &run_folder, &Options::on(Device::Cpu), &mut Silent).expect("it ends");
    let mut lock = lock(&pipeline, &run_folder, 0.01).expect("all has run");
    for cell in lock.cells.values_mut() {
        cell.axes.insert(hostile.to_owned(), hostile.into());
    }
    let text = lock.to_text();
    assert_eq!(text.lines().count(), HEAD.lines().count() + text.matches(" # ").count() - inner_marks(&text));
    assert_eq!(Lock::parse(text.as_bytes()), Ok(lock));
}

/// Counts the separators inside strings.
fn inner_marks(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.matches(" # ").count() - 1).sum()
}
