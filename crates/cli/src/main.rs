//! `emberline`: arguments, terminal and exit codes; everything else is in the library crates.

mod args;
mod command;
mod download;
mod exit;
mod predictions;
mod progress;
mod signals;
mod terminal;
mod texts;
mod threads;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    keep_freed_memory();
    emberline_device::memory::give_back_by(give_freed_memory_back);
    emberline_base::fence::report_panics(run)
}

fn run() -> ExitCode {
    let arguments = args::Arguments::parse();
    let ended = threads::start_pool().map_err(exit::Error::Threads).and_then(|()| {
        signals::listen();
        command::run(arguments.command)
    });
    match ended {
        Ok(code) => code.into(),
        Err(error) => {
            terminal::error(&error);
            error.code().into()
        }
    }
}

/// Training allocates and frees the same large blocks at every step. glibc gives them back to the
/// system each time unless told not to, which makes a step up to 2.7 times as slow. It isn't told to
/// take more at once than is asked for: it would no longer know that what it took is zeros.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt has no safe form; it is called before any thread starts")]
fn keep_freed_memory() {
    // SAFETY: the process has one thread yet, and the options are ones that glibc documents.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// What was freed is given back to the system after all, where memory lacks.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "malloc_trim has no safe form")]
fn give_freed_memory_back() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_memory() {}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_freed_memory_back() {}
