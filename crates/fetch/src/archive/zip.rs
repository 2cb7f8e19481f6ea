//! Reads `.zip` archives (APPNOTE 6.3: stored or deflated members, zip64).
//!
//! The `zip` crate silently keeps only one of several members with the same name; the entry count in the end record of
//! the central directory reveals this.
//!
//! | end of the central directory | bytes |
//! |---|---|
//! | `50 4b 05 06` | 4 |
//! | numbers of disks | 2, 2 |
//! | entries on this disk, entries in all | 2, 2 (`ffff`: see the zip64 record) |
//! | the directory's size and offset | 4, 4 |
//! | the comment's length, the comment | 2, up to 65,535 |

use std::io::{Read, Seek, SeekFrom};

use zip::ZipArchive;
use zip::result::ZipError;

use super::Downloaded;
use super::member::{LimitedReader, MemberVisitor, NameChecker};
use crate::Error;

/// The length of the end record without its comment, in bytes.
const END_RECORD_BYTES: usize = 22;

impl Downloaded<'_> {
    /// Calls `each` with every file, in the order of the central directory.
    pub(super) fn visit_zip(&self, mut reader: impl Read + Seek, each: &mut MemberVisitor<'_>) -> Result<(), Error> {
        let stated = stated_entries(&mut reader).map_err(|e| self.damaged(&e))?;
        let mut archive = ZipArchive::new(reader).map_err(|e| self.zip_error(e))?;
        if stated.is_some_and(|count| count != archive.len()) {
            return Err(self.error("it names an entry twice"));
        }
        let mut names = NameChecker::new(self.limits.files);
        let mut remaining = self.unpacked_limit()?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|e| self.zip_error(e))?;
            let name = entry.name().to_owned();
            if entry.is_symlink() {
                return Err(self.error(format!("its entry {name:?} is a link, not a file or folder")));
            }
            let plain = names.check(&name).map_err(|reason| self.error(reason))?;
            if entry.is_dir() {
                continue;
            }
            if entry.size() > remaining {
                return Err(self.error(format!("it unpacks to more than {} bytes", self.unpacked_limit()?)));
            }
            let mut limited = LimitedReader::new(&mut entry, remaining);
            each(&plain, &mut limited)?;
            remaining = limited.remaining();
        }
        Ok(())
    }

    fn zip_error(&self, error: ZipError) -> Error {
        match error {
            ZipError::Io(error) => self.damaged(&error),
            ZipError::UnsupportedArchive(reason) => {
                self.error(format!("this kind of zip isn't supported ({reason}); unpack it by hand to `path`"))
            }
            error => self.error(format!("the archive can't be unpacked ({error})")),
        }
    }
}

/// Returns the number of entries that the end record states; none if only the zip64 record states it.
fn stated_entries(reader: &mut (impl Read + Seek)) -> std::io::Result<Option<usize>> {
    let length = reader.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub((END_RECORD_BYTES + usize::from(u16::MAX)) as u64);
    reader.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    reader.take(length - start).read_to_end(&mut tail)?;
    reader.seek(SeekFrom::Start(0))?;
    let record = tail.windows(END_RECORD_BYTES).rev().find(|bytes| bytes.starts_with(b"PK\x05\x06"));
    let entries = record.map(|bytes| u16::from_le_bytes([bytes[10], bytes[11]]));
    Ok(entries.filter(|&entries| entries != u16::MAX).map(usize::from))
}
