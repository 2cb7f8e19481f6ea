//! The memory that a run may take, counted where it is allocated.
//!
//! libFuzzer's own `-malloc_limit_mb` needs a sanitizer, which the stable toolchain lacks. This also counts what is held
//! at once, so that many allocations are seen too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whatever the input, an allocation may have this size.
const ALWAYS: usize = 64 << 20;
/// And this often the size of the input.
const TIMES: usize = 4;
/// All that is held may take so many times an allocation's limit.
const AT_ONCE: usize = 4;

static HELD: AtomicUsize = AtomicUsize::new(0);
/// The limits of an allocation and of all that is held.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);
static MOST_HELD: AtomicUsize = AtomicUsize::new(usize::MAX);

#[global_allocator]
static COUNTED: Counted = Counted;

/// Allows the run that begins now, on an input of `bytes`, allocations of four times that and 64 MiB.
pub fn limit(bytes: usize) {
    let most = ALWAYS + TIMES * bytes;
    MOST.store(most, Ordering::Relaxed);
    MOST_HELD.store(HELD.load(Ordering::Relaxed) + AT_ONCE * most, Ordering::Relaxed);
}

struct Counted;

#[expect(unsafe_code, reason = "an allocator is unsafe by its nature; this one counts and asks the system's")]
// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as asked of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as asked of this function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as asked of this function.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as asked of this function.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Counts an allocation, before it is made: one that is too large ends the process, and libFuzzer keeps the input.
fn take(size: usize) {
    let held = HELD.fetch_add(size, Ordering::Relaxed).saturating_add(size);
    if size > MOST.load(Ordering::Relaxed) || held > MOST_HELD.load(Ordering::Relaxed) {
        // What is told allocates too.
        MOST.store(usize::MAX, Ordering::Relaxed);
        MOST_HELD.store(usize::MAX, Ordering::Relaxed);
        eprintln!("out of memory: {size} bytes more make {held}\n{}", std::backtrace::Backtrace::force_capture());
        std::process::abort();
    }
}
