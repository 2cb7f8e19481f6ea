//! The text of a tiny pipeline file: name, `[data]`, and whatever sections a test is about.

use std::fmt;

use crate::sources::{self, Small};

/// A pipeline file that grows by lines. The order of sections is that in which they are added.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Above the first section.
    top: String,
    /// The lines of `[data]`.
    data: String,
    sections: String,
}

impl Pipeline {
    /// The name, and `[data]` with the columns `text` and `label` of `texts.csv`.
    pub fn new(name: &str) -> Self {
        Self::without_data(name).data("path = \"texts.csv\"\ntext = \"text\"\nlabel = \"label\"")
    }

    /// The name, and an empty `[data]`.
    pub fn without_data(name: &str) -> Self {
        Self { top: format!("name = {name:?}\n"), data: String::new(), sections: String::new() }
    }

    /// Lines above the first section, such as `seed = 3`.
    #[must_use]
    pub fn top(mut self, lines: &str) -> Self {
        self.top += &format!("{lines}\n");
        self
    }

    /// More lines of `[data]`.
    #[must_use]
    pub fn data(mut self, lines: &str) -> Self {
        self.data += &format!("{lines}\n");
        self
    }

    /// One section with its lines, or none if there are no lines.
    #[must_use]
    pub fn section(self, name: &str, lines: &str) -> Self {
        if lines.is_empty() { self } else { self.toml(&format!("[{name}]\n{lines}")) }
    }

    /// Sections as they are written.
    #[must_use]
    pub fn toml(mut self, sections: &str) -> Self {
        self.sections += &format!("{sections}\n");
        self
    }

    /// `[embedding.NAME.KIND]` of every source.
    #[must_use]
    pub fn sources(self, sources: &[Small]) -> Self {
        self.toml(&sources::tables(sources))
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { top, data, sections } = self;
        write!(f, "{top}[data]\n{data}{sections}")
    }
}
