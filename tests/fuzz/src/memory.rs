//! Limits the memory of a run by a counting allocator.
//!
//! libFuzzer's own `-malloc_limit_mb` needs a sanitizer, which the stable toolchain lacks. This allocator limits the total
//! memory as well, so that many small allocations are detected too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Maximum size of an allocation in bytes for an empty input.
const BASE_LIMIT: usize = 64 << 20;
/// Additional bytes of an allocation per byte of the input.
const BYTES_PER_INPUT_BYTE: usize = 4;
/// Maximum total memory, as a multiple of the maximum size of an allocation.
const TOTAL_FACTOR: usize = 4;

/// Bytes that are allocated now.
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
/// Maximum size of a single allocation in bytes.
static MAX_SIZE: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Maximum of [`ALLOCATED`].
static MAX_ALLOCATED: AtomicUsize = AtomicUsize::new(usize::MAX);

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Sets the limits for a run on an input of `bytes` bytes: an allocation may have 64 MiB and four times the size of the input,
/// and all allocations of the run together four times as much.
pub fn limit(bytes: usize) {
    let size = BASE_LIMIT + BYTES_PER_INPUT_BYTE * bytes;
    MAX_SIZE.store(size, Ordering::Relaxed);
    MAX_ALLOCATED.store(ALLOCATED.load(Ordering::Relaxed) + TOTAL_FACTOR * size, Ordering::Relaxed);
}

struct CountingAllocator;

#[expect(unsafe_code, reason = "the trait of allocators is unsafe; this one counts and calls the system's allocator")]
// SAFETY: every call is passed unchanged to the system's allocator.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller guarantees the same conditions for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller guarantees the same conditions for this function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller guarantees the same conditions for this function.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller guarantees the same conditions for this function.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Counts an allocation before it is made. If it exceeds a limit, the process is aborted, and libFuzzer keeps the input.
fn count(size: usize) {
    let allocated = ALLOCATED.fetch_add(size, Ordering::Relaxed).saturating_add(size);
    if size > MAX_SIZE.load(Ordering::Relaxed) || allocated > MAX_ALLOCATED.load(Ordering::Relaxed) {
        // Printing the message allocates too.
        MAX_SIZE.store(usize::MAX, Ordering::Relaxed);
        MAX_ALLOCATED.store(usize::MAX, Ordering::Relaxed);
        let backtrace = std::backtrace::Backtrace::force_capture();
        eprintln!("out of memory: an allocation of {size} bytes makes {allocated} bytes in total\n{backtrace}");
        std::process::abort();
    }
}
