//! The weights file: HDF5, read by `hdf5-reader`, which knows superblocks, groups and heaps.
//!
//! A path and [`Options`] enter, [`Weights`] leave. All numbers are f32; sizes: P `lstm.projection_dim`, C `lstm.dim`,
//! d `char_cnn.embedding.dim`, F the sum of the filters.
//!
//! | dataset | shape | what |
//! |---|---|---|
//! | `char_embed` | 261, d | the table of characters |
//! | `CNN/W_cnn_{i}`, `b_cnn_{i}` | 1, width, d, n; n | filters |
//! | `CNN_high_{k}/W_transform`, `b_transform`, `W_carry`, `b_carry` | F, F; F; F, F; F | a highway layer |
//! | `CNN_proj/W_proj`, `b_proj` | F, P; P | the token's projection |
//! | `RNN_{0 forward, 1 backward}/RNN/MultiRNNCell/Cell{l}/LSTMCell/W_0` | 2P, 4C | input rows, then output rows; gates i, j, f, o |
//! | `.../B` | 4C | without the 1 that the forget gate adds |
//! | `.../W_P_0` | C, P | the output's projection |
//!
//! Nothing is allocated before the options' numbers are known to fit in the file, and before a dataset has the shape
//! that the options say. External files and links aren't followed.

use std::path::Path;

use emberline_base::file::{self, FileError};
use emberline_base::{fenced, memory};
use hdf5_reader::{Datatype, Hdf5File, OpenOptions};

use super::characters::CHARACTERS;
use super::options::Options;
use crate::Error;

/// An object header of a model is some hundred bytes.
const MAX_HEADER: usize = 1 << 20;

/// Numbers and their shape, row after row.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// The whole model on the host.
#[derive(Debug)]
pub(super) struct Weights {
    /// `[261, d]`
    pub(super) characters: Array,
    pub(super) filters: Vec<Affine>,
    pub(super) highways: Vec<Highway>,
    /// `[F, P]`
    pub(super) projection: Affine,
    /// Forward, backward; a layer after the other.
    pub(super) directions: [Vec<Cell>; 2],
}

/// `x weight + bias`
#[derive(Debug)]
pub(super) struct Affine {
    /// `[inputs, outputs]`; a filter's `[1, width, d, n]`.
    pub(super) weight: Array,
    /// `[outputs]`
    pub(super) bias: Array,
}

/// A highway layer, `[F, F]` each.
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
/// [`Error::File`] when it can't be read, [`Error::Format`] when it isn't HDF5, is damaged, lacks a dataset or has one of
/// another type or shape than the options say.
pub(super) fn read(path: &Path, options: &Options) -> Result<Weights, Error> {
    let about = file::open(path).and_then(|file| file.metadata());
    let bytes = about.map_err(FileError::new("read", path))?.len();
    let asked = parameters(options).saturating_mul(4);
    if asked > bytes {
        let reason = format!(
            "has {bytes} bytes, but options.json speaks of {asked} bytes of numbers; a truncated or compressed file, \
             or the options of another model"
        );
        return Err(Error::format(path, reason));
    }
    // The reader holds what it reads, and we the numbers made of it.
    memory::probe(2 * asked)?;
    let limits = OpenOptions::default()
        .with_max_read_bytes(usize::try_from(bytes).unwrap_or(usize::MAX))
        .with_max_object_header_bytes(MAX_HEADER)
        .with_chunk_cache_bytes(0);
    // The reader isn't ours: should a damaged file make it panic, that is a fault of the file.
    let outcome = fenced(|| {
        let file = Hdf5File::open_with_options(path, limits)
            .map_err(|e| format!("not an HDF5 file that can be read: {e}; get it again"))?;
        File(file).weights(options)
    });
    let outcome =
        outcome.unwrap_or_else(|_| Err("damaged beyond what the HDF5 reader can tell; get it again".to_owned()));
    outcome.map_err(|reason| Error::format(path, reason))
}

/// The numbers that a model of these options has.
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
                "{name} has the shape {found:?}, options.json asks for {shape:?}: files of two models?"
            ));
        }
        if !matches!(dataset.dtype(), Datatype::FloatingPoint { size: 4, .. }) {
            return Err(format!("{name} is of the type {:?}; 32-bit floating point is read", dataset.dtype()));
        }
        let mut values = memory::filled(0.0, shape.iter().product()).map_err(|error| error.to_string())?;
        dataset.read_into::<f32>(&mut values).map_err(|e| format!("can't read {name}: {e}"))?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(format!("{name} holds {} as its number {at}; damaged, get it again", values[at])),
            None => Ok(Array { shape: shape.to_vec(), values }),
        }
    }
}
