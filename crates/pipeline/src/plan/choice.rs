//! A combination of the grid. Only its number is stored, since a plan may have many; the value of each axis follows
//! from it.

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
    /// The number of combinations between a value and the next one. The last axis changes first: with axes of 2 and 3
    /// values, the strides are 3 and 1.
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
    /// Returns the index of the axis's value in the combination with this number. With stride 3 and 2 values, number 4
    /// has index 4 / 3 % 2 = 1.
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

    /// Iterates over the keys and values, in the order of the axes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.axes.0.iter().map(|axis| (axis.key.as_str(), &axis.values[axis.chosen(self.number)]))
    }

    /// Returns whether there is an axis with this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.axes.0.iter().any(|axis| axis.key == key)
    }

    /// Returns the index of the value of an axis.
    pub(super) fn chosen(&self, axis: usize) -> usize {
        self.axes.0[axis].chosen(self.number)
    }

    /// Combines the values of some of the axes into one number, which is equal for equal values only.
    pub(super) fn part(&self, axes: &[usize]) -> usize {
        axes.iter().fold(0, |part, &axis| part * self.axes.0[axis].values.len() + self.chosen(axis))
    }

    /// Returns keys and values as an owned map, for records.
    pub(crate) fn to_map(&self) -> IndexMap<String, Value> {
        self.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
