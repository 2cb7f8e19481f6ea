//! Checks the footer of a Parquet file before the `parquet` crate reads it. The crate trusts two of its claims: the length of a
//! list of booleans in a skipped field, which costs a step but no byte per element, so that a kilobyte could keep it busy for
//! minutes; and the number of children of a schema element, for which it allocates memory at once and recurses.
//!
//! | value | field | content |
//! |---|---|---|
//! | FileMetaData | 2 | the schema: a list of SchemaElement, parents before their children |
//! | SchemaElement | 5 | the number of its children, which follow |

use super::thrift::{I32, LIST, MAX_DEPTH, STRUCT, Walk};

/// Whether collections claim more elements than the footer has bytes, the schema claims more children than it lists, or it is
/// nested too deeply. The crate reports a footer that can't be parsed.
pub(super) fn claims_too_much(footer: &[u8]) -> bool {
    let mut walk = Walk::of(footer);
    let _ = walk.fields(|walk, id, kind| match (id, kind) {
        (2, LIST) => schema(walk),
        _ => walk.skip(kind, MAX_DEPTH),
    });
    walk.left.is_none()
}

/// Walks the schema. If it claims too much, the budget of the walk is set to none.
fn schema(walk: &mut Walk<'_>) -> Option<()> {
    let (size, kind) = walk.list()?;
    if kind != STRUCT {
        return (0..size).try_for_each(|_| walk.skip(kind, MAX_DEPTH));
    }
    // The remaining children of every enclosing element.
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

/// Returns the number of children of a schema element.
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
        // 0x19 is field 1, a list; then come its size and the type of its elements.
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

    /// Returns a footer whose schema elements have these numbers of children.
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
