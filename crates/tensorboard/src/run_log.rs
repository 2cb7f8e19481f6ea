//! The log of one cell: Keras's folders and tags, and a session of the HParams page.
//!
//! The cell's settings, the scores of its epochs and its end enter. Event files leave, in `tensorboard/<cell>/`,
//! `tensorboard/<cell>/train/` and `tensorboard/<cell>/validation/`, with the tags that the crate's documentation
//! lists; and in `tensorboard/` itself, whose file describes what varies between the cells.
//!
//! A cell may be trained twice at the same time, on two machines that share a folder. So each attempt writes files of its own, in a
//! folder of its own ([`LogFolders`]), and those in `tensorboard/<cell>/` are links to the files of one attempt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use emberline_base::Scores;
use emberline_base::file;
use emberline_base::record::Epoch;
use tfevents::{Clock, EventFile, event_files};

use crate::error::Error;
use crate::hparams::{self, Experiment, HParam, SessionStatus};

/// The program that event files name as their source.
pub(crate) const WRITER: &str = "emberline";

/// The folders of a log below its own: those of Keras's runs, and itself.
pub const PARTS: [&str; 3] = ["", "train", "validation"];

/// Where the log of an attempt at a cell lies.
#[derive(Clone, Debug)]
pub struct LogFolders {
    /// The attempt's own folder. Nobody else writes there.
    pub own: PathBuf,
    /// The cell's folder that TensorBoard reads, with links to the files of one attempt.
    pub shown: PathBuf,
}

impl LogFolders {
    /// Makes the files of this attempt those that TensorBoard reads. An attempt without a log changes nothing.
    ///
    /// # Errors
    /// When a file can't be linked, or another attempt's can't be removed.
    pub fn show(&self) -> Result<(), Error> {
        if !self.own.is_dir() {
            return Ok(());
        }
        for part in PARTS {
            let (own, shown) = (self.own.join(part), self.shown.join(part));
            let names = if own.is_dir() { event_files(&own)? } else { Vec::new() };
            remove_others(&shown, &names.iter().map(String::as_str).collect())?;
            names.iter().try_for_each(|name| link(&own.join(name), &shown))?;
        }
        Ok(())
    }
}

/// Writes one cell's log. A log that is dropped without [`finish`](Self::finish) looks like a session that is still
/// running, or was interrupted.
#[derive(Debug)]
pub struct RunLog {
    folders: LogFolders,
    clock: Clock,
    /// Whether the folder that is shown had event files before this log.
    again: bool,
    session: EventFile,
    train: Option<EventFile>,
    valid: Option<EventFile>,
}

impl RunLog {
    /// Creates the log of an attempt at a cell, writes its settings, and shows it from now on.
    ///
    /// Cells with one `group` share a row of the HParams page, which shows the settings of one of them and the means
    /// of their metrics: leave out settings that differ within the group, such as the seed. A cell with an empty
    /// group has a row of its own.
    ///
    /// A log of an earlier attempt isn't shown any more, since TensorBoard would keep its settings and its end. To resume a cell, create
    /// the log of another attempt and give it the recorded epochs, then those that follow. If two attempts are made at the same time, the
    /// one that began last is shown, until one of them ends and is [shown](LogFolders::show).
    ///
    /// # Errors
    /// When files can't be written, or an earlier attempt's can't be removed.
    pub fn create(folders: &LogFolders, group: &str, hparams: &[(String, HParam)]) -> Result<Self, Error> {
        Self::create_at(folders, group, hparams, Clock::System)
    }

    /// Like [`create`](Self::create), with the times of `clock`.
    ///
    /// # Errors
    /// When files can't be written, or an earlier attempt's can't be removed.
    pub fn create_at(
        folders: &LogFolders,
        group: &str,
        hparams: &[(String, HParam)],
        clock: Clock,
    ) -> Result<Self, Error> {
        let LogFolders { own, shown } = folders;
        let mut session = EventFile::create_after(shown, own, WRITER, clock)?;
        let mut again = false;
        for part in PARTS {
            again |= remove_others(&shown.join(part), &BTreeSet::new())?;
        }
        if again {
            session.restart(0)?;
        }
        hparams::write_start(&mut session, group, hparams, clock.seconds())?;
        session.flush()?;
        link(session.path(), shown)?;
        Ok(Self { folders: folders.clone(), clock, again, session, train: None, valid: None })
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
        let session = name_of(self.session.path());
        open(&mut self.train, "train", (&self.folders, session), self.clock, self.again)
    }

    fn valid(&mut self) -> Result<&mut EventFile, Error> {
        let session = name_of(self.session.path());
        open(&mut self.valid, "validation", (&self.folders, session), self.clock, self.again)
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
    remove_others(folder, &BTreeSet::from([name_of(events.path())]))?;
    Ok(())
}

/// Returns the epoch as Keras counts it, from 0.
pub(crate) fn index(epoch: u32) -> u64 {
    u64::from(epoch).saturating_sub(1)
}

fn epoch_scores(events: &mut EventFile, step: u64, scores: &Scores) -> Result<(), tfevents::Error> {
    scores.iter().try_for_each(|(metric, &score)| events.scalar(step, &format!("epoch_{metric}"), score))
}

/// Returns the event file of a part of a log, given by its folders and the name of its session's file. As in Keras, it is opened when
/// there is something to write.
fn open<'a>(
    events: &'a mut Option<EventFile>,
    part: &str,
    (folders, session): (&LogFolders, &str),
    clock: Clock,
    again: bool,
) -> Result<&'a mut EventFile, Error> {
    if let Some(events) = events {
        return Ok(events);
    }
    let LogFolders { own, shown } = folders;
    let mut opened = EventFile::create_after(&shown.join(part), &own.join(part), WRITER, clock)?;
    if again {
        opened.restart(0)?;
    }
    opened.flush()?;
    // Another attempt may be shown meanwhile.
    if shown.join(session).exists() {
        link(opened.path(), &shown.join(part))?;
    }
    Ok(events.insert(opened))
}

/// Links a file of an attempt into a folder that TensorBoard reads, unless it is there.
fn link(own: &Path, shown: &Path) -> Result<(), Error> {
    let to = shown.join(name_of(own));
    if File::open(own).is_ok_and(|file| file::is_same_file(&to, &file)) {
        return Ok(());
    }
    file::make_folder(shown)?;
    Ok(file::link(own, &to)?)
}

fn name_of(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).expect("an event file has a name of plain letters")
}

/// Removes the event files of a folder, except `kept`; returns whether there were any. Another attempt may do the same.
fn remove_others(folder: &Path, kept: &BTreeSet<&str>) -> Result<bool, Error> {
    if !folder.exists() {
        return Ok(false);
    }
    let names = event_files(folder)?;
    let others: Vec<&String> = names.iter().filter(|name| !kept.contains(name.as_str())).collect();
    others.iter().try_for_each(|name| file::remove_file(&folder.join(name)))?;
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

    /// An attempt's own folder, and the one that is shown.
    fn folders(at: &Path, attempt: u32) -> LogFolders {
        LogFolders { own: at.join(attempt.to_string()), shown: at.join("shown") }
    }

    fn created(at: &Path, attempt: u32) -> RunLog {
        RunLog::create(&folders(at, attempt), "", &[]).expect("a log")
    }

    fn expected(list: &[(&str, u64, f32)]) -> Vec<(String, u64, f32)> {
        list.iter().map(|&(tag, step, value)| (tag.to_owned(), step, value)).collect()
    }

    #[test]
    fn folders_tags_and_steps_are_kerass() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = created(folder.path(), 1);
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
        let LogFolders { own, shown } = folders(folder.path(), 1);
        assert_eq!(logged(&own.join("train")), train);
        assert_eq!(logged(&shown.join("train")), train);
        let valid = expected(&[
            ("evaluation_loss_vs_iterations", 4, 0.625),
            ("evaluation_accuracy_vs_iterations", 4, 0.5),
            ("epoch_loss", 0, 0.625),
            ("epoch_accuracy", 0, 0.5),
        ]);
        assert_eq!(logged(&shown.join("validation")), valid);
        assert_eq!(logged(&shown), expected(&[("result/val_loss", 0, 0.625)]));
    }

    #[test]
    fn a_log_replaces_that_of_an_earlier_attempt_under_later_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let shown = folders(folder.path(), 1).shown;
        let names = || PARTS.map(|part| event_files(&shown.join(part)).expect("listed"));
        let write = |attempt, loss| {
            let mut log = created(folder.path(), attempt);
            log.epoch(&epoch(1, loss, Some(loss)), 4).expect("logged");
            names()
        };
        let (first, second) = (write(1, 0.75), write(2, 0.5));
        for (first, second) in first.iter().zip(&second) {
            assert_eq!((first.len(), second.len()), (1, 1));
        }
        assert!(first[0] < second[0]);
        assert_eq!(logged(&shown.join("train"))[0].2, 0.5);

        created(folder.path(), 3);
        assert_eq!(names().map(|names| names.len()), [1, 0, 0], "a log without epochs");
    }

    /// The one that began last is shown, then the one that counts, whole and without anything of the other.
    #[test]
    fn two_attempts_at_the_same_time_never_write_one_file() {
        let at = tempfile::tempdir().expect("a folder");
        let of = |attempt| folders(at.path(), attempt);
        let shown = of(1).shown;
        let losses = |folder: &Path| logged(&folder.join("train")).iter().map(|point| point.2).collect::<Vec<f32>>();
        let mut first = created(at.path(), 1);
        first.epoch(&epoch(1, 0.75, None), 4).expect("logged");
        let mut second = created(at.path(), 2);
        first.epoch(&epoch(2, 0.625, Some(0.5)), 8).expect("logged");
        second.epoch(&epoch(1, 0.25, None), 4).expect("logged");
        let of_second = [0.25, 0.5, 0.125];
        assert_eq!(losses(&shown), of_second);
        assert!(!shown.join("validation").exists(), "the first attempt's file isn't shown");
        first.finish(SessionStatus::Success, 2, &BTreeMap::new()).expect("finished");
        second.finish(SessionStatus::Success, 1, &BTreeMap::new()).expect("finished");
        let of_first = [0.75, 0.5, 0.125, 0.625, 0.5, 0.125];
        for (attempt, own) in [(1, &of_first[..]), (2, &of_second), (2, &of_second)] {
            assert_eq!(losses(&of(attempt).own), own);
            of(attempt).show().expect("shown");
            assert_eq!(losses(&shown), own);
            let is_validated = event_files(&shown.join("validation")).is_ok_and(|names| !names.is_empty());
            assert_eq!(is_validated, attempt == 1);
        }
        of(3).show().expect("an attempt without a log");
        assert_eq!(losses(&shown), of_second);
    }

    #[test]
    fn epochs_can_be_read_while_the_log_is_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = created(folder.path(), 1);
        let shown = folders(folder.path(), 1).shown;
        for number in 1..=3 {
            log.epoch(&epoch(number, 0.5, None), u64::from(number)).expect("logged");
            assert_eq!(logged(&shown.join("train")).len(), 3 * number as usize);
        }
    }
}
