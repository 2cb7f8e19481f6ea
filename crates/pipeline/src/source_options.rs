//! An embedding source from the command line: its kind, its path and `key=value` options.

use std::path::Path;

use emberline_embedding::Source;

use crate::Error;
use crate::document::Document;
use crate::pipeline::check;

/// A table with one source, as `[embedding.NAME]` holds it.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Kind(Source);

/// The source of a kind, for `embed`. A kind without a path needs none; a seed that is not given is 0.
///
/// # Errors
/// All the faults of kind and options.
pub fn source_from_options(kind: &str, path: Option<&Path>, options: &[String]) -> Result<Source, Error> {
    let here = std::env::current_dir().unwrap_or_default();
    let mut document = Document::parse("the command line", "").map_err(Error::Invalid)?;
    let path = path.map(|path| format!("path={:?}", path.display().to_string()));
    let mut faults = Vec::new();
    faults.extend(document.set(&format!("{kind}={{}}"), &here).err());
    for option in path.iter().chain(options) {
        faults.extend(document.set(&format!("{kind}.{option}"), &here).err());
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let below = |kind: &Kind| kind.0.faults().into_iter().map(|f| f.below(kind.0.kind())).collect();
    check::<Kind>(&document.root, below).map(|kind| kind.0).map_err(Error::Invalid)
}
