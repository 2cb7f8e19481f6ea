//! From a tree to typed settings, with every fault found in one pass.
//!
//! The tree is compared with the [`Shape`] of the type. A faulty value is noted and set aside: an optional key is left
//! out, what can't be left out gets an example in its place. So serde always reads something whole, and what types can't
//! say ([`Fault`]: a name that can't be a folder, keys that contradict each other) is found in the same run as what they
//! can. A fault that may only come of a value that was set aside is not told.

use emberline_base::Fault;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::reader::{Reader, segments};
use super::shape::{Shape, shape_of};
use super::tree::Tree;
use crate::diagnostic::Diagnostic;
use crate::diagnostics::Diagnostics;

/// Reads `tree` as a `T`, or gives all that is wrong with it.
pub(crate) fn typed<T: DeserializeOwned + JsonSchema>(tree: &Tree) -> Result<T, Diagnostics> {
    check(tree, |_: &T| Vec::new())
}

/// Types a tree and checks what types can't: all faults, each at its place.
pub(crate) fn check<T: DeserializeOwned + JsonSchema>(
    tree: &Tree,
    faults: impl Fn(&T) -> Vec<Fault>,
) -> Result<T, Diagnostics> {
    let mut reader = Reader::default();
    let value = reader.read(&shape_of::<T>(), tree, None);
    // What was gathered is whole only as long as every fault was kept.
    let read = value.filter(|_| !reader.faults.is_full()).map(serde_path_to_error::deserialize::<_, T>);
    match &read {
        Some(Ok(settings)) => {
            let mut found = faults(settings);
            found.retain(|fault| !reader.is_doubtful(fault));
            for Fault { key, message, hint, related: _ } in found {
                reader.faults.push(|| Diagnostic { span: tree.locate(segments(&key)), message, hint: Some(hint) });
            }
        }
        // What a type refuses beyond its schema; the schema should say it.
        Some(Err(error)) if reader.faults.is_empty() => reader.faults.push(|| {
            let path = error.path().to_string();
            let span = tree.locate(segments(&path));
            Diagnostic { span, message: "this can't stand here".to_owned(), hint: None }
        }),
        _ => {}
    }
    reader.faults.into_result()?;
    Ok(read.and_then(Result::ok).expect("what has no fault was read"))
}

/// What is wrong with a value that stands at the key `name`, by itself.
pub(crate) fn value_faults(shape: &Shape, name: &str, value: &Tree) -> Diagnostics {
    let mut reader = Reader::of_item(name);
    reader.read(shape, value, None);
    reader.faults
}
