//! `schema`: prints the JSON Schema of a file format.

use std::io::{self, Write};

use emberline_pipeline::schema;

use crate::args::{Schema, SchemaName};
use crate::exit::{Code, Error};

pub(super) fn run(args: &Schema) -> Result<Code, Error> {
    let schema = match args.name {
        SchemaName::Pipeline => schema::Schema::Pipeline,
        SchemaName::Summary => schema::Schema::Summary,
    };
    write!(io::stdout(), "{}", schema.text())?;
    Ok(Code::Fine)
}
