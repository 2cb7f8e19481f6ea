//! One section of the file in all its variants: an axis changes one section, so that cells which agree on a section's
//! axes share it, and it is typed once for all of them.

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

/// A section as cells hold it, and as their ids see it.
#[derive(Debug)]
pub(super) struct Typed<T> {
    pub(super) value: Arc<T>,
    /// Its part of the cell's [`Identity`](super::Identity), as text.
    pub(super) identity: Arc<str>,
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), identity: self.identity.clone() }
    }
}

impl<T: Serialize + DeserializeOwned> Typed<T> {
    /// `ignored`: keys that change no result; `places`: the places of files that are values of axes.
    pub(super) fn new(value: T, ignored: &[&str], places: &str) -> Self {
        let identity = identity::text_of(&value, ignored) + places;
        Self { value: Arc::new(value), identity: identity.into() }
    }
}

/// The variants of a section.
pub(super) struct Section<T> {
    key: &'static str,
    /// The axes that change it.
    axes: Vec<usize>,
    /// By the values of those axes; none where the section is faulty.
    known: HashMap<usize, Option<Typed<T>>>,
}

impl<T> Section<T> {
    pub(super) fn new(pipeline: &Pipeline, key: &'static str) -> Self {
        let is_below = |axis: &str| axis.split('.').next() == Some(key);
        let axes = (0..pipeline.axes.len()).filter(|&axis| is_below(&pipeline.axes[axis].key)).collect();
        Self { key, axes, known: HashMap::new() }
    }

    /// The section in a combination. `make` types it and tells nothing of what is wrong.
    pub(super) fn get(&mut self, choice: &Choice, make: impl FnOnce(&[usize]) -> Option<Typed<T>>) -> Option<Typed<T>> {
        self.known.entry(choice.part(&self.axes)).or_insert_with(|| make(&self.axes)).clone()
    }
}

impl<T: DeserializeOwned + JsonSchema + Serialize + Default> Section<T> {
    /// A section that is its own table, or a plain value; where the file has none, the default. `is_sound`: whether it
    /// can be meant.
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
            is_sound(&value).then(|| Typed::new(value, ignored, &places(pipeline, axes, choice)))
        })
    }
}

/// Those of the axes that say where files are, with their values; empty where there are none.
pub(super) fn places(pipeline: &Pipeline, axes: &[usize], choice: &Choice) -> String {
    let chosen = axes.iter().map(|&at| (&pipeline.axes[at], choice.chosen(at)));
    let place = |(axis, at): (&'_ Axis, usize)| {
        let value = serde_json::to_value(axis.written[at].to_value()).unwrap_or_default();
        Some((axis.key.clone(), identity::places_in(&axis.key, value)?))
    };
    let places: BTreeMap<String, Value> = chosen.filter_map(place).collect();
    if places.is_empty() { String::new() } else { canonical(&places) }
}

/// The file with the one section alone, its axes at their values. None: an axis stands below a value that is no table.
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
