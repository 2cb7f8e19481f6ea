//! `model.safetensors`: a trained model in one file that any safetensors reader can read.
//!
//! The layout is that of [`array_file`]: a JSON header, then the arrays. Equal models give equal bytes, and a file with
//! a changed byte is refused. The memory for reading is bounded by the size of the file.
//!
//! | array | type and shape | content |
//! |---|---|---|
//! | `head.N.kernel`, `head.N.bias` | F32 `[inputs, units]`, `[units]` | dense layer N of `layers`, 0 for the first |
//! | `head.N.gamma`, `head.N.beta` | F32 `[units]` | layer normalisation N of `layers` |
//! | `head.output.kernel`, `head.output.bias` | F32 `[inputs, outputs]`, `[outputs]` | the output layer, which computes logits |
//! | `embedding.table` | F32 `[rows, dim]` | the rows of a fine-tuned table |
//! | `embedding.rows` | U32 `[rows]` | the source's row number of each of them, if known |
//! | `embedding.words` | U8 `[bytes]` | their words as a JSON list, if the source has words |
//! | `embedding.mix`, `embedding.gamma` | F32 `[layers]`, `[1]` | a learned mix of an encoder's layers: gamma * softmax(mix) |
//!
//! | metadata entry | content |
//! |---|---|
//! | `format`, `version` | `emberline model`, `1` |
//! | `sha256` | the digest of the file, see [`array_file`] |
//! | `task` | `binary`, `multi_class` or `multi_label` |
//! | `classes` | the names of the classes, a JSON list; binary: negative, positive |
//! | `positive_class` | binary: the second of them |
//! | `layers` | the hidden layers as `[head]` has them, a JSON list |
//! | `dim` | the length of a text's vector |
//! | `thresholds` | a JSON list of probabilities: one (binary), one per class or none (multi-label), none |
//! | `calibration` | `{"scale": s, "offset": o}`: the calibration of logits before probabilities; or `{"isotonic": [{"from": [...], "to": [...]}, ...]}`: of probabilities, per output; absent if none |
//! | `embedding`, `embedding_kind`, `embedding_digest` | the embedding's name and kind, and the digest of everything that determines its vectors |
//! | `data_digest` | the digest of the texts and labels |
//! | `provenance.NAME` | further information from the writer |

use std::collections::BTreeMap;
use std::path::Path;

use emberline_base::array_file::{self, Array, ElementType};
use emberline_base::{Digest, TunedRows, memory, variant_name};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{EmbeddingOrigin, Model, ModelDescription, ModelError};
use crate::Error;
use crate::head::Architecture;
use crate::settings::{Head, Layer};
use crate::weights::{Tensor, Weights};

/// The version of the format.
pub(super) const VERSION: &str = "1";

const FORMAT: &str = "emberline model";
const ROWS: &str = "embedding.rows";
const WORDS: &str = "embedding.words";
const PROVENANCE: &str = "provenance.";

impl Model {
    /// Serializes the model to the bytes of its file. Equal models give equal bytes.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, ModelError> {
        let words = self.tuned_rows.as_ref().and_then(|rows| rows.words.as_ref()).map(json).unwrap_or_default();
        let ids: Vec<u8> = self.tuned_rows.iter().flat_map(|rows| &rows.ids).flat_map(|id| id.to_le_bytes()).collect();
        let mut arrays: Vec<Array<'_>> = self.weights.0.iter().map(Tensor::to_array).collect();
        let mut add = |name: &str, element, length, bytes| {
            arrays.push(Array { name: name.to_owned(), element, shape: vec![length], bytes });
        };
        if let Some(rows) = &self.tuned_rows {
            add(ROWS, ElementType::U32, rows.ids.len(), ids.into());
            if rows.words.is_some() {
                add(WORDS, ElementType::U8, words.len(), words.as_bytes().into());
            }
        }
        Ok(array_file::to_bytes(&self.metadata(), arrays)?)
    }

    /// Parses the bytes of a model's file.
    ///
    /// # Errors
    /// When they aren't those of a model, have another version or are damaged, or there is not enough memory.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
        let entries =
            Entries(header.metadata().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect());
        if entries.0.get("format").is_none_or(|format| format != FORMAT) {
            return Err(ModelError::NotAModel);
        }
        if entries.get("version")? != VERSION {
            return Err(ModelError::OtherVersion { found: entries.get("version")?.to_owned() });
        }
        // A fuzzer can't guess digests.
        if !cfg!(fuzzing) && !array_file::is_intact(bytes) {
            return Err(damaged(&"its content doesn't match its digest `sha256`"));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
        let description = entries.description()?;
        let head = Head { layers: entries.json::<Vec<Layer>>("layers")? };
        if let Some(fault) = head.faults().first() {
            return Err(ModelError::Metadata { key: "layers".to_owned(), why: fault.message.clone() });
        }
        let architecture = Architecture::new(&head, entries.json("dim")?, description.outputs());
        let (weights, rows) = arrays(&file)?;
        let model = Self::new(description, architecture, weights)?;
        match rows {
            Some(rows) => model.with_tuned_rows(rows),
            None => Ok(model),
        }
    }

    /// Reads a model from its file.
    ///
    /// # Errors
    /// When it can't be read, or isn't a model; the error names the file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = emberline_base::file::read(path)?;
        Self::from_safetensors(&bytes).map_err(|why| Error::ModelFile { path: path.to_owned(), why })
    }

    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let ModelDescription { task, classes, thresholds, calibration, embedding, data_digest, provenance } =
            &self.description;
        let positive = self.description.positive_class().map(|class| ("positive_class", class.to_owned()));
        let calibration = calibration.as_ref().map(|calibration| ("calibration", json(calibration)));
        let always = [
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("task", variant_name(task)),
            ("classes", json(classes)),
            ("layers", json(&self.architecture.hidden_layers())),
            ("dim", self.dim().to_string()),
            ("thresholds", json(thresholds)),
            ("embedding", embedding.name.clone()),
            ("embedding_kind", embedding.kind.clone()),
            ("embedding_digest", embedding.digest.to_string()),
            ("data_digest", data_digest.to_string()),
        ];
        let entries = always.into_iter().chain(positive).chain(calibration);
        let more = provenance.iter().map(|(name, text)| (format!("{PROVENANCE}{name}"), text.clone()));
        entries.map(|(key, text)| (key.to_owned(), text)).chain(more).collect()
    }
}

/// The metadata entries of a file.
struct Entries(BTreeMap<String, String>);

impl Entries {
    fn get(&self, key: &str) -> Result<&str, ModelError> {
        self.0.get(key).map(String::as_str).ok_or_else(|| unusable(key, &"it is missing"))
    }

    fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T, ModelError> {
        serde_json::from_str(self.get(key)?).map_err(|error| unusable(key, &error))
    }

    fn digest(&self, key: &str) -> Result<Digest, ModelError> {
        serde_json::from_value(self.get(key)?.into()).map_err(|error| unusable(key, &error))
    }

    fn description(&self) -> Result<ModelDescription, ModelError> {
        let task = serde_json::from_value(self.get("task")?.into()).map_err(|error| unusable("task", &error))?;
        let named = |(key, text): (&String, &String)| Some((key.strip_prefix(PROVENANCE)?.to_owned(), text.clone()));
        let description = ModelDescription {
            task,
            classes: self.json("classes")?,
            thresholds: self.json("thresholds")?,
            calibration: self.0.contains_key("calibration").then(|| self.json("calibration")).transpose()?,
            embedding: EmbeddingOrigin {
                name: self.get("embedding")?.to_owned(),
                kind: self.get("embedding_kind")?.to_owned(),
                digest: self.digest("embedding_digest")?,
            },
            data_digest: self.digest("data_digest")?,
            provenance: self.0.iter().filter_map(named).collect(),
        };
        match self.0.get("positive_class").map(String::as_str) == description.positive_class() {
            true => Ok(description),
            false => Err(unusable("positive_class", &"it isn't the second of the classes of a binary task")),
        }
    }
}

/// Reads the arrays of 32-bit floats, and the origin of the rows of a fine-tuned table.
fn arrays(file: &SafeTensors<'_>) -> Result<(Weights, Option<TunedRows>), ModelError> {
    let (mut weights, mut ids, mut words) = (Weights::default(), None, None);
    for (name, view) in file.tensors() {
        match name.as_str() {
            ROWS => ids = Some(integers(&name, &view)?),
            WORDS => words = Some(texts(&name, &view)?),
            _ => {
                expect_type(&name, &view, Dtype::F32)?;
                weights.0.push(Tensor::of_view(name, &view)?);
            }
        }
    }
    match (ids, words) {
        (None, Some(_)) => Err(ModelError::MissingArray { name: ROWS.to_owned() }),
        (ids, words) => Ok((weights, ids.map(|ids| TunedRows { ids, words }))),
    }
}

fn integers(name: &str, view: &TensorView<'_>) -> Result<Vec<u32>, ModelError> {
    expect_type(name, view, Dtype::U32)?;
    let mut values = memory::with_capacity(view.data().len() / 4)?;
    values.extend(view.data().as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)));
    Ok(values)
}

fn texts(name: &str, view: &TensorView<'_>) -> Result<Vec<String>, ModelError> {
    expect_type(name, view, Dtype::U8)?;
    serde_json::from_slice(view.data())
        .map_err(|error| damaged(&format!("`{name}` isn't a JSON list of strings: {error}")))
}

fn expect_type(name: &str, view: &TensorView<'_>, expected: Dtype) -> Result<(), ModelError> {
    if view.dtype() == expected {
        return Ok(());
    }
    let of = |dtype: Dtype| format!("the type {dtype}");
    Err(ModelError::WrongArray { name: name.to_owned(), found: of(view.dtype()), expected: of(expected) })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and finite numbers are JSON")
}

fn damaged(why: &dyn std::fmt::Display) -> ModelError {
    ModelError::Damaged { why: why.to_string() }
}

fn unusable(key: &str, why: &dyn std::fmt::Display) -> ModelError {
    ModelError::Metadata { key: key.to_owned(), why: why.to_string() }
}
