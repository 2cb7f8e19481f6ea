//! Features of small tables and encoders whose vectors can be told by hand.

use emberline_base::record::KnownShare;
use emberline_base::{Combiner, LayerStack, Matrix};

use super::*;
use crate::{Encoder, Lookup};

/// A table of ten rows `[id, 10 * id]`; a text is a string of digits, each its own id.
struct Digits(Vec<f32>);

impl Lookup for Digits {
    fn dim(&self) -> usize {
        2
    }

    fn table_rows(&self) -> u64 {
        10
    }

    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> WordCounts {
        ids.extend(text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')));
        let mut words = WordCounts::default();
        text.iter().for_each(|byte| words.count_token(&[*byte], byte.is_ascii_digit()));
        words
    }

    fn table(&self) -> &[f32] {
        &self.0
    }

    fn combiner(&self) -> Combiner {
        Combiner::Sum
    }

    fn digest(&self) -> Digest {
        Digest::of(b"digits")
    }
}

fn table() -> Opened {
    Opened::Table(Box::new(Digits((0..10u8).flat_map(|id| [f32::from(id), 10.0 * f32::from(id)]).collect())))
}

const FROZEN: FeatureSpec =
    FeatureSpec { layers: Layers::All, reduction: None, quantize: Quantize::F32, trainable: false, fine_tuning: None };
const TUNED: FeatureSpec =
    FeatureSpec { layers: Layers::All, reduction: None, quantize: Quantize::F32, trainable: true, fine_tuning: None };

fn texts() -> Splits<Vec<&'static [u8]>> {
    Splits { train: vec![b"7 3 7", b"none", b"2"], valid: Some(vec![b"9", b""]), test: None }
}

fn made(source: &Opened, texts: &Splits<Vec<&[u8]>>, spec: &FeatureSpec) -> Splits<Features> {
    embedded(source, texts, spec).features
}

fn embedded(source: &Opened, texts: &Splits<Vec<&[u8]>>, spec: &FeatureSpec) -> Embedded {
    let on_event = &mut |_| {};
    let mut encoding = Encoding {
        cache: None,
        device: emberline_device::Device::Cpu,
        label: "",
        on_event,
        interrupt: emberline_base::CancellationToken::default(),
    };
    embed(source, texts, spec, &mut encoding).expect("possible")
}

#[test]
fn words_are_counted_in_each_text() {
    let words = |all, known| WordCounts { all, known, composed: 0 };
    let reduction = Some(Reduction { dim: 1, reduce: crate::reduce::Reduce::Truncate });
    for spec in [FROZEN, TUNED, FeatureSpec { reduction, ..FROZEN }] {
        let counts = embedded(&table(), &texts(), &spec).words.expect("a table");
        let valid = Some(vec![words(1, 1), words(0, 0)]);
        let expected = Splits { train: vec![words(3, 3), words(4, 0), words(1, 1)], valid, test: None };
        assert_eq!(counts, expected);
        assert_eq!(word_counts(&table(), &texts()), Some(expected));
    }
    assert!(embedded(&Opened::Encoder(Box::new(Bytes)), &texts(), &FROZEN).words.is_none());
}

/// Words are counted in the same way for frozen and fine-tuned tables.
#[test]
fn known_words_are_counted_for_frozen_and_tuned_alike() {
    let reduction = Some(Reduction { dim: 1, reduce: crate::reduce::Reduce::Truncate });
    for spec in [FROZEN, TUNED, FeatureSpec { reduction, ..FROZEN }] {
        let known = embedded(&table(), &texts(), &spec).known_words.expect("a table");
        let share = |tokens, texts_without| KnownShare { tokens, composed: 0.0, texts_without };
        assert_eq!(known.splits.train, share(0.5, 1.0 / 3.0), "{spec:?}");
        assert_eq!(known.splits.valid, Some(share(1.0, 0.5)), "{spec:?}");
        assert_eq!(known.all, share(5.0 / 9.0, 2.0 / 5.0), "{spec:?}");
    }
    assert!(embedded(&Opened::Encoder(Box::new(Bytes)), &texts(), &FROZEN).known_words.is_none());
}

#[test]
fn frozen_texts_are_vectors() {
    let features = made(&table(), &texts(), &FROZEN);
    assert_eq!(features.train, Features::Frozen(Matrix::new(3, 2, vec![17., 170., 0., 0., 2., 20.])));
    assert_eq!(features.valid, Some(Features::Frozen(Matrix::new(2, 2, vec![9., 90., 0., 0.]))));
    assert!(features.test.is_none());
}

#[test]
fn tuned_texts_share_a_table_of_what_occurs() {
    let features = made(&table(), &texts(), &TUNED);
    let (Features::Trainable(train), Some(Features::Trainable(valid))) = (&features.train, &features.valid) else {
        panic!("bags")
    };
    assert_eq!(train.table.values(), [2., 20., 3., 30., 7., 70., 9., 90.]);
    assert_eq!(train.rows[..], [2, 3, 7, 9]);
    assert!(Arc::ptr_eq(&train.table, &valid.table));
    assert_eq!((&train.offsets[..], &train.ids[..]), (&[0, 3, 3, 4][..], &[2, 1, 2, 0][..]));
    assert_eq!((valid.of_text(0), valid.of_text(1)), (&[3][..], &[][..]));
}

#[test]
fn texts_without_a_known_word_give_an_empty_table() {
    let texts = Splits { train: vec![b"none".as_slice()], valid: None, test: None };
    let Features::Trainable(bags) = made(&table(), &texts, &TUNED).train else { panic!("bags") };
    assert_eq!((bags.table.rows(), bags.table.cols(), bags.of_text(0).len()), (0, 2, 0));
}

/// Rows are truncated before they are combined, so that frozen vectors are the combined rows of fine-tuned ones.
#[test]
fn rows_are_reduced_before_they_are_combined() {
    let reduction = Some(Reduction { dim: 1, reduce: crate::reduce::Reduce::Truncate });
    let frozen = made(&table(), &texts(), &FeatureSpec { reduction, ..FROZEN });
    assert_eq!(frozen.train, Features::Frozen(Matrix::new(3, 1, vec![17., 0., 2.])));
    let Features::Trainable(bags) = made(&table(), &texts(), &FeatureSpec { reduction, ..TUNED }).train else {
        panic!("bags")
    };
    assert_eq!((bags.table.cols(), bags.table.values()), (1, &[2., 3., 7., 9.][..]));
}

/// An encoder whose vectors hold the text's length, its first byte, and 1.
struct Bytes;

impl Encoder for Bytes {
    fn dim(&self) -> usize {
        3
    }

    fn parameters(&self) -> u64 {
        5
    }

    fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error> {
        let vector = |text: &&[u8]| [text.len() as f32, f32::from(*text.first().unwrap_or(&0)), 1.0];
        Ok(Matrix::new(texts.len(), 3, texts.iter().flat_map(vector).collect()))
    }

    fn digest(&self) -> Digest {
        Digest::of(b"bytes")
    }

    fn computation(&self) -> u32 {
        1
    }
}

#[test]
fn splits_get_their_own_encoded_texts_back() {
    let source = Opened::Encoder(Box::new(Bytes));
    let texts = Splits { train: vec![b"aa".as_slice(), b"b"], valid: None, test: Some(vec![b"b".as_slice()]) };
    let full = made(&source, &texts, &FROZEN);
    assert_eq!(full.train, Features::Frozen(Matrix::new(2, 3, vec![2., 97., 1., 1., 98., 1.])));
    assert_eq!(full.test, Some(Features::Frozen(Matrix::new(1, 3, vec![1., 98., 1.]))));
    let reduce = |dim| Some(Reduction { dim, reduce: crate::reduce::Reduce::Truncate });
    let short = made(&source, &texts, &FeatureSpec { reduction: reduce(2), ..FROZEN });
    assert_eq!(short.train, Features::Frozen(Matrix::new(2, 2, vec![2., 97., 1., 98.])));
    let digest = |dim| super::digest(&source, &FeatureSpec { reduction: reduce(dim), ..FROZEN }, &Vec::<&str>::new());
    assert_ne!(digest(2), digest(3));
    // A `dim` equal to the source's own length is no reduction.
    assert_eq!(digest(3), super::digest(&source, &FROZEN, &Vec::<&str>::new()));
}

/// An encoder with two layers of one number: the text's length, and 10 times that.
struct TwoLayers;

impl Encoder for TwoLayers {
    fn dim(&self) -> usize {
        2
    }

    fn layers(&self) -> usize {
        2
    }

    fn parameters(&self) -> u64 {
        5
    }

    fn encode(&self, texts: &[&[u8]]) -> Result<Matrix, Error> {
        let vector = |text: &&[u8]| [text.len() as f32, 10.0 * text.len() as f32];
        Ok(Matrix::new(texts.len(), 2, texts.iter().flat_map(vector).collect()))
    }

    fn digest(&self) -> Digest {
        Digest::of(b"two layers")
    }

    fn computation(&self) -> u32 {
        1
    }
}

#[test]
fn layers_are_mixed_or_left_to_training() {
    let source = Opened::Encoder(Box::new(TwoLayers));
    let texts = Splits { train: vec![b"aa".as_slice()], valid: None, test: None };
    let of = |layers| made(&source, &texts, &FeatureSpec { layers, ..FROZEN }).train;
    let mix = Layers::Mix { weights: None, gamma: 2.0 };
    assert_eq!(of(mix.clone()), Features::Frozen(Matrix::new(1, 1, vec![22.0])));
    assert_eq!(of(Layers::One(1)), Features::Frozen(Matrix::new(1, 1, vec![20.0])));
    assert_eq!(of(Layers::All), Features::Frozen(Matrix::new(1, 2, vec![2.0, 20.0])));
    let trained = made(&source, &texts, &FeatureSpec { layers: mix, ..TUNED }).train;
    let vectors = Matrix::new(1, 2, vec![2.0, 20.0]);
    assert_eq!((trained.dim(), trained), (1, Features::Mixed(LayerStack { vectors, layers: 2 })));
    let digest = |layers| digest(&source, &FeatureSpec { layers, ..FROZEN }, &Vec::<&str>::new());
    assert_ne!(digest(Layers::One(0)), digest(Layers::One(1)));
}
