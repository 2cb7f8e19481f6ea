//! A benchmark (ignored by default, run by `ci/bench/fine_tune.py`): one epoch of training all layers of a model with a linear head
//! by Adam, on the CPU.
//!
//! `EMBERLINE_MINILM=FOLDER EMBERLINE_TEXTS=FILE`: the model, and a text a line, of which every `EMBERLINE_BATCH` are a batch.

use std::time::Instant;

use pulp::Arch;
use rayon::prelude::*;

use super::*;

/// Numbers that a thread updates at a time.
const CHUNK: usize = 1 << 16;
const RATE: f32 = 2e-5;

#[test]
#[ignore = "a measure"]
#[expect(clippy::print_stdout, reason = "a measure prints")]
fn an_epoch_is_timed() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is set"));
    let model = open(Path::new(&variable("EMBERLINE_MINILM")));
    let texts = fs::read_to_string(variable("EMBERLINE_TEXTS")).expect("texts");
    let texts: Vec<&[u8]> = texts.lines().map(str::as_bytes).collect();
    let batch: usize = variable("EMBERLINE_BATCH").parse().expect("a number");
    let tokens = model.tokens(&texts).expect("tokens");
    let Tuning { device, names, parameters, .. } = Tuning::new(&model, Scope::All, 2);
    let mut moments: Vec<[Vec<f32>; 2]> = Vec::new();
    let mut values: Vec<Tensor<Flex, 2>> = Vec::new();
    for parameter in parameters {
        values.push(Tensor::from_data(TensorData::new(parameter.value, parameter.shape), &Default::default()));
        moments.push([parameter.mean, parameter.square]);
    }
    let started = Instant::now();
    let (mut losses, mut updates) = (0.0, 0.0);
    for (step, first) in (0..texts.len()).step_by(batch).enumerate() {
        let rows = first..(first + batch).min(texts.len());
        let ids: Vec<&[u32]> = rows.clone().map(|row| tokens.of_text(row)).collect();
        let labels: Vec<usize> = rows.map(|row| row % 2).collect();
        let tracked: Vec<Tensor<B, 2>> =
            values.iter().map(|value| Tensor::from_inner(value.clone()).require_grad()).collect();
        let (loss, gradients) = loss(&device, &tracked, names.len(), &ids, &labels);
        losses += loss * ids.len() as f64;
        drop(tracked);
        let update = Instant::now();
        for ((value, moments), gradient) in values.iter_mut().zip(&mut moments).zip(gradients) {
            if let Some(gradient) = gradient {
                let zeros = Tensor::zeros([1, 1], &Default::default());
                let mut data = std::mem::replace(value, zeros).into_data();
                adam(data.as_mut_slice().expect("32-bit numbers"), moments, &gradient, step as i32 + 1);
                *value = Tensor::from_data(data, &Default::default());
            }
        }
        updates += update.elapsed().as_secs_f64();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"seconds\": {seconds:.3}, \"updates\": {updates:.3}, \"loss\": {:.6}}}", losses / texts.len() as f64);
}

fn adam(values: &mut [f32], [means, squares]: &mut [Vec<f32>; 2], gradients: &[f32], step: i32) {
    let (first, second) = (1.0 - 0.9_f32.powi(step), (1.0 - 0.999_f32.powi(step)).sqrt());
    let chunks = values.par_chunks_mut(CHUNK).zip(means.par_chunks_mut(CHUNK)).zip(squares.par_chunks_mut(CHUNK));
    chunks.zip(gradients.par_chunks(CHUNK)).for_each(|(((values, means), squares), gradients)| {
        Arch::new().dispatch(|| {
            for (((value, mean), square), gradient) in values.iter_mut().zip(means).zip(squares).zip(gradients) {
                *mean = 0.9 * *mean + 0.1 * gradient;
                *square = 0.999 * *square + 0.001 * gradient * gradient;
                *value -= RATE / first * *mean / (square.sqrt() / second + 1e-8);
            }
        });
    });
}
