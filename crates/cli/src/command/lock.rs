//! `lock`: writes the inputs and results of a finished run to a lock file beside the pipeline file, or says whether the lock
//! that is there fits the pipeline file.

use std::io::{self, Write};

use emberline_base::number::counted;
use emberline_pipeline::{Lock, Pipeline, StaleInput, lock};

use super::plan::write_json;
use super::{load, run_folder};
use crate::args::{Lock as Args, LockFormat};
use crate::exit::{Code, Error};
use crate::github;
use crate::terminal::{printable, say};

pub(super) fn run(args: &Args) -> Result<Code, Error> {
    if args.check {
        return check(args).inspect_err(|error| super::annotate(args.format, error, &args.pipeline.file));
    }
    if !(args.tolerance.is_finite() && args.tolerance >= 0.0) {
        return Err(Error::Usage("a tolerance is a number of at least 0, such as 0.01".to_owned()));
    }
    let pipeline = load(&args.pipeline)?;
    let folder = run_folder(&pipeline, args.out.as_ref());
    let lock = lock(&pipeline, &folder, args.tolerance)?;
    let path = Lock::path_of(&args.pipeline.file);
    lock.write(&path)?;
    folder.carry_lock(&pipeline)?;
    let failed = if lock.failed() > 0 { format!(", {} of them failed", lock.failed()) } else { String::new() };
    let refit = if lock.has_refit() { ", and the refit" } else { "" };
    writeln!(io::stdout(), "{}: {}{failed}{refit}", path.display(), counted(lock.cells(), "cell"))?;
    Ok(Code::Fine)
}

/// Says whether the lock fits the pipeline file.
fn check(args: &Args) -> Result<Code, Error> {
    let pipeline = Pipeline::load(&args.pipeline.file, &args.pipeline.set)?;
    let path = Lock::path_of(&args.pipeline.file);
    let lock = Lock::load(&path)?;
    let stale = lock.check(&pipeline);
    let mut out = io::stdout();
    match args.format {
        LockFormat::Text => write!(out, "{}", printable(&lines(&stale)))?,
        LockFormat::Json => write_json(&mut out, &serde_json::json!({"fits": stale.is_empty(), "inputs": stale}))?,
        LockFormat::Github => github::print(&github::of_stale(&stale, &pipeline))?,
    }
    let (path, file) = (path.display(), args.pipeline.file.display());
    if stale.is_empty() {
        say(&format!("{path} fits {file}: {}", counted(lock.cells(), "cell")));
        return Ok(Code::Fine);
    }
    say(&format!("{path} doesn't fit {file}; `emberline lock` renews it after a run"));
    Ok(Code::Stale)
}

/// Returns one line per input that isn't what a lock says.
pub(super) fn lines(stale: &[StaleInput]) -> String {
    stale.iter().map(|stale| format!("{stale}\n")).collect()
}
