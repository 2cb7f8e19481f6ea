//! Reads fields of binary formats: little-endian numbers one after another, each with a name for messages.

use crate::error::Error;
use crate::query::Query;
use crate::stream::Stream;

/// Reads fields; every error says at which byte it occurred, and in which part.
pub(crate) struct Fields<'s> {
    pub(crate) stream: &'s mut Stream,
    /// Asked for permission before much is decoded.
    pub(crate) query: &'s dyn Query,
}

macro_rules! number {
    ($($name:ident: $type:ty),*) => {
        $(
            #[doc = concat!("The next `", stringify!($type), "`; `what` it is, for messages.")]
            pub(crate) fn $name(&mut self, what: &str) -> Result<$type, Error> {
                Ok(<$type>::from_le_bytes(self.array(what)?))
            }
        )*
    };
}

impl Fields<'_> {
    number!(u8: u8, u32: u32, i32: i32, u64: u64, i64: i64);

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.peek(N, what)?);
        self.stream.consume(N);
        Ok(bytes)
    }

    /// Returns the next `length` bytes without consuming them; they must fit into the window.
    pub(crate) fn peek(&mut self, length: usize, what: &str) -> Result<&[u8], Error> {
        if !self.stream.fill(length)? {
            return Err(self.cut_off(what));
        }
        Ok(&self.stream.window()[..length])
    }

    /// Skips `length` bytes.
    pub(crate) fn skip(&mut self, length: u64, what: &str) -> Result<(), Error> {
        self.check_left(Some(length), what)?;
        if self.stream.skip(length)? { Ok(()) } else { Err(self.cut_off(what)) }
    }

    /// Reads the next `count` floats.
    pub(crate) fn floats(&mut self, count: u64, what: &str) -> Result<Vec<f32>, Error> {
        self.check_left(count.checked_mul(4), what)?;
        let mut floats = Vec::new();
        let mut left = count;
        while left > 0 {
            let step = left.min(1 << 16) as usize;
            let bytes = self.peek(4 * step, what)?;
            floats.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            self.stream.consume(4 * step);
            left -= step as u64;
        }
        match floats.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(self.fault(format!("number {} of {what} isn't finite; the file is damaged", at + 1))),
            None => Ok(floats),
        }
    }

    /// Refuses a length that exceeds the rest of the file. `None`: it doesn't fit into 64 bits.
    pub(crate) fn check_left(&self, length: Option<u64>, what: &str) -> Result<(), Error> {
        let left = self.stream.left();
        match length {
            Some(length) if length <= left => Ok(()),
            _ => {
                let takes = length.map_or("more bytes than can be".to_owned(), |length| format!("{length} bytes"));
                let most = if self.stream.size_is_known() { "" } else { "at most " };
                Err(self.fault(format!(
                    "{what} would take {takes}, but {most}{left} follow: the file is cut off or damaged; download it again"
                )))
            }
        }
    }

    /// Refuses content after the last field.
    pub(crate) fn nothing_follows(&mut self) -> Result<(), Error> {
        if self.stream.fill(1)? {
            return Err(self.fault("more follows after the end of the model; the file is damaged"));
        }
        Ok(())
    }

    fn cut_off(&self, what: &str) -> Error {
        self.fault(format!("cut off in {what}: the download is incomplete; download it again"))
    }

    /// Returns an error at the current position.
    pub(crate) fn fault(&self, reason: impl AsRef<str>) -> Error {
        self.stream.format(format!("byte {}: {}", self.stream.offset(), reason.as_ref()))
    }
}
