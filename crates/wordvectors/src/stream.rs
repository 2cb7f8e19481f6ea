//! Reads a file in one pass, plain or gzipped: a window of bytes moves over the content while the file's SHA-256 is
//! computed.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// The maximum size of the window: more than the longest row.
const WINDOW: usize = 1 << 22;
/// The maximum ratio of a gzip file's content to its size (a deflate match of 258 bytes takes 2 bits).
const MAX_GZIP_RATIO: u64 = 1032;

/// The content of a file, from start to end.
pub(crate) struct Stream {
    path: PathBuf,
    decoder: Decoder,
    /// An upper bound of the content's size in bytes.
    limit: u64,
    window: Box<[u8]>,
    start: usize,
    end: usize,
    /// The position of `start` in the content.
    offset: u64,
    at_end: bool,
}

impl Stream {
    /// Returns a file at its start; `path` is the name in messages.
    pub(crate) fn new(path: &Path, file: File) -> Result<Self, Error> {
        let unreadable = |source| Error::File { path: path.to_owned(), source };
        let length = file.metadata().map_err(unreadable)?.len();
        let (decoder, limit) = Decoder::new(file, length).map_err(unreadable)?;
        // One byte more than the content, so that its end is noticed.
        let window = vec![0; limit.saturating_add(1).min(WINDOW as u64) as usize].into_boxed_slice();
        Ok(Self { path: path.to_owned(), decoder, limit, window, start: 0, end: 0, offset: 0, at_end: false })
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns an upper bound of the size of the whole content in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns whether `limit` is the content's exact size.
    pub(crate) fn size_is_known(&self) -> bool {
        matches!(self.decoder, Decoder::Plain(_))
    }

    /// Returns the bytes that were read and not consumed.
    pub(crate) fn window(&self) -> &[u8] {
        &self.window[self.start..self.end]
    }

    /// Returns the position of the window's first byte in the content (after decompression).
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Consumes the first `length` bytes of the window.
    pub(crate) fn consume(&mut self, length: usize) {
        debug_assert!(length <= self.end - self.start);
        self.start += length;
        self.offset += length as u64;
    }

    /// Brings `length` bytes into the window; returns false if the content ends before.
    pub(crate) fn fill(&mut self, length: usize) -> Result<bool, Error> {
        while self.end - self.start < length && self.read_more()? {}
        Ok(self.end - self.start >= length)
    }

    /// Skips `length` bytes of content; returns false if it ends before.
    pub(crate) fn skip(&mut self, mut length: u64) -> Result<bool, Error> {
        while length > 0 {
            if self.start == self.end && !self.read_more()? {
                return Ok(false);
            }
            let step = length.min((self.end - self.start) as u64);
            self.consume(step as usize);
            length -= step;
        }
        Ok(true)
    }

    /// Returns an upper bound of the number of remaining bytes.
    pub(crate) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.offset)
    }

    /// Returns the distance of the next `byte` from the window's start, which must be less than `cap`; `None` if it
    /// doesn't occur within the cap or the content.
    pub(crate) fn find(&mut self, byte: u8, cap: usize) -> Result<Option<usize>, Error> {
        let mut searched = 0;
        loop {
            let window = self.window();
            let within = window.len().min(cap);
            if let Some(at) = memchr::memchr(byte, &window[searched..within]) {
                return Ok(Some(searched + at));
            }
            searched = within;
            if searched == cap || !self.read_more()? {
                return Ok(None);
            }
        }
    }

    /// Reads once; returns false at the end of the content, or if the window is full.
    fn read_more(&mut self) -> Result<bool, Error> {
        if self.at_end {
            return Ok(false);
        }
        if self.end == self.window.len() {
            self.window.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        match self.decoder.read(&mut self.window[self.end..]) {
            Ok(read) => {
                self.at_end = read == 0 && self.end < self.window.len();
                self.end += read;
                Ok(read > 0)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Returns the error of a failed read: a damaged gzip file, or an error of the device.
    fn fault(&self, error: io::Error) -> Error {
        let at = self.offset + (self.end - self.start) as u64;
        match (&self.decoder, error.kind()) {
            (Decoder::Gzip(_), io::ErrorKind::UnexpectedEof) => {
                self.format(format!("the gzip file is cut off after {at} bytes of content; download it again"))
            }
            (Decoder::Gzip(_), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => self
                .format(format!("the gzip file is damaged after {at} bytes of content ({error}); download it again")),
            _ => Error::File { path: self.path.clone(), source: error },
        }
    }

    /// Returns an error about this file's content.
    pub(crate) fn format(&self, reason: impl Into<String>) -> Error {
        Error::format(&self.path, reason)
    }

    /// Reads the rest and returns the SHA-256 of the file as it is on the disk.
    pub(crate) fn finish(self) -> Result<String, Error> {
        self.decoder.into_sha256().map_err(|source| Error::File { path: self.path, source })
    }
}

/// A file's bytes, hashed while they are read.
struct HashingReader {
    file: File,
    /// Bytes that were read to recognise gzip, which come before the rest of the file.
    head: io::Cursor<Vec<u8>>,
    hash: Sha256,
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.head.read(buffer)? {
            0 => self.file.read(buffer)?,
            read => read,
        };
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

enum Decoder {
    Plain(HashingReader),
    Gzip(Box<MultiGzDecoder<BufReader<HashingReader>>>),
}

impl Decoder {
    /// Recognises gzip by the first two bytes. Also returns an upper bound of the content's size.
    fn new(mut file: File, length: u64) -> io::Result<(Self, u64)> {
        let mut head = Vec::new();
        (&mut file).take(2).read_to_end(&mut head)?;
        let gzip = head == [0x1f, 0x8b];
        let hashed = HashingReader { file, head: io::Cursor::new(head), hash: Sha256::new() };
        if !gzip {
            return Ok((Self::Plain(hashed), length));
        }
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(1 << 18, hashed));
        Ok((Self::Gzip(Box::new(decoder)), length.saturating_mul(MAX_GZIP_RATIO)))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
        }
    }

    fn into_sha256(self) -> io::Result<String> {
        let mut hashed = match self {
            Self::Plain(hashed) => hashed,
            Self::Gzip(decoder) => decoder.into_inner().into_inner(),
        };
        io::copy(&mut hashed, &mut io::sink())?;
        Ok(hashed.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
