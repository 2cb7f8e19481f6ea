//! Checks the page headers of a column before the `parquet` crate reads them. The crate allocates as many bytes as a header claims
//! for the uncompressed page, and for Brotli and gzip it decompresses more if there is more.
//!
//! | value | field | content |
//! |---|---|---|
//! | PageHeader | 2 | the uncompressed size of the page in bytes |
//! | PageHeader | 3 | its compressed size, which follows the header in the file |
//! | PageHeader | 8 | DataPageHeaderV2, only in pages of version 2 |
//! | DataPageHeaderV2 | 5, 6 | the sizes of its levels, which are not compressed and come first |

use std::io::{self, Read};

use emberline_base::memory;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;

use super::thrift::{I32, MAX_DEPTH, STRUCT, Walk};
use crate::format::compression::cap;

/// Why a page is refused.
#[derive(Debug)]
pub(super) enum Fault {
    /// Its uncompressed size is at least this number of bytes.
    Oversized(u64),
    /// There is not enough memory for it.
    OutOfMemory(memory::OutOfMemory),
}

/// The number of bytes that are read for a header at first; more are read for one with long statistics.
const HEADER: usize = 1 << 10;
/// The largest supported size of a header.
const MAX_HEADER: usize = 1 << 24;

/// Checks the pages of a column in a file of `length` bytes. The crate reports headers that can't be parsed.
///
/// # Errors
/// When the uncompressed size of a page exceeds the limit of a file of this size, or the available memory.
pub(super) fn check<R: ChunkReader>(file: &R, length: u64, column: &ColumnChunkMetaData) -> Result<(), Fault> {
    let (mut at, size) = column.byte_range();
    let end = at.saturating_add(size).min(length);
    while at < end {
        let Some((page, header)) = header(file, at, end) else { return Ok(()) };
        let packed = header.packed.min(end - page);
        if header.unpacked > cap(length) {
            return Err(Fault::Oversized(header.unpacked));
        }
        // The crate allocates the page and, for Brotli, a buffer of the same size.
        memory::probe(2 * header.unpacked).map_err(Fault::OutOfMemory)?;
        let is_bounded = match column.compression() {
            Compression::BROTLI(_) => false,
            Compression::GZIP(_) => packed.saturating_mul(DEFLATE) <= cap(length),
            _ => true,
        };
        if !is_bounded && unpacks_to_more(file, page, &header, column.compression()) {
            return Err(Fault::Oversized(header.unpacked + 1));
        }
        at = page + packed;
    }
    Ok(())
}

/// The largest possible ratio of uncompressed to compressed bytes in deflate.
const DEFLATE: u64 = 1032;

struct Header {
    unpacked: u64,
    packed: u64,
    levels: u64,
}

/// Reads the header at `at`. Returns the position after it, and the header.
fn header<R: ChunkReader>(file: &R, at: u64, end: u64) -> Option<(u64, Header)> {
    let mut size = HEADER;
    loop {
        let most = usize::try_from(end - at).ok()?.min(size);
        let bytes = file.get_bytes(at, most).ok()?;
        if let Some((length, header)) = parsed(&bytes) {
            return Some((at + length as u64, header));
        }
        if most < size || size >= MAX_HEADER {
            return None;
        }
        size *= 8;
    }
}

fn parsed(bytes: &[u8]) -> Option<(usize, Header)> {
    let mut walk = Walk::of(bytes);
    let mut header = Header { unpacked: 0, packed: 0, levels: 0 };
    let size = |walk: &mut Walk<'_>| u64::try_from(walk.number()?).ok();
    walk.fields(|walk, id, kind| {
        match (id, kind) {
            (2, I32) => header.unpacked = size(walk)?,
            (3, I32) => header.packed = size(walk)?,
            (8, STRUCT) => walk.fields(|walk, id, kind| match (id, kind) {
                (5 | 6, I32) => {
                    header.levels += size(walk)?;
                    Some(())
                }
                _ => walk.skip(kind, MAX_DEPTH),
            })?,
            _ => walk.skip(kind, MAX_DEPTH)?,
        }
        Some(())
    })?;
    Some((bytes.len() - walk.rest.len(), header))
}

/// Whether a page decompresses to more bytes than its header claims.
fn unpacks_to_more<R: ChunkReader>(file: &R, at: u64, header: &Header, packing: Compression) -> bool {
    let Some(packed) = header.packed.checked_sub(header.levels) else { return false };
    let bytes = usize::try_from(packed).ok().and_then(|packed| file.get_bytes(at + header.levels, packed).ok());
    let Some(bytes) = bytes else { return false };
    let claimed = header.unpacked.saturating_sub(header.levels);
    let count = |reader: &mut dyn Read| io::copy(&mut reader.take(claimed + 1), &mut io::sink());
    // The crate reports data that can't be decompressed.
    let unpacked = match packing {
        Compression::BROTLI(_) => count(&mut brotli_decompressor::Decompressor::new(&bytes[..], 1 << 16)),
        _ => count(&mut flate2::read::MultiGzDecoder::new(&bytes[..])),
    };
    unpacked.is_ok_and(|unpacked| unpacked > claimed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use parquet::basic::BrotliLevel;
    use parquet::data_type::Int32Type;
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    use super::*;

    /// A header of version 2: type 3, 1000 bytes, packed 50, and the lengths of its levels, 4 and 2.
    const HEADER_2: [u8; 13] = [0x15, 6, 0x15, 0xd0, 0x0f, 0x15, 100, 0x5c, 0x55, 8, 0x15, 4, 0];

    /// A file of 200,000 zeros in one page.
    fn zeros(packing: Compression) -> Vec<u8> {
        let schema = Arc::new(parse_message_type("message schema { required int32 n; }").expect("a schema"));
        let properties = WriterProperties::builder().set_compression(packing).set_dictionary_enabled(false);
        let properties = properties.set_data_page_row_count_limit(1 << 20).set_write_batch_size(1 << 20);
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).expect("a writer");
        let mut group = writer.next_row_group().expect("a group");
        let mut column = group.next_column().expect("readable").expect("a column");
        column.typed::<Int32Type>().write_batch(&[0; 200_000], None, None).expect("written");
        column.close().and_then(|()| group.close().map(drop)).expect("closed");
        writer.into_inner().expect("a file")
    }

    /// What is said of the only column, after the size that its first header claims was overwritten.
    fn checked(mut file: Vec<u8>, claimed: Option<u64>, length: u64) -> Result<(), u64> {
        let reader = SerializedFileReader::new(Bytes::from(file.clone())).expect("a file");
        let column = reader.metadata().row_group(0).column(0).clone();
        let at = column.byte_range().0 as usize;
        // The type, then the size: 0x15, a varint.
        assert_eq!((file[at], file[at + 2]), (0x15, 0x15));
        let end = (at + 3..).find(|&at| file[at] < 0x80).expect("an end");
        if let Some(claimed) = claimed {
            let last = end - (at + 3);
            for (place, byte) in file[at + 3..=end].iter_mut().enumerate() {
                *byte = (claimed << 1 >> (7 * place)) as u8 & 0x7f | if place < last { 0x80 } else { 0 };
            }
        }
        check(&Bytes::from(file), length, &column).map_err(|fault| match fault {
            Fault::Oversized(unpacked) => unpacked,
            Fault::OutOfMemory(error) => panic!("{error}"),
        })
    }

    #[test]
    fn pages_that_claim_or_give_too_much_are_refused() {
        for packing in [Compression::BROTLI(BrotliLevel::default()), Compression::SNAPPY, Compression::UNCOMPRESSED] {
            let file = zeros(packing);
            let length = file.len() as u64;
            assert_eq!(checked(file.clone(), None, length), Ok(()), "{packing}");
            // Brotli unpacks whatever comes.
            let gives_more = checked(file, Some(1000), length);
            assert_eq!(
                gives_more,
                if matches!(packing, Compression::BROTLI(_)) { Err(1001) } else { Ok(()) },
                "{packing}"
            );
        }
        // 200 MiB, in 5 bytes.
        let page = [0x15, 0, 0x15, 0x80, 0x80, 0x80, 0xc8, 0x01, 0x15, 10, 0, 1, 2, 3, 4, 5];
        let schema = parse_message_type("message schema { required int32 n; }").expect("a schema");
        let column = SchemaDescriptor::new(Arc::new(schema)).column(0);
        let column = ColumnChunkMetaData::builder(column).set_total_compressed_size(page.len() as i64).build();
        let file = Bytes::copy_from_slice(&page);
        let checked = |length| check(&file, length, column.as_ref().expect("a column"));
        assert!(matches!(checked(1 << 10), Err(Fault::Oversized(209_715_200))));
        assert!(matches!(checked(1 << 20), Ok(())), "of a large file it may be true");
    }

    #[test]
    fn sizes_are_found_wherever_they_stand() {
        let bytes = [&HEADER_2[..], &[0, 7, 7]].concat();
        let (length, header) = parsed(&bytes).expect("a header");
        assert_eq!((length, header.unpacked, header.packed, header.levels), (14, 1000, 50, 6));
        assert!((0..14).all(|cut| parsed(&bytes[..cut]).is_none()), "a part is no header");
    }
}
