//! Runs pipelines: pipeline file -> plan -> run -> records.
//!
//! [`Pipeline::load`] reads and checks the file, [`Plan::of`] expands its cells, and [`run()`] trains what is missing
//! and writes records to a [`RunFolder`]. This crate alone connects data, embeddings, training and reports, which don't
//! depend on each other.

pub mod bundle;
mod bundle_file;
mod cell_cache;
mod checks;
mod classifier;
mod data_files;
mod diagnostic;
mod diagnostics;
mod document;
mod error;
mod examine;
mod facts;
mod grid;
mod inputs;
mod lock;
mod name;
mod pipeline;
mod place;
mod plan;
mod replicates;
mod reproduce;
mod row_changes;
mod row_sketch;
mod run;
mod run_folder;
pub mod schema;
mod settings;
mod source_options;
mod space;
pub mod starter;
mod unpack;

pub use bundle_file::BundleError;
pub use cell_cache::CellCache;
pub use checks::Checks;
pub use classifier::{Classifier, ClassifierOptions, Neighbour, Prediction, TrainingRows, WordEffect};
pub use diagnostic::{Diagnostic, SourceText, Span};
pub use diagnostics::Diagnostics;
pub use emberline_base::Change;
pub use emberline_report::{
    Error as ReportError, ModelChoice, SettingScores, baseline_name, compare, headline_metrics, ranking_metric,
    read_whole_summary, reference_score, setting_scores,
};
pub use emberline_statistics::looks::{LOOKS, NextStep};
pub use emberline_statistics::{all_sentences, next_step, sentences};
pub use error::Error;
pub use examine::{DataFault, Examined};
pub use facts::{DataFacts, EmbeddingFacts, FileRows, SplitFacts};
pub use inputs::Encoded;
pub use lock::{
    Difference, Lock, LockFault, Proof, Selected, Selection, Shard, StaleInput, Subject, Verified, VerifiedCell, junit,
    statement,
};
pub use pipeline::Pipeline;
pub use plan::{Cell, CellSettings, Choice, Embedding, Identity, LeftOut, Plan};
pub use reproduce::{lock, select_cells, verify};
pub use row_sketch::RowSketch;
pub use run::{
    Executor, Explanation, Job, Local, Observer, Options, Outline, Queue, Queued, RefitState, Replaced, Scope, Silent,
    Stage, State, Subprocess, Survey, TextShare, ToEncode, TuningCost, TuningMemory, embed_share, explain, run,
    run_with, survey,
};
pub use run_folder::RunFolder;
pub use settings::{Decide, Expect, KeepEncoders, MAX_CELLS, Report, Settings};
pub use source_options::source_from_options;
pub use space::Space;
pub use unpack::unpack_report;
