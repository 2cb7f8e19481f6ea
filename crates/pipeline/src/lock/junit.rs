//! Writes the outcome of `verify` as a JUnit file, which CI services display: one test case for the inputs, and one for
//! each cell and the refit.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::compare::Difference;
use super::verified::Verified;

/// Returns the text of the JUnit file.
pub fn junit(pipeline: &str, verified: &Verified) -> String {
    let mut suite = TestSuite::new(pipeline);
    suite.add_test_case(case("inputs", &verified.inputs));
    for cell in verified.models() {
        let mut case = case(&cell.id, &cell.differences);
        case.set_time(Duration::try_from_secs_f64(cell.seconds).unwrap_or_default());
        suite.add_test_case(case);
    }
    let mut report = Report::new("emberline verify");
    report.add_test_suite(suite);
    report.to_string().expect("a report is valid XML: characters that XML can't hold are left out")
}

fn case(name: &str, differences: &[Difference]) -> TestCase {
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let mut status = TestCaseStatus::success();
    if !lines.is_empty() {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(format!("{} differences", lines.len())).set_description(lines.join("\n"));
    }
    TestCase::new(name, status)
}
