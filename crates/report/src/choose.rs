//! Chooses the model of a run for classification: the cell that the user names, the refit, or the best cell of the best
//! setting.

use std::path::{Path, PathBuf};

use emberline_base::record::{Cell, Status};
use emberline_base::{file, run_files};

use crate::grouping::Setting;
use crate::ranking::{MainMetric, Ranking};
use crate::refit::read_refit;
use crate::run::{check, read_sums};
use crate::{Error, Run};

/// The chosen cell of a run.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// Why it was chosen, as a phrase.
    pub why: String,
}

/// The chosen model of a run: that of a cell, or the refit.
#[derive(Clone, Debug)]
pub struct ChosenModel {
    /// The folder with its `model.safetensors` and `cell.toml`.
    pub folder: PathBuf,
    /// Which model it is and why it was chosen, in one line.
    pub description: String,
}

/// The best setting of a run.
#[derive(Clone, Debug)]
pub struct ChosenSetting<'a> {
    /// The label of the setting.
    pub label: String,
    /// The finished cells of the setting, one per replicate, in the order of the plan.
    pub cells: Vec<&'a Cell>,
}

impl Run {
    /// Chooses the model for classification: that of the cell `named`; without a name, the refit in the run folder `dir` if
    /// it is up to date, otherwise the best cell of the best setting.
    ///
    /// # Errors
    /// Those of [`choose`](Self::choose), or if a file of the refit or the cell's model doesn't match its checksum.
    pub fn choose_model(&self, dir: &Path, named: Option<&str>) -> Result<ChosenModel, Error> {
        let refit = if named.is_none() { read_refit(dir)? } else { None };
        let outdated = match refit {
            Some(refit) if refit.is_of(&self.summary) => {
                return Ok(ChosenModel { folder: dir.join(run_files::REFIT), description: refit.to_string() });
            }
            Some(_) => "; the refit is outdated, `emberline run` renews it",
            None => "",
        };
        let Chosen { cell, why } = self.choose(named)?;
        let description = format!("cell {}: {why}{outdated}", cell.id);
        let folder = run_files::cell(dir, &cell.id);
        let model = folder.join(run_files::MODEL);
        check(&read_sums(&folder)?, &model, &file::read(&model)?)?;
        Ok(ChosenModel { folder, description })
    }

    /// Chooses the best setting by the main metric of the report; a single setting needs no metric.
    ///
    /// # Errors
    /// If no cell is done, or there are no scores to rank the settings by.
    pub fn choose_setting(&self) -> Result<ChosenSetting<'_>, Error> {
        let ranking = Ranking::of(&self.summary);
        let best = match ranking.settings.as_slice() {
            [only] => Some(only),
            _ => ranking.best(),
        };
        let chosen = best.map(|setting| ChosenSetting {
            label: setting.label.clone(),
            cells: setting.done().map(|(cell, _)| cell).collect(),
        });
        let chosen = chosen.filter(|setting| !setting.cells.is_empty());
        chosen.ok_or_else(|| Error::NothingToChoose { name: self.summary.name.clone() })
    }

    /// Chooses the cell `named`; without a name, the best cell of the best setting by the main metric of the report.
    ///
    /// # Errors
    /// If there is no such cell, it isn't done, or there are no scores to rank the cells by.
    pub fn choose(&self, named: Option<&str>) -> Result<Chosen<'_>, Error> {
        match named {
            Some(id) => self.named(id).map(|cell| Chosen { cell, why: "named by --cell".to_owned() }),
            None => self.best().ok_or(Error::NothingToChoose { name: self.summary.name.clone() }),
        }
    }

    fn named(&self, id: &str) -> Result<&Cell, Error> {
        let cells = &self.summary.cells;
        let found = cells.iter().find(|cell| cell.id == id);
        let cell = found.ok_or_else(|| Error::NoSuchCell { asked: id.to_owned(), done: self.done() })?;
        if cell.status == Status::Done { Ok(cell) } else { Err(Error::NotDone { cell: id.to_owned() }) }
    }

    fn done(&self) -> Vec<String> {
        let done = self.summary.cells.iter().filter(|cell| cell.status == Status::Done);
        done.map(|cell| cell.id.clone()).collect()
    }

    fn best(&self) -> Option<Chosen<'_>> {
        if let [only] = self.done().as_slice() {
            let cell = self.summary.cells.iter().find(|cell| cell.id == *only)?;
            return Some(Chosen { cell, why: "the only one that is done".to_owned() });
        }
        let ranking = Ranking::of(&self.summary);
        let (main, setting) = (ranking.main.as_ref()?, ranking.best()?);
        let (cell, value) = best_cell(setting, main)?;
        let of = if setting.done().count() > 1 {
            format!("the best of the setting {}", setting.label)
        } else {
            "the best".to_owned()
        };
        Some(Chosen { cell, why: format!("{of} by {} ({})", main.name, emberline_base::number::fixed(value, 4)) })
    }
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
    use super::*;
    use crate::sample;

    #[test]
    fn the_best_cell_of_the_best_setting_is_chosen() {
        let run = sample::course();
        let chosen = run.choose(None).expect("a best cell");
        let ranking = Ranking::of(&run.summary);
        let best = ranking.best().expect("a best setting");
        let values = best.values("val_pr_auc");
        let value = chosen.cell.outcome.as_ref().expect("done").metrics["val_pr_auc"];
        assert!(best.cells.iter().any(|cell| cell.id == chosen.cell.id));
        assert!(values.iter().all(|&other| other <= value), "{values:?}");
        assert!(chosen.why.contains("val_pr_auc"), "{}", chosen.why);
    }

    #[test]
    fn a_cell_is_chosen_by_name_if_it_is_done() {
        let mut run = sample::course();
        let id = run.summary.cells[1].id.clone();
        assert_eq!(run.choose(Some(&id)).expect("done").cell.id, id);
        assert!(matches!(run.choose(Some("none")), Err(Error::NoSuchCell { .. })));
        run.summary.cells[1].status = Status::Failed;
        assert!(matches!(run.choose(Some(&id)), Err(Error::NotDone { .. })));
        run.summary.cells.iter_mut().for_each(|cell| (cell.status, cell.outcome) = (Status::Pending, None));
        assert!(matches!(run.choose(None), Err(Error::NothingToChoose { .. })));
    }
}
