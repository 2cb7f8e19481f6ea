//! Settings with hundreds of thousands of faults: time and memory grow linearly with the text, and little is shown.
//!
//! The limits are those of `ci/fuzz.sh`: 64 MiB and four times the input, here for all memory that is allocated at
//! once. Memory that is only reserved counts as well, so a real process takes less.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use emberline_pipeline::{Lock, Pipeline};

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTED: Counted = Counted;

struct Counted;

#[expect(unsafe_code, reason = "an allocator is unsafe by its nature; this one counts and asks the system's")]
// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as asked of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as asked of this function.
        unsafe { System.dealloc(block, layout) }
    }
}

fn take(size: usize) {
    let held = HELD.fetch_add(size, Ordering::Relaxed) + size;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

const SOUND: &str =
    "name = \"t\"\n[data]\npath = \"d.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.h.hashing]\ndim = 8\n";

/// Repeats numbered pieces until the text has this many bytes.
fn pieces(bytes: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(bytes + 64);
    (0..)
        .map(piece)
        .take_while(|piece| {
            text.push_str(piece);
            text.len() < bytes
        })
        .count();
    text
}

/// Returns files of about this many bytes, with a fault in each of their pieces.
fn files(bytes: usize) -> Vec<(&'static str, String)> {
    let list = |above: &str, piece: &'static str| format!("{SOUND}{above}[{}]\n", pieces(bytes, |_| piece.to_owned()));
    let numbered = |before: &str, piece: fn(usize) -> String| format!("{SOUND}{before}{}", pieces(bytes, piece));
    vec![
        ("syntax, one line", list("[grid]\nseed = ", "x,")),
        ("syntax, one a line", numbered("", |_| "x\n".into())),
        ("leading zeros", list("[grid]\nseed = ", "03,")),
        ("a key twice", numbered("", |_| "a=1\n".into())),
        ("keys, one a line", numbered("", |n| format!("k{n}=1\n"))),
        ("keys, inline", format!("{SOUND}[train]\noptimizer={{adam={{{}}}}}", pieces(bytes, |n| format!("k{n}=1,")))),
        ("tables", numbered("", |n| format!("[k{n}]\n"))),
        ("tables within", numbered("", |n| format!("[k{n}.b]\n"))),
        ("lists of tables", numbered("", |_| "[[head.layers]]\n".into())),
        ("items", list("[head]\nlayers = ", "[],")),
        ("tables inline", list("[head]\nlayers = ", "{dropout=9},")),
        ("empty tables", list("[head]\nlayers = ", "{},")),
        ("embeddings", numbered("", |n| format!("[embedding.n{n}.hashing]\ndim=0\n"))),
        ("names", numbered("", |n| format!("[embedding.\"n {n}\".hashing]\n"))),
        ("kinds", numbered("", |n| format!("[embedding.n{n}.hashingg]\n"))),
        ("values of an axis", list("[grid]\n\"train.epochs\" = ", "\"x\",")),
        ("equal values of an axis", list("[grid]\nseed = ", "1,")),
        ("axes", numbered("[grid]\n", |n| format!("k{n}=[1]\n"))),
        ("axes that are no lists", numbered("[grid]\n", |n| format!("k{n}=1\n"))),
        ("unknown embeddings", format!("{SOUND}[grid]\nembedding=[{}]", pieces(bytes, |n| format!("\"h{n}\",")))),
        ("label columns", format!("{}[", SOUND.replace("\"l\"", &list("", "[],")[SOUND.len()..]))),
        ("a long key", format!("{SOUND}{} = 1\n", "k".repeat(bytes))),
        ("a long text", format!("{SOUND}[train]\nloss = \"{}\"\n", "k".repeat(bytes))),
        ("a deep list", format!("{SOUND}[grid]\nx = {}", "[".repeat(bytes))),
        ("a deep key", format!("{SOUND}{}a = 1", "a.".repeat(bytes / 2))),
        ("a url", format!("{SOUND}[train]\nepochs = \"https://me:{}@b.org\"", "x".repeat(bytes))),
    ]
}

/// Returns what is reported about a text, the time that it takes, and the peak memory.
fn measured(read: impl FnOnce() -> String) -> (String, Duration, usize) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let start = Instant::now();
    let shown = read();
    (shown, start.elapsed(), PEAK.load(Ordering::Relaxed) - before)
}

fn check(name: &str, bytes: usize, found: (String, Duration, usize)) {
    let (shown, time, memory) = found;
    let most = 4 * bytes + (64 << 20);
    assert!(memory <= most, "{name}, {bytes} bytes: {memory} bytes of memory, more than {most}");
    assert!(time < Duration::from_secs(20), "{name}, {bytes} bytes: {time:?}");
    assert!(shown.len() < 50_000, "{name}, {bytes} bytes: {} bytes are shown", shown.len());
    assert!(shown.ends_with("fault") || shown.ends_with("faults"), "{name}: {shown}");
}

/// A single test, so that no other test's memory is counted.
#[test]
fn faults_take_little_time_and_memory_however_many_there_are() {
    for bytes in [20_000, 110_000, 1_000_000] {
        for (name, text) in files(bytes) {
            let parse = || Pipeline::parse("p.toml", &text, Path::new(""), &[]).expect_err(name).to_string();
            check(name, text.len(), measured(parse));
            let lock = || format!("{} fault", Lock::parse(text.as_bytes()).expect_err(name));
            check(name, text.len(), measured(lock));
        }
        let assignments: Vec<String> = (0..bytes / 20).map(|n| format!("train.k{n}=[1,2,{n}]")).collect();
        let long = vec![format!("train.epochs=[{}]", "x,".repeat(bytes / 2)); 2];
        let deep = vec![format!("{}x=1", "a.".repeat(bytes / 2)), format!("grid.x={}", "[".repeat(bytes / 2))];
        for (name, set) in [("many assignments", assignments), ("long assignments", long), ("deep assignments", deep)] {
            let given = set.iter().map(String::len).sum();
            let parse = || {
                Pipeline::parse("p.toml", SOUND, Path::new(""), &set)
                    .map_or_else(|e| e.to_string(), |_| "0 faults".into())
            };
            check(name, given, measured(parse));
        }
    }
}
