//! `[checks]`: which warnings end a command, and which aren't shown.

use emberline_base::warning::Code;
use emberline_base::{Fault, Warning};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;

/// `[checks]`: which warnings end `check --data` and `run`, and which aren't shown. No result depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Checks {
    /// The codes of warnings that end `check --data` and `run` with exit code 4, before anything is trained: `["EMB003"]`.
    pub fatal: Vec<Code>,
    /// The codes of warnings that are shown nowhere.
    pub ignore: Vec<Code>,
}

impl Checks {
    /// Returns the faults that types can't express.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let both = self.fatal.iter().filter(|code| self.ignore.contains(code));
        let mut faults: Vec<Fault> = both
            .map(|code| {
                let message = format!("`{code}` is in `fatal` too: a warning that ends the run can't be left out");
                Fault::new("ignore", message, "remove it from one of the two")
            })
            .collect();
        if self.fatal.contains(&Code::NothingLearned) {
            let message =
                format!("`{}` is known only after training, so that it can't end the run before", Code::NothingLearned);
            faults.push(Fault::new("fatal", message, "remove it"));
        }
        faults
    }

    /// Removes the warnings that aren't to be shown.
    pub(crate) fn retain(&self, warnings: &mut Vec<Warning>) {
        warnings.retain(|warning| !self.ignore.contains(&warning.code));
    }

    /// Returns whether a warning of this code is to be shown.
    pub(crate) fn shows(&self, code: Code) -> bool {
        !self.ignore.contains(&code)
    }

    /// Returns whether warnings end a run for which embeddings have to be opened.
    pub(crate) fn is_fatal_of_embeddings(&self) -> bool {
        self.fatal.iter().any(|code| code.is_of_embeddings())
    }

    /// Returns the warnings that end a command.
    pub(crate) fn fatal<'w>(&self, warnings: impl IntoIterator<Item = &'w Warning>) -> Vec<Warning> {
        warnings.into_iter().filter(|warning| self.fatal.contains(&warning.code)).cloned().collect()
    }

    /// Refuses warnings that end a command.
    ///
    /// # Errors
    /// [`Error::Checks`] with all of them.
    pub(crate) fn refuse(&self, warnings: &[Warning]) -> Result<(), Error> {
        let fatal = self.fatal(warnings);
        if fatal.is_empty() { Ok(()) } else { Err(Error::Checks(fatal)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_fatal_or_ignored() {
        let checks = |fatal: &[Code], ignore: &[Code]| Checks { fatal: fatal.to_vec(), ignore: ignore.to_vec() };
        let faults = checks(&[Code::Mojibake, Code::NothingLearned], &[Code::Mojibake]).faults();
        assert_eq!(faults.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), ["ignore", "fatal"]);
        assert!(faults[0].message.starts_with("`EMB021` is in `fatal` too"), "{}", faults[0].message);
        assert_eq!(checks(&[Code::Mojibake], &[Code::TextsCut]).faults(), []);
    }

    #[test]
    fn fatal_warnings_are_refused_and_ignored_ones_removed() {
        let mut warnings = [Code::Mojibake, Code::TextsCut].map(|code| Warning::new(code, "it")).to_vec();
        let checks = Checks { fatal: vec![Code::TextsCut], ignore: vec![Code::Mojibake] };
        assert!(matches!(checks.refuse(&warnings), Err(Error::Checks(fatal)) if fatal == warnings[1..]));
        checks.retain(&mut warnings);
        assert_eq!(warnings, [Warning::new(Code::TextsCut, "it")]);
        assert!(Checks::default().refuse(&warnings).is_ok());
    }
}
