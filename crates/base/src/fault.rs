//! Validation errors of settings that have the right types but invalid values.

/// A validation error of one key of a table. The pipeline adds the position in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The dotted key relative to the table that was checked, for example `split.valid`; empty for the table itself.
    pub key: String,
    /// What is wrong, as a short phrase in lower case.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Other keys that are involved. If the value of one of them is invalid by itself, this fault isn't reported, since it
    /// may be a mere consequence.
    pub related: Vec<String>,
}

impl Fault {
    /// Creates a fault at `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), hint: hint.into(), related: Vec::new() }
    }

    /// Adds another key that is involved.
    #[must_use]
    pub fn related_to(mut self, key: impl Into<String>) -> Self {
        self.related.push(key.into());
        self
    }

    /// Makes the keys relative to the parent table: `key` becomes `table.key`.
    #[must_use]
    pub fn below(mut self, table: &str) -> Self {
        for key in std::iter::once(&mut self.key).chain(&mut self.related) {
            *key = if key.is_empty() { table.to_owned() } else { format!("{table}.{key}") };
        }
        self
    }
}
