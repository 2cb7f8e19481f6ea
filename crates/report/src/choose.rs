//! Chooses the model of a run for classification: the cell that the user names, the refit of the best setting, or the best cell
//! of the best setting. `predict` and `export` choose the same model.

use std::collections::BTreeSet;
use std::path::Path;

use emberline_base::ReplicateAxis;
use emberline_base::record::{Cell, Outcome, Refit, RefitCell, Status, Summary};
use serde_json::Value;

use crate::grouping::{self, Setting};
use crate::ranking::{MainMetric, Ranking};
use crate::refit::read_refit;
use crate::{Error, Run};

/// A trained model of a run: that of a cell, or the refit.
#[derive(Clone, Debug)]
pub enum ChosenModel<'a> {
    /// The model of a cell.
    Cell(&'a Cell),
    /// The model that was refitted on all rows.
    Refit(Box<Refit>),
}

/// The chosen model of a run, and the description of the choice.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The model.
    pub model: ChosenModel<'a>,
    /// Describes the choice.
    pub choice: ModelChoice,
}

/// Describes the chosen model to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChoice {
    /// Which model it is and why it was chosen, in one line.
    pub description: String,
    /// A warning about the model, with the cure; `None` if the user named the model.
    pub warning: Option<String>,
}

/// The best setting of a run.
#[derive(Clone, Debug)]
pub struct ChosenSetting<'a> {
    /// The label of the setting.
    pub label: String,
    /// The finished cells of the setting, one per replicate, in the order of the plan.
    pub cells: Vec<&'a Cell>,
}

impl<'a> ChosenSetting<'a> {
    /// Chooses the smallest setting that is good enough if the answer names one (`[decide] margin`), otherwise the best setting by the
    /// main metric of the report; a single setting needs no metric. Settings with fewer labels than others aren't chosen.
    ///
    /// # Errors
    /// If no cell is done, or there are no scores to rank the settings by.
    pub fn of(summary: &'a Summary) -> Result<Self, Error> {
        let ranking = Ranking::of(summary);
        let best = match ranking.settings.as_slice() {
            [only] => Some(only),
            _ => smallest(summary, &ranking).or_else(|| ranking.best()),
        };
        let chosen =
            best.map(|best| Self { label: best.label.clone(), cells: best.done().map(|(cell, _)| cell).collect() });
        let chosen = chosen.filter(|setting| !setting.cells.is_empty());
        chosen.ok_or_else(|| Error::NothingToChoose { name: summary.name.clone() })
    }

    /// Returns the records of the setting's cells that a refit stores.
    pub fn refit_cells(&self) -> Vec<RefitCell> {
        let of_cell = |cell: &&Cell| {
            let Outcome { digests, best_epoch, .. } = cell.outcome.as_ref()?;
            Some(RefitCell { id: cell.id.clone(), weights: digests.weights.clone(), best_epoch: *best_epoch })
        };
        self.cells.iter().filter_map(of_cell).collect()
    }
}

impl Run {
    /// Chooses the model for classification: that of the cell `named`; without a name, the refit in the run folder `dir` if
    /// it is up to date, otherwise the best cell of the best setting.
    ///
    /// # Errors
    /// If there is no such cell, it isn't done, there are no scores to rank the cells by, or the record of the refit doesn't
    /// match its checksum.
    pub fn choose(&self, dir: &Path, named: Option<&str>) -> Result<Chosen<'_>, Error> {
        if let Some(id) = named {
            let model = ChosenModel::Cell(self.named(id)?);
            let choice = ModelChoice { description: format!("cell {id}: named by --cell"), warning: None };
            return Ok(Chosen { model, choice });
        }
        let outdated = match read_refit(dir)? {
            Some(refit) if self.is_current(&refit) => {
                let choice = ModelChoice { description: refit.to_string(), warning: None };
                return Ok(Chosen { model: ChosenModel::Refit(Box::new(refit)), choice });
            }
            Some(_) => "; the refit is outdated, `emberline run` renews it",
            None => "",
        };
        let (cell, why) = self.best().ok_or_else(|| Error::NothingToChoose { name: self.summary.name.clone() })?;
        let description = format!("cell {}: {why}{outdated}", cell.id);
        let choice = ModelChoice { description, warning: self.warning_of_part(cell) };
        Ok(Chosen { model: ChosenModel::Cell(cell), choice })
    }

    /// Returns the cell that is chosen when none is named and there is no refit; `None` if nothing tells which is best.
    pub fn best_cell(&self) -> Option<&Cell> {
        self.best().map(|(cell, _)| cell)
    }

    /// Returns a warning if the setting's cells were trained on different rows, for example on folds or repeats.
    fn warning_of_part(&self, cell: &Cell) -> Option<String> {
        let settings = grouping::settings(&self.summary);
        let setting = settings.iter().find(|setting| setting.cells.iter().any(|other| other.id == cell.id))?;
        let part = |axis: ReplicateAxis| {
            let values: BTreeSet<String> =
                setting.cells.iter().filter_map(|cell| cell.settings.get(axis.key()).map(Value::to_string)).collect();
            let value = grouping::value_text(cell.settings.get(axis.key())?);
            (values.len() > 1).then(|| format!("{} {value} (one of {})", axis.noun(), values.len()))
        };
        let moved = ReplicateAxis::ALL.into_iter().filter(|axis| axis.changes_split());
        let parts: Vec<String> = moved.filter_map(part).collect();
        (!parts.is_empty()).then(|| {
            format!(
                "this model was trained on the training rows of {} alone; `[decide] refit = true` in the pipeline makes a \
                 model of all rows, and --cell names the cell to take",
                parts.join(" and of ")
            )
        })
    }

    /// Returns whether the refit is up to date: it is based on the present results of the best setting's cells.
    fn is_current(&self, refit: &Refit) -> bool {
        ChosenSetting::of(&self.summary).is_ok_and(|setting| setting.refit_cells() == refit.cells)
    }

    fn named(&self, id: &str) -> Result<&Cell, Error> {
        let cells = &self.summary.cells;
        let found = cells.iter().find(|cell| cell.id == id);
        let cell = found.ok_or_else(|| Error::NoSuchCell { id: id.to_owned(), done: self.done() })?;
        if cell.status == Status::Done { Ok(cell) } else { Err(Error::NotDone { cell: id.to_owned() }) }
    }

    fn done(&self) -> Vec<String> {
        let done = self.summary.cells.iter().filter(|cell| cell.status == Status::Done);
        done.map(|cell| cell.id.clone()).collect()
    }

    /// Returns the best cell of the best setting, and why it was chosen.
    pub(crate) fn best(&self) -> Option<(&Cell, String)> {
        if let [only] = self.done().as_slice() {
            let cell = self.summary.cells.iter().find(|cell| cell.id == *only)?;
            return Some((cell, "the only one that is done".to_owned()));
        }
        let ranking = Ranking::of(&self.summary);
        let smallest = smallest(&self.summary, &ranking);
        let (main, setting) = (ranking.main.as_ref()?, smallest.or_else(|| ranking.best())?);
        let (cell, value) = best_cell(setting, main)?;
        let of = if smallest.is_some() {
            format!("the best of {}, the smallest setting that is good enough,", setting.label)
        } else if setting.done().count() > 1 {
            format!("the best of the setting {}", setting.label)
        } else {
            "the best".to_owned()
        };
        Some((cell, format!("{of} by {} ({})", main.name, emberline_base::number::fixed(value, 4))))
    }
}

/// Returns the smallest setting that is good enough, if the answer names one.
fn smallest<'r, 'a>(summary: &Summary, ranking: &'r Ranking<'a>) -> Option<&'r Setting<'a>> {
    let chosen = summary.answer.as_ref()?.chosen_smallest.as_ref()?;
    ranking.settings.iter().find(|setting| setting.axes() == *chosen)
}

/// Returns the best cell of a setting and its value; the first one among equals.
fn best_cell<'a>(setting: &Setting<'a>, main: &MainMetric) -> Option<(&'a Cell, f64)> {
    let mut best: Option<(&Cell, f64)> = None;
    for (cell, outcome) in setting.done() {
        let Some(&value) = outcome.metrics.get(&main.name) else { continue };
        let is_better = |than: f64| if main.metric.smaller_is_better() { value < than } else { value > than };
        if best.is_none_or(|(_, than)| is_better(than)) {
            best = Some((cell, value));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use std::fs;

    use emberline_base::{Digest, Sums, record, run_files};

    use super::*;
    use crate::sample;

    /// Returns a folder without a refit.
    fn nowhere() -> &'static Path {
        Path::new("no such folder")
    }

    fn cell<'a>(chosen: &Chosen<'a>) -> &'a Cell {
        match &chosen.model {
            ChosenModel::Cell(cell) => cell,
            ChosenModel::Refit(refit) => panic!("{refit}"),
        }
    }

    /// Writes the record of a refit that is based on these cells.
    fn write_refit(dir: &Path, cells: Vec<RefitCell>) {
        let digest = || Digest::of(b"");
        let digests = record::Digests { data: digest(), embedding: digest(), weights: digest(), predictions: None };
        let refit = Refit {
            version: record::VERSION,
            setting: "s".to_owned(),
            cells,
            rows: 1200,
            epochs: 7,
            threshold: None,
            metrics: Default::default(),
            digests,
            device: "cpu".to_owned(),
            arithmetic: String::new(),
            computation: 1,
            seconds: 0.0,
        };
        let text = serde_json::to_string(&refit).expect("JSON");
        let mut sums = Sums::default();
        sums.add(run_files::RESULT, text.as_bytes());
        let folder = dir.join(run_files::REFIT);
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join(run_files::SUMS), sums.to_text()).expect("written");
        fs::write(folder.join(run_files::RESULT), text).expect("written");
    }

    #[test]
    fn the_best_cell_of_the_best_setting_is_chosen() {
        let run = sample::course();
        let chosen = run.choose(nowhere(), None).expect("a best cell");
        let ranking = Ranking::of(&run.summary);
        let best = ranking.best().expect("a best setting");
        let values = best.values("val_pr_auc");
        let value = cell(&chosen).outcome.as_ref().expect("done").metrics["val_pr_auc"];
        assert!(best.cells.iter().any(|of_best| of_best.id == cell(&chosen).id));
        assert!(values.iter().all(|&other| other <= value), "{values:?}");
        assert!(chosen.choice.description.contains("val_pr_auc"), "{}", chosen.choice.description);
    }

    #[test]
    fn the_smallest_setting_that_is_good_enough_comes_before_the_best() {
        let mut run = sample::of_five_splits();
        let ranking = Ranking::of(&run.summary);
        let (best, other) = (ranking.best().expect("a best setting").label.clone(), &ranking.settings);
        let other =
            other.iter().map(|setting| setting.label.clone()).find(|label| *label != best).expect("two settings");
        let answer = run.summary.answer.as_mut().expect("an answer");
        let smallest =
            answer.settings.iter().find(|setting| setting.label == other).map(|setting| setting.setting.clone());
        answer.chosen_smallest = smallest;
        assert_eq!(ChosenSetting::of(&run.summary).expect("chosen").label, other);
        let description = run.choose(nowhere(), None).expect("chosen").choice.description;
        assert!(description.contains("the smallest setting that is good enough"), "{description}");
    }

    #[test]
    fn a_cell_is_chosen_by_name_if_it_is_done() {
        let mut run = sample::course();
        let id = run.summary.cells[1].id.clone();
        assert_eq!(cell(&run.choose(nowhere(), Some(&id)).expect("done")).id, id);
        assert!(matches!(run.choose(nowhere(), Some("none")), Err(Error::NoSuchCell { .. })));
        run.summary.cells[1].status = Status::Failed;
        assert!(matches!(run.choose(nowhere(), Some(&id)), Err(Error::NotDone { .. })));
        run.summary.cells.iter_mut().for_each(|cell| (cell.status, cell.outcome) = (Status::Pending, None));
        assert!(matches!(run.choose(nowhere(), None), Err(Error::NothingToChoose { .. })));
    }

    #[test]
    fn a_part_of_the_rows_is_warned_of_unless_it_was_named() {
        let run = sample::of_splits();
        let chosen = run.choose(nowhere(), None).expect("a best cell");
        let warning = chosen.choice.warning.as_deref().expect("a split of several");
        assert!(warning.contains("split ") && warning.contains("refit = true"), "{warning}");
        let id = &cell(&chosen).id;
        assert_eq!(run.choose(nowhere(), Some(id)).expect("done").choice.warning, None);
        // Cells that differ only in their seed have the same rows, and a refit has all rows.
        let seeds = sample::course();
        assert_eq!(seeds.choose(nowhere(), None).expect("a best cell").choice.warning, None);
        let dir = tempfile::tempdir().expect("a folder");
        write_refit(dir.path(), ChosenSetting::of(&run.summary).expect("a best setting").refit_cells());
        assert_eq!(run.choose(dir.path(), None).expect("the refit").choice.warning, None);
    }

    #[test]
    fn a_refit_is_chosen_while_it_is_of_the_best_setting() {
        let run = sample::course();
        let dir = tempfile::tempdir().expect("a folder");
        let best = ChosenSetting::of(&run.summary).expect("a best setting").refit_cells();
        write_refit(dir.path(), best.clone());
        let chosen = run.choose(dir.path(), None).expect("the refit");
        assert!(matches!(chosen.model, ChosenModel::Refit(_)));
        assert_eq!(chosen.choice.description, "refit of setting s on all 1,200 rows, 7 epochs");
        let id = &run.summary.cells[0].id;
        assert_eq!(cell(&run.choose(dir.path(), Some(id)).expect("done")).id, *id, "a name comes first");
        // A refit of another setting whose cells are unchanged, and a refit of the best setting with other weights.
        let others = run.summary.cells.iter().filter(|cell| best.iter().all(|of_best| of_best.id != cell.id)).collect();
        let other = ChosenSetting { label: String::new(), cells: others }.refit_cells();
        let trained_again = best.into_iter().map(|cell| RefitCell { weights: Digest::of(b"other"), ..cell }).collect();
        for outdated in [other, trained_again] {
            write_refit(dir.path(), outdated);
            let chosen = run.choose(dir.path(), None).expect("a best cell");
            assert!(chosen.choice.description.contains("the refit is outdated"), "{}", chosen.choice.description);
            cell(&chosen);
        }
    }
}
