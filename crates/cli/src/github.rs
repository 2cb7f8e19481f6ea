//! Annotations of GitHub Actions: lines on standard output that GitHub shows at the lines of files in a pull request.
//!
//! `::error file=p.toml,line=3,col=1,title=TITLE::MESSAGE`. In a message, `%`, CR and LF are escaped as `%25`, `%0D` and
//! `%0A`; in the other values, `:` and `,` too, as `%3A` and `%2C` (`actions/toolkit`, `core/src/command.ts`). So no text of
//! a user's file can end a command or begin another one.
//!
//! GitHub shows at most ten errors and ten warnings per step, and drops the others without a word. The last one that is
//! shown here says how many there are.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use emberline_base::Warning;
use emberline_base::number::grouped;
use emberline_pipeline::{Diagnostic, Error as Fault, Lock, Pipeline, StaleInput, Subject, Verified};

use crate::exit::Error;
use crate::terminal::printable;

/// How many annotations of a level GitHub shows per step.
const MAX_SHOWN: usize = 10;

/// What an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    /// What ends a command with another exit code than 0.
    Error,
    /// What doesn't.
    Warning,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// An annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) level: Level,
    /// The file, as the user named it.
    pub(crate) file: Option<PathBuf>,
    /// The line, from 1.
    pub(crate) line: Option<usize>,
    /// The column, from 1, in characters.
    pub(crate) column: Option<usize>,
    pub(crate) title: String,
    pub(crate) message: String,
}

impl Annotation {
    /// Returns an error without a place.
    pub(crate) fn error(title: &str, message: impl Into<String>) -> Self {
        let (title, message) = (title.to_owned(), message.into());
        Self { level: Level::Error, file: None, line: None, column: None, title, message }
    }

    /// Sets the file and the line.
    pub(crate) fn at(self, file: &Path, line: Option<usize>) -> Self {
        Self { file: Some(file.to_owned()), line, ..self }
    }

    /// Returns the warning about the data of a pipeline file.
    pub(crate) fn of_warning(warning: &Warning, file: &Path) -> Self {
        let message = format!("{}{}", warning.text, crate::terminal::of_cells(&warning.cells));
        let title = serde_json::to_value(warning.code).ok().and_then(|code| Some(code.as_str()?.to_owned()));
        let title = title.unwrap_or_else(|| "warning".to_owned());
        Self { level: Level::Warning, ..Self::error(&title, message) }.at(file, None)
    }

    fn of_diagnostic(fault: &Diagnostic) -> Self {
        let hint = fault.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
        let annotation = Self::error("pipeline file", format!("{}{hint}", fault.message));
        let name = &fault.span.source().name;
        // A fault of a `-S` argument is in no file.
        if name.starts_with("-S ") {
            return annotation;
        }
        let (line, column) = fault.span.position();
        Self { column: Some(column), ..annotation.at(Path::new(name), Some(line)) }
    }

    fn text(&self, workspace: Option<&Path>) -> String {
        let mut properties = Vec::new();
        if let Some(file) = &self.file {
            properties.push(format!("file={}", property(&shown_path(file, workspace))));
        }
        properties.extend(self.line.map(|line| format!("line={line}")));
        properties.extend(self.column.map(|column| format!("col={column}")));
        properties.push(format!("title={}", property(&self.title)));
        format!("::{} {}::{}", self.level.name(), properties.join(","), data(&self.message))
    }
}

/// Returns the annotations of an error that ends a command on a pipeline file.
pub(crate) fn of_error(error: &Error, pipeline: &Path) -> Vec<Annotation> {
    match error {
        Error::Pipeline(Fault::Invalid(faults)) => faults.iter().map(Annotation::of_diagnostic).collect(),
        Error::Pipeline(Fault::MissingFiles(missing)) => {
            let each = |fault: &Fault| Annotation::error("missing file", fault.to_string()).at(pipeline, None);
            missing.iter().map(each).collect()
        }
        Error::Pipeline(Fault::Lock { path, fault }) => {
            vec![Annotation::error("lock", fault.to_string()).at(path, fault.line())]
        }
        other => vec![Annotation::error("emberline", other.to_string()).at(pipeline, None)],
    }
}

/// Returns the annotations of inputs that aren't what a lock says, at their places in the pipeline file.
pub(crate) fn of_stale(stale: &[StaleInput], pipeline: &Pipeline) -> Vec<Annotation> {
    let place = |stale: &StaleInput| match &stale.subject {
        Subject::Settings => stale.changes.first().map(|change| change.what.clone()).unwrap_or_default(),
        Subject::Cells => "grid".to_owned(),
        Subject::Data(_) => "data".to_owned(),
        Subject::Embedding(name) => format!("embedding.{name}"),
        Subject::Refit => "decide.refit".to_owned(),
        Subject::Pipeline | Subject::Cell(_) => "name".to_owned(),
    };
    let annotation = |stale: &StaleInput| {
        let message = format!("{stale}\n`emberline lock` renews the lock after a run");
        Annotation::error("stale lock", message).at(&pipeline.file, pipeline.line_of(&place(stale)))
    };
    stale.iter().map(annotation).collect()
}

/// Returns the annotations of results that aren't what a lock says, at their lines in the lock.
pub(crate) fn of_verified(verified: &Verified, pipeline: &Pipeline, lock: &Path) -> Vec<Annotation> {
    let mut found = of_stale(&verified.inputs, pipeline);
    if verified.models().any(|cell| !cell.differences.is_empty()) {
        let lines = Lock::lines_of_cells(lock);
        for cell in verified.models().filter(|cell| !cell.differences.is_empty()) {
            let explained = cell.differences.iter().map(|it| it.explained(cell.proof, verified.tolerance));
            let message = explained.collect::<Vec<_>>().join("\n");
            found.push(Annotation::error(&cell.id, message).at(lock, lines.get(&cell.id).copied()));
        }
    }
    if let Some(expected) = verified.expected.as_ref().filter(|expected| !expected.holds) {
        let line = pipeline.line_of("expect");
        found.push(Annotation::error("expected number", expected.to_string()).at(&pipeline.file, line));
    }
    found
}

/// Prints annotations to standard output, as many as GitHub shows.
pub(crate) fn print(annotations: &[Annotation]) -> io::Result<()> {
    let workspace = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    let mut out = io::stdout().lock();
    shown(annotations).iter().try_for_each(|annotation| writeln!(out, "{}", annotation.text(workspace.as_deref())))
}

/// Returns the annotations that GitHub shows; if there are more of a level, the last one says how many.
fn shown(annotations: &[Annotation]) -> Vec<Annotation> {
    let mut all: HashMap<Level, usize> = HashMap::new();
    annotations.iter().for_each(|annotation| *all.entry(annotation.level).or_default() += 1);
    let mut seen: HashMap<Level, usize> = HashMap::new();
    let mut shown = Vec::new();
    for annotation in annotations {
        let number = seen.entry(annotation.level).or_default();
        *number += 1;
        match all[&annotation.level].saturating_sub(MAX_SHOWN) {
            0 => shown.push(annotation.clone()),
            _ if *number < MAX_SHOWN => shown.push(annotation.clone()),
            more if *number == MAX_SHOWN => {
                let message = format!("and {} more, which GitHub does not show", grouped(more as u64 + 1));
                shown.push(Annotation { message, line: None, column: None, ..annotation.clone() });
            }
            _ => {}
        }
    }
    shown
}

/// Returns a path as GitHub knows it: relative to the workspace, with slashes.
fn shown_path(file: &Path, workspace: Option<&Path>) -> String {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let below = workspace.and_then(|workspace| absolute.strip_prefix(workspace).ok());
    below.unwrap_or(file).display().to_string().replace('\\', "/")
}

/// Escapes a message.
fn data(text: &str) -> String {
    printable(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_a_command() {
        let hostile = "100 %, a: b\r\n::error::injected\u{1b}[31m";
        let annotation = Annotation::error(hostile, hostile).at(Path::new("a,b:c%.toml"), Some(3));
        let text = annotation.text(None);
        assert_eq!(
            text,
            "::error file=a%2Cb%3Ac%25.toml,line=3,title=100 %25%2C a%3A b\\r%0A%3A%3Aerror%3A%3Ainjected\\u{1b}[31m::\
             100 %25, a: b\\r%0A::error::injected\\u{1b}[31m"
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn paths_are_those_of_the_workspace() {
        let here = std::env::current_dir().expect("a folder");
        let above = here.parent().expect("a folder");
        let inner = here.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(shown_path(Path::new("p.toml"), Some(above)), format!("{inner}/p.toml"));
        assert_eq!(shown_path(&here.join("p.toml"), Some(&here)), "p.toml");
        assert_eq!(shown_path(Path::new("sub/p.toml"), None), "sub/p.toml");
    }

    #[test]
    fn github_shows_ten_and_the_last_says_how_many_there_are() {
        let many = |count: usize| vec![Annotation::error("t", "m").at(Path::new("p"), Some(1)); count];
        assert_eq!(shown(&many(10)).len(), 10);
        let of_many = shown(&many(25));
        assert_eq!((of_many.len(), of_many[9].message.as_str()), (10, "and 16 more, which GitHub does not show"));
        let warnings = many(3).into_iter().map(|annotation| Annotation { level: Level::Warning, ..annotation });
        assert_eq!(shown(&many(12).into_iter().chain(warnings).collect::<Vec<_>>()).len(), 13);
    }
}
