//! Writes TensorBoard logs: the curves that Keras's callback writes, under its names, and the HParams page that
//! compares cells.
//!
//! Settings and scores enter; `events.out.tfevents.*` files leave. This crate depends neither on training nor on
//! tensors. [`RunLog`] writes the log of one cell, in event files of the crate [`tfevents`].
//!
//! # What Keras writes
//!
//! `keras.callbacks.TensorBoard(log_dir)` with `update_freq="epoch"`, and `hparams.api.KerasCallback(log_dir,
//! hparams)` beside it (TensorFlow 2.21, Keras 2 and 3):
//!
//! | folder | tag | step | value |
//! |---|---|---|---|
//! | `train/` | `epoch_loss`, `epoch_<metric>` | epoch, from 0 | measured while training |
//! | `train/` | `epoch_learning_rate` | epoch, from 0 | Keras 3: always; Keras 2: only under a schedule |
//! | `train/` | `keras` | 0 | the model as JSON, for the graph page |
//! | `validation/` | `evaluation_<metric>_vs_iterations` | steps trained so far | after each validation |
//! | `validation/` | `epoch_<metric>` | epoch, from 0 | the same values again |
//! | `./` | `_hparams_/session_start_info` | 0 | when training begins; settings, group, time |
//! | `./` | `_hparams_/session_end_info` | 0 | when training ends; status, time |
//! | log root | `_hparams_/experiment` | 0 | by hand, `hp.hparams_config` |
//!
//! In `validation/` an epoch's evaluation comes before its epoch tags. Each folder has a file of its own, opened at
//! its first event. Scalars are float tensors of plugin `scalars` without a data class.
//!
//! [`RunLog`] writes all of this except the model (tag `keras`), since there is no Keras model. In addition it writes
//! the metrics of the epoch whose weights were kept into the cell's folder, under the tag `result/<name>`, because
//! the HParams page shows the last point of a curve, and under early stopping the last epoch is not the one that
//! counts. [`write_evaluation`] adds precision and recall, histograms and mistakes to that folder, under the step of that epoch. A cell
//! has three runs, as in Keras: its own, `train` and `validation`; nothing is written to a fourth.
//!
//! # How TensorBoard reads logs
//!
//! TensorBoard reads the files of a folder in the order of their names, and never goes back to an earlier one; of a
//! tag that occurs again it keeps the first description (hence the first session start and end). A new attempt is
//! therefore a new file with a later name, and the old file isn't shown any more. A TensorBoard that watched the old file shows
//! the new curves at once, and the new settings, groups and ends of sessions after a restart. With more than 40 runs
//! (each cell has three) its Scalars page begins with none selected: filter the runs by `validation`.
//!
//! # Why not `tensorboard-rs`
//!
//! `tensorboard-rs` 0.5.9 (the newest, of 2022) can't do the following:
//!
//! - HParams: `add_hparams` isn't implemented and panics, as does `add_embedding`. `FileWriter::add_event` takes an
//!   event assembled by hand from `tensorboard-proto`'s messages: all the work of `tfevents` except the framing.
//! - Scalars as Keras writes them: it writes `simple_value` only, neither tensor nor plugin metadata.
//! - Two writers in one folder within one second: the name consists of second, host, process and a constant 0, and is
//!   opened with `File::create`, so that the second writer truncates the first one's file. Nothing makes a resumed
//!   run's name sort after the existing ones.
//! - Errors: every operation returns `()`. A folder that can't be created, a full disk and a host name that isn't
//!   UTF-8 panic (`expect("")`), on a writer thread of its own and then in the caller.
//! - A wall time other than the system's: equal calls can't give equal bytes.
//! - A small set of dependencies: it needs `image` 0.23 with its decoders, `protobuf` 2.28, and a thread per file.

mod error;
mod evaluation;
mod hparams;
mod proto;
mod run_log;

pub use error::Error;
pub use evaluation::{Evaluation, write_evaluation};
pub use hparams::{Experiment, HParam, MetricInfo, SessionStatus};
pub use run_log::{LogFolders, PARTS, RunLog, write_experiment};
pub use tfevents::Clock;
