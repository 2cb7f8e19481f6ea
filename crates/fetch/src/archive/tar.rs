//! `.tar` and `.tar.gz` (POSIX 1003.1, ustar and pax; GNU's long names).

use std::io::Read;

use tar::{Archive, EntryType};

use super::Arrived;
use super::member::{Each, Names};
use crate::Error;

impl Arrived<'_> {
    /// Hands every file to `each`, in the archive's order.
    pub(super) fn visit_tar(&self, reader: impl Read, each: &mut Each<'_>) -> Result<(), Error> {
        let mut archive = Archive::new(reader);
        let mut names = Names::new(self.limits.files);
        let cap = self.cap()?;
        let mut total = 0_u64;
        for entry in archive.entries().map_err(|e| self.damaged(&e))? {
            let mut entry = entry.map_err(|e| self.damaged(&e))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            match entry.header().entry_type() {
                EntryType::XGlobalHeader => continue,
                EntryType::Directory => {
                    let mut apart = Names::new(1);
                    apart.check(&name).or_else(of_root).map_err(|reason| self.fault(reason))?;
                    continue;
                }
                EntryType::Regular | EntryType::Continuous => {}
                kind => return Err(self.fault(format!("its entry {name:?} is a {kind:?}, not a file or folder"))),
            }
            let name = names.check(&name).map_err(|reason| self.fault(reason))?;
            total = total.saturating_add(entry.size());
            if total > cap {
                return Err(self.fault(format!("it unpacks to more than {cap} bytes")));
            }
            let size = entry.size();
            let mut counted = Counted { inner: &mut entry, count: 0 };
            each(&name, &mut counted)?;
            if counted.count != 0 && counted.count != size {
                return Err(self.fault(format!("it ends within {name:?}")));
            }
        }
        Ok(())
    }
}

/// `./` is the archive's own folder.
fn of_root(reason: String) -> Result<String, String> {
    if reason.ends_with("without a name") { Ok(String::new()) } else { Err(reason) }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.count += read as u64;
        Ok(read)
    }
}
