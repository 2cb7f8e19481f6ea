//! Refuses training rows that are all one text, and splits whose training rows all have the same label: a head would learn to
//! always predict it, and score well if validation has only that label too.

use emberline_base::Task;
use emberline_base::number::counted;

use crate::error::{Error, excerpt};
use crate::rows::{Part, Rows};
use crate::settings::Split;
use crate::texts::Texts;

/// Up to this number of different texts, the message names them as the cause, because texts can't be split as rows can.
const FEW_TEXTS: usize = 20;

/// Refuses training rows that are all one text.
pub(crate) fn refuse_one_text(train: &Part, pool: &[u32], groups: &[u32], texts: &Texts) -> Result<(), Error> {
    let group = |row: u32| groups[row as usize];
    if pool.iter().any(|&row| group(row) != group(pool[0])) {
        return Ok(());
    }
    let text = excerpt(&texts[pool[0] as usize]);
    let rows = train.rows.clone().filter(|&row| groups[row] == group(pool[0])).count();
    Err(Error::OneText { path: train.path.clone(), rows, text })
}

impl Rows {
    /// Refuses training rows that all have the same label, or the same labels.
    ///
    /// # Errors
    /// When they all have the same label; the error says why.
    pub(crate) fn refuse_one_class(&self, train: &[usize], split: &Split) -> Result<(), Error> {
        let labels = self.labels.of_row(train[0]);
        if train.iter().any(|&row| self.labels.of_row(row) != labels) {
            return Ok(());
        }
        let names: Vec<String> =
            labels.iter().map(|&class| format!("`{}`", excerpt(&self.labels.classes[class as usize]))).collect();
        Err(Error::OneClassToTrainOn {
            path: self.parts[0].path.clone(),
            rows: train.len(),
            label: if names.is_empty() { "of no class".to_owned() } else { names.join(", ") },
            reason: self.reason(train, split),
        })
    }

    /// Returns an explanation if the rows to split are only a few different texts.
    pub(crate) fn few_texts(&self) -> Option<String> {
        let pool = &self.pools.train;
        let mut texts: Vec<u32> = pool.iter().map(|&row| self.groups[row as usize]).collect();
        texts.sort_unstable();
        texts.dedup();
        let rows = self.parts[0].rows.len() - self.leaks.train;
        (texts.len() <= FEW_TEXTS && texts.len() < rows).then(|| {
            let (rows, texts) = (counted(rows, "row"), counted(texts.len(), "different text"));
            format!("the {rows} of its file are only {texts}, and equal texts stay in one split")
        })
    }

    /// Explains why no row with another label is left for training, and gives the cure.
    fn reason(&self, train: &[usize], split: &Split) -> String {
        if let Some(few) = self.few_texts() {
            return format!("{few}: give it more different texts");
        }
        let pool = &self.pools.train;
        let label = self.labels.of_row(train[0]);
        let others = pool.iter().filter(|&&row| self.labels.of_row(row as usize) != label).count();
        let kind = if self.labels.task == Task::MultiLabel { "other labels" } else { "another label" };
        let cure = if split.stratifies() { "" } else { " or set stratify = true," };
        let of = counted(pool.len(), "row");
        match others {
            0 => format!("none of the {of} that can be taken from the file has {kind}: add rows with {kind}"),
            1 => format!(
                "of the {of} that can be taken from the file, 1 has {kind}: add such rows,{cure} or change data.split"
            ),
            _ => format!(
                "of the {of} that can be taken from the file, {others} have {kind}:{cure} raise data.split.train, or lower the other splits"
            ),
        }
    }
}
