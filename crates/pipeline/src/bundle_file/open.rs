//! Opens a bundle: checks the file, unpacks the source's files and reads the model.

use std::fs::DirBuilder;
use std::path::Path;

use emberline_base::byte_arrays::{ByteArrays, ByteArraysError};
use emberline_base::file::{self, FileError, TemporaryFolder};
use emberline_base::run_files;
use emberline_dataset::settings::Column;
use emberline_embedding::{LearnedState, Source};
use emberline_train::Model;
use serde::de::DeserializeOwned;

use super::{BundleError, ENCODER, FORMAT, Fault, LEARNED, MODEL, SOURCE, VERSION, damaged};
use crate::Error;
use crate::classifier::TunedEncoder;

/// An opened bundle.
pub(crate) struct Bundle {
    pub(crate) model: Model,
    pub(crate) learned: Option<LearnedState>,
    pub(crate) encoder: Option<TunedEncoder>,
    pub(crate) source: Source,
    /// The folder with the source's files, which is removed when this is dropped.
    pub(crate) folder: TemporaryFolder,
    pub(crate) text: Column,
    pub(crate) header: Option<bool>,
    /// A description of the model, in one line.
    pub(crate) description: String,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// If the file can't be read, isn't a bundle, has another version or is damaged, or if its files can't be unpacked.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::read(path).map_err(|fault| match fault {
            Fault::System(error) => Error::File(error),
            Fault::Content(why) => BundleError::at(path)(why),
        })
    }

    fn read(path: &Path) -> Result<Self, Fault> {
        let mut file = ByteArrays::open(path).map_err(|error| match error {
            ByteArraysError::Damaged(why) => BundleError::NotABundle { why }.into(),
            error => Fault::from(error),
        })?;
        if file.metadata().get("format").is_none_or(|format| format != FORMAT) {
            return Err(BundleError::NotABundle { why: "its metadata don't say so".to_owned() }.into());
        }
        let version = entry(&file, "version")?;
        if version != VERSION {
            return Err(BundleError::OtherVersion { found: version }.into());
        }
        file.verify()?;
        let source: Source = json(&file, "source")?;
        check(&source)?;
        let model = file.bytes(MODEL)?.ok_or_else(|| damaged(format!("it lacks `{MODEL}`")))?;
        let model = Model::from_safetensors(&model).map_err(damaged)?;
        let learned = file.bytes(LEARNED)?;
        let learned = learned.map(|bytes| LearnedState::from_safetensors(&bytes, Path::new(LEARNED))).transpose();
        let (learned, text) = (learned.map_err(damaged)?, json(&file, "text")?);
        let encoder = file.bytes(ENCODER)?.map(|bytes| TunedEncoder::from_safetensors(&bytes)).transpose();
        let encoder = encoder.map_err(damaged)?;
        if encoder.is_none() && source.fine_tuning().is_some() {
            return Err(damaged(format!("it lacks `{ENCODER}`")).into());
        }
        let header = file.metadata().contains_key("header").then(|| json(&file, "header")).transpose()?;
        let cell = entry(&file, "cell")?;
        let which = file.metadata().get(run_files::REFIT).cloned().unwrap_or_else(|| format!("cell {cell}"));
        let description = format!("{which}: the bundle's");
        Ok(Self { model, learned, encoder, source, folder: unpack(&mut file)?, text, header, description })
    }
}

fn entry(file: &ByteArrays, key: &str) -> Result<String, BundleError> {
    file.metadata().get(key).cloned().ok_or_else(|| damaged(format!("its metadata lack `{key}`")))
}

fn json<T: DeserializeOwned>(file: &ByteArrays, key: &str) -> Result<T, BundleError> {
    serde_json::from_str(&entry(file, key)?).map_err(|error| damaged(format!("its metadata entry `{key}`: {error}")))
}

/// Refuses settings that no export writes.
fn check(source: &Source) -> Result<(), BundleError> {
    if let Some(fault) = source.faults().first() {
        return Err(damaged(format!("its source's `{}` is {}", fault.key, fault.message)));
    }
    if source.stays_within() { Ok(()) } else { Err(damaged("a path of its source leads out of it")) }
}

/// Writes the source's files into a folder that only the user can read.
fn unpack(file: &mut ByteArrays) -> Result<TemporaryFolder, Fault> {
    let system = std::env::temp_dir();
    file::remove_stale(&system);
    let folder = file::temporary_folder_in(&system).map_err(FileError::new("make a folder in", &system))?;
    let names: Vec<String> = file.names().filter(|name| name.starts_with(SOURCE)).map(str::to_owned).collect();
    for name in names {
        if !file::stays_within(Path::new(&name)) || name.contains(['\\', ':', '\0']) {
            return Err(damaged(format!("the name {name:?} leads out of it")).into());
        }
        let path = folder.path().join(&name);
        let above = file::folder_of(&path);
        DirBuilder::new().recursive(true).create(above).map_err(FileError::new("make the folder", above))?;
        file.extract(&name, &path)?;
    }
    Ok(folder)
}

impl From<ByteArraysError> for Fault {
    fn from(error: ByteArraysError) -> Self {
        match error {
            ByteArraysError::File(error) => Self::System(error),
            ByteArraysError::Damaged(why) => Self::Content(BundleError::Damaged { why }),
            ByteArraysError::OutOfMemory(error) => Self::Content(error.into()),
        }
    }
}

impl From<BundleError> for Fault {
    fn from(error: BundleError) -> Self {
        Self::Content(error)
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        Self::System(error)
    }
}
