//! A fault in settings that parse but can't be meant.

/// What is wrong with one key of a table. The pipeline points it at its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The dotted key below the table that was checked, for example `split.valid`; empty: the table itself.
    pub key: String,
    /// What is wrong: short, lower case.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Fault {
    /// A fault at `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), hint: hint.into() }
    }

    /// The same fault, seen from the table above: `key` below `table`.
    #[must_use]
    pub fn below(mut self, table: &str) -> Self {
        self.key = if self.key.is_empty() { table.to_owned() } else { format!("{table}.{}", self.key) };
        self
    }
}
