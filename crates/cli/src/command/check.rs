//! `check`: is a pipeline file valid, and, with `--data`, are its data sound?

use std::io::{self, Write};

use emberline_pipeline::{Pipeline, Plan};

use crate::args::Check;
use crate::exit::{Code, Error};
use crate::terminal::{error, left_out_message, printable, say};

pub(super) fn run(args: &Check) -> Result<Code, Error> {
    let mut worst = Code::Fine;
    for path in &args.files {
        let code = match check(args, path) {
            Ok(code) => code,
            Err(found @ Error::Output(_)) => return Err(found),
            Err(found) => {
                error(&found);
                found.code()
            }
        };
        if worst == Code::Fine {
            worst = code;
        }
    }
    Ok(worst)
}

fn check(args: &Check, path: &std::path::Path) -> Result<Code, Error> {
    let pipeline = Pipeline::load(path, &args.set)?;
    let plan = Plan::of(&pipeline);
    if let Some(message) = left_out_message(&plan.left_out) {
        say(&message);
    }
    let cells = if plan.cells.len() == 1 { "1 cell".to_owned() } else { format!("{} cells", plan.cells.len()) };
    writeln!(io::stdout(), "{}: valid, {cells}", printable(&path.display().to_string()))?;
    if !args.data {
        return Ok(Code::Fine);
    }
    let findings = pipeline.examine_data()?;
    write!(io::stdout(), "{}", printable(&findings.to_string()))?;
    Ok(if findings.are_serious() { Code::Data } else { Code::Fine })
}
