//! `init`: writes a pipeline file and example data that run as they are.

mod attributes;

use std::io::{self, Write};
use std::path::Path;

use emberline_base::file;

use crate::args::Init;
use crate::exit::{Code, Error};

/// What `init` writes: the project's own quickstart, with its data and its pretrained table.
const FILES: [(&str, &[u8]); 8] = [
    (PIPELINE, include_bytes!("../../../../pipelines/quickstart.toml")),
    ("data/questions.csv", include_bytes!("../../../../pipelines/data/questions.csv")),
    ("data/README.md", include_bytes!("../../../../pipelines/data/README.md")),
    (
        "models/minilm-words/model.safetensors",
        include_bytes!("../../../../pipelines/models/minilm-words/model.safetensors"),
    ),
    ("models/minilm-words/tokenizer.json", include_bytes!("../../../../pipelines/models/minilm-words/tokenizer.json")),
    ("models/minilm-words/config.json", include_bytes!("../../../../pipelines/models/minilm-words/config.json")),
    ("models/minilm-words/LICENSE", include_bytes!("../../../../pipelines/models/minilm-words/LICENSE")),
    ("models/minilm-words/NOTICE", include_bytes!("../../../../pipelines/models/minilm-words/NOTICE")),
];

/// The name of the pipeline file.
const PIPELINE: &str = "pipeline.toml";

/// The line that names the schema; its relative path is valid only in this project.
const SCHEMA: &str = "#:schema ../schemas/pipeline.schema.json\n";

pub(super) fn run(args: &Init) -> Result<Code, Error> {
    for (name, _) in FILES {
        let path = args.dir.join(name);
        if path.exists() {
            return Err(Error::Usage(format!("{} is there already; choose another folder", path.display())));
        }
    }
    for folder in ["data", "models/minilm-words"] {
        file::refuse_links(&args.dir, Path::new(folder))?;
    }
    let mut out = io::stdout();
    for (name, content) in FILES {
        let path = args.dir.join(name);
        let content = match name {
            PIPELINE => content.strip_prefix(SCHEMA.as_bytes()).unwrap_or(content).trim_ascii_start(),
            _ => content,
        };
        file::write_atomic(&path, content)?;
        writeln!(out, "{}", path.display())?;
    }
    if let Some(path) = attributes::add(&args.dir)? {
        writeln!(out, "{}", path.display())?;
    }
    writeln!(out, "\nnow: emberline run {}", args.dir.join("pipeline.toml").display())?;
    Ok(Code::Fine)
}
