//! ELMo: text vectors from two character-based LSTM language models, forward and backward (Peters et al., 2018, "Deep
//! contextualized word representations").
//!
//! Input: `options.json`, an HDF5 weights file and tokenised texts. Output: the layers of each text, averaged over its tokens.
//! Layer 0 is the context-free token vector (repeated, so that all layers have the same dimension); layer l is the output of
//! the l-th forward and backward LSTM layers. No state is carried from text to text, so that a vector depends only on its
//! text; AllenNLP's `Elmo` carries its state across batches, and agrees with this on the first batch.
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

/// The batch shape on the CPU: few texts, so that little is wasted in the last batch.
const CPU: Shape = Shape { rows: 32, panel: panels::WIDTH };
/// The batch shape on a GPU: many texts, since the time of a step is that of its kernel launches.
#[cfg(feature = "gpu")]
const GPU: Shape = Shape { rows: 256, panel: usize::MAX };
/// Maximum number of values of the token vectors that are in memory at a time (256 MiB).
const MAX_VECTORS: usize = 1 << 26;
/// The version of this computation, which is part of the key of cached vectors. Increase it if the same files and settings
/// give other vectors, even if only in their last bit.
pub const COMPUTATION: u32 = 1;
/// Maximum size of the options file in bytes.
const MAX_OPTIONS: usize = 1 << 20;

/// An ELMo model on a device.
pub struct Elmo {
    engine: Box<dyn Engine>,
    options: Options,
}

impl Elmo {
    /// Reads the two files of a model and moves it to a device.
    ///
    /// # Errors
    /// If a file can't be read, is invalid or doesn't fit the other one, or if this build doesn't support the device.
    pub fn open(weights: &Path, options: &Path, device: Device) -> Result<Self, Error> {
        let text = file::read(options)?;
        if text.len() > MAX_OPTIONS {
            return Err(Error::format(options, format!("{} bytes; at most {MAX_OPTIONS} are read", text.len())));
        }
        let parsed = Options::parse(&text).map_err(|reason| Error::format(options, reason))?;
        let weights = weights::read(weights, &parsed)?;
        Ok(Self { engine: engine(device, &parsed, weights)?, options: parsed })
    }

    /// Returns the number of layers: the context-free one, and those of the language models.
    pub fn layers(&self) -> usize {
        self.options.lstm.n_layers + 1
    }

    /// Returns the dimension of a layer.
    pub fn dim(&self) -> usize {
        2 * self.options.lstm.projection_dim
    }

    /// Returns the number of parameters of the model.
    pub fn parameters(&self) -> u64 {
        weights::parameters(&self.options)
    }

    /// Returns the canonical text of the model's options, for digests: it changes if a setting that matters changes.
    pub fn settings(&self) -> String {
        canonical(&self.options)
    }

    /// Encodes tokenised texts: the layers of each text, averaged over its tokens, `[texts, layers * dim]`, layer 0 first. A
    /// text without tokens has zeros. The numbers of a text don't depend on the other texts.
    pub fn encode(&self, texts: &[Vec<&str>]) -> Matrix {
        let mut pooled = Matrix::zeros(texts.len(), self.layers() * self.dim());
        let most = (MAX_VECTORS / self.options.lstm.projection_dim).max(1);
        let mut rest = 0..texts.len();
        while !rest.is_empty() {
            let group = TextGroup::of(&texts[rest.clone()], most);
            for (&text, layers) in group.texts.iter().zip(self.engine.layers(&group)) {
                pooled.row_mut(rest.start + text).copy_from_slice(&layers);
            }
            rest.start += group.taken;
        }
        pooled
    }
}

/// A group of texts that are encoded together: as many as have at most a number of distinct tokens, and at least one.
struct TextGroup<'a> {
    /// The distinct tokens; `<S>` and `</S>` are the first two.
    tokens: Vec<&'a str>,
    /// The indices of the texts that have tokens, longest first.
    texts: Vec<usize>,
    /// The tokens of each of these texts, as indices into `tokens`.
    ids: Vec<Vec<u32>>,
    /// The number of texts in the group, including those without tokens.
    taken: usize,
}

impl<'a> TextGroup<'a> {
    /// Groups the first texts, with at most `most` distinct tokens.
    fn of(texts: &[Vec<&'a str>], most: usize) -> Self {
        let mut group = Self { tokens: vec![BEGIN, END], texts: Vec::new(), ids: Vec::new(), taken: 0 };
        let mut numbers = HashMap::from([(BEGIN, 0), (END, 1)]);
        let mut ids = Vec::new();
        for text in texts {
            if group.taken > 0 && group.tokens.len() + text.len() > most {
                break;
            }
            let number = |token: &&'a str| {
                *numbers.entry(*token).or_insert_with(|| {
                    group.tokens.push(token);
                    group.tokens.len() as u32 - 1
                })
            };
            ids.push(text.iter().map(number).collect::<Vec<u32>>());
            group.taken += 1;
        }
        group.texts = (0..group.taken).filter(|&text| !ids[text].is_empty()).collect();
        group.texts.sort_by_key(|&text| std::cmp::Reverse(ids[text].len()));
        group.ids = group.texts.iter().map(|&text| std::mem::take(&mut ids[text])).collect();
        group
    }
}

/// A model on a device of any backend.
trait Engine: Send + Sync {
    /// Computes the layers of each text of a group that has tokens, `[layers * dim]`, in the order of `group.texts`.
    fn layers(&self, group: &TextGroup<'_>) -> Vec<Vec<f32>>;
}

/// Moves a model to a device. This is the only place where the name of a device selects a backend type.
fn engine(device: Device, options: &Options, weights: Weights) -> Result<Box<dyn Engine>, Error> {
    Ok(match device {
        Device::Cpu => Box::new(Model::<burn::backend::Flex>::new(options, weights, CPU, true)),
        #[cfg(feature = "gpu")]
        Device::Wgpu => Box::new(Model::<burn::backend::Wgpu>::new(options, weights, GPU, false)),
        #[cfg(feature = "gpu")]
        Device::Cuda => Box::new(Model::<burn::backend::Cuda>::new(options, weights, GPU, false)),
        #[cfg(not(feature = "gpu"))]
        Device::Wgpu | Device::Cuda => return Err(device.unsupported_by_build().into()),
    })
}

/// The model on a backend.
struct Model<B: Backend> {
    tokens: TokenEncoder<B>,
    /// The forward and the backward stack.
    directions: [Stack<B>; 2],
    /// Number of texts per batch.
    rows: usize,
    /// The dimension of a direction's output, P.
    width: usize,
    /// Whether batches run in parallel.
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

    /// Computes the sums of every layer of one direction, for the texts of a batch, `[layers][rows * P]`.
    fn sums(&self, batch: &[Vec<u32>], backward: bool, vectors: &[f32]) -> Vec<Vec<f32>> {
        let longest = batch.iter().map(Vec::len).max().unwrap_or_default() + 2;
        let blocks = (0..longest).step_by(STEPS).map(|first| self.block(batch, backward, vectors, first, longest));
        self.directions[usize::from(backward)].sums(blocks)
    }

    /// Returns the block of a batch that begins at step `first`.
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

    /// Computes the layers of a batch's texts from the sums of both directions.
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

/// Returns the token at a position of `<S>` text `</S>`, read forward or backward; `None` after its end. For a text of one
/// token t: forward 0, t, 1 and backward 1, t, 0.
fn id_at(text: &[u32], at: usize, backward: bool) -> Option<u32> {
    let from_start = if backward { (text.len() + 1).checked_sub(at)? } else { at };
    match from_start {
        0 => Some(0),
        place if place == text.len() + 1 => Some(1),
        place => text.get(place - 1).copied(),
    }
}

impl<B: Backend> Engine for Model<B> {
    fn layers(&self, group: &TextGroup<'_>) -> Vec<Vec<f32>> {
        let vectors = self.tokens.encode(&group.tokens, self.parallel);
        let batches: Vec<&[Vec<u32>]> = group.ids.chunks(self.rows).collect();
        let sums = |unit: usize| self.sums(batches[unit / 2], unit % 2 == 1, &vectors);
        let units = 0..2 * batches.len();
        let sums: Vec<Vec<Vec<f32>>> =
            if self.parallel { units.into_par_iter().map(sums).collect() } else { units.map(sums).collect() };
        let pairs = batches.iter().zip(sums.chunks_exact(2));
        pairs.flat_map(|(batch, sums)| self.means(batch, [&sums[0], &sums[1]], &vectors)).collect()
    }
}
