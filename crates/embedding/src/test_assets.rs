//! Files that tests compare with and the project doesn't ship: where they are, and what is said where they aren't.

use std::io::{self, Write as _};
use std::path::PathBuf;

/// A file or folder below `EMBERLINE_SHARED`, by default `shared` beside the checkout. Where it isn't, the test that asks
/// checks nothing, and says so.
pub(crate) fn shared(below: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("EMBERLINE_SHARED").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = root.join(below);
    if path.exists() {
        return Some(path);
    }
    skip(&format!("{} isn't there; EMBERLINE_SHARED names the folder with goldens", path.display()));
    None
}

/// Says that a test checks nothing, and why: to standard error itself, since the test runner captures what `eprintln!` prints.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(io::stderr(), "SKIPPED: {why}");
}
