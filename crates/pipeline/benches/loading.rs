//! Measures how fast a CSV file becomes labelled, split and embedded texts, stage by stage, and the memory that this
//! takes.
//!
//! `cargo bench -p emberline-pipeline --bench loading -- FILE.csv [SOURCE]`
//!
//! Input: a file with the columns `question_text` and `target` (`ci/bench/competition.py` writes one), and a source as
//! a pipeline file would have it, as JSON. Output: one line per stage with its CPU time, the MB of the file per second
//! of it, and the peak memory of the process so far. `RAYON_NUM_THREADS=1` limits it to one core. Linux only.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its result")]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use emberline_base::{CancellationToken, Splits};
use emberline_dataset::settings::{Amount, Column, LabelColumns, Settings, Split};
use emberline_dataset::{Dataset, read, read_texts};
use emberline_device::Device;
use emberline_embedding::encode::Encoding;
use emberline_embedding::features::features;
use emberline_embedding::{Opened, Source, Texts};

/// 20 numbers per text, like the smallest of the course's modules.
const SOURCE: &str = r#"{"hashing": {"dim": 20, "buckets": 20000}}"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (file, source) = match &arguments[..] {
        [file] => (file, SOURCE),
        [file, source] => (file, source.as_str()),
        _ => {
            eprintln!("usage: loading FILE.csv [SOURCE]");
            return ExitCode::from(2);
        }
    };
    match measure(Path::new(file), source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(file: &Path, source: &str) -> Result<(), Box<dyn Error>> {
    let source: Source = serde_json::from_str(source)?;
    let text = Column::Name("question_text".into());
    let label = LabelColumns::One(Column::Name("target".into()));
    let split = Split { valid: Some(Amount::Fraction(0.1)), test: Some(Amount::Fraction(0.1)), ..Split::default() };
    let settings = Settings { split, ..Settings::new(file, text.clone(), label) };
    let mut stages = Stages { megabytes: file.metadata()?.len() as f64 / 1e6, total: 0.0 };
    let (rows, seconds) = timed(|| Ok(read(&settings, Path::new(""))?))?;
    stages.add("read, classes, equal texts", seconds)?;
    let (data, seconds) = timed(|| Ok(rows.split(&settings.split, 1)?))?;
    stages.add("split", seconds)?;
    let (_, seconds) = timed(|| Ok(data.digest()))?;
    stages.add("digest", seconds)?;
    let (opened, seconds) = timed(|| open(&source, &data))?;
    stages.add(&format!("open ({})", source.kind()), seconds)?;
    let on_event = &mut |_| {};
    let mut encoding =
        Encoding { cache: None, device: Device::Cpu, label: "", on_event, interrupt: CancellationToken::default() };
    let (_, seconds) = timed(|| Ok(features(&opened, &data.lists(), &source.feature_spec(), &mut encoding)?))?;
    stages.add(&format!("embed ({})", source.kind()), seconds)?;
    stages.print("all", stages.total)?;
    let (_, alone) = timed(|| Ok(read_texts(file, &text, None, None)?))?;
    stages.print("the column of texts alone", alone)
}

fn open(source: &Source, data: &Dataset) -> Result<Opened, Box<dyn Error>> {
    let texts = match source.reads_texts() {
        true => data.splits.map(|name, _| data.texts_of(name).collect::<Vec<_>>()),
        false => Splits::default(),
    };
    let all: Vec<&str> = texts.iter().flat_map(|(_, texts)| texts.iter().copied()).collect();
    Ok(source.open(Path::new(""), Texts { all: &all, train: &texts.train }, Device::Cpu)?)
}

/// Prints the stages.
struct Stages {
    megabytes: f64,
    total: f64,
}

impl Stages {
    fn add(&mut self, name: &str, seconds: f64) -> Result<(), Box<dyn Error>> {
        self.total += seconds;
        self.print(name, seconds)
    }

    fn print(&self, name: &str, seconds: f64) -> Result<(), Box<dyn Error>> {
        let speed = self.megabytes / seconds;
        println!("{name:<28} {seconds:6.3} s {speed:7.0} MB/s   peak {:5.0} MB", peak_memory()?);
        Ok(())
    }
}

/// Returns the result of `work`, and the CPU time that it takes.
fn timed<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<(T, f64), Box<dyn Error>> {
    let before = processor_seconds()?;
    let done = work()?;
    Ok((done, processor_seconds()? - before))
}

/// Returns the CPU time of this process so far, of all threads: the first number in the kernel's account of each, in
/// nanoseconds.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let account = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += account.split_whitespace().next().ok_or("an empty account")?.parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

/// Returns the peak memory of the process so far, in MB, as Linux counts it.
fn peak_memory() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1000.0)
}
