//! Writes the outcome of `verify` as an in-toto statement, which tools for provenance sign and store.
//!
//! It follows the [Statement v1](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) with the predicate
//! [test-result v0.1](https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md). The subjects are
//! the lock and the pipeline file. What the predicate has no key for is below `emberline`; consumers ignore keys that they
//! don't know. The statement is not signed: `docs/locks.md` says how it can be.

use emberline_base::file::sha256;
use serde_json::{Value, json};

use super::Lock;
use super::verified::{Verified, VerifiedCell};

/// The version of what is below `emberline`.
const VERSION: u32 = 1;

/// Returns the statement. `files` are the name and the bytes of the lock, then of the pipeline file; `program` is the
/// version of the program.
pub fn statement(lock: &Lock, verified: &Verified, files: [(&str, &[u8]); 2], program: &str) -> Value {
    let described = |(name, bytes): (&str, &[u8])| json!({"name": name, "digest": {"sha256": sha256(bytes)}});
    let names = |fails: bool| -> Vec<&str> {
        let has_failed = move |cell: &&VerifiedCell| cell.differences.is_empty() != fails;
        verified.models().filter(has_failed).map(|cell| cell.id.as_str()).collect()
    };
    let mut failed = names(true);
    if !verified.inputs.is_empty() {
        failed.insert(0, "inputs");
    }
    failed.extend(verified.expected.iter().filter(|expected| !expected.holds).map(|_| "expect"));
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": files.map(described),
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": if verified.holds() { "PASSED" } else { "FAILED" },
            "configuration": [described(files[1])],
            "passedTests": names(false),
            "warnedTests": [],
            "failedTests": failed,
            "emberline": {
                "version": VERSION,
                "program": program,
                "devices": verified.devices,
                "tolerance": lock.tolerance(),
                "cellsInLock": lock.cells(),
                "selected": verified.selected,
                "staleInputs": verified.inputs,
                "results": verified.models().collect::<Vec<_>>(),
                "expected": verified.expected,
                "interrupted": verified.interrupted,
            },
        },
    })
}
