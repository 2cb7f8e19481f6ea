//! `report`: renders the reports of a run again, from its records alone, with a baseline what changed against it too; or gives back the
//! files that a report carries.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use emberline_pipeline::{RunFolder, unpack_report};

use super::compare::side;
use crate::args::Report;
use crate::exit::{Code, Error};
use crate::terminal::printable;

pub(super) fn run(args: &Report) -> Result<Code, Error> {
    let baseline = args.baseline.as_deref().map(side).transpose()?;
    let written = match (&args.from, &args.run) {
        (Some(page), _) => unpack_report(page, &args.out.clone().unwrap_or_else(|| beside(page)))?,
        (None, Some(run)) => RunFolder::new(run).write_reports(baseline.as_ref())?,
        (None, None) => return Err(Error::Usage("give a run folder, such as runs/quickstart".to_owned())),
    };
    let mut out = io::stdout();
    for path in written {
        writeln!(out, "{}", printable(&path.display().to_string()))?;
    }
    Ok(Code::Fine)
}

/// Returns the folder beside a page that its files are written to: `report-files` for `report.html`.
fn beside(page: &Path) -> PathBuf {
    let stem = page.file_stem().unwrap_or_default().to_string_lossy();
    page.with_file_name(format!("{stem}-files"))
}
