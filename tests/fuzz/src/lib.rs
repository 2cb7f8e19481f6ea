//! What the fuzz targets share: the start, the folder that hostile files lie in, and the limits that a run must keep.
//!
//! `ci/fuzz.sh [SECONDS] [TARGET...]` builds and runs the targets (`targets/`). Each hands bytes of libFuzzer's to a
//! reader through its public interface and asks three things: no panic, no run over ten seconds (`-timeout`, set by the
//! script), and no more memory than [`memory::limit`] allows. A file that is refused is what most runs end with.
//!
//! Inputs of sources that are one file are that file. Inputs of sources that are folders begin with a line that names the
//! file which they replace; the other files are those of a fixture.

pub mod data;
pub mod fixtures;
pub mod memory;
pub mod source;

use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Makes the process ready; every target's `init`.
///
/// libFuzzer's crate aborts from a panic hook, which also runs for panics that the program catches on purpose: the
/// parsers of tokenizers, HDF5 and Parquet panic on some damaged files, and are fenced. So the hook is replaced by one
/// that only speaks. A panic that nobody catches still ends the process: libFuzzer's entry point aborts on it.
pub fn begin() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}\n{}", std::backtrace::Backtrace::capture())));
}

/// The folder of this process's files: in memory where the system has such a place, since each run writes some.
///
/// # Panics
/// When it can't be made.
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

/// Writes a file below [`folder`].
///
/// # Panics
/// When the disk is full.
pub fn write(name: &str, bytes: &[u8]) {
    let path = folder().join(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).expect("a folder can be made");
    }
    std::fs::write(path, bytes).expect("the disk has room");
}

/// An input's first line and the rest.
pub fn first_line(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    Some((std::str::from_utf8(&input[..end]).ok()?, &input[end + 1..]))
}
