//! Measures how fast one source turns texts into vectors once it is loaded, and how much memory it takes.
//!
//! `cargo bench -p emberline-embedding --bench sources -- TEXTS '{"tfhub": {"path": "module"}}'`
//!
//! In: a file with one text per line, and a source as a pipeline file would hold it, as JSON. Out: one line of JSON
//! with the number of texts, the seconds that opening took, the texts per second of processor time (which other work
//! on the machine doesn't affect), and the peak memory of the process in MB. `RAYON_NUM_THREADS=1` keeps it to one
//! core. `ci/bench/sources.py` runs it for every source, together with the reference implementations. Linux only.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its result")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use emberline_base::{CancellationToken, Splits};
use emberline_device::Device;
use emberline_embedding::encode::Encoding;
use emberline_embedding::features::{FeatureSpec, features};
use emberline_embedding::{Source, Texts};

const ROUNDS: u32 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [texts, source] = &arguments[..] else {
        eprintln!("usage: sources TEXTS SOURCE");
        return ExitCode::from(2);
    };
    match measure(texts, source) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(texts: &str, source: &str) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let lines = std::fs::read_to_string(texts)?;
    let texts: Vec<&str> = lines.lines().collect();
    let source: Source = serde_json::from_str(source)?;
    let begun = Instant::now();
    let opened = source.open(Path::new(""), Texts { all: &texts, train: &texts }, Device::Cpu)?;
    let load = begun.elapsed().as_secs_f64();
    let splits = Splits { train: texts.as_slice(), valid: None, test: None };
    let spec = FeatureSpec { trainable: false, ..source.feature_spec() };
    let before = processor_seconds()?;
    for _ in 0..ROUNDS {
        let on_event = &mut |_| {};
        let mut encoding =
            Encoding { cache: None, device: Device::Cpu, label: "", on_event, interrupt: CancellationToken::default() };
        std::hint::black_box(features(&opened, &splits, &spec, &mut encoding)?);
    }
    let seconds = (processor_seconds()? - before) / f64::from(ROUNDS);
    Ok(serde_json::json!({
        "source": source.kind(), "texts": texts.len(), "load_seconds": load,
        "texts_per_second": texts.len() as f64 / seconds, "peak_mb": peak_memory()?,
    }))
}

/// Returns the user and system time of this process so far, which the kernel counts in hundredths of a second.
fn processor_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().ok_or("no fields")?.split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}

/// Returns the peak memory of the process so far, in MB, as Linux counts it.
fn peak_memory() -> Result<f64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1000.0)
}
