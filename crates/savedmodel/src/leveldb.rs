//! The LevelDB table in which a checkpoint keeps its index: sorted keys and values.
//!
//! In: the bytes of `variables.index`. Out: its entries in ascending order of their keys, which are unique; and the
//! reverse. Follows LevelDB's `doc/table_format.md`.
//!
//! | part | content |
//! |---|---|
//! | last 48 bytes | handles of the metaindex and the index block (2 x 2 varints), zeros up to 40, magic `57 fb 80 8b 24 75 47 db` |
//! | handle | varint offset, varint size of a block without its trailer |
//! | block | entries, u32 restarts\[\], u32 count of restarts |
//! | trailer | compression (0 none, 1 snappy), u32 masked CRC-32C of block and compression byte |
//! | entry | varints shared, unshared, length; the unshared end of the key; the value |

pub use self::writer::table;

const FOOTER: usize = 48;
const MAGIC: [u8; 8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
const TRAILER: usize = 5;
/// The maximum length of a key; no variable has a longer name.
const MAX_KEY: usize = 1 << 14;
/// The maximum size of all blocks and keys after decompression: shared key prefixes and Snappy save a factor of ten,
/// but not more than this.
const MAX_UNPACKED: usize = 256 << 20;
const ALWAYS_UNPACKED: usize = 16 << 20;
const MAX_RATIO: usize = 64;

/// One key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Returns the masked form of a CRC-32C, which LevelDB and TensorFlow store: rotated right by 15 bits, plus
/// `0xa282ead8`. Example: `masked(0)` is `0xa282ead8`.
pub fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Returns whether content with this CRC-32C has the stored checksum. Under a fuzzer, which can't guess one, the
/// result is always true.
pub(crate) fn is_checksum(stored: u32, crc: u32) -> bool {
    cfg!(fuzzing) || stored == masked(crc)
}

/// Returns the entries of a table.
///
/// # Errors
/// What is wrong, with the byte offset.
pub fn entries(table: &[u8]) -> Result<Vec<Entry>, String> {
    let end = table.len().checked_sub(FOOTER).ok_or("too short for a checkpoint's index")?;
    let mut footer = &table[end..];
    if footer[40..] != MAGIC {
        return Err(format!(
            "byte {}: not the end of a checkpoint's index; the file is truncated or of another kind",
            end + 40
        ));
    }
    let _metaindex = handle(&mut footer)?;
    let index = handle(&mut footer)?;
    let mut budget = table.len().saturating_mul(MAX_RATIO).saturating_add(ALWAYS_UNPACKED).min(MAX_UNPACKED);
    let mut all: Vec<Entry> = Vec::new();
    let mut next = 0;
    for (_, value) in block(table, end, index, &mut budget)? {
        let at = handle(&mut value.as_slice())?;
        if at.0 < next {
            return Err(format!("byte {}: blocks overlap", at.0));
        }
        all.extend(block(table, end, at, &mut budget)?);
        next = at.0 + at.1;
    }
    match all.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        Some(pair) => Err(format!("the key {:?} is out of order", String::from_utf8_lossy(&pair[1].0))),
        None => Ok(all),
    }
}

/// Parses a varint of at most 64 bits: seven bits per byte, the lowest first, the top bit set in all bytes but the
/// last. Example: `ac 02` is 300.
pub(crate) fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or("a number is cut off")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number is too long".to_owned())
}

fn length(bytes: &mut &[u8]) -> Result<usize, String> {
    usize::try_from(varint(bytes)?).map_err(|_| "a length is too large".to_owned())
}

fn handle(bytes: &mut &[u8]) -> Result<(usize, usize), String> {
    Ok((length(bytes)?, length(bytes)?))
}

/// Returns the entries of the block at `(offset, size)`, whose trailer must end before `end`.
fn block(table: &[u8], end: usize, at: (usize, usize), budget: &mut usize) -> Result<Vec<Entry>, String> {
    let (offset, size) = at;
    let fault = |reason: &str| format!("byte {offset}: {reason}");
    let stop = offset.checked_add(size).and_then(|s| s.checked_add(TRAILER)).filter(|&s| s <= end);
    let stored = &table[offset..stop.ok_or_else(|| fault("a block reaches beyond the file"))?];
    let (body, trailer) = stored.split_at(size);
    let crc = u32::from_le_bytes([trailer[1], trailer[2], trailer[3], trailer[4]]);
    if !is_checksum(crc, crc32c::crc32c(&stored[..=size])) {
        return Err(fault("a block's checksum doesn't match; the file is damaged, get it again"));
    }
    let mut spend = |bytes: usize| -> Result<(), String> {
        *budget = budget.checked_sub(bytes).ok_or_else(|| fault("unpacks to too many bytes"))?;
        Ok(())
    };
    match trailer[0] {
        0 => block_entries(body, &mut spend).map_err(|e| fault(&e)),
        1 => {
            spend(snap::raw::decompress_len(body).map_err(|e| fault(&e.to_string()))?)?;
            let unpacked = snap::raw::Decoder::new().decompress_vec(body).map_err(|e| fault(&e.to_string()))?;
            block_entries(&unpacked, &mut spend).map_err(|e| fault(&e))
        }
        kind => Err(fault(&format!("unknown compression {kind}"))),
    }
}

fn block_entries(body: &[u8], spend: &mut dyn FnMut(usize) -> Result<(), String>) -> Result<Vec<Entry>, String> {
    let Some((rest, count)) = body.split_last_chunk::<4>() else {
        return Err("a block without restarts".to_owned());
    };
    let restarts = (u32::from_le_bytes(*count) as usize).checked_mul(4);
    let Some(mut rest) = restarts.and_then(|r| rest.len().checked_sub(r)).map(|len| &rest[..len]) else {
        return Err("a block's restarts don't fit it".to_owned());
    };
    let mut entries: Vec<Entry> = Vec::new();
    while !rest.is_empty() {
        let (shared, unshared, value) = (length(&mut rest)?, length(&mut rest)?, length(&mut rest)?);
        let previous = entries.last().map_or(&[][..], |(key, _)| key);
        if shared > previous.len() {
            return Err("a key shares more than its predecessor has".to_owned());
        }
        if unshared.checked_add(value).is_none_or(|len| len > rest.len()) || shared + unshared > MAX_KEY {
            return Err("an entry is cut off".to_owned());
        }
        spend(shared + unshared + value)?;
        let key = [&previous[..shared], &rest[..unshared]].concat();
        entries.push((key, rest[unshared..unshared + value].to_vec()));
        rest = &rest[unshared + value..];
    }
    Ok(entries)
}

/// Writes tables as LevelDB does: keys are prefix-compressed within a block.
mod writer {
    use super::{Entry, MAGIC, masked};

    pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    pub(super) fn push_block(out: &mut Vec<u8>, entries: &[Entry], snappy: bool) -> Vec<u8> {
        let mut body = Vec::new();
        let mut previous: &[u8] = b"";
        for (key, value) in entries {
            let shared = key.iter().zip(previous).take_while(|(a, b)| a == b).count();
            for number in [shared, key.len() - shared, value.len()] {
                push_varint(&mut body, number as u64);
            }
            body.extend_from_slice(&key[shared..]);
            body.extend_from_slice(value);
            previous = key;
        }
        body.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
        if snappy {
            body = snap::raw::Encoder::new().compress_vec(&body).expect("three entries are smaller than 4 GiB");
        }
        let mut handle = Vec::new();
        push_varint(&mut handle, out.len() as u64);
        push_varint(&mut handle, body.len() as u64);
        body.push(u8::from(snappy));
        let crc = masked(crc32c::crc32c(&body));
        out.extend_from_slice(&body);
        out.extend_from_slice(&crc.to_le_bytes());
        handle
    }

    /// Returns the bytes of a table with these entries, whose keys must ascend; there are three entries per block,
    /// and each block is compressed with Snappy if `snappy` is set.
    pub fn table(entries: &[Entry], snappy: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut index = Vec::new();
        for group in entries.chunks(3) {
            let handle = push_block(&mut out, group, snappy);
            index.push((group[group.len() - 1].0.clone(), handle));
        }
        let meta = push_block(&mut out, &[], false);
        let index = push_block(&mut out, &index, false);
        let mut footer = [meta, index].concat();
        footer.resize(40, 0);
        out.extend_from_slice(&footer);
        out.extend_from_slice(&MAGIC);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Entry> {
        (0..20).map(|i| (format!("layer/{i:02}/kernel").into_bytes(), vec![i; 40])).collect()
    }

    #[test]
    fn masks_are_those_of_leveldb() {
        assert_eq!(masked(crc32c::crc32c(b"")), 0xa282_ead8);
        assert_eq!(masked(crc32c::crc32c(b"123456789")), 0xc78a_b0e5);
    }

    #[test]
    fn what_is_written_is_read() {
        for snappy in [false, true] {
            assert_eq!(entries(&writer::table(&sample(), snappy)).expect("read"), sample());
        }
    }

    #[test]
    fn truncated_or_flipped_tables_are_refused() {
        for snappy in [false, true] {
            let whole = writer::table(&sample(), snappy);
            for len in 0..whole.len() {
                entries(&whole[..len]).expect_err("truncated");
            }
            for bit in 0..whole.len() * 8 {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                if let Ok(read) = entries(&flipped) {
                    assert_eq!(read, sample(), "bit {bit}");
                }
            }
        }
    }

    /// Damage that checksums don't detect: blocks that were written wrongly.
    #[test]
    fn no_block_makes_it_panic_or_spend_too_much() {
        let whole = writer::table(&sample()[..3], false);
        let body = &whole[..whole.windows(8).position(|w| w == [0, 0, 0, 0, 1, 0, 0, 0]).expect("restarts") + 8];
        let read = |body: &[u8]| {
            let mut budget = 1000_usize;
            block_entries(body, &mut |bytes| {
                budget = budget.checked_sub(bytes).ok_or("too many")?;
                Ok(())
            })
        };
        assert_eq!(read(body).expect("read"), sample()[..3]);
        for bit in 0..body.len() * 8 {
            let mut flipped = body.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let unpacked = read(&flipped).unwrap_or_default();
            assert!(unpacked.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() <= 1000, "bit {bit}");
        }
    }

    /// An index block with a block offset so large that the block's end overflows 64 bits.
    #[test]
    fn a_block_beyond_all_numbers_is_refused() {
        let mut handle = vec![0xff; 9];
        handle.extend([1, 1]);
        let mut out = Vec::new();
        let index = writer::push_block(&mut out, &[(b"a".to_vec(), handle)], false);
        let mut footer = [[0, 0].to_vec(), index].concat();
        footer.resize(40, 0);
        out.extend_from_slice(&footer);
        out.extend_from_slice(&MAGIC);
        assert!(entries(&out).expect_err("beyond").contains("reaches beyond the file"));
    }

    /// Keys that share everything with their predecessors: 3 bytes for a key of 16 KiB.
    #[test]
    fn a_table_does_not_unpack_to_a_multiple_of_its_size() {
        let mut body = [&[0, 0x80, 0x80, 0x01, 0][..], &vec![b'k'; 1 << 14]].concat();
        for _ in 0..1 << 14 {
            body.extend([0x80, 0x80, 0x01, 0, 0]);
        }
        body.extend(ONE_RESTART);
        assert!(entries(&around(body, 0)).expect_err("256 MiB").contains("unpacks to too many bytes"));
    }

    /// The end of a block with a single run of entries.
    const ONE_RESTART: [u8; 8] = [0, 0, 0, 0, 1, 0, 0, 0];

    /// Returns a table of this one block, with a correct checksum.
    fn around(mut body: Vec<u8>, compression: u8) -> Vec<u8> {
        let mut handle = vec![0];
        writer::push_varint(&mut handle, body.len() as u64);
        body.push(compression);
        let crc = masked(crc32c::crc32c(&body));
        body.extend(crc.to_le_bytes());
        let index = writer::push_block(&mut body, &[(b"l".to_vec(), handle)], false);
        let mut footer = [[0, 0].to_vec(), index].concat();
        footer.resize(40, 0);
        body.extend_from_slice(&footer);
        body.extend_from_slice(&MAGIC);
        body
    }

    #[test]
    fn a_block_that_contradicts_itself_is_refused() {
        let with_restart = |body: &[u8]| [body, &ONE_RESTART].concat();
        for (message, body, compression) in [
            ("shares more than its predecessor has", with_restart(&[1, 0, 0]), 0),
            ("shares more than its predecessor has", with_restart(&[0, 1, 0, b'a', 2, 0, 0]), 0),
            ("an entry is cut off", with_restart(&[0, 5, 0]), 0),
            ("an entry is cut off", with_restart(&[0, 1, 0x7f, b'a']), 0),
            ("restarts don't fit", vec![0, 0, 0, 0, 2, 0, 0, 0], 0),
            ("restarts don't fit", vec![0xff; 8], 0),
            ("without restarts", vec![1, 0, 0], 0),
            ("unknown compression", with_restart(&[]), 2),
            // Snappy data that announces 1 GiB.
            ("unpacks to too many bytes", vec![0x80, 0x80, 0x80, 0x80, 4, 0, b'x'], 1),
        ] {
            let error = entries(&around(body, compression)).expect_err(message);
            assert!(error.contains(message), "expected {message:?}: {error}");
        }
    }

    #[test]
    fn keys_out_of_order_are_refused() {
        let mut unsorted = sample();
        unsorted.swap(0, 1);
        entries(&writer::table(&unsorted, false)).expect_err("unsorted");
    }
}
