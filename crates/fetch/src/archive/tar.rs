//! Reads `.tar` and `.tar.gz` archives (POSIX 1003.1, ustar and pax; GNU long names).

use std::io::Read;

use tar::{Archive, EntryType};

use super::Downloaded;
use super::member::{MemberVisitor, NameChecker};
use crate::Error;

impl Downloaded<'_> {
    /// Calls `each` with every file, in the order of the archive.
    pub(super) fn visit_tar(&self, reader: impl Read, each: &mut MemberVisitor<'_>) -> Result<(), Error> {
        let mut archive = Archive::new(reader);
        let mut names = NameChecker::new(self.limits.files);
        let unpacked_limit = self.unpacked_limit()?;
        let mut total = 0_u64;
        for entry in archive.entries().map_err(|e| self.damaged(&e))? {
            let mut entry = entry.map_err(|e| self.damaged(&e))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            match entry.header().entry_type() {
                EntryType::XGlobalHeader => continue,
                EntryType::Directory => {
                    let mut folder_name = NameChecker::new(1);
                    folder_name.check(&name).or_else(accept_root).map_err(|reason| self.error(reason))?;
                    continue;
                }
                EntryType::Regular | EntryType::Continuous => {}
                kind => return Err(self.error(format!("its entry {name:?} is a {kind:?}, not a file or folder"))),
            }
            let name = names.check(&name).map_err(|reason| self.error(reason))?;
            total = total.saturating_add(entry.size());
            if total > unpacked_limit {
                return Err(self.error(format!("it unpacks to more than {unpacked_limit} bytes")));
            }
            let size = entry.size();
            let mut counted = CountingReader { inner: &mut entry, count: 0 };
            each(&name, &mut counted)?;
            if counted.count != 0 && counted.count != size {
                return Err(self.error(format!("it ends within {name:?}")));
            }
        }
        Ok(())
    }
}

/// Accepts `./`, the entry of the archive's root folder.
fn accept_root(reason: String) -> Result<String, String> {
    if reason.ends_with("without a name") { Ok(String::new()) } else { Err(reason) }
}

/// A reader that counts the bytes it has read.
struct CountingReader<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.count += read as u64;
        Ok(read)
    }
}
