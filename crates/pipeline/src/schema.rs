//! Generates JSON Schemas of the pipeline file and of the records from their types.

use emberline_base::record::Summary;
use schemars::generate::SchemaSettings;

use crate::settings::Settings;

/// A file format that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// The pipeline file.
    Pipeline,
    /// `summary.json`.
    Summary,
}

impl Schema {
    /// All schemas.
    pub const ALL: [Self; 2] = [Self::Pipeline, Self::Summary];

    /// Returns the name of the file in `schemas/`.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline.schema.json",
            Self::Summary => "summary.schema.json",
        }
    }

    /// Returns the schema (draft 2020-12) as the text of that file.
    pub fn text(self) -> String {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let schema = match self {
            Self::Pipeline => generator.into_root_schema_for::<Settings>(),
            Self::Summary => generator.into_root_schema_for::<Summary>(),
        };
        let text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
        text + "\n"
    }
}
