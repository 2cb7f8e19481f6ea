//! `docs/warnings.md` has a section for every code, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_code_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let page = fs::read_to_string(root.join("docs/warnings.md")).expect("docs/warnings.md");
    let explained: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("## EMB")).collect();
    let source = fs::read_to_string(root.join("crates/base/src/warning.rs")).expect("the codes");
    let codes: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("#[serde(rename = \"EMB")?.strip_suffix("\")]"))
        .collect();
    assert!(codes.len() > 10);
    assert_eq!(explained, codes);
}
