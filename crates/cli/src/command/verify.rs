//! `verify`: trains the cells and the refit of a lock again, and compares the results.

use std::io::{self, Write};
use std::path::Path;

use emberline_base::file::{self, FileError};
use emberline_base::number::{agreeing, counted, grouped};
use emberline_cache::Cache;
use emberline_device::DeviceChoice;
use emberline_pipeline::{
    Encoded, Lock, Options, Pipeline, Proof, RunFolder, Selected, Selection, Verified, VerifiedCell, junit,
    select_cells, statement, verify,
};

use super::lock::lines;
use super::plan::write_json;
use super::{annotate, load};
use crate::args::{LockFormat, Verify};
use crate::exit::{Code, Error, of_inputs};
use crate::github;
use crate::progress::Progress;
use crate::signals;
use crate::terminal::{printable, say};

/// Maximum number of selected cells that are listed before they are trained; each is printed when it has ended.
const MAX_LISTED: usize = 50;

pub(super) fn run(args: &Verify) -> Result<Code, Error> {
    verified(args).inspect_err(|error| annotate(args.format, error, &args.pipeline.file))
}

fn verified(args: &Verify) -> Result<Code, Error> {
    let pipeline = load(&args.pipeline)?;
    let path = Lock::path_of(&args.pipeline.file);
    let lock = Lock::load(&path)?;
    let options = Options {
        auto: args.device == DeviceChoice::Auto,
        cache: if args.fresh { None } else { Cache::for_current_user() },
        only: args.only.clone(),
        jobs: args.jobs,
        interrupt: signals::interrupt(),
        ..Options::on(args.device.resolve()?)
    };
    let system = std::env::temp_dir();
    file::remove_stale(&system);
    let temporary = file::temporary_folder_in(&system).map_err(FileError::new("make a folder in", &system))?;
    let folder = RunFolder::new(args.out.clone().unwrap_or_else(|| temporary.path().join("run")));
    let selection =
        Selection { sample: args.sample.map(usize::from), challenge: args.challenge.clone(), shard: args.shard };
    if selection != Selection::default() {
        say(&listed(&select_cells(&pipeline, &lock, &selection, &args.only)?));
    }
    let mut progress = Progress::new(args.verbosity.level());
    let verified = verify(&pipeline, &lock, &selection, &folder, options, &mut progress)?;
    drop(progress);
    let mut out = io::stdout();
    match args.format {
        LockFormat::Text => write!(out, "{}", printable(&text(&verified)))?,
        LockFormat::Json => write_json(&mut out, &verified)?,
        LockFormat::Github => github::print(&github::of_verified(&verified, &pipeline, &path))?,
    }
    if let Some(message) = from_cache(&verified.encoded) {
        say(&message);
    }
    say(&verdict(&verified, &lock));
    if let Some(expected) = &verified.expected {
        say(&expected.to_string());
    }
    if let Some(path) = &args.junit {
        file::write_output(path, junit(&pipeline.settings.name, &verified).as_bytes())?;
    }
    if let Some(to) = &args.attest {
        file::write_output(to, attested(&pipeline, &lock, &path, &verified)?.as_bytes())?;
    }
    Ok(code(&verified))
}

/// Returns the in-toto statement of the outcome. The subjects are named by their file names, wherever they lie.
fn attested(pipeline: &Pipeline, lock: &Lock, path: &Path, verified: &Verified) -> Result<String, Error> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (of_lock, of_pipeline) = (file::read(path)?, file::read(&pipeline.file)?);
    let files = [(name(path), of_lock), (name(&pipeline.file), of_pipeline)];
    let files = files.each_ref().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let statement = statement(lock, verified, files, env!("CARGO_PKG_VERSION"));
    Ok(format!("{statement:#}\n"))
}

/// Lists the cells that were selected: which rule took how many, and their ids.
fn listed(selected: &Selected) -> String {
    let Selected { cells, of, challenge, sample, shard } = selected;
    let drawn = sample.map(|count| match challenge {
        Some(challenge) => format!("{} drawn by {challenge:?}", grouped(count as u64)),
        None => format!("{} drawn by the lock itself", grouped(count as u64)),
    });
    let shared = shard.as_ref().map(|shard| format!("shard {shard}"));
    let rules: Vec<String> = drawn.into_iter().chain(shared).collect();
    let mut lines = vec![format!("{}: {} of {}", rules.join(", "), grouped(cells.len() as u64), counted(*of, "cell"))];
    lines.extend(cells.iter().take(MAX_LISTED).map(|id| format!("  {id}")));
    let more = cells.len().saturating_sub(MAX_LISTED);
    lines.extend((more > 0).then(|| format!("  and {} more", grouped(more as u64))));
    lines.join("\n")
}

/// Returns one line per stale input, one per difference of a result, and one line for each cell, or the refit, without a difference.
fn text(verified: &Verified) -> String {
    let proof = |cell: &VerifiedCell| match cell.proof {
        Proof::Bytes => "equal to the byte",
        Proof::Tolerance => "within the tolerance",
    };
    let of_cell = |cell: &VerifiedCell| match cell.differences.as_slice() {
        [] => format!("{}: {}\n", cell.id, proof(cell)),
        differences => differences.iter().map(|difference| format!("{difference}\n")).collect(),
    };
    lines(&verified.inputs) + &verified.models().map(of_cell).collect::<String>()
}

/// Returns a message about vectors that came from the cache; none if all were computed again.
fn from_cache(encoded: &Encoded) -> Option<String> {
    let Encoded { texts, cached } = encoded;
    let (shown, all) = (grouped(*cached as u64), counted(*texts, "text"));
    (*cached > 0).then(|| format!("{shown} of {all} came from the cache; `--fresh` encodes them again"))
}

/// Summarises the result in one line.
fn verdict(verified: &Verified, lock: &Lock) -> String {
    let differ = verified.cells.iter().filter(|cell| !cell.differences.is_empty()).count();
    let refit_differs = verified.refit.as_ref().is_some_and(|refit| !refit.differences.is_empty());
    let all = verified.cells.len();
    if !verified.inputs.is_empty() {
        "the lock is stale, so nothing was trained; `emberline lock` renews it after a run".to_owned()
    } else if all == 0 && !verified.interrupted {
        "no cell of the lock was selected, so nothing was trained".to_owned()
    } else if differ > 0 {
        let refit = if refit_differs { ", nor is the refit" } else { "" };
        let are = agreeing(differ, "is", "are");
        format!("{differ} of {} {are} not what the lock says{refit}", counted(all, "cell"))
    } else if refit_differs {
        "the refit is not what the lock says; all cells are".to_owned()
    } else {
        let is_equal = verified.models().all(|cell| cell.proof == Proof::Bytes);
        let by = if is_equal { "to the byte" } else { "within the tolerance, as on another kind of device" };
        let (refit, left_out) = match &verified.refit {
            Some(_) => (" and the refit", ""),
            None if lock.has_refit() && all > 0 => ("", "; the refit is made of all cells, and was not trained again"),
            None => ("", ""),
        };
        format!("{all} of {}{refit} came out again, {by}{left_out}", counted(lock.cells(), "cell"))
    }
}

fn code(verified: &Verified) -> Code {
    let has = |wanted: &dyn Fn(&VerifiedCell) -> bool| verified.models().any(wanted);
    if !verified.inputs.is_empty() {
        of_inputs(&verified.inputs)
    } else if has(&|cell| cell.differences.iter().any(|difference| difference.change.what == "status")) {
        Code::CellsFailed
    } else if has(&|cell| !cell.differences.is_empty()) || verified.expected.as_ref().is_some_and(|it| !it.holds) {
        Code::OutsideTolerance
    } else {
        signals::received().filter(|_| verified.interrupted).unwrap_or(Code::Fine)
    }
}
