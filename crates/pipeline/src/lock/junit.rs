//! Writes the outcome of `verify` as a JUnit file, which CI services display: one test case for the inputs, and one for
//! each selected cell and the refit.
//!
//! A failure says what was expected, what came out, and how far off it may be. If inputs are stale, nothing is trained: a
//! cell that they touch fails with the input that changed, and the others are skipped.

use std::collections::HashSet;
use std::time::Duration;

use emberline_base::is_control_or_bidi;
use emberline_base::number::counted;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::stale::StaleInput;
use super::verified::{Verified, VerifiedCell};

/// Maximum number of characters of a failure's first line, which services show in lists.
const MAX_MESSAGE: usize = 200;

/// Returns the text of the JUnit file.
pub fn junit(pipeline: &str, verified: &Verified) -> String {
    let mut suite = TestSuite::new(pipeline);
    let inputs: Vec<String> = verified.inputs.iter().map(ToString::to_string).collect();
    suite.add_test_case(case(pipeline, "inputs", failure("stale input", &inputs)));
    for cell in verified.models() {
        let lines: Vec<String> =
            cell.differences.iter().map(|it| it.explained(cell.proof, verified.tolerance)).collect();
        let mut case = case(pipeline, &cell.id, failure("difference", &lines));
        case.set_time(Duration::try_from_secs_f64(cell.seconds).unwrap_or_default());
        suite.add_test_case(case);
    }
    for id in untrained(verified) {
        suite.add_test_case(case(pipeline, id, not_trained(id, verified)));
    }
    if let Some(expected) = &verified.expected {
        let lines = if expected.holds { Vec::new() } else { vec![expected.to_string()] };
        suite.add_test_case(case(pipeline, "expect", failure("difference", &lines)));
    }
    let mut report = Report::new("emberline verify");
    report.add_test_suite(suite);
    let text = report.to_string().expect("a report is valid XML: characters that XML can't hold are left out");
    without_skipped_in_all(&text)
}

/// Removes the number of skipped cases from the outermost element, where the schema of Jenkins (junit-10.xsd) has none.
fn without_skipped_in_all(text: &str) -> String {
    let Some((head, rest)) = text.split_once("<testsuites ") else { return text.to_owned() };
    let (tag, rest) = rest.split_once('>').unwrap_or((rest, ""));
    let kept: Vec<&str> = tag.split(" skipped=\"").collect();
    let tag = match kept.as_slice() {
        [before, after] => format!("{before}{}", after.split_once('"').map_or("", |(_, after)| after)),
        _ => tag.to_owned(),
    };
    format!("{head}<testsuites {tag}>{rest}")
}

/// Returns the selected cells that were not trained again.
fn untrained(verified: &Verified) -> impl Iterator<Item = &str> {
    let trained: HashSet<&str> = verified.cells.iter().map(|cell: &VerifiedCell| cell.id.as_str()).collect();
    verified.selected.cells.iter().map(String::as_str).filter(move |id| !trained.contains(id))
}

/// Returns why a cell wasn't trained again: a failure if an input of its own changed.
fn not_trained(id: &str, verified: &Verified) -> TestCaseStatus {
    let touches = |stale: &&StaleInput| stale.cells.iter().any(|touched| touched == id);
    let lines: Vec<String> = verified.inputs.iter().filter(touches).map(ToString::to_string).collect();
    if !lines.is_empty() {
        return failure("stale input", &lines);
    }
    let mut status = TestCaseStatus::skipped();
    status.set_message(match verified.inputs.is_empty() {
        true => "verification was interrupted before this cell had ended",
        false => "not trained, since other inputs of the lock are stale",
    });
    status
}

/// Returns the status of a case with these faults, one per line; success if there are none.
fn failure(noun: &str, lines: &[String]) -> TestCaseStatus {
    let lines: Vec<String> = lines.iter().map(|line| visible(line)).collect();
    let Some(first) = lines.first() else { return TestCaseStatus::success() };
    let message = match lines.len() {
        1 => first.clone(),
        count => format!("{}: {first}", counted(count, noun)),
    };
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status
        .set_type(noun)
        .set_message(crate::diagnostic::clipped(&message, MAX_MESSAGE))
        .set_description(lines.join("\n"));
    status
}

/// Escapes characters that act on a terminal or reorder a line.
fn visible(line: &str) -> String {
    let shown = |c: char| if is_control_or_bidi(c) { c.escape_default().collect() } else { c.to_string() };
    line.chars().map(shown).collect()
}

fn case(pipeline: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(pipeline);
    case
}
