//! How the command line changed what a pipeline file says, so that a report can name the command that makes its result again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The arguments of a run besides the pipeline file that decide its result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invocation {
    /// Those of `run`, such as `-S`, `train.epochs=5`, `--until`, `decided`. Secrets in addresses are masked.
    pub run: Vec<String>,
    /// Those with which `lock` and `verify` see the same cells.
    pub lock: Vec<String>,
}
