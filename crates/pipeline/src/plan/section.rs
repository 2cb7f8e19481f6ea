//! One section of the file in all its variants: an axis changes one section, so that cells which agree on a section's
//! axes share it, and it is typed once for all of them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::choice::Choice;
use crate::document::{Node, Tree, typed};
use crate::grid::EMBEDDING;
use crate::pipeline::Pipeline;

/// A section as cells hold it, and as their ids see it.
#[derive(Debug)]
pub(super) struct Typed<T> {
    pub(super) value: Arc<T>,
    /// As JSON, without the places of files.
    pub(super) identity: Arc<str>,
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), identity: self.identity.clone() }
    }
}

impl<T: Serialize> Typed<T> {
    /// `forgotten`: keys that change no result.
    pub(super) fn new(value: T, forgotten: &[&str]) -> Self {
        let mut identity = serde_json::to_value(&value).unwrap_or_default();
        forget_places(&mut identity);
        if let Some(table) = identity.as_object_mut() {
            forgotten.iter().for_each(|key| drop(table.remove(*key)));
        }
        Self { value: Arc::new(value), identity: identity.to_string().into() }
    }
}

fn forget_places(value: &mut serde_json::Value) {
    if let Some(table) = value.as_object_mut() {
        for key in ["path", "url", "sha256"] {
            table.remove(key);
        }
        table.values_mut().for_each(forget_places);
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

impl<T: DeserializeOwned + Serialize + Default> Section<T> {
    /// A section that is its own table, or a plain value; where the file has none, the default. `is_sound`: whether it
    /// can be meant.
    pub(super) fn of(
        &mut self,
        pipeline: &Pipeline,
        choice: &Choice,
        forgotten: &[&str],
        is_sound: impl FnOnce(&T) -> bool,
    ) -> Option<Typed<T>> {
        let key = self.key;
        self.get(choice, |axes| {
            let tree = with_axes(pipeline, key, axes, choice, "")?;
            let value = tree.get(key).map_or_else(|| Some(T::default()), |entry| typed(&entry.value).ok())?;
            is_sound(&value).then(|| Typed::new(value, forgotten))
        })
    }
}

/// The file with the one section alone, its axes at their values. None: an axis stands below a value that is no table.
pub(super) fn with_axes(pipeline: &Pipeline, key: &str, axes: &[usize], choice: &Choice, source: &str) -> Option<Tree> {
    let entry = pipeline.tree.get(key).map(|entry| (key.to_owned(), entry.clone()));
    let mut tree = Tree { span: pipeline.tree.span.clone(), node: Node::Table(entry.into_iter().collect()) };
    for &at in axes {
        let axis = &pipeline.axes[at];
        if axis.key != EMBEDDING {
            let value = axis.written[choice.chosen(at)].clone();
            tree.set(&axis.path(source, &pipeline.settings), value).ok()?;
        }
    }
    Some(tree)
}
