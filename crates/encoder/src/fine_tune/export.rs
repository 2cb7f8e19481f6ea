//! Writes a fine-tuned encoder as a folder that the library sentence-transformers reads.
//!
//! The configs and the tokenizer are copied, and say what was set beside them here: the prompt, the maximum length, and whether
//! vectors are scaled to length 1. All numbers are written with 32 bits under the names of the model's own tensors; those that
//! aren't used (a pooler, a head) are kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_base::file::{self, FileError};
use safetensors::View;
use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};

use super::{HostEncoder, Inner, bytes};
use crate::Error;
use crate::json as read_json;
use crate::sentence_transformer::modules::{Module, Modules};
use crate::sentence_transformer::prompt;
use crate::sentence_transformer::stage::Stage;
use crate::sentence_transformer::tokenizer::settings_file;
use crate::transformer::{Stored, Weights, open_weights};

/// The extensions of the files that are copied: configs, tokenizers, templates, and the code of models that have their own.
const COPIED: [&str; 5] = ["json", "txt", "model", "jinja", "py"];
const MODULES: &str = "modules.json";
const POOLING: &str = "1_Pooling";
const PROMPTS: &str = "config_sentence_transformers.json";
/// The name of a prompt that isn't one of the model's.
const PROMPT: &str = "emberline";

impl HostEncoder {
    /// Writes the encoder with trained values, one slice per array, in order, to a folder that is empty or doesn't exist yet. The
    /// model's own folder must still be there.
    ///
    /// # Errors
    /// Those of [`tuned`](Self::tuned), and if a file can't be read or written, or the folder isn't empty.
    pub fn export(&self, arrays: &[&[f32]], folder: &Path) -> Result<(), Error> {
        let Inner { encoder, outline, .. } = &*self.0;
        let mut stages = encoder.stages.clone();
        let tuned = self.tensors(arrays, &mut stages)?;
        let model = &encoder.folder;
        let modules = Modules::read(model)?;
        let target = |from: &Path| folder.join(from.strip_prefix(model).unwrap_or(Path::new("")));
        file::make_folder(folder)?;
        if fs::read_dir(folder).map_err(FileError::new("read", folder))?.next().is_some() {
            return Err(Error::format(folder, "isn't empty; name a new folder"));
        }
        let dense = modules.after_pooling.iter().filter_map(Module::folder);
        let folders = [Some(&**model), Some(&*modules.transformer), modules.pooling_folder()];
        for from in folders.into_iter().flatten().chain(dense).filter(|from| from.is_dir()) {
            copy(from, &target(from))?;
        }

        let to = target(&modules.transformer);
        save(&open_weights(&modules.transformer)?, (&tuned, &outline.words.name), &to)?;
        for stage in &stages {
            if let Stage::Dense { folder: from, .. } = stage {
                let tensors = stage.tensors().into_iter().map(|(part, name, _)| (name, bytes(stage.values(part))));
                save(&Weights::open(from, "model")?, (&tensors.collect(), ""), &target(from))?;
            }
        }
        edit(&to.join("config.json"), |config| {
            for key in ["dtype", "torch_dtype"] {
                config.entry(key).and_modify(|dtype| *dtype = "float32".into());
            }
        })?;
        let settings = settings_file(&to);
        edit(&settings, |settings| drop(settings.insert("max_seq_length".into(), encoder.max_tokens().into())))?;
        self.write_prompt(folder)?;
        self.write_modules(&modules, folder)
    }

    /// Makes the prompt the model's default.
    fn write_prompt(&self, folder: &Path) -> Result<(), Error> {
        let text = self.0.encoder.tokens.prompt();
        if prompt::resolve(folder, None)?.text == text {
            return Ok(());
        }
        edit(&folder.join(PROMPTS), |config| {
            let name = if text.is_empty() { Value::Null } else { PROMPT.into() };
            config.insert("default_prompt_name".into(), name);
            if let (false, Some(prompts)) =
                (text.is_empty(), config.entry("prompts").or_insert(json!({})).as_object_mut())
            {
                prompts.insert(PROMPT.into(), text.into());
            }
        })
    }

    /// Lists the modules, if a plain model has no list yet, or one was added to them.
    fn write_modules(&self, modules: &Modules, folder: &Path) -> Result<(), Error> {
        let encoder = &self.0.encoder;
        let path = folder.join(MODULES);
        let is_plain = modules.pooling_folder().is_none();
        let is_added = encoder.normalizes() && !matches!(modules.after_pooling.last(), Some(Module::Normalize(_)));
        let mut list = if is_plain {
            vec![json!({"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}), {
                let pooling = json!({"word_embedding_dimension": encoder.hidden(), "pooling_mode_mean_tokens": true});
                write(&folder.join(POOLING).join("config.json"), &pooling)?;
                json!({"idx": 1, "name": "1", "path": POOLING, "type": "sentence_transformers.models.Pooling"})
            }]
        } else {
            read_json::read(&path)?.as_array().cloned().unwrap_or_default()
        };
        if is_added {
            let at = list.len();
            let name = format!("{at}_Normalize");
            file::make_folder(&folder.join(&name))?;
            let kind = "sentence_transformers.models.Normalize";
            list.push(json!({"idx": at, "name": at.to_string(), "path": name, "type": kind}));
        }
        if is_plain || is_added { write(&path, &list.into()) } else { Ok(()) }
    }
}

/// A tensor that is written: 32-bit numbers, but for those that are no floating-point numbers.
struct Tensor<'a> {
    stored: Stored<'a>,
    /// Its 32-bit numbers, if they aren't those that are stored.
    tuned: Option<Arc<[u8]>>,
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        if self.stored.is_float() { Dtype::F32 } else { self.stored.dtype }
    }

    fn shape(&self) -> &[usize] {
        self.stored.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.tuned {
            Some(bytes) => Cow::Borrowed(bytes),
            None if self.stored.is_float() => Cow::Owned(bytes(&self.stored.numbers()).to_vec()),
            None => Cow::Borrowed(self.stored.bytes),
        }
    }

    fn data_len(&self) -> usize {
        let count = self.stored.shape.iter().product::<usize>();
        if self.stored.is_float() { count * size_of::<f32>() } else { self.stored.bytes.len() }
    }
}

/// Copies the files of a folder that aren't weights.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    file::make_folder(to)?;
    for entry in fs::read_dir(from).map_err(FileError::new("read", from))? {
        let path = entry.map_err(FileError::new("read", from))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_copied = path.extension().is_some_and(|extension| COPIED.iter().any(|copied| extension == *copied));
        if is_copied && !name.ends_with(".index.json") && path.is_file() {
            file::write_atomic(&to.join(name), &file::read(&path)?)?;
        }
    }
    Ok(())
}

/// Changes the object in a JSON file, or that in a new one.
fn edit(path: &Path, change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), Error> {
    let mut object = if path.exists() { read_json::object(path)? } else { Map::new() };
    let before = object.clone();
    change(&mut object);
    if object == before { Ok(()) } else { write(path, &object.into()) }
}

fn write(path: &Path, value: &Value) -> Result<(), Error> {
    file::make_folder(file::folder_of(path))?;
    Ok(file::write_atomic(path, format!("{value:#}\n").as_bytes())?)
}

/// Writes the `model.safetensors` of a module with all tensors of its files, of which `tuned` have other values. The copies that
/// some files hold of the tensor `words` have its values too.
fn save(weights: &Weights, (tuned, words): (&BTreeMap<String, Arc<[u8]>>, &str), folder: &Path) -> Result<(), Error> {
    let original = weights.stored(words);
    let mut all = Vec::new();
    for (name, stored) in weights.all() {
        let is_copy = original.is_some_and(|original| original == stored);
        let tuned = tuned.get(if is_copy { words } else { name }).map(Arc::clone);
        all.push((name.to_owned(), Tensor { stored, tuned }));
    }
    let path = folder.join("model.safetensors");
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    // The library renames a temporary file, which nobody else may read; a file that is created as usual tells who may.
    let usual = fs::File::create(&path).and_then(|file| file.metadata()).map_err(FileError::new("write", &path))?;
    safetensors::serialize_to_file(all, Some(metadata), &path).map_err(|error| fault(error, path.clone()))?;
    Ok(fs::set_permissions(&path, usual.permissions()).map_err(FileError::new("write", &path))?)
}

fn fault(error: safetensors::SafeTensorError, path: PathBuf) -> Error {
    match error {
        safetensors::SafeTensorError::IoError(error) => FileError::new("write", &path)(error).into(),
        other => Error::format(path, format!("can't be written: {other}")),
    }
}
