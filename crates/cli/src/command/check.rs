//! `check`: validates pipeline files and, with `--data`, their data: what `run` would fail on before anything is trained.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use emberline_base::Warning;
use emberline_base::number::counted;
use emberline_cache::Cache;
use emberline_pipeline::{DataFault, Error as Fault, Examined, Pipeline, Plan, RunFolder};

use crate::args::{Check, CheckFormat};
use crate::exit::{Code, Error};
use crate::github::{self, Annotation};
use crate::terminal::{error, left_out_message, printable, say};

pub(super) fn run(args: &Check) -> Result<Code, Error> {
    let mut worst = Code::Fine;
    let mut folders = HashMap::new();
    for path in &args.files {
        let code = match check(args, path, &mut folders) {
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

/// Checks one file. `folders` are the run folders of the files before it.
fn check(args: &Check, path: &Path, folders: &mut HashMap<PathBuf, PathBuf>) -> Result<Code, Error> {
    let pipeline = Pipeline::load(path, &args.set)?;
    let plan = Plan::of(&pipeline);
    if let Some(message) = left_out_message(&plan.left_out) {
        say(&message);
    }
    let missing = match pipeline.check_files(&plan) {
        Err(none @ Fault::NoCells(_)) => return Err(none.into()),
        other => other.err().map(|found| Error::of_pipeline(&pipeline, found)),
    };
    let cells = counted(plan.cells.len(), "cell");
    writeln!(io::stdout(), "{}: valid, {cells}", printable(&path.display().to_string()))?;
    let mut code = missing.as_ref().map_or(Code::Fine, Error::code);
    if let Some(missing) = &missing {
        annotate(args, || github::of_error(missing, path))?;
        error(missing);
    }
    if let Err(taken) = check_run_folder(&pipeline, path, folders) {
        annotate(args, || github::of_error(&taken, path))?;
        error(&taken);
        code = if code == Code::Fine { taken.code() } else { code };
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

/// Returns each fault once: with the axes' values that first cause it, and how many others do.
fn grouped(pipeline: &Pipeline, faults: Vec<DataFault>) -> Vec<(String, usize, Error)> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<(String, usize, Error)> = Vec::new();
    for DataFault { axes, error, key } in faults {
        match places.get(&error.to_string()) {
            Some(&at) => groups[at].1 += 1,
            None => {
                places.insert(error.to_string(), groups.len());
                let place = pipeline.place_of(&error).or_else(|| pipeline.place_of_key(key?));
                groups.push((axes, 0, Error::at(error.into(), place)));
            }
        }
    }
    groups
}

/// Checks that `run` could write to the run folder: it isn't that of another pipeline file, checked before or not.
fn check_run_folder(pipeline: &Pipeline, path: &Path, folders: &mut HashMap<PathBuf, PathBuf>) -> Result<(), Error> {
    let folder = RunFolder::beside(pipeline);
    let place = std::path::absolute(folder.path()).unwrap_or_else(|_| folder.path().to_owned());
    if let Some(other) = folders.insert(place, path.to_owned()).filter(|other| other != path) {
        let (folder, other) = (folder.path().display(), other.display());
        let message = format!(
            "{}: its results would be written to {folder}, as those of {other}; give one of the two another `name`",
            path.display()
        );
        return Err(Error::Usage(message));
    }
    Ok(folder.check_free_for(pipeline)?)
}

/// Prints the findings about the data, and returns the code of the first fault.
fn examine(args: &Check, pipeline: &Pipeline, plan: &Plan) -> Result<Code, Error> {
    let Examined { findings, rows, not_applicable, is_serious, faults, space } =
        pipeline.examine_data(plan).map_err(|found| Error::of_pipeline(pipeline, found))?;
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
    for (axes, more, error) in grouped(pipeline, faults) {
        let others = if more > 0 { format!(" and {}", counted(more, "other value")) } else { String::new() };
        let with = if axes.is_empty() { String::new() } else { format!("with {axes}{others}: ") };
        annotate(args, || github::of_error(&error, &pipeline.file))?;
        say(&format!("error: {with}{error}"));
        code = if code == Code::Fine { error.code() } else { code };
    }
    let cache = Cache::for_current_user();
    let folder = RunFolder::beside(pipeline);
    let fits = space.map_or(Ok(()), |space| space.check(folder.path(), cache.as_ref().map(Cache::folder)));
    if let Err(found) = fits.map_err(Error::from) {
        annotate(args, || github::of_error(&found, &pipeline.file))?;
        error(&found);
        code = if code == Code::Fine { found.code() } else { code };
    }
    Ok(code)
}
