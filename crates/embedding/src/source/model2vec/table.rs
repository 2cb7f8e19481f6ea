//! Reads the table of a model from `model.safetensors`: one row per token id.
//!
//! | tensor | type | shape | |
//! |---|---|---|---|
//! | `embeddings` or `embedding.weight` | F16, F32, F64, I8 | `[rows, dim]` | integers are taken as they are: the reference keeps no scale |
//! | `mapping`, in models with a quantised vocabulary | I32, I64 | `[tokens]` | the row of every token id |
//! | `weights`, in the same models | F16, F32, F64 | `[tokens]` | the factor of a token's row |
//!
//! The safetensors container: the length of a JSON header (u64 LE), the header (type, shape and span of every
//! tensor), and the data.

use emberline_base::memory;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::tokenizer::Tokens;

/// The maximum size of a table, in numbers: 8 GiB.
const MAX_VALUES: usize = 1 << 31;

/// A table with one row per token id.
#[derive(Debug)]
pub(super) struct Table {
    /// The length of a row.
    pub(super) dim: usize,
    /// The rows of the file; several ids share one if the vocabulary is quantised.
    pub(super) file_rows: u64,
    /// Whether the reference sums rows in 32 bits; it uses 64 if the numbers or their weights have 64 bits, or are
    /// integers.
    pub(super) narrow: bool,
    /// The rows, `[ids, dim]`.
    pub(super) values: Vec<f32>,
}

impl Table {
    /// Reads the tensor of this name, and the weights and the mapping if they exist.
    pub(super) fn read(bytes: &[u8], name: &str, tokens: &Tokens) -> Result<Self, String> {
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|e| format!("not a safetensors file, or damaged: {e}"))?;
        let embeddings = tensors.tensor(name).map_err(|_| no_tensor(&tensors, name))?;
        let &[rows, dim] = embeddings.shape() else {
            return Err(format!("`{name}` has the shape {:?}; [rows, dim] is expected", embeddings.shape()));
        };
        if dim == 0 || rows == 0 {
            return Err(format!("`{name}` has the shape [{rows}, {dim}]: no numbers"));
        }
        let mapping = tensors.tensor("mapping").ok().map(|view| mapping(&view, tokens, rows)).transpose()?;
        if mapping.is_none() && rows != tokens.number {
            return Err(format!("`{name}` has {rows} rows, but tokenizer.json has {} tokens", tokens.number));
        }
        let ids = tokens.largest_id as usize + 1;
        if mapping.is_none() && ids > rows {
            return Err(format!("`{name}` has {rows} rows, but tokenizer.json has a token {}", tokens.largest_id));
        }
        let weights = tensors.tensor("weights").ok().map(|view| weights(&view, tokens)).transpose()?;
        if ids.checked_mul(dim).is_none_or(|values| values > MAX_VALUES) {
            return Err(format!("{ids} tokens of {dim} numbers are more than {MAX_VALUES} (8 GiB)"));
        }
        let row = |id: usize| mapping.as_ref().map_or(id, |mapping| mapping[id]);
        let weight = |id: usize| weights.as_ref().map_or(1.0, |weights| weights[id]);
        let values =
            weighted_rows(&embeddings, dim, ids, row, weight).map_err(|reason| format!("`{name}` {reason}"))?;
        let wide_weights = tensors.tensor("weights").is_ok_and(|view| view.dtype() == Dtype::F64);
        let narrow = matches!(embeddings.dtype(), Dtype::F16 | Dtype::F32) && !wide_weights;
        Ok(Self { dim, file_rows: rows as u64, narrow, values })
    }
}

fn no_tensor(tensors: &SafeTensors<'_>, name: &str) -> String {
    let mut names = tensors.names();
    names.sort_unstable();
    names.truncate(5);
    format!("holds no tensor `{name}`, so it isn't a model2vec model; it holds {}", names.join(", "))
}

/// Returns the row of every token id, each below `rows`.
fn mapping(view: &TensorView<'_>, tokens: &Tokens, rows: usize) -> Result<Vec<usize>, String> {
    let mapping: Vec<i64> = match view.dtype() {
        Dtype::I32 => numbers(view.data(), |bytes| i64::from(i32::from_le_bytes(bytes))).collect(),
        Dtype::I64 => numbers(view.data(), i64::from_le_bytes).collect(),
        other => return Err(format!("`mapping` is of the type {other:?}; I32 or I64 is expected")),
    };
    one_a_token("mapping", view, tokens)?;
    let row = |(id, row): (usize, i64)| {
        let row = usize::try_from(row).ok().filter(|&row| row < rows);
        row.ok_or_else(|| format!("`mapping` gives token {id} a row that isn't one of the {rows}"))
    };
    mapping.into_iter().enumerate().map(row).collect()
}

fn weights(view: &TensorView<'_>, tokens: &Tokens) -> Result<Vec<f64>, String> {
    one_a_token("weights", view, tokens)?;
    Ok(match view.dtype() {
        Dtype::F16 => numbers(view.data(), from_f16).collect(),
        Dtype::F32 => numbers(view.data(), from_f32).collect(),
        Dtype::F64 => numbers(view.data(), f64::from_le_bytes).collect(),
        other => return Err(format!("`weights` is of the type {other:?}; F16, F32 or F64 is expected")),
    })
}

/// Checks that there is at least one number per token id.
fn one_a_token(name: &str, view: &TensorView<'_>, tokens: &Tokens) -> Result<(), String> {
    let largest = tokens.largest_id;
    match view.shape() {
        [numbers] if *numbers > largest as usize => Ok(()),
        [numbers] => Err(format!("`{name}` has {numbers} numbers, but tokenizer.json has a token {largest}")),
        other => Err(format!("`{name}` has the shape {other:?}; [tokens] is expected")),
    }
}

/// Returns the weighted rows of all ids, in 32 bits.
fn weighted_rows(
    view: &TensorView<'_>,
    dim: usize,
    ids: usize,
    row: impl Fn(usize) -> usize,
    weight: impl Fn(usize) -> f64,
) -> Result<Vec<f32>, String> {
    let row_bytes = view.data().len() / view.shape()[0];
    let mut values = memory::with_capacity(ids * dim).map_err(|error| error.to_string())?;
    for id in 0..ids {
        let bytes = &view.data()[row(id) * row_bytes..][..row_bytes];
        let weight = weight(id);
        let weighted = |number: f64| (number * weight) as f32;
        match view.dtype() {
            Dtype::F16 => values.extend(numbers(bytes, from_f16).map(weighted)),
            Dtype::F32 => values.extend(numbers(bytes, from_f32).map(weighted)),
            Dtype::F64 => values.extend(numbers(bytes, f64::from_le_bytes).map(weighted)),
            Dtype::I8 => values.extend(numbers(bytes, |byte| f64::from(i8::from_le_bytes(byte))).map(weighted)),
            other => return Err(format!("is of the type {other:?}; F16, F32, F64 or I8 is expected")),
        }
        if !values[id * dim..].iter().all(|value| value.is_finite()) {
            return Err(format!("gives token {id} a number that isn't finite"));
        }
    }
    Ok(values)
}

fn numbers<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    bytes.as_chunks::<N>().0.iter().map(move |&bytes| number(bytes))
}

fn from_f16(bytes: [u8; 2]) -> f64 {
    half::f16::from_le_bytes(bytes).to_f64()
}

fn from_f32(bytes: [u8; 4]) -> f64 {
    f64::from(f32::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TOKENS: Tokens = Tokens { number: 3, largest_id: 2, median_length: 1 };

    fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
        let view = |(_, dtype, shape, data): &(_, Dtype, &[usize], Vec<u8>)| {
            TensorView::new(*dtype, shape.to_vec(), data.clone().leak()).expect("a tensor")
        };
        let tensors: BTreeMap<&str, TensorView<'_>> = tensors.iter().map(|tensor| (tensor.0, view(tensor))).collect();
        safetensors::serialize(tensors, None).expect("a file")
    }

    fn bytes<const N: usize, T: Copy>(numbers: &[T], to: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        numbers.iter().flat_map(|&number| to(number)).collect()
    }

    fn f32s(numbers: &[f32]) -> Vec<u8> {
        bytes(numbers, f32::to_le_bytes)
    }

    #[test]
    fn every_type_of_number_is_read() {
        let numbers = [1.0, -2.0, 3.0, 4.0, 5.0, 6.0];
        for (dtype, data) in [
            (Dtype::F16, bytes(&numbers, |v| half::f16::from_f32(v).to_le_bytes())),
            (Dtype::F32, f32s(&numbers)),
            (Dtype::F64, bytes(&numbers, |v| f64::from(v).to_le_bytes())),
            (Dtype::I8, bytes(&numbers, |v| (v as i8).to_le_bytes())),
        ] {
            let table = Table::read(&file(&[("embeddings", dtype, &[3, 2], data)]), "embeddings", &TOKENS);
            let table = table.expect("a table");
            assert_eq!((table.dim, table.file_rows, &table.values[..]), (2, 3, &numbers[..]), "{dtype:?}");
        }
    }

    #[test]
    fn rows_are_mapped_and_weighted() {
        let embeddings = ("embeddings", Dtype::F32, &[2, 1][..], f32s(&[10.0, 20.0]));
        let mapping = ("mapping", Dtype::I64, &[3][..], bytes(&[1, 0, 1], i64::to_le_bytes));
        let weights = ("weights", Dtype::F64, &[3][..], bytes(&[0.5, 1.0, -1.0], f64::to_le_bytes));
        let table = Table::read(&file(&[embeddings, mapping, weights]), "embeddings", &TOKENS).expect("a table");
        assert_eq!((table.file_rows, &table.values[..]), (2, &[10.0, 10.0, -20.0][..]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let rows = |shape: &'static [usize], numbers: &[f32]| ("embeddings", Dtype::F32, shape, f32s(numbers));
        let two = || rows(&[2, 1], &[1.0, 2.0]);
        let mapping = |rows: &[i32]| ("mapping", Dtype::I32, &[3][..], bytes(rows, i32::to_le_bytes));
        for (tensors, message) in [
            (vec![two()], "`embeddings` has 2 rows, but tokenizer.json has 3 tokens"),
            (vec![rows(&[3], &[1.0, 2.0, 3.0])], "`embeddings` has the shape [3]; [rows, dim] is expected"),
            (vec![rows(&[3, 0], &[])], "`embeddings` has the shape [3, 0]: no numbers"),
            (vec![rows(&[3, 1], &[1.0, f32::NAN, 3.0])], "`embeddings` gives token 1 a number that isn't finite"),
            (vec![two(), mapping(&[0, 1, 2])], "`mapping` gives token 2 a row that isn't one of the 2"),
            (vec![two(), mapping(&[0, -1, 1])], "`mapping` gives token 1 a row that isn't one of the 2"),
            (
                vec![two(), ("mapping", Dtype::I64, &[2], bytes(&[0, 1], i64::to_le_bytes))],
                "`mapping` has 2 numbers, but tokenizer.json has a token 2",
            ),
            (
                vec![two(), ("mapping", Dtype::F32, &[3], f32s(&[0.0; 3]))],
                "`mapping` is of the type F32; I32 or I64 is expected",
            ),
            (
                vec![rows(&[3, 1], &[1.0; 3]), ("weights", Dtype::F32, &[2], f32s(&[1.0; 2]))],
                "`weights` has 2 numbers, but tokenizer.json has a token 2",
            ),
            (
                vec![rows(&[3, 1], &[1.0; 3]), ("weights", Dtype::U8, &[3], vec![0; 3])],
                "`weights` is of the type U8; F16, F32 or F64 is expected",
            ),
            (
                vec![("embeddings", Dtype::BF16, &[3, 1], vec![0; 6])],
                "`embeddings` is of the type BF16; F16, F32, F64 or I8 is expected",
            ),
            (
                vec![("a", Dtype::F32, &[1], f32s(&[1.0]))],
                "holds no tensor `embeddings`, so it isn't a model2vec model; it holds a",
            ),
        ] {
            assert_eq!(Table::read(&file(&tensors), "embeddings", &TOKENS).expect_err(message), message);
        }
    }
}
