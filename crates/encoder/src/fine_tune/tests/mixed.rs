//! Mixed precision: products of factors in brain floats, sums and everything else in 32 bits.

use super::*;

fn mixed(folder: &Path) -> SentenceTransformer {
    open(folder).with_precision(Precision::Bf16)
}

/// Compares 20 losses with those of PyTorch's `autocast`, which also computes activations in brain floats: both are equally far from
/// those in 32 bits.
fn compare_mixed(losses: &[f64], golden: [&Value; 2], what: &str) {
    let [whole, expected] = golden.map(|golden| serde_json::from_value::<Vec<f64>>(golden.clone()).expect("losses"));
    let off = |others: &[f64]| losses.iter().zip(others).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(losses.len() == 20 && off(&expected) < 4e-3, "{what}: {} {losses:?} {expected:?}", off(&expected));
    assert!(off(&whole) > 1e-5, "{what}: nothing is rounded");
}

#[test]
fn losses_in_mixed_precision_are_those_of_pytorch() {
    let goldens = goldens();
    let (texts, labels) = made_up(&goldens);
    for (model, scopes) in goldens["bf16"].as_object().expect("models").iter().filter(|(name, _)| *name != "minilm") {
        for (name, expected) in scopes.as_object().expect("scopes") {
            let what = format!("{model} {name}");
            let encoder = mixed(&fixtures().join(model));
            let (losses, _, tuning) = train(&encoder, scope(name, &goldens), &texts, &labels, rate(""));
            compare_mixed(&losses, [&goldens["losses"][model][name], expected], &what);
            agrees(&tuning, 2e-2, &what);
        }
    }
}

#[test]
fn a_published_model_is_trained_in_mixed_precision_as_by_pytorch() {
    let what = "the losses of all-MiniLM-L6-v2 in mixed precision";
    let Some(folder) = from_environment(Requirement::Minilm, what) else { return };
    let goldens = goldens();
    let (texts, labels) = questions();
    let (losses, ..) = train(&mixed(&folder), Scope::All, &texts, &labels, rate("minilm"));
    compare_mixed(&losses, [&goldens["losses"]["minilm"]["all"], &goldens["bf16"]["minilm"]["all"]], what);
}

/// A frozen encoder of any family: its vectors are near those in 32 bits, not equal to them, and those of the forward pass in
/// training.
#[test]
fn vectors_in_mixed_precision_are_near_those_in_32_bits() {
    let texts: [&[u8]; 3] = [b"the dog is red", b"", b"why do dogs run ? the sun , the moon and a tree are blue"];
    for name in MODELS {
        let (whole, rounded) = (open(&fixtures().join(name)), mixed(&fixtures().join(name)));
        assert_ne!(whole.digest(), rounded.digest());
        let tokens = rounded.tokens(&texts).expect("tokens");
        let tuning = Tuning::new(&rounded, Scope::Lora { rank: 2, alpha: 2.0 }, 2);
        let [whole, rounded] = [whole, rounded].map(|model| model.encode(&texts).expect("encoded"));
        let trained = vectors(&tuning, &tokens);
        let off = |others: &[f32]| rounded.values().iter().zip(others).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let largest = whole.values().iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!(off(whole.values()) > 0.0 && off(whole.values()) < 2e-2 * largest, "{name}: {}", off(whole.values()));
        assert!(off(&trained) < 2e-2 * largest, "{name}: {}", off(&trained));
    }
}

/// What is trained, its gradients, and what is saved are of 32 bits.
#[test]
fn trained_arrays_keep_32_bits() {
    let model = mixed(&fixtures().join("bert"));
    let tokens = model.tokens(&[b"the dog is red", b"why"]).expect("tokens");
    let tuning = Tuning::new(&model, Scope::All, 2);
    let batch: Vec<&[u32]> = (0..2).map(|text| tokens.of_text(text)).collect();
    let (_, gradients) = tuning.loss(&batch, &[0, 1]); // Fails if a gradient has another type.
    let is_narrow = |value: &f32| value.to_bits() & 0xffff == 0;
    assert!(gradients.iter().flatten().flatten().any(|value| !is_narrow(value)));
    assert!(tuning.arrays().iter().flat_map(|array| array.iter()).any(|value| !is_narrow(value)));
}
