//! All faults of a pipeline file: the first ones in full, the others as a number.
//!
//! A file may have as many faults as bytes. They are counted, but only [`MAX_SHOWN`] of them are created, kept and shown.

use std::fmt;

use emberline_base::number::{counted, grouped};

use crate::diagnostic::Diagnostic;

/// Maximum number of faults that are shown.
pub(crate) const MAX_SHOWN: usize = 50;

/// The faults of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    shown: Vec<Diagnostic>,
    /// The number of faults beyond those that are shown.
    more: usize,
}

impl Diagnostics {
    /// Returns the faults that are shown.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.shown.iter()
    }

    /// Returns the number of all faults, shown or not.
    pub fn count(&self) -> usize {
        self.shown.len() + self.more
    }

    /// Returns whether there is no fault.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Returns whether a further fault would only be counted.
    pub(crate) fn is_full(&self) -> bool {
        self.shown.len() >= MAX_SHOWN
    }

    /// Adds a fault. If enough are kept, it is only counted, and `make` isn't called.
    pub(crate) fn push(&mut self, make: impl FnOnce() -> Diagnostic) {
        if self.is_full() {
            self.more += 1;
            return;
        }
        let fault = make();
        if !self.shown.contains(&fault) {
            self.shown.push(fault);
        }
    }

    /// Adds the faults of another list.
    pub(crate) fn append(&mut self, other: Self) {
        other.shown.into_iter().for_each(|fault| self.push(|| fault));
        self.more += other.more;
    }

    /// Returns `Ok` if there is no fault, else the faults sorted by position.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self.sorted()) }
    }

    /// Sorts the faults by position; those of the file come before those of `-S` arguments.
    #[must_use]
    pub(crate) fn sorted(mut self) -> Self {
        let is_assignment = |fault: &Diagnostic| fault.span.source().name.starts_with("-S ");
        self.shown.sort_by(|a, b| {
            let source = is_assignment(a).cmp(&is_assignment(b));
            let place = || a.span.range().start.cmp(&b.span.range().start);
            source.then_with(place).then_with(|| a.message.cmp(&b.message))
        });
        self
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(fault: Diagnostic) -> Self {
        Self { shown: vec![fault], more: 0 }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.shown {
            write!(f, "{fault}\n\n")?;
        }
        if self.more > 0 {
            write!(f, "and {} more\n\n", grouped(self.more as u64))?;
        }
        f.write_str(&counted(self.count(), "fault"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::{SourceText, Span};

    fn fault(at: usize) -> Diagnostic {
        let source = Arc::new(SourceText { name: "p.toml".into(), text: "x".repeat(5000) });
        Diagnostic { span: Span::new(&source, at..at + 1), message: "wrong".into(), hint: None }
    }

    #[test]
    fn the_first_faults_are_shown_and_the_others_counted() {
        let mut faults = Diagnostics::default();
        (0..1284).for_each(|at| faults.push(|| fault(at)));
        assert_eq!((faults.count(), faults.iter().count()), (1284, MAX_SHOWN));
        assert!(faults.to_string().ends_with("\n\nand 1,234 more\n\n1,284 faults"), "{faults}");
    }

    #[test]
    fn one_fault_is_told_once_and_places_give_the_order() {
        let mut faults = Diagnostics::default();
        [7, 3, 7].into_iter().for_each(|at| faults.push(|| fault(at)));
        let faults = faults.into_result().expect_err("faults");
        let places: Vec<usize> = faults.iter().map(|fault| fault.span.range().start).collect();
        assert_eq!(places, [3, 7]);
        assert_eq!(Diagnostics::default().into_result(), Ok(()));
    }
}
