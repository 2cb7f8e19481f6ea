//! Converts a tree to typed settings, and reports every fault in one pass.
//!
//! The tree is checked against the [`Shape`] of the type. A faulty value is reported and set aside: an optional key is
//! left out, and a required one gets an example value instead. So serde always reads complete input, its error messages
//! are never shown, and what types can't express ([`Fault`]: a name that can't be a folder, keys that contradict each
//! other) is found in the same run as what they can. A fault that may be a mere consequence of a value that was set
//! aside isn't reported.

use emberline_base::Fault;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::reader::{Reader, segments};
use super::shape::{Shape, shape_of};
use super::tree::Tree;
use crate::diagnostic::Diagnostic;
use crate::diagnostics::Diagnostics;

/// Reads `tree` as a `T`, or returns all its faults.
pub(crate) fn typed<T: DeserializeOwned + JsonSchema>(tree: &Tree) -> Result<T, Diagnostics> {
    check(tree, |_: &T| Vec::new())
}

/// Reads `tree` as a `T` and checks what types can't express. Returns all faults, each at its position.
pub(crate) fn check<T: DeserializeOwned + JsonSchema>(
    tree: &Tree,
    faults: impl Fn(&T) -> Vec<Fault>,
) -> Result<T, Diagnostics> {
    let mut reader = Reader::default();
    let value = reader.read(&shape_of::<T>(), tree, None);
    // The collected value is complete only if every fault was recorded.
    let read = value.filter(|_| !reader.faults.is_full()).map(serde_path_to_error::deserialize::<_, T>);
    match &read {
        Some(Ok(settings)) => {
            let mut found = faults(settings);
            found.retain(|fault| !reader.may_follow_from_another(fault));
            for Fault { key, message, hint, related: _ } in found {
                reader.faults.push(|| Diagnostic { span: tree.locate(segments(&key)), message, hint: Some(hint) });
            }
        }
        // A type that refuses more than its schema does; the schema should say so.
        Some(Err(error)) if reader.faults.is_empty() => reader.faults.push(|| {
            let path = error.path().to_string();
            let span = tree.locate(segments(&path));
            Diagnostic { span, message: "this value isn't allowed here".to_owned(), hint: None }
        }),
        _ => {}
    }
    reader.faults.into_result()?;
    Ok(read.and_then(Result::ok).expect("what has no fault was read"))
}

/// Returns the faults of a value at the key `name`, checked by itself.
pub(crate) fn value_faults(shape: &Shape, name: &str, value: &Tree) -> Diagnostics {
    let mut reader = Reader::of_item(name);
    reader.read(shape, value, None);
    reader.faults
}
