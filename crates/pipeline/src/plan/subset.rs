//! Describes some of a plan's cells in a few words: `all 90 cells`, `30 of 90 cells: embedding = corpus`.

use std::collections::{BTreeSet, HashMap, HashSet};

use emberline_base::number::{agreeing, counted, grouped};

use super::{Cell, Plan};

/// Maximum number of values of an axis that are listed.
const MAX_VALUES: usize = 4;

impl Plan {
    /// Describes the cells with these ids among all cells of the plan: `all 90 cells`, `30 of 90 cells: embedding = corpus`.
    pub fn describe_cells<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> String {
        let positions: HashMap<&str, usize> =
            self.cells.iter().enumerate().map(|(at, cell)| (cell.id.as_str(), at)).collect();
        let some: Vec<usize> = ids.into_iter().filter_map(|id| positions.get(id).copied()).collect();
        self.describe(&some, &(0..self.cells.len()).collect::<Vec<_>>())
    }

    /// Describes the cells at the positions `some`, which are among those at `all`: by the values of the axes that tell
    /// them from the others, if these do.
    pub(crate) fn describe(&self, some: &[usize], all: &[usize]) -> String {
        let some: BTreeSet<usize> = some.iter().copied().collect();
        let of_all = format!("{} of {}", grouped(some.len() as u64), counted(all.len(), "cell"));
        match some.len() {
            0 => "no cell".to_owned(),
            1 => format!("the cell {}", self.cells[*some.first().expect("one cell")].id),
            count if count == all.len() => format!("all {}", counted(count, "cell")),
            _ => match self.values_that_select(&some, all) {
                Some(values) => format!("{of_all}: {values}"),
                None => format!("{of_all}, such as {}", self.cells[*some.first().expect("several")].id),
            },
        }
    }

    /// Returns the values of axes that exactly the cells at `some` have among those at `all`; `None` if there are none
    /// such.
    fn values_that_select(&self, some: &BTreeSet<usize>, all: &[usize]) -> Option<String> {
        let first = &self.cells[*some.first()?];
        let axes = first.axes.iter().count();
        let values = |cells: &mut dyn Iterator<Item = usize>, axis: usize| -> BTreeSet<usize> {
            cells.map(|at| self.cells[at].axes.chosen(axis)).collect()
        };
        let restricted: Vec<(usize, BTreeSet<usize>)> = (0..axes)
            .map(|axis| (axis, values(&mut some.iter().copied(), axis)))
            .filter(|(axis, of_some)| values(&mut all.iter().copied(), *axis).len() > of_some.len())
            .collect();
        let is_selected =
            |at: &&usize| restricted.iter().all(|(axis, chosen)| chosen.contains(&self.cells[**at].axes.chosen(*axis)));
        if restricted.is_empty() || all.iter().filter(is_selected).count() != some.len() {
            return None;
        }
        let shown = |(axis, chosen): &(usize, BTreeSet<usize>)| self.shown_values(some, *axis, chosen.len());
        Some(restricted.iter().map(shown).collect::<Vec<_>>().join(", "))
    }

    /// Shows an axis with the values that the cells at `some` have: `seed = 2 or 3`.
    fn shown_values(&self, some: &BTreeSet<usize>, axis: usize, count: usize) -> String {
        let mut seen = HashSet::new();
        let chosen = some.iter().filter(|&&at| seen.insert(self.cells[at].axes.chosen(axis)));
        let shown = |cell: &Cell| {
            let (key, value) = cell.axes.iter().nth(axis).expect("an axis of the plan");
            (key.to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let cells: Vec<(String, String)> = chosen.take(MAX_VALUES).map(|&at| shown(&self.cells[at])).collect();
        let key = cells.first().map(|(key, _)| key.as_str()).unwrap_or_default();
        let values: Vec<String> = cells.iter().map(|(_, value)| crate::name::short(value)).collect();
        match (values.split_last(), count.saturating_sub(MAX_VALUES)) {
            (Some((last, others)), 0) if !others.is_empty() => format!("{key} = {} or {last}", others.join(", ")),
            (_, 0) => format!("{key} = {}", values.join(", ")),
            (_, more) => {
                let values = values.join(", ");
                format!("{key} = {values} or {} more {}", grouped(more as u64), agreeing(more, "value", "values"))
            }
        }
    }
}
