//! A benchmark (ignored by default): the forward pass on the CPU, in both precisions, compared with Burn's flex backend, on one thread.
//!
//! `EMBERLINE_MINILM=FOLDER cargo test --release -p emberline-encoder --lib forward_passes -- --ignored --nocapture`

use std::time::Instant;

use burn::backend::Flex;

use super::*;
use crate::Precision;
use crate::sentence_transformer::modules::Modules;
use crate::transformer::{self, Config, CpuModel, DeviceModel, Forward, Transformer};

#[test]
#[ignore = "a measure"]
#[expect(clippy::print_stderr, reason = "a measure prints")]
fn forward_passes_are_timed() {
    let folder = std::env::var_os("EMBERLINE_MINILM").map(PathBuf::from).expect("EMBERLINE_MINILM names a folder");
    let modules = Modules::read(&folder).expect("modules");
    let config = Config::read(&modules.transformer).expect("a config");
    let mut weights = transformer::open_weights(&modules.transformer).expect("weights");
    let model = Transformer::read(&config, &mut weights).expect("a model");
    // Texts have the length of questions; each side has its own batch size.
    let texts: Vec<Vec<u32>> = (0..256).map(|n| (0..10 + n % 12).map(|i| 1000 + i * 7 + n).collect()).collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let rate = |name: &str, forward: &dyn Forward| {
        let batch = (forward.batch_tokens(usize::MAX) / 16).max(1);
        let started = Instant::now();
        texts.chunks(batch).for_each(|texts| drop(std::hint::black_box(forward.layers(texts, 1))));
        eprintln!("{name}: {:.0} texts/s", texts.len() as f64 / started.elapsed().as_secs_f64());
    };
    let burn = DeviceModel::<Flex>::new(&model, Precision::F32, Default::default()).expect("memory");
    let [own, integers] =
        [Precision::F32, Precision::I8].map(|precision| CpuModel::new(model.clone(), precision, CpuModel::MAX_PACKED));
    for _ in 0..3 {
        rate("flex", &burn);
        rate("own", &own);
        rate("own, 8-bit integers", &integers);
    }
}
