//! `lock`: writes the inputs and results of a finished run to a lock file beside the pipeline file.

use std::io::{self, Write};

use emberline_base::number::counted;
use emberline_pipeline::{Lock, lock};

use super::{load, run_folder};
use crate::args::Lock as Args;
use crate::exit::{Code, Error};

pub(super) fn run(args: &Args) -> Result<Code, Error> {
    if !(args.tolerance.is_finite() && args.tolerance >= 0.0) {
        return Err(Error::Usage("a tolerance is a number of at least 0, such as 0.01".to_owned()));
    }
    let pipeline = load(&args.pipeline)?;
    let lock = lock(&pipeline, &run_folder(&pipeline, args.out.as_ref()), args.tolerance)?;
    let path = Lock::path_of(&args.pipeline.file);
    lock.write(&path)?;
    let failed = if lock.failed() > 0 { format!(", {} of them failed", lock.failed()) } else { String::new() };
    let refit = if lock.has_refit() { ", and the refit" } else { "" };
    writeln!(io::stdout(), "{}: {}{failed}{refit}", path.display(), counted(lock.cells(), "cell"))?;
    Ok(Code::Fine)
}
