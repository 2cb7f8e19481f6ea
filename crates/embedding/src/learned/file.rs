//! The file format of a [`LearnedState`]: a safetensors file that any reader of the format can open, in the layout of
//! [`array_file`].
//!
//! | array | type | shape | present for |
//! |---|---|---|---|
//! | `projection` | F64 | `[from, dim]` | `reduce = "pca"` |
//! | `table` | F32 | `[words, dim]` | `corpus` |
//! | `unseen` | F32 | `[1]` | `word_vectors` with `weights`: the weight of other words |
//! | `weights` | F32 | `[words]` | the same: the weight of each word |
//! | `words` | U8 | `[bytes]` | `corpus` and `weights`: a JSON list of strings |
//!
//! | metadata | |
//! |---|---|
//! | `format`, `version` | [`FORMAT`], [`VERSION`] |
//! | `origin`, `content`, `embedding` | the digests of a [`LearnedState`] |
//! | `checksum` | the digest of all other metadata and of every array's name, type, shape and bytes |

use std::collections::BTreeMap;
use std::sync::Arc;

use emberline_base::array_file::{self, Array, ElementType};
use emberline_base::{Digest, Matrix, OutOfMemory, json};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use super::{Learned, LearnedState, LearnedTable, WordWeights};
use crate::reduce::Projection;

/// The value of the metadata entry `format`.
pub(crate) const FORMAT: &str = "emberline learned state";
/// The version of the format that is written, and the newest that is read.
pub(crate) const VERSION: u32 = 1;

/// The metadata entry that holds the digest of everything else.
const CHECKSUM: &str = "checksum";

const DAMAGED: &str = "it is damaged; restore it, or train again";

/// Returns the bytes of a state.
///
/// # Errors
/// When there is too little memory.
pub(crate) fn write(state: &LearnedState) -> Result<Vec<u8>, OutOfMemory> {
    let arrays = arrays(state);
    let own = [
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_string()),
        ("origin", state.origin.as_str().to_owned()),
        ("content", state.content.as_str().to_owned()),
        ("embedding", state.embedding.as_str().to_owned()),
    ];
    let mut metadata: BTreeMap<String, String> = own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let described = arrays.iter().map(|a| (a.name.as_str(), a.element.name(), &a.shape[..], &a.bytes[..]));
    let checksum = checksum(metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())), described);
    metadata.insert(CHECKSUM.to_owned(), checksum.as_str().to_owned());
    array_file::layout(&metadata, arrays)
}

/// Returns the arrays of a state.
fn arrays(state: &LearnedState) -> Vec<Array<'static>> {
    let array = |name: &str, element, shape, bytes: Vec<u8>| {
        let (name, bytes) = (name.to_owned(), bytes.into());
        Array { name, element, shape, bytes }
    };
    let floats = |name, shape, values: &[f32]| {
        array(name, ElementType::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    };
    let listed = |words: &[String]| {
        let bytes = serde_json::to_vec(words).expect("texts are JSON");
        array("words", ElementType::U8, vec![bytes.len()], bytes)
    };
    let mut arrays = Vec::new();
    if let Some(Projection::Matrix { dim, weights }) = state.projection.as_deref() {
        let bytes = weights.iter().flat_map(|value| value.to_le_bytes()).collect();
        arrays.push(array("projection", ElementType::F64, vec![weights.len() / dim, *dim], bytes));
    }
    match &state.source {
        Some(Learned::Table(LearnedTable { words, table })) => {
            arrays.push(floats("table", vec![table.rows(), table.cols()], table.values()));
            arrays.push(listed(words));
        }
        Some(Learned::Weights(WordWeights { words, weights, unseen })) => {
            arrays.push(floats("unseen", vec![1], &[*unseen]));
            arrays.push(floats("weights", vec![weights.len()], weights));
            arrays.push(listed(words));
        }
        None => {}
    }
    arrays
}

/// Returns the name of an array's type in a file's header, for the types that a state has.
fn name_of_type(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F64 => ElementType::F64.name(),
        Dtype::F32 => ElementType::F32.name(),
        _ => ElementType::U8.name(),
    }
}

/// Returns the digest of everything in a file, independent of how its header is written.
fn checksum<'a>(
    metadata: impl Iterator<Item = (&'a str, &'a str)>,
    arrays: impl Iterator<Item = (&'a str, &'a str, &'a [usize], &'a [u8])>,
) -> Digest {
    let mut parts: Vec<(String, &[u8])> =
        metadata.map(|(key, value)| (format!("metadata {key}"), value.as_bytes())).collect();
    parts.extend(arrays.map(|(name, element, shape, bytes)| {
        let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
        (format!("array {name} {element} [{}]", shape.join(", ")), bytes)
    }));
    parts.sort();
    Digest::of_parts(parts.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes]))
}

/// Reads a state. Error messages continue a sentence that starts with the file's name.
pub(crate) fn read(bytes: &[u8]) -> Result<LearnedState, String> {
    let metadata = metadata(bytes)?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("{error}; {DAMAGED}"))?;
    let mut arrays = file.tensors();
    arrays.sort_by(|a, b| a.0.cmp(&b.0));
    let entry = |key: &str| metadata.get(key).cloned().ok_or_else(|| format!("its header lacks `{key}`; {DAMAGED}"));
    let said = entry(CHECKSUM)?;
    let stated = metadata.iter().filter(|(key, _)| *key != CHECKSUM).map(|(key, value)| (key.as_str(), value.as_str()));
    let described =
        arrays.iter().map(|(name, view)| (name.as_str(), name_of_type(view.dtype()), view.shape(), view.data()));
    if checksum(stated, described).as_str() != said {
        return Err(format!("its content isn't what its checksum says; {DAMAGED}"));
    }
    let digest = |key: &str| {
        let text = entry(key)?;
        serde_json::from_value::<Digest>(Value::from(text)).map_err(|_| format!("`{key}` is no digest; {DAMAGED}"))
    };
    Ok(LearnedState {
        source: source(&file)?,
        projection: file.tensor("projection").ok().map(|view| projection(&view)).transpose()?.map(Arc::new),
        origin: digest("origin")?,
        content: digest("content")?,
        embedding: digest("embedding")?,
    })
}

/// Returns the metadata of a file, if it is a state of a supported version.
fn metadata(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let cut = || format!("it is cut off in its header; {DAMAGED}");
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|&length| length <= rest.len());
    let header = &rest[..length.ok_or_else(cut)?];
    let header: Value = serde_json::from_slice(header)
        .map_err(|error| format!("{} in its header; {DAMAGED}", json::describe_error(&error)))?;
    let metadata: BTreeMap<String, String> = serde_json::from_value(header["__metadata__"].clone()).unwrap_or_default();
    if metadata.get("format").is_none_or(|format| format != FORMAT) {
        return Err(
            "it doesn't hold what an embedding learned from its training texts; restore the run's own file".into()
        );
    }
    match metadata.get("version").and_then(|version| version.parse::<u32>().ok()) {
        Some(version) if version <= VERSION => Ok(metadata),
        Some(version) => {
            Err(format!("it has the version {version}, this program reads up to {VERSION}; use a newer `emberline`"))
        }
        None => Err(format!("its header names no version; {DAMAGED}")),
    }
}

fn source(file: &SafeTensors<'_>) -> Result<Option<Learned>, String> {
    let array = |name: &str| file.tensor(name).ok();
    match (array("table"), array("weights"), array("words")) {
        (None, None, None) => Ok(None),
        (Some(table), None, Some(words)) => {
            let words = listed(&words)?;
            let &[rows, dim] = table.shape() else { return Err(odd("table")) };
            if rows != words.len() || dim == 0 {
                return Err(odd("table"));
            }
            let table = Arc::new(Matrix::new(rows, dim, floats("table", &table)?));
            Ok(Some(Learned::Table(LearnedTable { words, table })))
        }
        (None, Some(weights), Some(words)) => {
            let (words, weights) = (listed(&words)?, floats("weights", &weights)?);
            let unseen = array("unseen").map(|view| floats("unseen", &view)).transpose()?.unwrap_or_default();
            let (&[unseen], true) = (&unseen[..], weights.len() == words.len() && words.is_sorted()) else {
                return Err(odd("weights"));
            };
            Ok(Some(Learned::Weights(WordWeights { words, weights, unseen })))
        }
        _ => Err(odd("words")),
    }
}

fn listed(view: &TensorView<'_>) -> Result<Vec<String>, String> {
    serde_json::from_slice(view.data()).map_err(|_| odd("words"))
}

/// Returns the numbers of an array of 32-bit floats; all must be finite.
fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let values: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let sound = view.dtype() == Dtype::F32 && values.iter().all(|value| value.is_finite());
    if sound { Ok(values) } else { Err(odd(name)) }
}

fn projection(view: &TensorView<'_>) -> Result<Projection, String> {
    let weights: Vec<f64> = view.data().as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    match view.shape() {
        &[from, dim] if view.dtype() == Dtype::F64 && 0 < dim && dim < from => Ok(Projection::Matrix { dim, weights }),
        _ => Err(odd("projection")),
    }
}

fn odd(name: &str) -> String {
    format!("`{name}` doesn't hold what belongs there; {DAMAGED}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(source: Option<Learned>, projection: Option<Projection>) -> LearnedState {
        let [origin, content, embedding] = ["a", "b", "c"].map(|text| Digest::of(text.as_bytes()));
        LearnedState { source, projection: projection.map(Arc::new), origin, content, embedding }
    }

    fn states() -> Vec<LearnedState> {
        let words = || vec!["a \"b\"".to_owned(), "слово".to_owned()];
        let table = Arc::new(Matrix::new(2, 3, vec![0.5, -1.0, 3.25, 0.0, -0.0, 1e-30]));
        let weights = WordWeights { words: words(), weights: vec![0.25, 1.5], unseen: 2.0 };
        let projection = || Projection::Matrix { dim: 1, weights: vec![0.1, -0.2, 0.3] };
        vec![
            state(None, Some(projection())),
            state(Some(Learned::Table(LearnedTable { words: words(), table })), None),
            state(Some(Learned::Weights(weights)), Some(projection())),
        ]
    }

    fn written(state: &LearnedState) -> Vec<u8> {
        write(state).expect("memory")
    }

    /// Bundles and run folders hold such files, and equal states must keep giving equal bytes.
    #[test]
    fn the_bytes_of_a_state_stay() {
        // SHA-256 of the files that this module's header describes, built with Python's `struct` and `json`.
        let expected = [
            "70119b50ef4885c3f544889d71b4c43f751313e734664919288b55cc35bc1f1d",
            "7ac1e60131edba29b57097718691ebd6da4fe99c00f44f2e0de01c95715001c3",
            "0f1c82f60838779dd0b3812ed27e09fcffd3aa5cd5cf2b992a23b66d45ad8f1c",
        ];
        for (state, expected) in states().iter().zip(expected) {
            assert_eq!(emberline_base::file::sha256(&written(state)), expected);
        }
    }

    #[test]
    fn a_state_comes_back_and_equal_states_have_equal_bytes() {
        for state in states() {
            let bytes = written(&state);
            assert_eq!(read(&bytes).as_ref(), Ok(&state));
            assert_eq!(written(&state.clone()), bytes);
            SafeTensors::deserialize(&bytes).expect("any reader opens it");
        }
    }

    #[test]
    fn what_is_cut_or_flipped_is_refused() {
        for state in states() {
            let bytes = written(&state);
            for end in 0..bytes.len() {
                read(&bytes[..end]).expect_err("cut");
            }
            read(&[&bytes[..], b"x"].concat()).expect_err("longer");
            for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                // A header that is spelled differently describes the same state.
                if let Ok(read) = read(&flipped) {
                    assert_eq!(read, state, "byte {at}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_newer_version_and_another_file_are_named() {
        let bytes = written(&states()[0]);
        let with = |from: &str, to: &str| {
            let mut bytes = bytes.clone();
            let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect("it is there");
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            read(&bytes).expect_err("refused")
        };
        let newer = with("\"version\":\"1\"", "\"version\":\"9\"");
        assert!(newer.contains("version 9") && newer.contains("newer `emberline`"), "{newer}");
        assert!(with(FORMAT, "emberline other things!").contains("restore"));
        let claims = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(read(&claims).expect_err("too long").contains("cut off"));
    }

    #[test]
    fn arrays_that_do_not_fit_are_refused() {
        let table = Arc::new(Matrix::new(2, 1, vec![0.0; 2]));
        let odd = [
            Learned::Table(LearnedTable { words: vec!["one".into()], table }),
            Learned::Weights(WordWeights { words: vec!["b".into(), "a".into()], weights: vec![1.0; 2], unseen: 1.0 }),
            Learned::Weights(WordWeights { words: vec!["a".into()], weights: vec![f32::NAN], unseen: 1.0 }),
        ];
        for learned in odd {
            let error = read(&written(&state(Some(learned), None))).expect_err("refused");
            assert!(error.contains("doesn't hold what belongs there"), "{error}");
        }
    }
}
