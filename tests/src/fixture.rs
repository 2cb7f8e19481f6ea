//! A working folder of a test's own: a tiny pipeline, its data, and what the program makes of them.
//!
//! ```text
//! let pipeline = Pipeline::new("p").toml("[embedding.random.hashing]\ndim = 4\n[grid]\nseed = [1, 2]");
//! let rows = (0..40).map(|row| (format!("{} {row}", ["good", "bad"][row % 2]), row % 2));
//! let fixture = Fixture::empty().rows(rows).pipeline(&pipeline);
//! fixture.done(&["run", "p.toml"]);
//! assert_eq!(fixture.cells("runs/p").len(), 2);
//! ```

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Ended, Pipeline, emberline, end, sources};

/// A temporary folder that commands run in, with the cache of embeddings in `cache`. It is removed when this is dropped.
#[derive(Debug)]
pub struct Fixture(TempDir);

/// What lies in the folder.
impl Fixture {
    /// An empty folder.
    pub fn empty() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// A copy of a folder, such as [`of_tests`]`("cases/36-memory")`.
    pub fn copy_of(folder: &Path) -> Self {
        let fixture = Self::empty();
        copy_folder(folder, fixture.path());
        fixture
    }

    /// The file `texts.csv` of texts and labels.
    #[must_use]
    pub fn rows<T: Display, L: Display>(self, rows: impl IntoIterator<Item = (T, L)>) -> Self {
        self.file("texts.csv", sources::csv(&rows.into_iter().collect::<Vec<_>>()))
    }

    /// The pipeline file `p.toml`.
    #[must_use]
    pub fn pipeline(self, pipeline: &Pipeline) -> Self {
        self.file("p.toml", pipeline.to_string())
    }

    /// A file.
    #[must_use]
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content);
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file or folder in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and makes the folders that it lies in.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// The text of a file.
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        String::from_utf8(self.bytes(name)).expect("UTF-8")
    }

    /// The bytes of a file.
    pub fn bytes(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Replaces a part of a text file, which must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}: {text}");
        self.write(name, text.replace(from, to));
    }

    /// Removes a file, or a folder with all that is in it.
    pub fn remove(&self, name: impl AsRef<Path>) {
        let path = self.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// What commands make of it.
impl Fixture {
    /// `emberline ARGS` in the folder, to be run as the test likes.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = emberline();
        self.prepare(command.args(args));
        command
    }

    /// The same, started by a shell that first does something to the process, such as `ulimit -v 1600000`.
    pub fn command_after(&self, script: &str, args: &[&str]) -> Command {
        let mut shell = Command::new("bash");
        let line = format!("{script}; exec \"$0\" \"$@\"");
        shell.env_remove("RUST_BACKTRACE").args(["-c", &line]).arg(emberline().get_program()).args(args);
        self.prepare(&mut shell);
        shell
    }

    /// Runs `emberline ARGS`, however it ends.
    pub fn emberline(&self, args: &[&str]) -> Ended {
        end(&mut self.command(args))
    }

    /// Runs `emberline ARGS`, which must end with this exit code.
    pub fn ends(&self, args: &[&str], code: i32) -> Ended {
        let ended = self.emberline(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.printed());
        ended
    }

    /// Runs `emberline ARGS`, which must end well.
    pub fn done(&self, args: &[&str]) -> Ended {
        self.ends(args, 0)
    }

    /// The summary of a run folder, by the folder's name.
    pub fn summary(&self, run: &str) -> Value {
        serde_json::from_str(&self.read(Path::new(run).join("summary.json"))).expect("JSON")
    }

    /// The cells of the summary, in their order.
    pub fn cells(&self, run: &str) -> Vec<Value> {
        self.summary(run)["cells"].as_array().expect("cells").clone()
    }

    /// The ids of the cells of the summary, in their order.
    pub fn ids(&self, run: &str) -> Vec<String> {
        self.cells(run).iter().map(|cell| cell["id"].as_str().expect("an id").to_owned()).collect()
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(self.path()).env("EMBERLINE_CACHE_DIR", self.join("cache"));
    }
}

/// Copies all that is in a folder into another, which is made.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for path in fs::read_dir(from).expect("readable").map(|entry| entry.expect("an entry").path()) {
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// A folder or file of the end-to-end tests, by its path from their folder: `cases/36-memory`.
pub fn of_tests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder or file of the repository, by its path from the root: `crates/encoder/tests/fixtures/bert`.
pub fn repository(path: &str) -> PathBuf {
    of_tests("..").canonicalize().expect("the repository").join(path)
}

/// A list of a JSON document.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// A text of a JSON document.
pub fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The text of a lock with the checksums that `lock` would have written: as if the lock came from elsewhere.
pub fn resealed(lock: &str) -> String {
    let sealed = |line: &str| match line.rsplit_once(" # ") {
        Some((content, _)) => {
            format!("{content} # {}\n", &emberline_base::file::sha256(content.as_bytes())[..16])
        }
        None => format!("{line}\n"),
    };
    lock.lines().map(sealed).collect()
}
