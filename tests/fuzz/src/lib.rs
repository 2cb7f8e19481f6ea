//! Shared code of the fuzz targets: initialisation, the folder for malformed files, and the memory limit.
//!
//! `ci/fuzz.sh [SECONDS] [TARGET...]` builds and runs the targets (`targets/`). Each target passes the bytes of libFuzzer to a
//! reader through its public interface, and three conditions are checked: no panic, no run over ten seconds (`-timeout`, set by
//! the script), and no more memory than [`memory::limit`] allows. An error is a correct result, and the most frequent one.
//!
//! For a source that is a single file, the input is that file. For a source that is a folder, the first line of the input names
//! the file that the rest replaces; the other files are those of a fixture.

pub mod data;
pub mod fixtures;
pub mod memory;
pub mod source;

use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Initialises the process; this is the `init` of every target.
///
/// The crate of libFuzzer aborts in a panic hook, which also runs for panics that the program catches on purpose: the parsers
/// of tokenizers, HDF5 and Parquet panic on some corrupt files. Therefore the hook is replaced by one that only prints. A panic
/// that isn't caught still ends the process, since libFuzzer's entry point aborts on it.
pub fn begin() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}\n{}", std::backtrace::Backtrace::capture())));
}

/// Returns the folder for the files of this process: in memory if the system supports it, since each run writes files.
///
/// # Panics
/// If the folder can't be created.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("emberline-fuzz-");
        let shared = Path::new("/dev/shm");
        let made = if shared.is_dir() { builder.tempdir_in(shared) } else { builder.tempdir() };
        made.expect("a temporary folder can be made")
    };
    FOLDER.get_or_init(make).path()
}

/// Writes a file in [`folder`], and creates its parent folders.
///
/// # Panics
/// If the disk is full.
pub fn write(name: &str, bytes: &[u8]) {
    let path = folder().join(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).expect("a folder can be made");
    }
    std::fs::write(path, bytes).expect("the disk has room");
}

/// Splits an input into its first line and the rest; `None` if there is no line break, or the line isn't UTF-8.
pub fn first_line(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    Some((std::str::from_utf8(&input[..end]).ok()?, &input[end + 1..]))
}
