//! `verify`: trains the cells of a lock again, and compares.

use std::io::{self, Write};

use emberline_base::file::{self, FileError};
use emberline_base::number::{agreeing, counted, grouped};
use emberline_cache::Cache;
use emberline_device::Choice;
use emberline_pipeline::{Encoded, Lock, Options, Proof, RunFolder, Verified, VerifiedCell, junit, verify};

use super::load;
use super::plan::write_json;
use crate::args::{ListFormat, Verify};
use crate::exit::{Code, Error, of_inputs};
use crate::progress::Progress;
use crate::signals;
use crate::terminal::{printable, say};

pub(super) fn run(args: &Verify) -> Result<Code, Error> {
    let pipeline = load(&args.pipeline)?;
    let lock = Lock::load(&Lock::path_of(&args.pipeline.file))?;
    let options = Options {
        auto: args.device == Choice::Auto,
        cache: if args.fresh { None } else { Cache::of_user() },
        only: args.only.clone(),
        jobs: args.jobs,
        interrupt: signals::interrupt(),
        ..Options::on(args.device.resolve()?)
    };
    let system = std::env::temp_dir();
    file::clear_litter(&system);
    let temporary = file::temporary_folder_in(&system).map_err(FileError::new("make a folder in", &system))?;
    let folder = RunFolder::new(args.out.clone().unwrap_or_else(|| temporary.path().join("run")));
    let sample = args.sample.map(usize::from);
    let verified = verify(&pipeline, &lock, sample, &folder, options, &mut Progress::default())?;
    let mut out = io::stdout();
    match args.format {
        ListFormat::Text => write!(out, "{}", printable(&text(&verified)))?,
        ListFormat::Json => write_json(&mut out, &verified)?,
    }
    if let Some(message) = from_cache(&verified.encoded) {
        say(&message);
    }
    say(&verdict(&verified, lock.cells()));
    if let Some(path) = &args.junit {
        file::write_output(path, junit(&pipeline.settings.name, &verified).as_bytes())?;
    }
    Ok(code(&verified))
}

/// Every difference; a line a cell that has none.
fn text(verified: &Verified) -> String {
    let proof = |cell: &VerifiedCell| match cell.proof {
        Proof::Bytes => "equal to the byte",
        Proof::Tolerance => "within the tolerance",
    };
    let of_cell = |cell: &VerifiedCell| match cell.differences.as_slice() {
        [] => format!("{}: {}\n", cell.id, proof(cell)),
        differences => differences.iter().map(|difference| format!("{difference}\n")).collect(),
    };
    let inputs = verified.inputs.iter().map(|difference| format!("{difference}\n"));
    inputs.chain(verified.cells.iter().map(of_cell)).collect()
}

/// What wasn't computed again; none if all of it was.
fn from_cache(encoded: &Encoded) -> Option<String> {
    let Encoded { texts, cached } = encoded;
    let (shown, all) = (grouped(*cached as u64), counted(*texts, "text"));
    (*cached > 0).then(|| format!("{shown} of {all} came from the cache; `--fresh` encodes them again"))
}

fn verdict(verified: &Verified, locked: usize) -> String {
    let differ = verified.cells.iter().filter(|cell| !cell.differences.is_empty()).count();
    let equal = verified.cells.iter().filter(|cell| cell.proof == Proof::Bytes).count();
    let all = verified.cells.len();
    if !verified.inputs.is_empty() {
        "the lock is stale, so nothing was trained; `emberline lock` renews it after a run".to_owned()
    } else if differ > 0 {
        let are = agreeing(differ, "is", "are");
        format!("{differ} of {} {are} not what the lock says", counted(all, "cell"))
    } else {
        let by = if equal == all { "to the byte" } else { "within the tolerance, as on another kind of device" };
        format!("{all} of {} came out again, {by}", counted(locked, "cell"))
    }
}

fn code(verified: &Verified) -> Code {
    let has = |wanted: &dyn Fn(&VerifiedCell) -> bool| verified.cells.iter().any(wanted);
    if !verified.inputs.is_empty() {
        of_inputs(&verified.inputs)
    } else if has(&|cell| cell.differences.iter().any(|difference| difference.change.what == "status")) {
        Code::CellsFailed
    } else if has(&|cell| !cell.differences.is_empty()) {
        Code::OutsideTolerance
    } else {
        signals::received().filter(|_| verified.interrupted).unwrap_or(Code::Fine)
    }
}
