//! Tests a whole model: compared with reference values, with texts in any batch, and with corrupt files.

mod damage;
mod golden;

use std::path::{Path, PathBuf};

use burn::backend::Flex;

use super::*;

/// The two files of a model.
struct Files {
    weights: PathBuf,
    options: PathBuf,
}

impl Files {
    /// Returns the tiny model, which was made by `tests/fixtures/elmo/make.py`.
    fn tiny() -> Self {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/elmo"));
        Self { weights: folder.join("weights.hdf5"), options: folder.join("options.json") }
    }

    fn options(&self) -> Options {
        Options::parse(&std::fs::read(&self.options).expect("options")).expect("fine options")
    }

    fn model(&self) -> Model<Flex> {
        let options = self.options();
        let weights = weights::read(&self.weights, &options).expect("weights");
        Model::new(&options, weights, CPU, true)
    }

    fn open(&self) -> Elmo {
        Elmo::open(&self.weights, &self.options, Device::Cpu).expect("a model")
    }
}

fn split(texts: &[&'static str]) -> Vec<Vec<&'static str>> {
    texts.iter().map(|text| text.split_whitespace().collect()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_text_is_the_same_alone_together_and_shuffled() {
    let elmo = Files::tiny().open();
    let words = "why does the cat that sat on a mat not see what dogs know of longer and longer texts ? !".split(' ');
    let words: Vec<&str> = words.collect();
    // 90 texts of 0 to 40 tokens: several batches, whose rows end at different steps.
    let texts: Vec<Vec<&str>> =
        (0..90).map(|n| (0..n * 7 % 41).map(|i| words[(n * 5 + i * (n + 1)) % words.len()]).collect()).collect();
    let together = elmo.encode(&texts);
    for (row, text) in texts.iter().enumerate().step_by(7) {
        assert_eq!(bits(elmo.encode(std::slice::from_ref(text)).row(0)), bits(together.row(row)), "text {row} alone");
    }
    let order: Vec<usize> = (0..texts.len()).map(|i| i * 37 % texts.len()).collect();
    let shuffled = elmo.encode(&order.iter().map(|&i| texts[i].clone()).collect::<Vec<_>>());
    assert_eq!(bits(shuffled.values()), bits(together.select(&order).values()));
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    assert_eq!(bits(one_thread.install(|| elmo.encode(&texts)).values()), bits(together.values()));
}

#[test]
fn runs_divide_texts_by_their_distinct_tokens() {
    let texts = split(&["a b", "", "a c", "d e f g h i j k", "", "a"]);
    let runs = |most| {
        let (mut start, mut found) = (0, Vec::new());
        while start < texts.len() {
            let group = TextGroup::of(&texts[start..], most);
            found.push((group.taken, group.tokens.len(), group.texts.clone()));
            start += group.taken;
        }
        found
    };
    assert_eq!(runs(100), [(6, 13, vec![3, 0, 2, 5])]);
    assert_eq!(runs(6), [(3, 5, vec![0, 2]), (1, 10, vec![0]), (2, 3, vec![1])]);
}

#[test]
fn no_texts_and_empty_texts_are_fine() {
    let elmo = Files::tiny().open();
    assert_eq!(elmo.encode(&[]).rows(), 0);
    assert_eq!(elmo.encode(&split(&["", "a", ""])).row(2), [0.0; 24]);
}

#[test]
fn a_long_text_and_a_long_token_run() {
    let elmo = Files::tiny().open();
    let token = "x".repeat(100_000);
    let text: Vec<&str> = std::iter::repeat_n([token.as_str(), "y"], 1500).flatten().collect();
    assert!(elmo.encode(&[text, vec!["y"]]).values().iter().all(|value| value.is_finite()));
}
