//! The protobuf wire format, as much of it as event files need.
//!
//! Enters: field numbers and values. Leaves: bytes; and back again, for reading own files.
//! Specification: <https://protobuf.dev/programming-guides/encoding/>.
//!
//! | bytes | what |
//! |---|---|
//! | varint | key = field number << 3 \| wire type |
//! | varint | wire type 0: an integer or a bool |
//! | 8 bytes LE | wire type 1: a double |
//! | varint n, n bytes | wire type 2: a string, bytes or a message |
//! | 4 bytes LE | wire type 5: a float |

const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const DELIMITED: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// A message under construction; fields appear in the order of the calls.
///
/// Every call writes its field, zero or not: what proto3 leaves out by default is for the
/// caller to leave out, because members of a `oneof` are written even where they are zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// A message without fields.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An integer, an enum or a bool. Negative numbers are passed as their two's complement.
    pub(crate) fn varint(mut self, field: u64, value: u64) -> Self {
        self.key(field, VARINT);
        put_varint(&mut self.0, value);
        self
    }

    /// A double.
    pub(crate) fn double(mut self, field: u64, value: f64) -> Self {
        self.key(field, EIGHT_BYTES);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A string or bytes.
    pub(crate) fn bytes(mut self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.key(field, DELIMITED);
        put_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A string, left out where it is empty.
    pub(crate) fn text(self, field: u64, value: &str) -> Self {
        if value.is_empty() { self } else { self.bytes(field, value) }
    }

    /// A message inside this one.
    pub(crate) fn message(self, field: u64, value: Self) -> Self {
        self.bytes(field, value.0)
    }

    /// The encoded message.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u64, wire_type: u64) {
        put_varint(&mut self.0, field << 3 | wire_type);
    }
}

/// The value of a field that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Double(f64),
    Bytes(&'a [u8]),
    Float(f32),
}

/// The fields of a message, in the order they stand; `None` where it breaks off or holds a wire
/// type that no message of an event file uses.
pub(crate) fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let value = match key & 7 {
            VARINT => Value::Varint(take_varint(&mut bytes)?),
            EIGHT_BYTES => Value::Double(f64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            DELIMITED => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            FOUR_BYTES => Value::Float(f32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?)),
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let byte = take(bytes, 1)?[0];
        let part = u64::from(byte & 0x7f);
        if place == 9 && part > 1 {
            return None; // a tenth byte has room for one bit of the 64
        }
        value |= part << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let inner = Message::new().text(1, "").text(2, "é");
        let bytes = Message::new().varint(1, u64::MAX).double(2, -0.0).message(16, inner).varint(300, 0).into_bytes();
        let read = fields(&bytes).expect("a whole message");
        let inner = "\u{12}\u{2}é".as_bytes();
        assert_eq!(
            read,
            [(1, Value::Varint(u64::MAX)), (2, Value::Double(0.0)), (16, Value::Bytes(inner)), (300, Value::Varint(0))]
        );
    }

    #[test]
    fn broken_messages_are_refused() {
        let whole = Message::new().varint(1, 300).double(2, 1.0).bytes(3, "text").into_bytes();
        let ends = [0, 3, 12, 18]; // where one field ends and the next begins
        for end in 0..=whole.len() {
            assert_eq!(fields(&whole[..end]).is_some(), ends.contains(&end), "cut at {end}");
        }
        assert_eq!(fields(&[0x0b]), None, "a group");
        assert_eq!(fields(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), None, "a length of 2^64");
        assert_eq!(
            fields(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
            None,
            "a number of 65 bits"
        );
    }
}
