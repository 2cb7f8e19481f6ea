//! Checks the counts that the pages of a Parquet file claim, before the `parquet` crate trusts them.
//!
//! A run of nulls, or of one dictionary entry, is stored as two numbers however long it is: a file of a few hundred bytes may
//! claim billions of rows, which would take minutes to count, and a header of lengths may claim more than fits into memory.
//!
//! | claim | bound |
//! |---|---|
//! | the values of all pages that are read, nulls too | the larger of [`FREE`] and [`GROWTH`] per byte of the file |
//! | the entries of a dictionary | the size of its page divided by that of the shortest value of the column's type |
//! | the lengths of a page of DELTA_LENGTH_BYTE_ARRAY or DELTA_BYTE_ARRAY | the values of the page |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::basic::{Encoding, Type as Physical};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::RowGroupReader;
use parquet::record::reader::RowIter;
use parquet::schema::types::{ColumnDescriptor, Type};

/// The number of values below which no file is suspicious.
const FREE: u64 = 1 << 20;
/// The largest allowed number of values per byte of a file; a text takes at least one byte.
const GROWTH: u64 = 64;

/// The number of values that a file may still claim.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<AtomicU64>);

impl Budget {
    /// Returns the budget of a file of this size in bytes.
    pub(super) fn of(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes.saturating_mul(GROWTH).max(FREE))))
    }

    fn spend(&self, values: u32) -> Result<()> {
        let less = |left: u64| left.checked_sub(u64::from(values));
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Ok(()),
            Err(_) => Err(fault("it claims more values than a file of its size holds")),
        }
    }
}

fn fault(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_owned())
}

/// A row group whose pages are checked.
pub(super) struct Group<'a> {
    pub(super) inner: Box<dyn RowGroupReader + 'a>,
    pub(super) budget: Budget,
}

impl RowGroupReader for Group<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.inner.metadata()
    }

    fn num_columns(&self) -> usize {
        self.inner.num_columns()
    }

    fn get_column_page_reader(&self, at: usize) -> Result<Box<dyn PageReader>> {
        let inner = self.inner.get_column_page_reader(at)?;
        let column = self.metadata().column(at).column_descr_ptr();
        Ok(Box::new(Pages { inner, column, budget: self.budget.clone() }))
    }

    fn get_column_bloom_filter(&self, at: usize) -> Option<&Sbbf> {
        self.inner.get_column_bloom_filter(at)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

/// The pages of a column, each checked.
struct Pages {
    inner: Box<dyn PageReader>,
    column: Arc<ColumnDescriptor>,
    budget: Budget,
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.inner.get_next_page()?;
        page.iter().try_for_each(|page| check(page, &self.column, &self.budget))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }
}

fn check(page: &Page, column: &ColumnDescriptor, budget: &Budget) -> Result<()> {
    if let Page::DictionaryPage { buf, num_values, .. } = page {
        let fits = u64::from(*num_values).saturating_mul(shortest(column)) <= buf.len() as u64;
        return if fits { Ok(()) } else { Err(fault("a dictionary claims more words than its page holds")) };
    }
    budget.spend(page.num_values())?;
    let values = values(page, column).unwrap_or_default();
    if lengths(page.encoding(), values).into_iter().any(|count| count > u64::from(page.num_values())) {
        return Err(fault("a page claims more lengths than values"));
    }
    Ok(())
}

/// Returns the size in bytes of the shortest value in a dictionary; a text begins with its length in 4 bytes.
fn shortest(column: &ColumnDescriptor) -> u64 {
    match column.physical_type() {
        Physical::BOOLEAN => 1,
        Physical::INT32 | Physical::FLOAT | Physical::BYTE_ARRAY => 4,
        Physical::INT64 | Physical::DOUBLE => 8,
        Physical::INT96 => 12,
        Physical::FIXED_LEN_BYTE_ARRAY => u64::try_from(column.type_length()).unwrap_or_default().max(1),
    }
}

/// Returns the bytes of a data page after its levels.
fn values<'p>(page: &'p Page, column: &ColumnDescriptor) -> Option<&'p [u8]> {
    match page {
        Page::DataPage { buf, .. } => {
            // Levels in RLE follow their length. Levels in the older BIT_PACKED don't occur together with delta encodings.
            let mut rest = &buf[..];
            for level in [column.max_rep_level(), column.max_def_level()] {
                if level > 0 {
                    let (length, levels) = rest.split_first_chunk()?;
                    rest = levels.get(u32::from_le_bytes(*length) as usize..)?;
                }
            }
            Some(rest)
        }
        Page::DataPageV2 { buf, rep_levels_byte_len, def_levels_byte_len, .. } => {
            buf.get(rep_levels_byte_len.checked_add(*def_levels_byte_len)? as usize..)
        }
        Page::DictionaryPage { .. } => None,
    }
}

/// Returns the numbers of lengths that a page claims: those of the texts, or those of the shared prefixes and of the suffixes.
fn lengths(encoding: Encoding, values: &[u8]) -> Vec<u64> {
    match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => delta_count(values).into_iter().collect(),
        Encoding::DELTA_BYTE_ARRAY => {
            let rest = after_delta(values).unwrap_or_default();
            [values, rest].into_iter().filter_map(delta_count).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the number of values that a sequence in DELTA_BINARY_PACKED claims.
fn delta_count(mut bytes: &[u8]) -> Option<u64> {
    let [_block, _parts, count] = [varint(&mut bytes)?, varint(&mut bytes)?, varint(&mut bytes)?];
    Some(count)
}

/// Returns the bytes after a sequence in DELTA_BINARY_PACKED.
///
/// | field | type | content |
/// |---|---|---|
/// | block, parts, count | varints | values per block, parts (miniblocks) per block, values in total |
/// | first | varint | the first value |
/// | each block: least | varint | the number to add to every difference |
/// | widths | u8 per part | bits per difference |
/// | parts | | block / parts differences each; parts after the last value are left out |
fn after_delta(mut bytes: &[u8]) -> Option<&[u8]> {
    let [block, parts, count, _first] =
        [varint(&mut bytes)?, varint(&mut bytes)?, varint(&mut bytes)?, varint(&mut bytes)?];
    let part = block.checked_div(parts)?;
    let mut left = count.saturating_sub(1);
    while left > 0 {
        varint(&mut bytes)?;
        let widths;
        (widths, bytes) = bytes.split_at_checked(usize::try_from(parts).ok()?)?;
        for &width in widths {
            if left > 0 {
                let size = part.checked_mul(u64::from(width))? / 8;
                bytes = bytes.get(usize::try_from(size).ok()?..)?;
                left = left.saturating_sub(part);
            }
        }
    }
    Some(bytes)
}

/// Reads an unsigned LEB128 number: groups of 7 bits, the lowest first. The bytes `0x80 0x01` are 128.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    use super::*;

    fn refused(page: Page) -> Option<String> {
        let schema = parse_message_type("message schema { optional binary text (UTF8); }").expect("a schema");
        let column = SchemaDescriptor::new(Arc::new(schema)).column(0);
        check(&page, &column, &Budget::of(1000)).err().map(|error| error.to_string())
    }

    fn data(num_values: u32, encoding: Encoding, values: &[u8]) -> Page {
        let buf = Bytes::from([&[2, 0, 0, 0, 0, 1][..], values].concat());
        let (def_level_encoding, rep_level_encoding) = (Encoding::RLE, Encoding::RLE);
        Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, statistics: None }
    }

    fn dictionary(num_values: u32) -> Page {
        let buf = Bytes::from_static(&[0; 100]);
        Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false }
    }

    #[test]
    fn no_more_values_than_the_file_can_hold_are_believed() {
        assert_eq!(refused(data(1 << 20, Encoding::RLE_DICTIONARY, &[])), None);
        for values in [(1 << 20) + 1, u32::MAX] {
            let said = refused(data(values, Encoding::RLE_DICTIONARY, &[])).expect("too many");
            assert!(said.contains("more values than a file of its size holds"), "{said}");
        }
        let budget = Budget::of(1 << 20);
        budget.spend(1 << 25).and_then(|()| budget.spend(1 << 25)).expect("64 a byte");
        budget.spend(1).expect_err("one more");
    }

    #[test]
    fn no_dictionary_has_more_words_than_its_page_holds() {
        assert_eq!(refused(dictionary(25)), None);
        assert!(refused(dictionary(26)).is_some_and(|said| said.contains("dictionary")));
    }

    /// Returns three values in a block of 128 and 4 parts, with `count` as the claimed count: the first part is 32 differences of 8 bits.
    fn deltas(count: u64) -> Vec<u8> {
        let mut bytes = vec![0x80, 0x01, 4];
        let mut rest = count;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.extend([rest as u8, 0, 0, 8, 0, 0, 0]);
        bytes.extend([1; 32]);
        bytes
    }

    #[test]
    fn no_page_has_more_lengths_than_values() {
        for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
            let claims =
                |values: &[u8]| refused(data(3, encoding, values)).is_some_and(|said| said.contains("lengths"));
            assert!(!claims(&[deltas(3), deltas(3)].concat()));
            for lie in [4, 1 << 33, 1 << 62] {
                assert!(claims(&[deltas(lie), deltas(3)].concat()));
                let behind = claims(&[deltas(3), deltas(lie)].concat());
                assert_eq!(behind, encoding == Encoding::DELTA_BYTE_ARRAY);
            }
        }
    }
}
