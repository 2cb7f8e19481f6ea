//! `completions`: prints a script that completes the commands and options of this program in a shell.

use std::io::{self, Write};

use clap::CommandFactory;

use crate::args::{Arguments, Completions};
use crate::exit::{Code, Error};

pub(super) fn run(args: &Completions) -> Result<Code, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "emberline", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Code::Fine)
}
