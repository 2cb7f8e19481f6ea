//! A combination of the grid: which value of each axis it has, told by its number alone, since a plan holds many.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::grid::Axis;

/// The axes of a grid, with their values as records show them.
#[derive(Debug)]
pub(super) struct Axes(Vec<AxisValues>);

#[derive(Debug)]
struct AxisValues {
    key: String,
    values: Vec<Value>,
    /// How many combinations lie between two values: the last axis changes first.
    stride: usize,
}

impl Axes {
    pub(super) fn of(axes: &[Axis]) -> Self {
        let mut all: Vec<AxisValues> = Vec::with_capacity(axes.len());
        let mut stride = 1;
        for axis in axes.iter().rev() {
            let value = |tree: &crate::document::Tree| serde_json::to_value(tree.to_value()).unwrap_or_default();
            let values: Vec<Value> = axis.values.iter().map(value).collect();
            let count = values.len();
            all.push(AxisValues { key: axis.key.clone(), values, stride });
            stride *= count;
        }
        all.reverse();
        Self(all)
    }
}

impl AxisValues {
    /// Which of the values the combination of that number has.
    fn chosen(&self, number: usize) -> usize {
        number / self.stride % self.values.len()
    }
}

/// The value of each axis in one combination, by dotted key. Serialises as a map.
#[derive(Clone, Debug)]
pub struct Choice {
    axes: Arc<Axes>,
    number: usize,
}

impl Choice {
    pub(super) fn new(axes: Arc<Axes>, number: usize) -> Self {
        Self { axes, number }
    }

    /// Keys and values, in the order of the axes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.axes.0.iter().map(|axis| (axis.key.as_str(), &axis.values[axis.chosen(self.number)]))
    }

    /// Whether there is such an axis.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.axes.0.iter().any(|axis| axis.key == key)
    }

    /// Which of the axis's values it is.
    pub(super) fn chosen(&self, axis: usize) -> usize {
        self.axes.0[axis].chosen(self.number)
    }

    /// One number for the values of some of the axes: equal ones, and only those, have equal numbers.
    pub(super) fn part(&self, axes: &[usize]) -> usize {
        axes.iter().fold(0, |part, &axis| part * self.axes.0[axis].values.len() + self.chosen(axis))
    }

    /// A map of its own, for records.
    pub(crate) fn to_map(&self) -> IndexMap<String, Value> {
        self.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
