//! The log of one cell: Keras's folders and tags, and a session of the HParams page.
//!
//! The cell's settings, the scores of its epochs and its end enter. Event files leave, in `tensorboard/<cell>/`,
//! `tensorboard/<cell>/train/` and `tensorboard/<cell>/validation/`, with the tags that the crate's documentation
//! lists; and in `tensorboard/` itself, whose file describes what varies between the cells.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::Scores;
use emberline_base::file::FileError;
use emberline_base::record::Epoch;
use tfevents::{Clock, EventFile, event_files};

use crate::error::Error;
use crate::hparams::{self, Experiment, HParam, SessionStatus};

/// The program that event files name as their source.
pub(crate) const WRITER: &str = "emberline";

/// Writes one cell's log. A log that is dropped without [`finish`](Self::finish) looks like a session that is still
/// running, or was interrupted.
#[derive(Debug)]
pub struct RunLog {
    folder: PathBuf,
    clock: Clock,
    /// Whether the cell's folder had event files before this log.
    again: bool,
    session: EventFile,
    train: Option<EventFile>,
    valid: Option<EventFile>,
}

impl RunLog {
    /// Creates the log of a cell in `folder` and writes its settings there.
    ///
    /// Cells with one `group` share a row of the HParams page, which shows the settings of one of them and the means
    /// of their metrics: leave out settings that differ within the group, such as the seed. A cell with an empty
    /// group has a row of its own.
    ///
    /// A log of an earlier attempt in the folder is replaced, since TensorBoard would keep its settings and its end.
    /// To resume a cell, create its log anew and give it the recorded epochs, then those that follow. A cell's log
    /// must have only one writer at a time.
    ///
    /// # Errors
    /// When files can't be written, or an earlier attempt's can't be removed.
    pub fn create(folder: &Path, group: &str, hparams: &[(String, HParam)]) -> Result<Self, Error> {
        Self::create_at(folder, group, hparams, Clock::System)
    }

    /// Like [`create`](Self::create), with the times of `clock`.
    ///
    /// # Errors
    /// When files can't be written, or an earlier attempt's can't be removed.
    pub fn create_at(folder: &Path, group: &str, hparams: &[(String, HParam)], clock: Clock) -> Result<Self, Error> {
        let mut session = EventFile::create_at(folder, WRITER, clock)?;
        let mut again = remove_others(folder, Some(session.path()))?;
        for part in ["train", "validation"] {
            again |= remove_others(&folder.join(part), None)?;
        }
        if again {
            session.restart(0)?;
        }
        hparams::write_start(&mut session, group, hparams, clock.seconds())?;
        session.flush()?;
        Ok(Self { folder: folder.to_owned(), clock, again, session, train: None, valid: None })
    }

    /// Writes the scores of an epoch, as Keras does after it: `iterations` is the number of steps (batches) trained
    /// since the first epoch began, including this epoch's.
    ///
    /// # Errors
    /// When files can't be written.
    pub fn epoch(&mut self, epoch: &Epoch, iterations: u64) -> Result<(), Error> {
        let step = index(epoch.epoch);
        if let Some(scores) = &epoch.valid {
            let events = self.valid()?;
            for (metric, &score) in scores {
                events.scalar(iterations, &format!("evaluation_{metric}_vs_iterations"), score)?;
            }
            epoch_scores(events, step, scores)?;
            events.flush()?;
        }
        let events = self.train()?;
        epoch_scores(events, step, &epoch.train)?;
        events.scalar(step, "epoch_learning_rate", epoch.learning_rate)?;
        Ok(events.flush()?)
    }

    /// Ends the session. Its metrics, by names such as `val_loss`, are those of `epoch` (1 for the first), whose
    /// weights were kept; they get tags such as `result/val_loss`, which [`MetricInfo::result`] names to the HParams
    /// page. A metric that isn't finite is left out.
    ///
    /// [`MetricInfo::result`]: crate::MetricInfo::result
    ///
    /// # Errors
    /// When files can't be written.
    pub fn finish(mut self, status: SessionStatus, epoch: u32, metrics: &BTreeMap<String, f64>) -> Result<(), Error> {
        for (name, &value) in metrics.iter().filter(|(_, value)| value.is_finite()) {
            self.session.scalar(index(epoch), &hparams::result_tag(name), value)?;
        }
        hparams::write_end(&mut self.session, status, self.clock.seconds())?;
        Ok(self.session.flush()?)
    }

    fn train(&mut self) -> Result<&mut EventFile, Error> {
        open(&mut self.train, &self.folder.join("train"), self.clock, self.again)
    }

    fn valid(&mut self) -> Result<&mut EventFile, Error> {
        open(&mut self.valid, &self.folder.join("validation"), self.clock, self.again)
    }
}

/// Writes the experiment's description into `folder`, the parent folder of the cells' own. It replaces an earlier
/// one, since TensorBoard would use the first that it finds.
///
/// # Errors
/// When files can't be written, or the earlier one can't be removed.
pub fn write_experiment(folder: &Path, experiment: &Experiment) -> Result<(), Error> {
    let mut events = EventFile::create(folder, WRITER)?;
    hparams::write_experiment(&mut events, experiment)?;
    events.flush()?;
    remove_others(folder, Some(events.path()))?;
    Ok(())
}

/// Returns the epoch as Keras counts it, from 0.
pub(crate) fn index(epoch: u32) -> u64 {
    u64::from(epoch).saturating_sub(1)
}

fn epoch_scores(events: &mut EventFile, step: u64, scores: &Scores) -> Result<(), tfevents::Error> {
    scores.iter().try_for_each(|(metric, &score)| events.scalar(step, &format!("epoch_{metric}"), score))
}

/// Returns the event file of a folder. As in Keras, it is opened when there is something to write.
fn open<'a>(
    events: &'a mut Option<EventFile>,
    folder: &Path,
    clock: Clock,
    again: bool,
) -> Result<&'a mut EventFile, Error> {
    if let Some(events) = events {
        return Ok(events);
    }
    let mut opened = EventFile::create_at(folder, WRITER, clock)?;
    if again {
        opened.restart(0)?;
    }
    Ok(events.insert(opened))
}

/// Removes the event files of a folder, except `keep`; returns whether there were any.
fn remove_others(folder: &Path, keep: Option<&Path>) -> Result<bool, Error> {
    if !folder.exists() {
        return Ok(false);
    }
    let paths = event_files(folder)?.into_iter().map(|name| folder.join(name));
    let others: Vec<_> = paths.filter(|path| Some(path.as_path()) != keep).collect();
    for path in &others {
        fs::remove_file(path).map_err(FileError::new("remove", path))?;
    }
    Ok(!others.is_empty())
}

#[cfg(test)]
mod tests {
    use emberline_base::Metric;
    use tfevents::{Scalar, scalars};

    use super::*;

    fn epoch(epoch: u32, loss: f64, valid: Option<f64>) -> Epoch {
        let scores = |loss| Scores::from([(Metric::Loss, loss), (Metric::Accuracy, 0.5)]);
        Epoch { epoch, learning_rate: 0.125, seconds: 1.0, train: scores(loss), valid: valid.map(scores) }
    }

    fn logged(folder: &Path) -> Vec<(String, u64, f32)> {
        let scalars = scalars(folder).expect("readable");
        scalars.into_iter().map(|Scalar { tag, step, value }| (tag, step, value)).collect()
    }

    fn expected(list: &[(&str, u64, f32)]) -> Vec<(String, u64, f32)> {
        list.iter().map(|&(tag, step, value)| (tag.to_owned(), step, value)).collect()
    }

    #[test]
    fn folders_tags_and_steps_are_kerass() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = RunLog::create(folder.path(), "", &[]).expect("a log");
        log.epoch(&epoch(1, 0.75, Some(0.625)), 4).expect("logged");
        log.epoch(&epoch(2, 0.5, None), 8).expect("logged");
        let metrics = BTreeMap::from([("val_loss".to_owned(), 0.625), ("val_f1".to_owned(), f64::NAN)]);
        log.finish(SessionStatus::Success, 1, &metrics).expect("finished");

        let train = expected(&[
            ("epoch_loss", 0, 0.75),
            ("epoch_accuracy", 0, 0.5),
            ("epoch_learning_rate", 0, 0.125),
            ("epoch_loss", 1, 0.5),
            ("epoch_accuracy", 1, 0.5),
            ("epoch_learning_rate", 1, 0.125),
        ]);
        assert_eq!(logged(&folder.path().join("train")), train);
        let valid = expected(&[
            ("evaluation_loss_vs_iterations", 4, 0.625),
            ("evaluation_accuracy_vs_iterations", 4, 0.5),
            ("epoch_loss", 0, 0.625),
            ("epoch_accuracy", 0, 0.5),
        ]);
        assert_eq!(logged(&folder.path().join("validation")), valid);
        assert_eq!(logged(folder.path()), expected(&[("result/val_loss", 0, 0.625)]));
    }

    #[test]
    fn a_log_replaces_that_of_an_earlier_attempt_under_later_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = || ["", "train", "validation"].map(|part| event_files(&folder.path().join(part)).expect("listed"));
        let write = |loss| {
            let mut log = RunLog::create(folder.path(), "", &[]).expect("a log");
            log.epoch(&epoch(1, loss, Some(loss)), 4).expect("logged");
            names()
        };
        let (first, second) = (write(0.75), write(0.5));
        for (first, second) in first.iter().zip(&second) {
            assert_eq!((first.len(), second.len()), (1, 1));
        }
        assert!(first[0] < second[0]);
        assert_eq!(logged(&folder.path().join("train"))[0].2, 0.5);

        RunLog::create(folder.path(), "", &[]).expect("a log without epochs");
        assert_eq!(names().map(|names| names.len()), [1, 0, 0]);
    }

    #[test]
    fn epochs_can_be_read_while_the_log_is_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = RunLog::create(folder.path(), "", &[]).expect("a log");
        for number in 1..=3 {
            log.epoch(&epoch(number, 0.5, None), u64::from(number)).expect("logged");
            assert_eq!(logged(&folder.path().join("train")).len(), 3 * number as usize);
        }
    }
}
