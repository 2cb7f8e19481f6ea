//! `init`: writes a pipeline file that runs as it is: the project's own quickstart, or one for the data of the user.

mod attributes;
mod data;
mod from;

use std::io::{self, Write};
use std::path::Path;

use emberline_base::file;

use crate::args::Init;
use crate::exit::{Code, Error};

/// What `init` writes without `--data`, beside the pretrained table: the quickstart with its data.
const QUICKSTART: [(&str, &[u8]); 3] = [
    (PIPELINE, include_bytes!("../../../../../pipelines/quickstart.toml")),
    ("data/questions.csv", include_bytes!("../../../../../pipelines/data/questions.csv")),
    ("data/README.md", include_bytes!("../../../../../pipelines/data/README.md")),
];

/// The pretrained table that comes with the program.
const TABLE: [(&str, &[u8]); 5] = [
    (
        "models/minilm-words/model.safetensors",
        include_bytes!("../../../../../pipelines/models/minilm-words/model.safetensors"),
    ),
    (
        "models/minilm-words/tokenizer.json",
        include_bytes!("../../../../../pipelines/models/minilm-words/tokenizer.json"),
    ),
    ("models/minilm-words/config.json", include_bytes!("../../../../../pipelines/models/minilm-words/config.json")),
    ("models/minilm-words/LICENSE", include_bytes!("../../../../../pipelines/models/minilm-words/LICENSE")),
    ("models/minilm-words/NOTICE", include_bytes!("../../../../../pipelines/models/minilm-words/NOTICE")),
];

/// The name of the pipeline file.
const PIPELINE: &str = "pipeline.toml";

/// The line that names the schema; its relative path is valid only in this project.
const SCHEMA: &str = "#:schema ../schemas/pipeline.schema.json\n";

pub(super) fn run(args: &Init) -> Result<Code, Error> {
    match (&args.from, &args.data) {
        (Some(program), _) => from::run(*program),
        (None, Some(data)) => data::run(args, data),
        (None, None) => quickstart(args),
    }
}

/// Writes the quickstart.
fn quickstart(args: &Init) -> Result<Code, Error> {
    refuse_existing(&args.dir, QUICKSTART.map(|(name, _)| name))?;
    let mut written = String::new();
    for (name, content) in QUICKSTART.into_iter().chain(TABLE) {
        let content = match name {
            PIPELINE => content.strip_prefix(SCHEMA.as_bytes()).unwrap_or(content).trim_ascii_start(),
            _ => content,
        };
        written += &write_file(&args.dir, name, content)?;
    }
    written += &data::ignore_runs(&args.dir)?;
    written += &attributes::add(&args.dir)?;
    // Whoever closes standard output early, has all files.
    writeln!(io::stdout(), "{written}\nnow: emberline run {}", args.dir.join(PIPELINE).display())?;
    Ok(Code::Fine)
}

/// Refuses to overwrite files, those of the pretrained table too unless they are the same.
fn refuse_existing<'n>(folder: &Path, names: impl IntoIterator<Item = &'n str>) -> Result<(), Error> {
    for name in names {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(Error::Usage(format!("{} is there already; choose another folder", path.display())));
        }
    }
    for (name, content) in TABLE {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() && !is_same(&path, content) {
            let message = format!("{} is there already, with another content; choose another folder", path.display());
            return Err(Error::Usage(message));
        }
    }
    for below in ["data", "models/minilm-words"] {
        file::refuse_links(folder, Path::new(below))?;
    }
    Ok(())
}

/// Writes a file below a folder, and returns its path as a line. A file with the same content is left as it is.
fn write_file(folder: &Path, name: &str, content: &[u8]) -> Result<String, Error> {
    let path = folder.join(name);
    if !is_same(&path, content) {
        file::write_atomic(&path, content)?;
    }
    Ok(format!("{}\n", path.display()))
}

fn is_same(path: &Path, content: &[u8]) -> bool {
    file::read(path).is_ok_and(|found| found == content)
}
