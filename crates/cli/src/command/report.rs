//! `report`: renders the reports of a run again, from its records alone.

use std::io::{self, Write};

use emberline_pipeline::RunFolder;

use crate::args::Report;
use crate::exit::{Code, Error};

pub(super) fn run(args: &Report) -> Result<Code, Error> {
    let mut out = io::stdout();
    for path in RunFolder::new(&args.run).write_reports()? {
        writeln!(out, "{}", path.display())?;
    }
    Ok(Code::Fine)
}
