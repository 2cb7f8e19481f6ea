//! Compares the layers with those of other implementations.

use emberline_test_support::shared;
use hdf5_reader::Hdf5File;

use super::*;

/// Maximum error.
const TOLERANCE: f32 = 1e-5;

/// Computes every layer at every token, `[layers][tokens][2 P]`, by batches of one text in which one token counts at a time.
fn contextual(model: &Model<Flex>, text: &[&str]) -> Vec<Vec<Vec<f32>>> {
    let group = TextGroup::of(&[text.to_vec()], usize::MAX);
    let vectors = model.tokens.encode(&group.tokens, false);
    let batch = &group.ids[..1];
    let sums = |backward: bool, token: usize| {
        let longest = text.len() + 2;
        let blocks = (0..longest).step_by(STEPS).map(|first| {
            let mut block = model.block(batch, backward, &vectors, first, longest);
            let at = if backward { text.len() - token } else { token + 1 };
            block.counts.fill(0.0);
            if (first..first + STEPS).contains(&at) {
                block.counts[(at - first) * model.rows] = 1.0;
            }
            block
        });
        model.directions[usize::from(backward)].sums(blocks)
    };
    let mut layers = vec![Vec::new(); model.directions[0].sums(std::iter::empty()).len() + 1];
    for (token, &id) in batch[0].iter().enumerate() {
        let vector = &vectors[id as usize * model.width..(id as usize + 1) * model.width];
        layers[0].push([vector, vector].concat());
        for (layer, (forward, backward)) in sums(false, token).iter().zip(sums(true, token)).enumerate() {
            layers[layer + 1].push([&forward[..model.width], &backward[..model.width]].concat());
        }
    }
    layers
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[derive(serde::Deserialize)]
struct Expected {
    tokens: Vec<String>,
    layers: Vec<Vec<Vec<f32>>>,
}

fn expected() -> Vec<Expected> {
    let path = Files::tiny().options.with_file_name("expected.json");
    serde_json::from_slice(&std::fs::read(path).expect("expected layers")).expect("json")
}

#[test]
fn the_tiny_model_gives_torchs_layers() {
    let model = Files::tiny().model();
    let elmo = Files::tiny().open();
    for Expected { tokens, layers } in expected() {
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let pooled = elmo.encode(std::slice::from_ref(&tokens));
        if tokens.is_empty() {
            assert_eq!(pooled.row(0), [0.0; 24]);
            continue;
        }
        let found = contextual(&model, &tokens);
        for (layer, expected) in layers.iter().enumerate() {
            let worst = difference(&found[layer].concat(), &expected.concat());
            assert!(worst < TOLERANCE, "{tokens:?}, layer {layer}: {worst}");
            let mean = |i| expected.iter().map(|token: &Vec<f32>| token[i]).sum::<f32>() / tokens.len() as f32;
            let mean: Vec<f32> = (0..8).map(mean).collect();
            let worst = difference(&pooled.row(0)[layer * 8..(layer + 1) * 8], &mean);
            assert!(worst < TOLERANCE, "{tokens:?}, mean of layer {layer}: {worst}");
        }
    }
}

#[test]
fn every_option_counts() {
    let files = Files::tiny();
    let text = ["the", "cat", "sat", "on", "the", "mat"];
    let layers = |change: fn(&mut Options)| {
        let mut options = files.options();
        let weights = weights::read(&files.weights, &options).expect("weights");
        change(&mut options);
        contextual(&Model::new(&options, weights, CPU, true), &text).concat().concat()
    };
    let unchanged = layers(|_| ());
    for (what, change) in [
        ("cell_clip", (|options| options.lstm.cell_clip = None) as fn(&mut Options)),
        ("proj_clip", |options| options.lstm.proj_clip = None),
        ("use_skip_connections", |options| options.lstm.use_skip_connections = false),
        ("activation", |options| options.char_cnn.activation = options::Activation::Tanh),
    ] {
        assert!(difference(&layers(change), &unchanged) > 1e-3, "{what}");
    }
}

/// Returns the folder with AllenNLP's fixtures; prints that the test is skipped if it is missing.
fn allennlp() -> Option<PathBuf> {
    shared("assets/elmo")
}

fn dataset(path: &Path, name: &str) -> Vec<f32> {
    let dataset = Hdf5File::open(path).and_then(|file| file.dataset(name)).expect("a dataset");
    dataset.read_array::<f32>().expect("numbers").into_iter().collect()
}

fn fixture(folder: &Path) -> Files {
    Files { weights: folder.join("lm_weights.hdf5"), options: folder.join("options.json") }
}

/// Compares layer 0 with AllenNLP's vectors of single tokens.
#[test]
fn token_vectors_are_allennlps() {
    let Some(folder) = allennlp() else { return };
    let words = std::fs::read_to_string(folder.join("vocab_test.txt")).expect("words");
    let words: Vec<&str> = words.lines().collect();
    let golden = dataset(&folder.join("elmo_token_embeddings.hdf5"), "embedding");
    let found = fixture(&folder).model().tokens.encode(&words, true);
    let worst = difference(&found, &golden);
    assert!(worst < TOLERANCE, "{worst}");
}

/// Compares the top layer, which depends on all other layers, at every token, for the first batch of each of bilm-tf's three
/// streams, in which its state is still 0.
#[test]
fn the_top_layer_is_bilm_tfs() {
    let Some(folder) = allennlp() else { return };
    let sentences = std::fs::read(folder.join("sentences.json")).expect("sentences");
    let sentences: Vec<Vec<String>> = serde_json::from_slice(&sentences).expect("json");
    let model = fixture(&folder).model();
    for (stream, sentences) in sentences.iter().enumerate() {
        let text: Vec<&str> = sentences[0].split_whitespace().collect();
        // [2, tokens, P]
        let golden = dataset(&folder.join(format!("lm_embeddings_{stream}.hdf5")), "0");
        let (forward, backward) = golden.split_at(golden.len() / 2);
        let both = forward.chunks(model.width).zip(backward.chunks(model.width));
        let golden: Vec<f32> = both.flat_map(|(forward, backward)| [forward, backward].concat()).collect();
        let layers = contextual(&model, &text);
        let worst = difference(&layers[2].concat(), &golden);
        assert!(layers.len() == 3 && worst < TOLERANCE, "stream {stream}: {worst}");
    }
}
