//! `run`: trains what is missing, and prints how the cells compare.

use std::io::{self, Write};

use emberline_base::record::{Status, Summary};
use emberline_cache::Cache;
use emberline_device::{Choice, Device};
use emberline_pipeline::{Lock, Options, Pipeline};

use super::plan::shared_texts;
use super::run_folder;
use crate::args::{ListFormat, Run};
use crate::exit::{Code, Error};
use crate::progress::Progress;
use crate::signals;
use crate::terminal::{say, table};

pub(super) fn run(args: &Run) -> Result<Code, Error> {
    let pipeline = Pipeline::load(&args.pipeline.file, &args.pipeline.set)?;
    let device = args.device.resolve()?;
    let folder = run_folder(&pipeline, args.out.as_ref());
    let locked = args.locked.then(|| Lock::load(&Lock::path_of(&args.pipeline.file))).transpose()?;
    let options = Options {
        device,
        auto: args.device == Choice::Auto,
        cache: Cache::of_user(),
        only: args.only.clone(),
        force: args.force,
        retry_failed: args.retry_failed,
        fail_fast: args.fail_fast,
        jobs: args.jobs,
        pack: args.pack,
        locked,
        interrupt: signals::interrupt(),
    };
    let outline = emberline_pipeline::run(&pipeline, &folder, &options, &mut Progress::default())?;
    let mut out = io::stdout();
    match args.format {
        ListFormat::Text => {
            write!(out, "{}", table(&rows(&outline.summary)))?;
            let kept = if outline.kept > 0 { format!(", {} done before", outline.kept) } else { String::new() };
            let mut outcomes = outline.summary.cells.iter().filter_map(|cell| cell.outcome.as_ref());
            let both = device != Device::Cpu && outcomes.any(|outcome| outcome.device == Device::Cpu.name());
            let too = if both { " and cpu" } else { "" };
            say(&format!("{} cells trained on {device}{too}{kept}", outline.trained));
        }
        ListFormat::Json => {
            let text = serde_json::to_string_pretty(&outline.summary).expect("a summary is plain JSON");
            writeln!(out, "{text}")?;
        }
    }
    if let Some(message) = shared_texts(&outline.summary.data) {
        say(&message);
    }
    if outline.pending > 0 {
        say(&format!("{} cells are left to run", outline.pending));
    }
    if outline.failed > 0 {
        say(&format!("{} cells failed; the report says why, `--retry-failed` tries them again", outline.failed));
    }
    say(&format!("report: {}", folder.path().join("report.html").display()));
    if pipeline.settings.callbacks.tensorboard.is_some() {
        say(&format!("curves: tensorboard --logdir {}", folder.tensorboard().display()));
    }
    let ended = if outline.failed > 0 { Code::CellsFailed } else { Code::Fine };
    Ok(signals::received().filter(|_| outline.interrupted).unwrap_or(ended))
}

/// The columns of the table, where the cells have them.
const METRICS: [&str; 9] =
    ["loss", "accuracy", "val_loss", "val_accuracy", "val_pr_auc", "val_f1", "test_accuracy", "test_pr_auc", "test_f1"];

fn rows(summary: &Summary) -> Vec<Vec<String>> {
    let has = |metric: &&str| {
        summary.cells.iter().filter_map(|c| c.outcome.as_ref()).any(|o| o.metrics.contains_key(*metric))
    };
    let metrics: Vec<&str> = METRICS.into_iter().filter(has).collect();
    let head = ["cell", "status", "epochs"].into_iter().chain(metrics.iter().copied()).chain(["seconds"]);
    let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    for cell in &summary.cells {
        let status = match cell.status {
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Pending => "pending",
        };
        let mut row = vec![cell.id.clone(), status.to_owned()];
        if let Some(outcome) = &cell.outcome {
            row.push(outcome.epochs.to_string());
            let metric = |name: &&str| outcome.metrics.get(*name).map_or("-".to_owned(), |v| format!("{v:.4}"));
            row.extend(metrics.iter().map(metric));
            row.push(format!("{:.2}", outcome.seconds));
        }
        rows.push(row);
    }
    rows
}
