//! The column of `data.group`, whose rows with equal values are in one split, and the units of rows that stay together.

use std::collections::HashMap;

use crate::format::Field;
use crate::missing::trimmed;
use crate::settings::Duplicates;

/// The group of every row, if the settings name a column of groups.
#[derive(Debug, Default)]
pub(crate) struct GroupColumn {
    /// The group of each row as a position in `names`; empty without such a column.
    of_rows: Vec<u32>,
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl GroupColumn {
    /// The number of a row without a group.
    const NONE: u32 = u32::MAX;

    /// Adds the group of the next row; an empty field means no group.
    pub(crate) fn push(&mut self, field: Option<&Field<'_>>) {
        let name = match field {
            Some(Field::Text(text)) => trimmed(text),
            Some(Field::Scalar(scalar)) => scalar,
            Some(Field::Missing | Field::List(_)) | None => "",
        };
        let number = match self.numbers.get(name) {
            _ if name.is_empty() => Self::NONE,
            Some(&number) => number,
            None => {
                let number = self.names.len() as u32;
                self.numbers.insert(name.to_owned(), number);
                self.names.push(name.to_owned());
                number
            }
        };
        self.of_rows.push(number);
    }

    /// Removes the rows whose `keep` is false.
    pub(crate) fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.of_rows.retain(|_| keep.next().is_some_and(|&keep| keep));
    }

    /// Whether the settings name a column of groups.
    pub(crate) fn exists(&self) -> bool {
        !self.of_rows.is_empty()
    }

    /// Returns the name of a row's group.
    pub(crate) fn name_of(&self, row: usize) -> Option<&str> {
        let number = *self.of_rows.get(row)?;
        self.names.get(number as usize).map(String::as_str)
    }

    /// Returns the unit of each row: rows of one unit stay together in one split. `texts` is the text of each row, as a number
    /// that duplicates share. If duplicates are kept, a text in several groups joins these groups to one unit; if they are
    /// dropped, they join nothing.
    pub(crate) fn units(&self, texts: &[u32], duplicates: Duplicates) -> Vec<u32> {
        if !self.exists() {
            return texts.to_vec();
        }
        let groups = self.names.len() as u32;
        let mut next = groups;
        let mut own = || {
            next += 1;
            next - 1
        };
        match duplicates {
            Duplicates::Drop => {
                self.of_rows.iter().map(|&group| if group == Self::NONE { own() } else { group }).collect()
            }
            Duplicates::Keep => {
                let text_of = |row: usize| groups + texts[row];
                let sets = texts.iter().max().map_or(groups, |last| groups + last + 1);
                let mut sets = DisjointSets::new(sets);
                let grouped = self.of_rows.iter().enumerate().filter(|(_, group)| **group != Self::NONE);
                grouped.for_each(|(row, &group)| sets.join(group, text_of(row)));
                (0..texts.len()).map(|row| sets.find(text_of(row))).collect()
            }
        }
    }
}

/// Disjoint sets of numbers (union-find). A set is identified by its lowest number.
struct DisjointSets(Vec<u32>);

impl DisjointSets {
    fn new(count: u32) -> Self {
        Self((0..count).collect())
    }

    fn find(&mut self, mut number: u32) -> u32 {
        while self.0[number as usize] != number {
            let above = self.0[number as usize];
            self.0[number as usize] = self.0[above as usize];
            number = above;
        }
        number
    }

    fn join(&mut self, one: u32, other: u32) {
        let [one, other] = [self.find(one), self.find(other)];
        self.0[one.max(other) as usize] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(names: &[&str]) -> GroupColumn {
        let mut column = GroupColumn::default();
        names.iter().for_each(|name| column.push(Some(&Field::Text((*name).into()))));
        column
    }

    #[test]
    fn rows_of_a_group_stay_together_and_kept_copies_join_groups() {
        let column = column(&["ann", " bob ", "", "ann", "", "bob", "cyd"]);
        let texts = [0, 1, 2, 3, 2, 4, 1];
        assert_eq!(column.units(&texts, Duplicates::Drop), [0, 1, 3, 0, 4, 1, 2]);
        let kept = column.units(&texts, Duplicates::Keep);
        assert_eq!(kept[0], kept[3]);
        assert_eq!(kept[2], kept[4], "copies without a group");
        assert!(kept[1] == kept[5] && kept[1] == kept[6], "one text of bob and of cyd");
        assert!(kept[0] != kept[1] && kept[1] != kept[2]);
        assert_eq!((column.name_of(1), column.name_of(2)), (Some("bob"), None));
    }

    #[test]
    fn without_a_column_the_texts_decide() {
        assert_eq!(GroupColumn::default().units(&[0, 1, 0], Duplicates::Keep), [0, 1, 0]);
    }
}
