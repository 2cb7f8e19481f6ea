//! One section of the settings in all its variants. An axis changes a single section, so cells with equal values of
//! that section's axes share the section, and it is deserialized once for all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use emberline_base::canonical;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::choice::Choice;
use super::identity;
use crate::document::{Tree, typed};
use crate::grid::{Axis, EMBEDDING};
use crate::pipeline::Pipeline;

/// A typed section of a cell's settings, with its part of the cell's identity.
#[derive(Debug)]
pub(super) struct Typed<T> {
    pub(super) value: Arc<T>,
    /// The section's part of the text that the cell's [`Identity`](super::Identity) is a digest of.
    pub(super) identity: Arc<str>,
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), identity: self.identity.clone() }
    }
}

impl<T: Serialize + DeserializeOwned> Typed<T> {
    /// `ignored` are keys that change no result; `places` are the paths of files that are values of axes, as text.
    pub(super) fn new(value: T, ignored: &[&str], file_axes: &str) -> Self {
        let identity = identity::text_of(&value, ignored) + file_axes;
        Self { value: Arc::new(value), identity: identity.into() }
    }
}

/// All variants of a section that have been used.
pub(super) struct Section<T> {
    key: &'static str,
    /// The axes that change the section, as indices.
    axes: Vec<usize>,
    /// The variants by [`Choice::part`] of those axes; `None` if the section has faults.
    known: HashMap<usize, Option<Typed<T>>>,
}

impl<T> Section<T> {
    pub(super) fn new(pipeline: &Pipeline, key: &'static str) -> Self {
        let is_below = |axis: &str| axis.split('.').next() == Some(key);
        let axes = (0..pipeline.axes.len()).filter(|&axis| is_below(&pipeline.axes[axis].key)).collect();
        Self { key, axes, known: HashMap::new() }
    }

    /// Returns the section in a combination. `make` builds it when it is first needed, and reports no faults.
    pub(super) fn get(&mut self, choice: &Choice, make: impl FnOnce(&[usize]) -> Option<Typed<T>>) -> Option<Typed<T>> {
        self.known.entry(choice.part(&self.axes)).or_insert_with(|| make(&self.axes)).clone()
    }
}

impl<T: DeserializeOwned + JsonSchema + Serialize + Default> Section<T> {
    /// Returns a section that is a table of its own, or a plain value; if the file has none, the default. `is_sound`
    /// says whether it has no faults.
    pub(super) fn of(
        &mut self,
        pipeline: &Pipeline,
        choice: &Choice,
        ignored: &[&str],
        is_sound: impl FnOnce(&T) -> bool,
    ) -> Option<Typed<T>> {
        let key = self.key;
        self.get(choice, |axes| {
            let tree = with_axes(pipeline, key, axes, choice, "")?;
            let value = tree.get(key).map_or_else(|| Some(T::default()), |entry| typed(&entry.value).ok())?;
            is_sound(&value).then(|| Typed::new(value, ignored, &file_axes(pipeline, axes, choice)))
        })
    }
}

/// Returns the axes that set paths of files, with their values, as canonical text; empty if there are none.
pub(super) fn file_axes(pipeline: &Pipeline, axes: &[usize], choice: &Choice) -> String {
    let chosen = axes.iter().map(|&at| (&pipeline.axes[at], choice.chosen(at)));
    let place = |(axis, at): (&'_ Axis, usize)| {
        let value = serde_json::to_value(axis.written[at].to_value()).unwrap_or_default();
        Some((axis.key.clone(), identity::file_settings(&axis.key, value)?))
    };
    let file_axes: BTreeMap<String, Value> = chosen.filter_map(place).collect();
    if file_axes.is_empty() { String::new() } else { canonical(&file_axes) }
}

/// Returns the file with this section alone and its axes set. Returns `None` if an axis is below a value that isn't a
/// table.
pub(super) fn with_axes(pipeline: &Pipeline, key: &str, axes: &[usize], choice: &Choice, source: &str) -> Option<Tree> {
    let entry = pipeline.tree.get(key).map(|entry| (key.to_owned(), entry.clone()));
    let mut tree = Tree::of_table(pipeline.tree.span.clone(), entry.into_iter().collect());
    for &at in axes {
        let axis = &pipeline.axes[at];
        if axis.key != EMBEDDING {
            let value = axis.written[choice.chosen(at)].clone();
            tree.set(&axis.path(source, &pipeline.settings), &value.span.clone(), value).ok()?;
        }
    }
    Some(tree)
}
