//! Makes an embedding source from command-line arguments: its kind, its path and `key=value` options.

use std::path::Path;

use emberline_embedding::Source;

use crate::Error;
use crate::diagnostics::Diagnostics;
use crate::document::{Document, check};

/// Returns a source of a kind, for `embed`. Some kinds have no path; a seed that isn't given is 0.
///
/// # Errors
/// All faults of the kind and the options.
pub fn source_from_options(kind: &str, path: Option<&Path>, options: &[String]) -> Result<Source, Error> {
    let here = std::env::current_dir().unwrap_or_default();
    let mut document = Document::parse("the command line", "").map_err(Error::Invalid)?;
    let path = path.map(|path| format!("path={:?}", path.display().to_string()));
    let mut faults = Diagnostics::default();
    let options = path.iter().chain(options).map(|option| format!("{kind}.{option}"));
    for assignment in std::iter::once(format!("{kind}={{}}")).chain(options) {
        if let Err(fault) = document.set(&assignment, &here) {
            faults.push(|| fault);
        }
    }
    let below = |source: &Source| source.faults().into_iter().map(|f| f.below(source.kind())).collect();
    let source = check::<Source>(&document.root, below).map_err(|found| faults.append(found));
    match source {
        Ok(source) if faults.is_empty() => Ok(source),
        _ => Err(Error::Invalid(faults.sorted())),
    }
}
