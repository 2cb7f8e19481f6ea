//! Reads the weights file in the HDF5 format with the crate `hdf5-reader`.
//!
//! Input: a path and [`Options`]. Output: [`Weights`]. All values are f32. Sizes: P is `lstm.projection_dim`, C is `lstm.dim`,
//! d is `char_cnn.embedding.dim`, F is the number of all filters.
//!
//! | dataset | shape | content |
//! |---|---|---|
//! | `char_embed` | 261, d | the character embedding table |
//! | `CNN/W_cnn_{i}`, `b_cnn_{i}` | 1, width, d, n; n | filters |
//! | `CNN_high_{k}/W_transform`, `b_transform`, `W_carry`, `b_carry` | F, F; F; F, F; F | a highway layer |
//! | `CNN_proj/W_proj`, `b_proj` | F, P; P | the projection of the token encoder |
//! | `RNN_{0 forward, 1 backward}/RNN/MultiRNNCell/Cell{l}/LSTMCell/W_0` | 2P, 4C | input rows, then output rows; gates i, j, f, o |
//! | `.../B` | 4C | the bias, without the 1 that is added for the forget gate |
//! | `.../W_P_0` | C, P | the projection of the output |
//!
//! Nothing is allocated before it is checked that the file is large enough for the weights that the options describe, and that
//! the dataset has the shape that they require. External files and links aren't followed.

use std::path::Path;

use emberline_base::file::{self, FileError};
use emberline_base::{catch_panic, memory};
use hdf5_reader::{Datatype, Hdf5File, OpenOptions};

use super::characters::CHARACTERS;
use super::options::Options;
use crate::Error;

/// Maximum size of an HDF5 object header in bytes; those of models have a few hundred.
const MAX_HEADER: usize = 1 << 20;

/// A row-major array with its shape.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// The weights of a model in host memory.
#[derive(Debug)]
pub(super) struct Weights {
    /// `[261, d]`
    pub(super) characters: Array,
    pub(super) filters: Vec<Affine>,
    pub(super) highways: Vec<Highway>,
    /// `[F, P]`
    pub(super) projection: Affine,
    /// The layers of the forward and of the backward stack.
    pub(super) directions: [Vec<Cell>; 2],
}

/// A linear map, `x weight + bias`.
#[derive(Debug)]
pub(super) struct Affine {
    /// `[inputs, outputs]`; `[1, width, d, n]` for filters.
    pub(super) weight: Array,
    /// `[outputs]`
    pub(super) bias: Array,
}

/// A highway layer, with two maps `[F, F]`.
#[derive(Debug)]
pub(super) struct Highway {
    pub(super) transform: Affine,
    pub(super) carry: Affine,
}

/// An LSTM layer of one direction.
#[derive(Debug)]
pub(super) struct Cell {
    /// `[2P, 4C]`
    pub(super) gates: Affine,
    /// `[C, P]`
    pub(super) projection: Array,
}

/// Reads a weights file.
///
/// # Errors
/// [`Error::File`] if it can't be read; [`Error::Format`] if it isn't HDF5 or is corrupt, or if a dataset is missing or has
/// another type or shape than the options require.
pub(super) fn read(path: &Path, options: &Options) -> Result<Weights, Error> {
    let about = file::open(path).and_then(|file| file.metadata());
    let bytes = about.map_err(FileError::new("read", path))?.len();
    let asked = parameters(options).saturating_mul(4);
    if asked > bytes {
        let reason = format!(
            "has {bytes} bytes, but options.json requires {asked} bytes of weights; the file is truncated or compressed, \
             or the options are those of another model"
        );
        return Err(Error::format(path, reason));
    }
    // The reader keeps the bytes that it reads, in addition to the values that are converted from them.
    memory::probe(2 * asked)?;
    let limits = OpenOptions::default()
        .with_max_read_bytes(usize::try_from(bytes).unwrap_or(usize::MAX))
        .with_max_object_header_bytes(MAX_HEADER)
        .with_chunk_cache_bytes(0);
    // If the reader, a library, panics on a corrupt file, that is reported as an error of the file.
    let outcome = catch_panic(|| {
        let file = Hdf5File::open_with_options(path, limits)
            .map_err(|e| format!("not an HDF5 file that can be read: {e}; get it again"))?;
        File(file).weights(options)
    });
    let outcome =
        outcome.unwrap_or_else(|_| Err("the HDF5 reader failed on it; the file is damaged, get it again".to_owned()));
    outcome.map_err(|reason| Error::format(path, reason))
}

/// Returns the number of parameters of a model with the given options.
pub(super) fn parameters(options: &Options) -> u64 {
    let (lstm, cnn) = (&options.lstm, &options.char_cnn);
    let [p, c, d, f] = [lstm.projection_dim, lstm.dim, cnn.embedding.dim, options.features()].map(|size| size as u64);
    let filters: u64 = cnn.filters.iter().map(|&(width, n)| (width as u64 * d + 1) * n as u64).sum();
    let tokens = CHARACTERS as u64 * d + filters + cnn.n_highway as u64 * 2 * (f + 1) * f + (f + 1) * p;
    let cell = (2 * p + 1) * 4 * c + c * p;
    tokens + 2 * lstm.n_layers as u64 * cell
}

struct File(Hdf5File);

impl File {
    fn weights(&self, options: &Options) -> Result<Weights, String> {
        let (p, f, cnn) = (options.lstm.projection_dim, options.features(), &options.char_cnn);
        let d = cnn.embedding.dim;
        let filter = |(index, &(width, n)): (usize, &(usize, usize))| {
            self.affine(&format!("CNN/W_cnn_{index}"), &format!("CNN/b_cnn_{index}"), &[1, width, d, n])
        };
        let stack = |direction| -> Result<Vec<Cell>, String> {
            (0..options.lstm.n_layers).map(|l| self.cell(direction, l, options)).collect()
        };
        Ok(Weights {
            characters: self.array("char_embed", &[CHARACTERS, d])?,
            filters: cnn.filters.iter().enumerate().map(filter).collect::<Result<_, _>>()?,
            highways: (0..cnn.n_highway).map(|k| self.highway(k, f)).collect::<Result<_, _>>()?,
            projection: self.affine("CNN_proj/W_proj", "CNN_proj/b_proj", &[f, p])?,
            directions: [stack(0)?, stack(1)?],
        })
    }

    fn highway(&self, index: usize, features: usize) -> Result<Highway, String> {
        let part = |name| {
            let [weight, bias] = ["W", "b"].map(|kind| format!("CNN_high_{index}/{kind}_{name}"));
            self.affine(&weight, &bias, &[features, features])
        };
        Ok(Highway { transform: part("transform")?, carry: part("carry")? })
    }

    fn cell(&self, direction: usize, layer: usize, options: &Options) -> Result<Cell, String> {
        let (p, c) = (options.lstm.projection_dim, options.lstm.dim);
        let name = |array| format!("RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell/{array}");
        Ok(Cell {
            gates: self.affine(&name("W_0"), &name("B"), &[2 * p, 4 * c])?,
            projection: self.array(&name("W_P_0"), &[c, p])?,
        })
    }

    fn affine(&self, weight: &str, bias: &str, shape: &[usize]) -> Result<Affine, String> {
        Ok(Affine { weight: self.array(weight, shape)?, bias: self.array(bias, &shape[shape.len() - 1..])? })
    }

    fn array(&self, name: &str, shape: &[usize]) -> Result<Array, String> {
        let dataset = self.0.dataset(name).map_err(|e| format!("can't find the dataset {name}: {e}"))?;
        let found = dataset.shape();
        if !shape.iter().map(|&size| size as u64).eq(found.iter().copied()) {
            return Err(format!(
                "{name} has the shape {found:?}, but options.json requires {shape:?}; are these the files of two models?"
            ));
        }
        if !matches!(dataset.dtype(), Datatype::FloatingPoint { size: 4, .. }) {
            return Err(format!(
                "{name} is of the type {:?}; only 32-bit floating point is supported",
                dataset.dtype()
            ));
        }
        let mut values = memory::filled(0.0, shape.iter().product()).map_err(|error| error.to_string())?;
        dataset.read_into::<f32>(&mut values).map_err(|e| format!("can't read {name}: {e}"))?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                Err(format!("{name} has the value {} at index {at}; the file is damaged, get it again", values[at]))
            }
            None => Ok(Array { shape: shape.to_vec(), values }),
        }
    }
}
