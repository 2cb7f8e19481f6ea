//! What the end-to-end tests share: a pipeline in a folder of its own, sources of every kind, how NumPy's files and run folders
//! are read, and how the built program is run.

pub mod browser;
pub mod fixture;
pub mod pipeline;
pub mod reference;
pub mod run_files;
pub mod sources;

pub use fixture::Fixture;
pub use pipeline::Pipeline;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// An array of NumPy's, as 32-bit floats.
#[derive(Clone, Debug)]
pub struct Array {
    /// The length along every axis.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// The arrays of an `.npz` file.
pub fn read_npz(path: &Path) -> BTreeMap<String, Array> {
    let file = std::fs::File::open(path).expect("the file opens");
    let mut archive = zip::ZipArchive::new(file).expect("an archive");
    let mut arrays = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("an entry");
        let name = entry.name().trim_end_matches(".npy").to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("the entry's bytes");
        arrays.insert(name, read_npy(&bytes));
    }
    arrays
}

/// The array of an `.npy` file of 32-bit floats, in C order.
pub fn read_npy(bytes: &[u8]) -> Array {
    let header_length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + header_length]).expect("an ASCII header");
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split_once('(').and_then(|(_, rest)| rest.split_once(')')).expect("a shape").0;
    let shape = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let values =
        bytes[10 + header_length..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Array { shape, values }
}

/// The built program, ready for arguments; it is built first where it isn't fresh.
pub fn emberline() -> Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(BINARY.get_or_init(build));
    command.env_remove("RUST_BACKTRACE");
    command
}

/// Asks cargo for the program in the words that the tests are run by, so that nothing is built a second time with other
/// features of the same dependencies.
fn build() -> PathBuf {
    // A program that is built already, to run these tests against it.
    if let Some(built) = std::env::var_os("EMBERLINE_BINARY") {
        return built.into();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["test", "--workspace", "--no-run", "--quiet", "--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    // What cargo tells tests of their package: a build script that looks at it would be run anew.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            build.env_remove(name);
        }
    }
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::null()).output().expect("cargo runs");
    let messages = String::from_utf8(output.stdout).expect("JSON lines");
    let of_line = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_program = message["target"]["kind"][0] == "bin" && message["profile"]["test"] == false;
        Some(PathBuf::from(message["executable"].as_str().filter(|_| is_program)?))
    };
    messages.lines().find_map(of_line).expect("`cargo test --workspace --no-run` builds the program")
}

/// What a command left: exit code, standard output, standard error.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code.
    pub code: Option<i32>,
    /// What it printed as its result.
    pub stdout: String,
    /// What it said on the way.
    pub stderr: String,
}

impl Ended {
    /// All that was printed: the result, then the messages.
    pub fn printed(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

/// Runs a command to its end.
pub fn end(command: &mut Command) -> Ended {
    let output = command.output().expect("the program starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `emberline ARGS` in `folder`, with the cache there too.
pub fn run_in(folder: &Path, args: &[&str]) -> Ended {
    end(emberline().current_dir(folder).env("EMBERLINE_CACHE_DIR", folder.join("cache")).args(args))
}
