//! `man`: writes the manual pages, made from the same definitions as the help texts.

use std::fs;
use std::io::{self, Write};

use clap::CommandFactory;
use clap_mangen::Man as Page;
use emberline_base::file;

use crate::args::{Arguments, Man};
use crate::exit::{Code, Error};

pub(super) fn run(args: &Man) -> Result<Code, Error> {
    fs::create_dir_all(&args.dir)?;
    let mut command = Arguments::command();
    command.build();
    write(args, command.clone())?;
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        // The build has given a subcommand its whole name, `emberline run`, which is that of its page: `emberline-run`.
        write(args, command.clone().display_name(format!("emberline-{}", command.get_name())))?;
    }
    Ok(Code::Fine)
}

/// Writes the page of one command, and prints its path.
fn write(args: &Man, command: clap::Command) -> Result<(), Error> {
    let page = Page::new(command);
    let path = args.dir.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    file::write_atomic(&path, &text)?;
    writeln!(io::stdout(), "{}", path.display())?;
    Ok(())
}
