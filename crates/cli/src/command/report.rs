//! `report`: renders the reports of a run again, from its records alone.

use std::io::{self, Write};

use emberline_pipeline::RunFolder;

use crate::args::Report;
use crate::exit::{Code, Error};
use crate::terminal::printable;

pub(super) fn run(args: &Report) -> Result<Code, Error> {
    let mut out = io::stdout();
    for path in RunFolder::new(&args.run).write_reports()? {
        writeln!(out, "{}", printable(&path.display().to_string()))?;
    }
    Ok(Code::Fine)
}
