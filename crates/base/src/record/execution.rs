//! Where an attempt at a cell was made, and how it ended: `execution` in `result.json`.
//!
//! The summary doesn't have it, so that reports, locks and bundles, which are passed on, name no machine. Results don't depend
//! on it: what may change a digit is `device` and `arithmetic` of the [`Outcome`](super::Outcome).

use serde::{Deserialize, Serialize};

/// Where an attempt at a cell was made, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// The name of the machine; absent if it isn't known or isn't to be recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The model of the GPU; absent for a cell that was trained on the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// The version of the GPU's driver; absent if it isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// How the attempt ended.
    pub exit: Exit,
}

/// How an attempt at a cell ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// The cell was trained.
    #[default]
    Finished,
    /// The cell failed by its settings and inputs, for example because its loss became NaN.
    Failed,
    /// A file, a device or something else that the cell needs was missing or faulty.
    Surroundings,
    /// There was too little memory, and the program noticed.
    OutOfMemory,
    /// An error of the program itself.
    Panicked,
    /// The processes that ran the cell vanished, as when the system kills them.
    Killed,
}
