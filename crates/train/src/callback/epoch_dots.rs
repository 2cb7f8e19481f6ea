//! `[callbacks.epoch_dots]`: prints one dot per epoch, and the metrics every few epochs, like
//! `tfdocs.modeling.EpochDots`.

use std::collections::BTreeMap;
use std::io::Write;

use emberline_base::number::fixed;
use emberline_base::record::Epoch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Callback, Control};
use crate::Error;

/// `[callbacks.epoch_dots]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EpochDots {
    /// The number of epochs between two lines of metrics; 0 for none.
    pub report_every: u32,
    /// The number of epochs per dot.
    #[schemars(range(min = 1))]
    pub dot_every: u32,
}

impl Default for EpochDots {
    fn default() -> Self {
        Self { report_every: 100, dot_every: 1 }
    }
}

/// Prints the dots and the metrics.
pub(super) struct DotPrinter<'a> {
    settings: EpochDots,
    terminal: Box<dyn Write + 'a>,
}

impl<'a> DotPrinter<'a> {
    pub(super) fn new(settings: &EpochDots, terminal: Box<dyn Write + 'a>) -> Self {
        Self { settings: settings.clone(), terminal }
    }
}

impl Callback for DotPrinter<'_> {
    fn on_epoch_end(&mut self, epoch: &Epoch, _: &mut Control) -> Result<(), Error> {
        let index = epoch.epoch - 1;
        let mut text = String::new();
        if self.settings.report_every > 0 && index.is_multiple_of(self.settings.report_every) {
            let valid =
                epoch.valid.iter().flatten().map(|(metric, value)| format!("val_{metric}:{}", fixed(*value, 4)));
            let train = epoch.train.iter().map(|(metric, value)| format!("{metric}:{}", fixed(*value, 4)));
            let metrics: Vec<String> = train.chain(valid).collect();
            text = format!("\nepoch {}: {}\n", epoch.epoch, metrics.join(", "));
        }
        if index.is_multiple_of(self.settings.dot_every.max(1)) {
            text.push('.');
        }
        self.print(&text);
        Ok(())
    }

    fn on_train_end(&mut self, _: u32, _: &BTreeMap<String, f64>) -> Result<(), Error> {
        self.print("\n");
        Ok(())
    }
}

impl DotPrinter<'_> {
    /// Prints a text. Errors are ignored, since a closed terminal is no reason to lose a training.
    fn print(&mut self, text: &str) {
        let _ = self.terminal.write_all(text.as_bytes()).and_then(|()| self.terminal.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::epoch;
    use super::*;

    #[test]
    fn dots_and_metrics_alternate() {
        let mut terminal = Vec::new();
        let mut dots = DotPrinter::new(&EpochDots { report_every: 2, dot_every: 1 }, Box::new(&mut terminal));
        for number in 1..=3 {
            dots.on_epoch_end(&epoch(number, 0.25), &mut Control::new(1.0)).expect("printed");
        }
        dots.on_train_end(3, &BTreeMap::new()).expect("printed");
        drop(dots);
        let line = |number| format!("\nepoch {number}: loss:0.5000, accuracy:0.7500, val_loss:0.2500\n.");
        assert_eq!(String::from_utf8(terminal).expect("text"), format!("{}.{}\n", line(1), line(3)));
    }
}
