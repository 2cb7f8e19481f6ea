//! The footer of a Parquet file, walked before the crate reads it. The crate takes two of its claims at their word: a list of
//! booleans in a field that it passes over costs it a step an element, and no byte, so that a kilobyte could keep it busy for
//! minutes; and the number of an element's children, for which it makes room at once, and goes as deep as they nest.
//!
//! | value | field | what |
//! |---|---|---|
//! | FileMetaData | 2 | the schema: a list of SchemaElement, parents before their children |
//! | SchemaElement | 5 | how many children follow |

use super::thrift::{I32, LIST, MAX_DEPTH, STRUCT, Walk};

/// Whether its collections claim more elements than it has bytes, or its schema more columns than it lists, or nests deeper
/// than any does. What can't be walked is the crate's to explain.
pub(super) fn claims_too_much(footer: &[u8]) -> bool {
    let mut walk = Walk::of(footer);
    let _ = walk.fields(|walk, id, kind| match (id, kind) {
        (2, LIST) => schema(walk),
        _ => walk.skip(kind, MAX_DEPTH),
    });
    walk.left.is_none()
}

/// Walks the schema. One that claims too much leaves nothing that may be claimed.
fn schema(walk: &mut Walk<'_>) -> Option<()> {
    let (size, kind) = walk.list()?;
    if kind != STRUCT {
        return (0..size).try_for_each(|_| walk.skip(kind, MAX_DEPTH));
    }
    // The children that are still to come, of every element above.
    let mut open: Vec<u64> = Vec::new();
    let mut claimed = 0_u64;
    for _ in 0..size {
        let children = children(walk)?;
        while open.pop_if(|left| *left == 0).is_some() {}
        open.last_mut().into_iter().for_each(|left| *left -= 1);
        if children > 0 {
            open.push(children);
        }
        claimed = claimed.saturating_add(children);
        if claimed >= size || open.len() > MAX_DEPTH as usize {
            walk.left = None;
            return None;
        }
    }
    Some(())
}

/// The number of children of a schema's element.
fn children(walk: &mut Walk<'_>) -> Option<u64> {
    let mut children = 0;
    walk.fields(|walk, id, kind| match (id, kind) {
        (5, I32) => {
            children = u64::try_from(walk.number()?).unwrap_or_default();
            Some(())
        }
        _ => walk.skip(kind, MAX_DEPTH),
    })?;
    Some(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_collection_has_more_elements_than_the_footer_has_bytes() {
        // Field 1, a list of so many: 0x19; then the type of its elements.
        for (footer, too_much) in [
            (&[0x19, 0x21, 0][..], false),
            (&[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 7, 0], true),
            (&[0x1a, 0xf2, 0xff, 0xff, 0xff, 0xff, 7, 0], true),
            (&[0x1b, 0xff, 0xff, 0xff, 0xff, 7, 0x11, 0], true),
            (&[0x1c, 0x19, 0xf1, 0xff, 0xff, 3, 0, 0], true),
            (&[0x19, 0x2c, 0, 0, 0], false),
            (&[0x19, 0xf5, 100, 0], true),
            (&[0x18, 100, 0], false),
            (&[0x19], false),
            (&[], false),
        ] {
            assert_eq!(claims_too_much(footer), too_much, "{footer:x?}");
        }
        assert!(!claims_too_much(&[0x1c; 1000]));
    }

    /// A footer whose schema has elements with so many children each.
    fn footer_of(children: &[u64]) -> Vec<u8> {
        let mut footer = vec![0x29, 0xfc];
        let varint = |mut number: u64, bytes: &mut Vec<u8>| {
            while number >= 0x80 {
                bytes.push(number as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
        };
        varint(children.len() as u64, &mut footer);
        for &children in children {
            footer.push(0x55);
            varint(children << 1, &mut footer);
            footer.push(0);
        }
        footer.push(0);
        footer
    }

    #[test]
    fn no_schema_has_more_columns_than_it_lists() {
        for (children, too_much) in [
            (vec![2, 0, 1, 0], false),
            (vec![3, 0, 0], true),
            (vec![1 << 30, 0], true),
            (vec![1, 1 << 30], true),
            (vec![2, 2, 0, 0], true),
            (vec![0], false),
            ([[1; 40].as_slice(), &[0]].concat(), false),
            ([[1; 70].as_slice(), &[0]].concat(), true),
        ] {
            assert_eq!(claims_too_much(&footer_of(&children)), too_much, "{children:?}");
        }
    }
}
