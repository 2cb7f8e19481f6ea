//! `check`: validates pipeline files and, with `--data`, their data.

use std::io::{self, Write};

use emberline_base::Warning;
use emberline_base::number::counted;
use emberline_pipeline::{DataFault, Error as Fault, Examined, Pipeline, Plan};

use crate::args::{Check, CheckFormat};
use crate::exit::{Code, Error};
use crate::github::{self, Annotation};
use crate::terminal::{error, left_out_message, printable, say};

pub(super) fn run(args: &Check) -> Result<Code, Error> {
    let mut worst = Code::Fine;
    for path in &args.files {
        let code = match check(args, path) {
            Ok(code) => code,
            Err(found @ Error::Output(_)) => return Err(found),
            Err(found) => {
                annotate(args, || github::of_error(&found, path))?;
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
    let missing = match pipeline.check_files(&plan) {
        Err(none @ Fault::NoCells(_)) => return Err(none.into()),
        other => other.err().map(Error::from),
    };
    let cells = counted(plan.cells.len(), "cell");
    writeln!(io::stdout(), "{}: valid, {cells}", printable(&path.display().to_string()))?;
    let code = missing.as_ref().map_or(Code::Fine, Error::code);
    if let Some(missing) = &missing {
        annotate(args, || github::of_error(missing, path))?;
        error(missing);
    }
    if !args.data {
        return Ok(code);
    }
    match (examine(args, &pipeline, &plan), code) {
        (found, Code::Fine) => found,
        // The same error, such as missing data, has been printed above.
        (Err(found), code) if found.code() == code => Ok(code),
        (found, code) => found.map(|_| code),
    }
}

/// Prints annotations if they are asked for.
fn annotate(args: &Check, annotations: impl FnOnce() -> Vec<Annotation>) -> Result<(), Error> {
    if args.format == CheckFormat::Github {
        github::print(&annotations())?;
    }
    Ok(())
}

/// Prints the findings about the data, and returns the code of the first fault.
fn examine(args: &Check, pipeline: &Pipeline, plan: &Plan) -> Result<Code, Error> {
    let Examined { findings, rows, not_applicable, is_serious, faults } = pipeline.examine_data(plan)?;
    write!(io::stdout(), "{}", printable(&findings.to_string()))?;
    for (code, rows) in rows {
        writeln!(io::stdout(), "rows of {code}:")?;
        rows.iter().try_for_each(|row| writeln!(io::stdout(), "  {}", printable(row)))?;
    }
    if !not_applicable.is_empty() {
        writeln!(io::stdout(), "not applicable:")?;
        let mut each = not_applicable.iter();
        each.try_for_each(|(what, reason)| writeln!(io::stdout(), "  {}", printable(&format!("{what}: {reason}"))))?;
    }
    let of_warning = |warning: &Warning| Annotation::of_warning(warning, &pipeline.file);
    annotate(args, || findings.warnings.iter().map(of_warning).collect())?;
    let mut code = if is_serious { Code::Data } else { Code::Fine };
    for DataFault { axes, error } in faults {
        let error = Error::from(error);
        let with = if axes.is_empty() { String::new() } else { format!("with {axes}: ") };
        annotate(args, || github::of_error(&error, &pipeline.file))?;
        say(&format!("error: {with}{error}"));
        code = if code == Code::Fine { error.code() } else { code };
    }
    Ok(code)
}
