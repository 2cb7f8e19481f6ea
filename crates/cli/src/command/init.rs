//! `init`: writes a pipeline file and example data that run as they are.

use std::io::{self, Write};
use std::path::Path;

use emberline_base::file;

use crate::args::Init;
use crate::exit::{Code, Error};

/// What `init` writes: the project's own quickstart.
const FILES: [(&str, &str); 3] = [
    ("pipeline.toml", include_str!("../../../../pipelines/quickstart.toml")),
    ("data/questions.csv", include_str!("../../../../pipelines/data/questions.csv")),
    ("data/README.md", include_str!("../../../../pipelines/data/README.md")),
];

pub(super) fn run(args: &Init) -> Result<Code, Error> {
    for (name, _) in FILES {
        let path = args.dir.join(name);
        if path.exists() {
            return Err(Error::Usage(format!("{} is there already; choose another folder", path.display())));
        }
    }
    file::refuse_links(&args.dir, Path::new("data"))?;
    let mut out = io::stdout();
    for (name, text) in FILES {
        let path = args.dir.join(name);
        // The schema's relative path is valid only in this project.
        let text = text.replace("#:schema ../schemas/pipeline.schema.json\n", "");
        file::write_atomic(&path, text.trim_start().as_bytes())?;
        writeln!(out, "{}", path.display())?;
    }
    writeln!(out, "\nnow: emberline run {}", args.dir.join("pipeline.toml").display())?;
    Ok(Code::Fine)
}
