//! Measures how fast ten million vectors are written to the cache and read back, and how much memory that takes.
//!
//! `cargo bench -p emberline-cache --bench stream -- FOLDER [TEXTS] [DIM]`
//!
//! FOLDER must have space for twice the vectors, 11 GB for 10,000,000 x 128; everything written there is removed
//! afterwards. Prints one line per stage, with its wall time and the peak of the private memory of the process so far.
//! Pages of mapped files, which the system reclaims when needed, are not counted. Linux only.

#![expect(clippy::print_stdout, reason = "a bench prints its result")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use emberline_base::Digest;
use emberline_cache::{Cache, EmbeddingStore, Key, Producer};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let folder = arguments.first().ok_or("usage: stream FOLDER [TEXTS] [DIM]")?;
    let number = |at: usize, usual: usize| arguments.get(at).map_or(Ok(usual), |text| text.parse());
    let (texts, dim) = (number(1, 10_000_000)?, number(2, 128)?);
    let place = tempfile::tempdir_in(folder)?;
    stream(place.path(), texts, dim)
}

fn stream(folder: &Path, texts: usize, dim: usize) -> Result<(), Box<dyn Error>> {
    let cache = Cache::at(folder);
    let (device, arithmetic) = ("cpu".to_owned(), "bench".to_owned());
    let producer = Producer { source: Digest::of(b"bench"), computation: 1, device, arithmetic };
    let open = || cache.store(&producer, dim, "bench");
    let mut memory = PrivateMemory::default();
    let store = open()?;
    let mut writer = store.writer();
    memory.stage("add and flush", texts, dim, |memory| {
        for text in 0..texts {
            writer.add(Key::of(&text.to_le_bytes()), &vector(text, dim));
            if writer.is_full() {
                writer.flush()?;
                memory.sample()?;
            }
        }
        Ok(())
    })?;
    memory.stage("one segment of all", texts, dim, |_| Ok(writer.finish()?))?;
    drop(store);
    let mut again: Option<EmbeddingStore> = None;
    memory.stage("open and verify", texts, dim, |_| {
        again = Some(open()?);
        Ok(())
    })?;
    let store = again.ok_or("no store")?;
    memory.stage("read each", texts, dim, |_| {
        let mut out = vec![0.0; dim];
        for text in 0..texts {
            let there = store.read(&Key::of(&text.to_le_bytes()), &mut out);
            if !there || out[0] != vector(text, dim)[0] {
                return Err("a vector is missing".into());
            }
        }
        Ok(())
    })
}

/// Returns a vector that differs from text to text.
fn vector(text: usize, dim: usize) -> Vec<f32> {
    (0..dim).map(|at| (text * 31 + at) as f32).collect()
}

/// The peak of the private memory (`RssAnon`) that was observed, in MB.
#[derive(Default)]
struct PrivateMemory(f64);

impl PrivateMemory {
    fn sample(&mut self) -> Result<(), Box<dyn Error>> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
        self.0 = self.0.max(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1000.0);
        Ok(())
    }

    fn stage(
        &mut self,
        name: &str,
        texts: usize,
        dim: usize,
        work: impl FnOnce(&mut Self) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let begun = Instant::now();
        work(self)?;
        self.sample()?;
        let seconds = begun.elapsed().as_secs_f64();
        let megabytes = (texts * dim * 4) as f64 / 1e6;
        println!("{name:<20} {seconds:7.2} s {:6.0} MB/s   private memory {:5.0} MB", megabytes / seconds, self.0);
        Ok(())
    }
}
