//! The frame around each event: its length and two checksums (TFRecord).
//!
//! The bytes of one event enter; a record leaves. The reverse is for reading. Specification:
//! `tensorflow/core/lib/io/record_writer.h`.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | n, the length of the data, u64 LE |
//! | 4 | masked crc32c of those 8 bytes, u32 LE |
//! | n | the data |
//! | 4 | masked crc32c of the data, u32 LE |
//!
//! Masked: rotated right by 15 bits, plus 0xa282ead8, so that the checksum of data that contain checksums stays
//! strong. Example: the masked form of 0 is 0xa282ead8.

/// Why a record can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The file ends inside a record: its writer was stopped, or is still writing.
    #[error("the record at byte {offset} breaks off at the end of the file")]
    Truncated {
        /// Where the record begins.
        offset: usize,
    },
    /// The length or the data don't match their checksum.
    #[error("the checksum of the record at byte {offset} is wrong: the file is damaged")]
    Checksum {
        /// Where the record begins.
        offset: usize,
    },
}

/// Appends `data` to `file` as one record.
pub fn push_record(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    file.extend_from_slice(&length);
    file.extend_from_slice(&masked_crc(&length).to_le_bytes());
    file.extend_from_slice(data);
    file.extend_from_slice(&masked_crc(data).to_le_bytes());
}

/// Returns the data of each record of a file, in order. The iteration ends after the first error.
pub fn records(file: &[u8]) -> Records<'_> {
    Records { file, offset: 0 }
}

/// An iterator over the records of a file, see [`records`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    file: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<&'a [u8], RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.file.get(self.offset..).filter(|rest| !rest.is_empty())?;
        match split(rest, self.offset) {
            Ok((data, size)) => {
                self.offset += size;
                Some(Ok(data))
            }
            Err(error) => {
                self.offset = self.file.len();
                Some(Err(error))
            }
        }
    }
}

/// Splits off the first record of `rest`; returns its data, and the length of the record in bytes.
fn split(rest: &[u8], offset: usize) -> Result<(&[u8], usize), RecordError> {
    let truncated = RecordError::Truncated { offset };
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(truncated)?;
    let (crc, rest) = rest.split_first_chunk::<4>().ok_or(truncated)?;
    if masked_crc(length) != u32::from_le_bytes(*crc) {
        return Err(RecordError::Checksum { offset });
    }
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| truncated)?;
    let (data, rest) = rest.split_at_checked(length).ok_or(truncated)?;
    let crc = rest.first_chunk::<4>().ok_or(truncated)?;
    if masked_crc(data) != u32::from_le_bytes(*crc) {
        return Err(RecordError::Checksum { offset });
    }
    Ok((data, 8 + 4 + length + 4))
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<u8> {
        let mut file = Vec::new();
        for data in ["one", "", "three"] {
            push_record(&mut file, data.as_bytes());
        }
        file
    }

    #[test]
    fn records_read_back() {
        let file = three();
        let read: Result<Vec<_>, _> = records(&file).collect();
        assert_eq!(read, Ok(vec![&b"one"[..], b"", b"three"]));
        assert_eq!(records(b"").next(), None);
    }

    #[test]
    fn the_frame_is_tensorflows() {
        // The first record of a file that TensorFlow 2.21 wrote, at wall time 1795423357.
        let mut data = vec![0x09];
        data.extend_from_slice(&1_795_423_357.0_f64.to_le_bytes());
        data.extend_from_slice(b"\x1a\x0dbrain.Event:2R$\x0a\x22tensorflow.core.util.events_writer");
        let mut file = Vec::new();
        push_record(&mut file, &data);
        assert_eq!(file[..12], [0x3e, 0, 0, 0, 0, 0, 0, 0, 0xd9, 0xd2, 0x40, 0xe7]);
        assert_eq!(file[12 + data.len()..], [0xfe, 0xa1, 0x32, 0x9f]);
    }

    #[test]
    fn a_truncated_tail_is_told_from_damage() {
        let file = three();
        let starts = [0, 19, 35];
        for end in 0..file.len() {
            let offset = starts.iter().copied().rfind(|&s| s <= end).expect("0 is a start");
            let expected = (end != offset).then_some(Err(RecordError::Truncated { offset }));
            assert_eq!(records(&file[..end]).find(Result::is_err), expected, "cut at {end}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for bit in 0..three().len() * 8 {
            let mut file = three();
            file[bit / 8] ^= 1 << (bit % 8);
            let offset = [0, 19, 35].into_iter().rfind(|&s| s <= bit / 8).expect("0 is a start");
            assert_eq!(records(&file).find(Result::is_err), Some(Err(RecordError::Checksum { offset })), "bit {bit}");
        }
    }
}
