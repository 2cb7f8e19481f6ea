//! The `emberline` program: arguments, terminal output and exit codes. Everything else is in the library crates.

mod args;
mod columns;
mod command;
mod download;
mod exit;
mod github;
mod layout;
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
    emberline_device::memory::set_memory_release(give_freed_memory_back);
    emberline_base::panics::report_panics(run)
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

/// Sets glibc's allocator to keep freed memory. Training allocates and frees the same large blocks at every step; by default, glibc
/// returns them to the system each time, which makes a step up to 2.7 times as slow. `M_TOP_PAD` is not raised: glibc would no
/// longer know that the memory it gets is zeroed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt has no safe form; it is called before any thread starts")]
fn keep_freed_memory() {
    // SAFETY: the process still has only one thread, and glibc documents both options.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// Returns freed memory to the system. It is called when memory runs short.
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
