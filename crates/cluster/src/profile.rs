//! The profile: what a cluster needs to be told, outside of the committed pipeline file.
//!
//! ```toml
//! executor = "slurm"
//! shared_dir = "/scratch/me"            # all nodes see it at this path; it holds the pipeline, the run folder and the cache
//! prologue = ["module load cuda/12.4"]  # lines of shell before the program
//! wrapper = ["apptainer", "exec", "--nv", "/scratch/me/emberline.sif"]
//! [slurm]
//! account = "nlp"
//! [slurm.train]
//! partition = "gpu"
//! gres = "gpu:1"
//! time = "02:00:00"
//! ```
//! Unknown keys are refused. Values go into scripts, so a value with a line end, or a blank where none belongs, is refused too.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::{fs, io};

use emberline_base::file::FileError;
use serde::{Deserialize, Deserializer};

use crate::Error;

/// A cluster's profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What runs the jobs; Slurm is the only one.
    pub executor: Executor,
    /// A folder that every node sees at the same path; everything that jobs read and write lies in it.
    pub shared_dir: PathBuf,
    /// The folder of the vector cache; `emberline-cache` in `shared_dir` when left out.
    pub cache_dir: Option<PathBuf>,
    /// The folder of the cell cache; tasks use none when left out.
    pub cell_cache: Option<PathBuf>,
    /// Lines of shell that run before the program.
    #[serde(default)]
    pub prologue: Vec<String>,
    /// The command in which the program runs, such as `apptainer exec image.sif`.
    #[serde(default)]
    pub wrapper: Vec<String>,
    /// The program on the nodes; this program's own path when left out, or `emberline` in a wrapper.
    pub program: Option<String>,
    /// The device that trains and encodes: `auto`, `cpu`, `cuda` or `wgpu`.
    #[serde(default = "auto")]
    pub device: String,
    /// What is particular to Slurm.
    #[serde(default)]
    pub slurm: SlurmSettings,
}

/// What runs the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// The workload manager Slurm.
    Slurm,
}

fn auto() -> String {
    "auto".to_owned()
}

/// The settings of `[slurm]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmSettings {
    /// The account that is charged.
    pub account: Option<String>,
    /// Maximum number of tasks of one array that run at the same time.
    pub array_limit: Option<NonZeroU32>,
    /// How many cells a task trains.
    pub cells_per_task: CellsPerTask,
    /// Seconds between the signal that asks a task to save its work and the end of its time.
    pub grace_s: u32,
    /// How often a task that ran out of time is put back into the queue at most.
    pub max_requeues: u32,
    /// Whether the program is a step of its own.
    pub step: Step,
    /// Whether a node is asked, before anything is queued, if it sees the manifest; nothing is asked if no node is free.
    pub probe: bool,
    /// What embedding jobs ask for.
    pub embed: Resources,
    /// What training jobs ask for.
    pub train: Resources,
    /// What the report job asks for.
    pub report: Resources,
}

impl Default for SlurmSettings {
    fn default() -> Self {
        Self {
            account: None,
            array_limit: None,
            cells_per_task: CellsPerTask::Auto,
            grace_s: 60,
            max_requeues: 20,
            step: Step::Srun,
            probe: true,
            embed: Resources::default(),
            train: Resources::default(),
            report: Resources::default(),
        }
    }
}

/// How many cells a task trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellsPerTask {
    /// As many as take 10 to 30 minutes.
    Auto,
    /// This many.
    Number(NonZeroU32),
}

impl<'de> Deserialize<'de> for CellsPerTask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) if text == "auto" => Ok(Self::Auto),
            toml::Value::Integer(number) => u32::try_from(number)
                .ok()
                .and_then(NonZeroU32::new)
                .map(Self::Number)
                .ok_or_else(|| D::Error::custom("`cells_per_task` must be at least 1")),
            _ => Err(D::Error::custom("`cells_per_task` must be a number or \"auto\"")),
        }
    }
}

/// How the program is started in a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// As a step, by `srun`: Slurm signals it, and accounts for it.
    Srun,
    /// By the batch script itself, which passes signals on.
    None,
}

/// What a kind of job asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// The partition.
    pub partition: Option<String>,
    /// Generic resources, such as `gpu:1`.
    pub gres: Option<String>,
    /// Features of the nodes, such as `a100`.
    pub constraint: Option<String>,
    /// The time limit of a task, such as `02:00:00`.
    pub time: Option<String>,
    /// The number of CPUs of a task.
    pub cpus: Option<NonZeroU32>,
    /// The memory of a task, such as `16G`.
    pub mem: Option<String>,
    /// Further options of `sbatch`, such as `--qos=long`.
    pub extra: Vec<String>,
    /// Embedding jobs: the number of texts that one task encodes at most; 2^20 when left out.
    pub texts_per_task: Option<NonZeroU32>,
}

/// Where a profile is read from.
#[derive(Clone, Debug)]
pub struct ProfileSource(PathBuf);

impl ProfileSource {
    /// Finds the profile: the file that is named, or the one with this name, or else what `EMBERLINE_PROFILE` says, a name or a path.
    ///
    /// # Errors
    /// [`Error::NoProfile`] if none of them says anything.
    pub fn find(file: Option<&Path>, name: Option<&str>) -> Result<Self, Error> {
        let variable = std::env::var("EMBERLINE_PROFILE").ok().filter(|value| !value.is_empty());
        match (file, name.or(variable.as_deref())) {
            (Some(file), _) => Ok(Self(file.to_owned())),
            (None, Some(name)) if name.contains('/') || name.ends_with(".toml") => Ok(Self(name.into())),
            (None, Some(name)) => Ok(Self(profiles_folder().join(format!("{name}.toml")))),
            (None, None) => Err(Error::NoProfile),
        }
    }

    /// Returns the profile's path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the profile. Returns it with its text.
    ///
    /// # Errors
    /// If it isn't there, or can't be used.
    pub fn load(&self) -> Result<(Profile, String), Error> {
        let path = &self.0;
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoSuchProfile { path: path.clone(), known: known() });
            }
            Err(error) => return Err(FileError::new("read", path)(error).into()),
        };
        let profile = Profile::parse(&text).map_err(|fault| Error::Profile { path: path.clone(), fault })?;
        Ok((profile, text))
    }
}

/// Returns `~/.config/emberline/profiles`, or what `XDG_CONFIG_HOME` makes of it.
fn profiles_folder() -> PathBuf {
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = named("XDG_CONFIG_HOME").or_else(|| Some(named("HOME")?.join(".config")));
    config.unwrap_or_else(|| ".".into()).join("emberline/profiles")
}

/// Returns the names of the profiles that are there, sorted.
fn known() -> Vec<String> {
    let entries = fs::read_dir(profiles_folder()).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| Some(entry.file_name().into_string().ok()?.strip_suffix(".toml")?.to_owned());
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}

/// Rewords the last line of the library's message, which speaks of Rust's fields, variants and types.
fn in_plain_words(message: &str) -> String {
    let (place, says) = message.rsplit_once('\n').unwrap_or(("", message));
    let listed = |rest: &str| rest.replace(", expected one of ", "; there are ").replace(", expected ", "; write ");
    let says = if let Some(rest) = says.strip_prefix("unknown field ") {
        format!("unknown key {}", listed(rest))
    } else if let Some(rest) = says.strip_prefix("unknown variant ") {
        format!("unknown value {}", listed(rest))
    } else if let Some(name) = says.strip_prefix("missing field ") {
        format!("the key {name} is missing; add it")
    } else if let Some(rest) = says.strip_prefix("invalid type: ") {
        format!("the {} is the wrong kind of value; write another", rest.split(',').next().unwrap_or(rest))
    } else {
        says.to_owned()
    };
    if place.is_empty() { says } else { format!("{place}\n{says}") }
}

impl Profile {
    /// Parses a profile.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let profile: Self = toml::from_str(text).map_err(|error| in_plain_words(error.to_string().trim_end()))?;
        profile.faults().map_or(Ok(profile), Err)
    }

    /// Returns the folder of the vector cache.
    pub fn cache_dir(&self) -> PathBuf {
        self.cache_dir.clone().unwrap_or_else(|| self.shared_dir.join("emberline-cache"))
    }

    /// Returns the first value that can't go into a script, and why.
    fn faults(&self) -> Option<String> {
        // Tasks run in another folder than `submit`.
        let folders = [
            ("shared_dir", Some(&self.shared_dir)),
            ("cache_dir", self.cache_dir.as_ref()),
            ("cell_cache", self.cell_cache.as_ref()),
        ];
        let relative =
            folders.into_iter().find_map(|(key, path)| Some((key, path.filter(|path| !path.is_absolute())?)));
        if let Some((key, path)) = relative {
            return Some(format!("`{key}` {} must be an absolute path", path.display()));
        }
        if !["auto", "cpu", "cuda", "wgpu"].contains(&self.device.as_str()) {
            return Some(format!("`device` is \"{}\"; it can be auto, cpu, cuda or wgpu", self.device));
        }
        let words = self.wrapper.iter().chain(&self.program).chain(&self.prologue);
        if let Some(word) = words.into_iter().find(|word| word.contains(['\n', '\r', '\0'])) {
            return Some(format!("{word:?} must not have a line end"));
        }
        let slurm = &self.slurm;
        let sections = [("embed", &slurm.embed), ("train", &slurm.train), ("report", &slurm.report)];
        let account = slurm.account.iter().map(|account| ("slurm.account".to_owned(), account));
        let values = sections.into_iter().flat_map(|(name, section)| {
            section.values().map(move |(key, value)| (format!("slurm.{name}.{key}"), value))
        });
        let mut all = account.chain(values);
        let bad = all.find(|(_, value)| value.is_empty() || value.contains(|c: char| c.is_whitespace() || c == '\0'));
        if let Some((key, value)) = bad {
            return Some(format!("`{key}` is {value:?}, and must be one word"));
        }
        sections.into_iter().find_map(|(name, section)| {
            let bad = section.extra.iter().find(|option| !option.starts_with("--"))?;
            Some(format!("`slurm.{name}.extra` has \"{bad}\"; write options as \"--name=value\""))
        })
    }
}

impl Resources {
    fn values(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let Self { partition, gres, constraint, time, mem, extra, cpus: _, texts_per_task: _ } = self;
        let named =
            [("partition", partition), ("gres", gres), ("constraint", constraint), ("time", time), ("mem", mem)];
        let named = named.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        named.chain(extra.iter().map(|value| ("extra", value)))
    }

    /// Returns the maximum number of texts that one embedding task encodes.
    pub fn texts_per_task(&self) -> usize {
        self.texts_per_task.map_or(1 << 20, |texts| texts.get() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_defaults_and_refuses_what_it_does_not_know() {
        let least = "executor = \"slurm\"\nshared_dir = \"/scratch\"\n";
        let profile = Profile::parse(least).expect("sound");
        assert_eq!((profile.slurm.grace_s, profile.slurm.step), (60, Step::Srun));
        assert_eq!(profile.cache_dir(), Path::new("/scratch/emberline-cache"));
        for (more, says) in [
            ("[slurm]\npartitin = \"a\"", "unknown key `partitin`; there are `account`"),
            ("[slurm.train]\npartition = \"a b\"", "slurm.train.partition"),
            ("[slurm.train]\nextra = [\"-x\"]", "--name=value"),
            ("[slurm]\ncells_per_task = 0", "at least 1"),
            ("[slurm]\nstep = \"mpirun\"", "unknown value `mpirun`; "),
            ("slurm = 3", "the integer `3` is the wrong kind of value; write another"),
            ("wrapper = [\"a\\nb\"]", "line end"),
            ("device = \"tpu\"", "auto, cpu, cuda or wgpu"),
            ("cache_dir = \"cache\"", "`cache_dir` cache must be an absolute path"),
            ("cell_cache = \"cells\"", "`cell_cache` cells must be an absolute path"),
        ] {
            let fault = Profile::parse(&format!("{least}{more}\n")).expect_err(more);
            assert!(fault.contains(says), "{more}: {fault}");
        }
        let relative = Profile::parse("executor = \"slurm\"\nshared_dir = \"scratch\"\n").expect_err("relative");
        assert!(relative.contains("absolute"), "{relative}");
    }

    #[test]
    fn a_fault_is_shown_with_its_line() {
        let fault = Profile::parse("executor = \"slurm\"\nshared_dir = \"/s\"\n[slurm]\ngrace_s = \"x\"\n");
        assert!(fault.expect_err("no number").contains("line 4"));
    }
}
