//! `.zip` (APPNOTE 6.3: stored or deflated members, zip64).
//!
//! The reader behind this keeps one member of each name in silence; the directory's own count of entries tells.
//!
//! | end of the central directory | bytes |
//! |---|---|
//! | `50 4b 05 06` | 4 |
//! | numbers of disks | 2, 2 |
//! | entries on this disk, entries in all | 2, 2 (`ffff`: the zip64 record tells) |
//! | the directory's size and offset | 4, 4 |
//! | the comment's length, the comment | 2, up to 65,535 |

use std::io::{Read, Seek, SeekFrom};

use zip::ZipArchive;
use zip::result::ZipError;

use super::Arrived;
use super::member::{Capped, Each, Names};
use crate::Error;

/// The record without its comment.
const END: usize = 22;

impl Arrived<'_> {
    /// Hands every file to `each`, in the directory's order.
    pub(super) fn visit_zip(&self, mut reader: impl Read + Seek, each: &mut Each<'_>) -> Result<(), Error> {
        let counted = count(&mut reader).map_err(|e| self.damaged(&e))?;
        let mut archive = ZipArchive::new(reader).map_err(|e| self.unzipped(e))?;
        if counted.is_some_and(|count| count != archive.len()) {
            return Err(self.fault("it names an entry twice"));
        }
        let mut names = Names::new(self.limits.files);
        let mut left = self.cap()?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|e| self.unzipped(e))?;
            let name = entry.name().to_owned();
            if entry.is_symlink() {
                return Err(self.fault(format!("its entry {name:?} is a link, not a file or folder")));
            }
            let plain = names.check(&name).map_err(|reason| self.fault(reason))?;
            if entry.is_dir() {
                continue;
            }
            if entry.size() > left {
                return Err(self.fault(format!("it unpacks to more than {} bytes", self.cap()?)));
            }
            let mut capped = Capped::new(&mut entry, left);
            each(&plain, &mut capped)?;
            left = capped.left();
        }
        Ok(())
    }

    fn unzipped(&self, error: ZipError) -> Error {
        match error {
            ZipError::Io(error) => self.damaged(&error),
            ZipError::UnsupportedArchive(reason) => {
                self.fault(format!("this kind of zip can't be unpacked ({reason}); unpack it by hand to `path`"))
            }
            error => self.fault(format!("the archive can't be unpacked ({error})")),
        }
    }
}

/// How many entries the directory says it has; none where the zip64 record says it.
fn count(reader: &mut (impl Read + Seek)) -> std::io::Result<Option<usize>> {
    let length = reader.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub((END + usize::from(u16::MAX)) as u64);
    reader.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    reader.take(length - start).read_to_end(&mut tail)?;
    reader.seek(SeekFrom::Start(0))?;
    let record = tail.windows(END).rev().find(|bytes| bytes.starts_with(b"PK\x05\x06"));
    let entries = record.map(|bytes| u16::from_le_bytes([bytes[10], bytes[11]]));
    Ok(entries.filter(|&entries| entries != u16::MAX).map(usize::from))
}
