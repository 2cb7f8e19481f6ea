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
    /// Other keys that the fault is about: where the value of one of them is faulty by itself, this fault is not
    /// reported, since it may come of that alone.
    pub related: Vec<String>,
}

impl Fault {
    /// A fault at `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), hint: hint.into(), related: Vec::new() }
    }

    /// The same fault, which is about another key too.
    #[must_use]
    pub fn related_to(mut self, key: impl Into<String>) -> Self {
        self.related.push(key.into());
        self
    }

    /// The same fault, seen from the table above: `key` below `table`.
    #[must_use]
    pub fn below(mut self, table: &str) -> Self {
        for key in std::iter::once(&mut self.key).chain(&mut self.related) {
            *key = if key.is_empty() { table.to_owned() } else { format!("{table}.{key}") };
        }
        self
    }
}
