//! ELMo: vectors of texts from two language models over characters (Peters et al., 2018, "Deep contextualized word
//! representations").
//!
//! `options.json`, an HDF5 weights file and texts cut into tokens enter; a text's layers, each the mean over its tokens,
//! leave. Layer 0 is the token's own vector (twice, so that all layers have one length), layer l the output of the l-th
//! forward and backward LSTM layers. Nothing is carried from text to text, so that a vector depends on its text alone;
//! AllenNLP's `Elmo` carries state across batches, and equals this on the first.
//!
//! `options.rs` and `weights.rs` read the files; `characters.rs` and `token.rs` encode single tokens, `lstm.rs` (with
//! `panels.rs`) runs the language models.

mod characters;
mod lstm;
mod options;
mod panels;
mod token;
mod weights;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::backend::Backend;
use emberline_base::{Matrix, canonical, file};
use emberline_device::Device;
use rayon::prelude::*;

use self::characters::{BEGIN, END};
use self::lstm::{Block, STEPS, Shape, Stack};
use self::options::Options;
use self::token::TokenEncoder;
use self::weights::Weights;
use crate::Error;

/// The texts that a batch of the language models holds: on the processor few, so that little is wasted on the last
/// batch; on a GPU many, since a step costs its launches.
const CPU: Shape = Shape { rows: 32, panel: panels::WIDTH };
#[cfg(feature = "gpu")]
const GPU: Shape = Shape { rows: 256, panel: usize::MAX };
/// The token vectors that are kept at a time, in numbers: 256 MiB.
const MAX_VECTORS: usize = 1 << 26;
/// The version of this computation, which is part of the key that vectors are cached by. Raise it when the numbers change
/// that the same files and settings give, if only in their last bit.
pub const COMPUTATION: u32 = 1;
/// The largest options file.
const MAX_OPTIONS: usize = 1 << 20;

/// An ELMo model on a device.
pub struct Elmo {
    engine: Box<dyn Engine>,
    options: Options,
}

impl Elmo {
    /// Reads the two files of a model and puts it on a device.
    ///
    /// # Errors
    /// When a file can't be read, isn't what it should be, or doesn't fit the other; when the build lacks the device.
    pub fn open(weights: &Path, options: &Path, device: Device) -> Result<Self, Error> {
        let text = file::read(options)?;
        if text.len() > MAX_OPTIONS {
            return Err(Error::format(options, format!("{} bytes; at most {MAX_OPTIONS} are read", text.len())));
        }
        let parsed = Options::parse(&text).map_err(|reason| Error::format(options, reason))?;
        let weights = weights::read(weights, &parsed)?;
        Ok(Self { engine: engine(device, &parsed, weights)?, options: parsed })
    }

    /// Layers of a text: one of single tokens, and those of the language models.
    pub fn layers(&self) -> usize {
        self.options.lstm.n_layers + 1
    }

    /// Numbers of a layer.
    pub fn dim(&self) -> usize {
        2 * self.options.lstm.projection_dim
    }

    /// Numbers of the whole model.
    pub fn parameters(&self) -> u64 {
        weights::parameters(&self.options)
    }

    /// Every setting of the model's options that is looked at, in words that change when one of them does.
    pub fn settings(&self) -> String {
        canonical(&self.options)
    }

    /// The layers of every text, a text of tokens, each layer the mean over the tokens: `[texts, layers * dim]`, layer 0
    /// first; 0 for a text without tokens. A text's numbers don't depend on the other texts.
    pub fn pool(&self, texts: &[Vec<&str>]) -> Matrix {
        let mut pooled = Matrix::zeros(texts.len(), self.layers() * self.dim());
        let most = (MAX_VECTORS / self.options.lstm.projection_dim).max(1);
        let mut rest = 0..texts.len();
        while !rest.is_empty() {
            let run = Run::of(&texts[rest.clone()], most);
            for (&text, layers) in run.texts.iter().zip(self.engine.layers(&run)) {
                pooled.row_mut(rest.start + text).copy_from_slice(&layers);
            }
            rest.start += run.taken;
        }
        pooled
    }
}

/// Texts that are worked on at a time: as many as don't exceed a number of distinct tokens, and at least one.
struct Run<'a> {
    /// Distinct tokens; `<S>` and `</S>` are the first two.
    tokens: Vec<&'a str>,
    /// Which texts have tokens, by their number: longest first.
    texts: Vec<usize>,
    /// The tokens of each of those, by number.
    ids: Vec<Vec<u32>>,
    /// The texts that the run covers, those without tokens included.
    taken: usize,
}

impl<'a> Run<'a> {
    fn of(texts: &[Vec<&'a str>], most: usize) -> Self {
        let mut run = Self { tokens: vec![BEGIN, END], texts: Vec::new(), ids: Vec::new(), taken: 0 };
        let mut numbers = HashMap::from([(BEGIN, 0), (END, 1)]);
        let mut ids = Vec::new();
        for text in texts {
            if run.taken > 0 && run.tokens.len() + text.len() > most {
                break;
            }
            let number = |token: &&'a str| {
                *numbers.entry(*token).or_insert_with(|| {
                    run.tokens.push(token);
                    run.tokens.len() as u32 - 1
                })
            };
            ids.push(text.iter().map(number).collect::<Vec<u32>>());
            run.taken += 1;
        }
        run.texts = (0..run.taken).filter(|&text| !ids[text].is_empty()).collect();
        run.texts.sort_by_key(|&text| std::cmp::Reverse(ids[text].len()));
        run.ids = run.texts.iter().map(|&text| std::mem::take(&mut ids[text])).collect();
        run
    }
}

/// A model on a device, whatever its backend.
trait Engine: Send + Sync {
    /// The layers of each of the run's texts that have tokens, `[layers * dim]`, in the run's order.
    fn layers(&self, run: &Run<'_>) -> Vec<Vec<f32>>;
}

/// Puts a model on a device: the one place where a device's name becomes a type.
fn engine(device: Device, options: &Options, weights: Weights) -> Result<Box<dyn Engine>, Error> {
    Ok(match device {
        Device::Cpu => Box::new(Model::<burn::backend::Flex>::new(options, weights, CPU, true)),
        #[cfg(feature = "gpu")]
        Device::Wgpu => Box::new(Model::<burn::backend::Wgpu>::new(options, weights, GPU, false)),
        #[cfg(feature = "gpu")]
        Device::Cuda => Box::new(Model::<burn::backend::Cuda>::new(options, weights, GPU, false)),
        #[cfg(not(feature = "gpu"))]
        Device::Wgpu | Device::Cuda => return Err(device.not_built().into()),
    })
}

/// The model on a backend.
struct Model<B: Backend> {
    tokens: TokenEncoder<B>,
    /// Forward, backward.
    directions: [Stack<B>; 2],
    /// Texts of a batch.
    rows: usize,
    /// P
    width: usize,
    /// Whether batches run side by side.
    parallel: bool,
}

impl<B: Backend> Model<B> {
    fn new(options: &Options, weights: Weights, shape: Shape, parallel: bool) -> Self {
        let device = B::Device::default();
        let Weights { characters, filters, highways, projection, directions } = weights;
        Self {
            tokens: TokenEncoder::new(options, characters, filters, highways, projection, &device),
            directions: directions.map(|cells| Stack::new(options, cells, shape, &device)),
            rows: shape.rows,
            width: options.lstm.projection_dim,
            parallel,
        }
    }

    /// The sums of every layer of one direction, for the texts of a batch: `[layers][rows * P]`.
    fn sums(&self, batch: &[Vec<u32>], backward: bool, vectors: &[f32]) -> Vec<Vec<f32>> {
        let longest = batch.iter().map(Vec::len).max().unwrap_or_default() + 2;
        let blocks = (0..longest).step_by(STEPS).map(|first| self.block(batch, backward, vectors, first, longest));
        self.directions[usize::from(backward)].sums(blocks)
    }

    /// The tokens of a batch from `first` on.
    fn block(&self, batch: &[Vec<u32>], backward: bool, vectors: &[f32], first: usize, longest: usize) -> Block {
        let mut tokens = vec![0.0; STEPS * self.rows * self.width];
        let mut counts = vec![0.0; STEPS * self.rows];
        for (place, token) in tokens.chunks_exact_mut(self.width).enumerate() {
            let (at, row) = (first + place / self.rows, place % self.rows);
            let Some(id) = batch.get(row).and_then(|text| id_at(text, at, backward)) else { continue };
            let start = id as usize * self.width;
            token.copy_from_slice(&vectors[start..start + self.width]);
            counts[place] = f32::from(u8::from(at > 0 && at <= batch[row].len()));
        }
        Block { tokens, counts, steps: STEPS.min(longest - first) }
    }

    /// The layers of a batch's texts of the sums of both directions.
    fn means(&self, batch: &[Vec<u32>], sums: [&Vec<Vec<f32>>; 2], vectors: &[f32]) -> Vec<Vec<f32>> {
        let mean = |(row, text): (usize, &Vec<u32>)| {
            let token = self.token_mean(text, vectors);
            let mut layers = [token.as_slice(), &token].concat();
            for (forward, backward) in sums[0].iter().zip(sums[1]) {
                for sums in [forward, backward] {
                    let sum = &sums[row * self.width..(row + 1) * self.width];
                    layers.extend(sum.iter().map(|sum| sum / text.len() as f32));
                }
            }
            layers
        };
        batch.iter().enumerate().map(mean).collect()
    }

    fn token_mean(&self, text: &[u32], vectors: &[f32]) -> Vec<f32> {
        let mut sum = vec![0.0_f64; self.width];
        for &id in text {
            let start = id as usize * self.width;
            sum.iter_mut().zip(&vectors[start..start + self.width]).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        sum.iter().map(|sum| (sum / text.len() as f64) as f32).collect()
    }
}

/// The token at a place of `<S>` text `</S>`, read forward or backward; none behind its end.
fn id_at(text: &[u32], at: usize, backward: bool) -> Option<u32> {
    let from_start = if backward { (text.len() + 1).checked_sub(at)? } else { at };
    match from_start {
        0 => Some(0),
        place if place == text.len() + 1 => Some(1),
        place => text.get(place - 1).copied(),
    }
}

impl<B: Backend> Engine for Model<B> {
    fn layers(&self, run: &Run<'_>) -> Vec<Vec<f32>> {
        let vectors = self.tokens.encode(&run.tokens, self.parallel);
        let batches: Vec<&[Vec<u32>]> = run.ids.chunks(self.rows).collect();
        let sums = |unit: usize| self.sums(batches[unit / 2], unit % 2 == 1, &vectors);
        let units = 0..2 * batches.len();
        let sums: Vec<Vec<Vec<f32>>> =
            if self.parallel { units.into_par_iter().map(sums).collect() } else { units.map(sums).collect() };
        let pairs = batches.iter().zip(sums.chunks_exact(2));
        pairs.flat_map(|(batch, sums)| self.means(batch, [&sums[0], &sums[1]], &vectors)).collect()
    }
}
