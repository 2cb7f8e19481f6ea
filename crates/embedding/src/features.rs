//! Builds training features: one vector per text for a frozen embedding, bags of table rows for a fine-tuned one.
//!
//! An opened source and the texts of every split enter; [`Features`] leave, with the share of the texts' words that
//! the table knows, which is counted during the look-up. Texts are processed in parallel; the result doesn't depend
//! on the number of threads.

use std::borrow::Cow;
use std::sync::Arc;

use emberline_base::memory::{self, OutOfMemory};
use emberline_base::record::KnownWords;
use emberline_base::{Bags, Digest, Features, LayerStack, Matrix, Splits, TextList};
use rayon::prelude::*;

use crate::combine::{Pooling, combine, pool};
use crate::encode::Encoding;
use crate::known::{self, WordCounts};
use crate::layers::{Layers, mix};
use crate::reduce::{Projection, Reduction};
use crate::{Encoder, Error, Lookup, Opened};

/// The version of the computation in this file: pooling, the mix of layers, and reduction. Raise it when the same
/// source, settings and texts give other numbers; an encoder has a version of its own.
const COMPUTATION: u32 = 1;

/// Texts per parallel work item.
const CHUNK_TEXTS: usize = 32;

/// How features are derived from a source's vectors: the layer mix, the reduction, and whether they are fine-tuned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureSpec {
    /// How the layers of an encoder become one vector.
    pub layers: Layers,
    /// How vectors are reduced to fewer dimensions. `None`: they keep their length.
    pub reduction: Option<Reduction>,
    /// Whether training updates the table's rows; for an encoder with several layers, the weights of their mix.
    pub trainable: bool,
}

/// The features of every split, with what was learned and counted while they were built.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// The training features.
    pub features: Splits<Features>,
    /// How many words of the texts the table knows. `None` for an encoder of whole texts.
    pub known_words: Option<KnownWords>,
    /// The word counts of each validation and test text, in order; empty for training. `None` for an encoder, and for
    /// a source without a vocabulary.
    pub words: Option<Splits<Vec<WordCounts>>>,
    /// The projection that reduced the vectors; it may have been learned from the training texts.
    pub projection: Option<Arc<Projection>>,
}

/// The reduction of vectors: still to be fitted, or fitted before.
pub(crate) enum ReductionStep {
    /// Fits the projection on the training texts.
    Fit(Option<Reduction>),
    /// Applies a fitted projection. `None`: vectors keep their length.
    Fitted(Option<Arc<Projection>>),
}

impl ReductionStep {
    /// Returns the projection of vectors of `from` numbers. `training` computes the vectors of the training texts,
    /// `[texts, from]`.
    fn projection<'m>(
        self,
        from: usize,
        training: impl FnOnce() -> Result<Cow<'m, Matrix>, OutOfMemory>,
    ) -> Result<Option<Arc<Projection>>, Error> {
        match self {
            Self::Fit(Some(reduction)) => Ok(reduction.fit(from, training)?.map(Arc::new)),
            Self::Fit(None) => Ok(None),
            Self::Fitted(projection) => Ok(projection),
        }
    }
}

/// Embeds texts and returns the features alone, those of [`embed()`].
///
/// # Errors
/// Those of [`embed()`].
pub fn features(
    source: &Opened,
    texts: &Splits<impl TextList>,
    spec: &FeatureSpec,
    encoding: &mut Encoding<'_>,
) -> Result<Splits<Features>, Error> {
    Ok(embed(source, texts, spec, encoding)?.features)
}

/// Returns the features of every split, and the words that the table knows.
///
/// A fine-tuned table gives bags of rows of one table, shared by the splits, that has the rows occurring in any of
/// them, in the order of the source; a text without a known word has an empty bag. An encoder whose mix is trained
/// gives its layers. Otherwise the result is one fixed vector per text, zeros for a text without a known word. A text
/// is bytes and need not be UTF-8.
///
/// # Errors
/// When an encoder fails or is asked to be fine-tuned, or when vectors can't be reduced to the given length.
pub fn embed(
    source: &Opened,
    texts: &Splits<impl TextList>,
    spec: &FeatureSpec,
    encoding: &mut Encoding<'_>,
) -> Result<Embedded, Error> {
    let texts = &texts.map(|_, texts| texts as &dyn TextList);
    match source {
        Opened::Table(table) => {
            let (features, words, projection) = table_features(table.as_ref(), texts, spec)?;
            let known_words = Some(known::known_words(&words));
            let held_out = table.has_vocabulary().then(|| Splits { train: Vec::new(), ..words });
            Ok(Embedded { features, known_words, words: held_out, projection })
        }
        Opened::Encoder(encoder) => {
            let step = ReductionStep::Fit(spec.reduction);
            let (features, projection) = encoder_features(encoder.as_ref(), texts, spec, step, encoding)?;
            Ok(Embedded { features, known_words: None, words: None, projection })
        }
    }
}

/// The features of a table, the word counts of each text, and the projection of the vectors.
type TableFeatures = (Splits<Features>, Splits<Vec<WordCounts>>, Option<Arc<Projection>>);

fn table_features(
    table: &dyn Lookup,
    texts: &Splits<&dyn TextList>,
    spec: &FeatureSpec,
) -> Result<TableFeatures, Error> {
    if let FeatureSpec { reduction: None, trainable: false, .. } = spec {
        let (vectors, words) = texts.try_map(|_, texts| frozen_vectors(table, *texts))?.unzip();
        return Ok((vectors.into_map(Features::Frozen), words, None));
    }
    let (mut bags, words) = bags(table, texts)?;
    // The directions are those of the vectors before they are scaled to length 1.
    let unscaled = Pooling { normalize: false, ..Pooling::of(table) };
    let training = || Ok(Cow::Owned(pooled(&bags.train, unscaled)?));
    let projection = ReductionStep::Fit(spec.reduction).projection(table.dim(), training)?;
    if let Some(projection) = &projection {
        let table = Arc::new(projection.apply(&bags.train.table)?);
        bags = bags.into_map(|bags| Bags { table: Arc::clone(&table), ..bags });
    }
    if spec.trainable {
        return Ok((bags.into_map(Features::Trainable), words, projection));
    }
    let frozen = bags.try_map(|_, bags| Ok::<_, Error>(Features::Frozen(pooled_bags(bags, Pooling::of(table))?)))?;
    Ok((frozen, words, projection))
}

/// Returns the features of an encoder, and the projection of its vectors.
pub(crate) fn encoder_features(
    encoder: &dyn Encoder,
    texts: &Splits<&dyn TextList>,
    spec: &FeatureSpec,
    step: ReductionStep,
    encoding: &mut Encoding<'_>,
) -> Result<(Splits<Features>, Option<Arc<Projection>>), Error> {
    match spec {
        FeatureSpec { trainable: true, layers: Layers::Mix { .. }, .. } => {
            let layers = encoder.layers();
            let vectors = encoded(encoder, texts, encoding)?;
            Ok((vectors.into_map(|vectors| Features::Mixed(LayerStack { vectors, layers })), None))
        }
        FeatureSpec { trainable: true, .. } => {
            Err(Error::Unsupported("a neural encoder can't be trained here; leave `trainable` out".into()))
        }
        FeatureSpec { trainable: false, .. } => {
            let shares = spec.layers.shares(encoder.layers())?;
            let mut vectors = encoded(encoder, texts, encoding)?;
            if let Some(shares) = &shares {
                vectors = vectors.try_map(|_, vectors| mix(vectors, shares))?;
            }
            let projection = step.projection(vectors.train.cols(), || Ok(Cow::Borrowed(&vectors.train)))?;
            let features = match &projection {
                Some(projection) => {
                    vectors.try_map(|_, vectors| Ok::<_, Error>(Features::Frozen(projection.apply(vectors)?)))?
                }
                None => vectors.into_map(Features::Frozen),
            };
            Ok((features, projection))
        }
    }
}

/// Returns the content address of everything that decides a text's vector. `train` are the training texts, which a
/// reduction may learn from.
pub fn digest(source: &Opened, spec: &FeatureSpec, train: &impl TextList) -> Digest {
    digest_of(source, &source.digest(), spec, train)
}

/// Returns the digest without what was learned from the training texts: it can be computed again without them.
pub(crate) fn origin(source: &Opened, spec: &FeatureSpec) -> Digest {
    digest_of(source, &source.origin(), spec, &Vec::<&str>::new())
}

/// Returns the digest of an embedding whose source has the digest `content`.
fn digest_of(source: &Opened, content: &Digest, spec: &FeatureSpec, train: &impl TextList) -> Digest {
    let (computation, dim, layers) = match source {
        Opened::Table(table) => (0, table.dim(), None),
        Opened::Encoder(encoder) if encoder.layers() == 1 => (encoder.computation(), encoder.dim(), None),
        Opened::Encoder(encoder) => (encoder.computation(), 0, Some(spec.layers.description())),
    };
    let versions = format!("features/{COMPUTATION} encoder/{computation} layers={}", layers.unwrap_or_default());
    let digest = Digest::of_parts([content.as_str().as_bytes(), versions.as_bytes()]);
    match spec.reduction {
        Some(reduction) if reduction.dim != dim => reduction.digest(&digest, train),
        _ => digest,
    }
}

/// Returns one vector per text, `[texts, dim]`, and the word counts of each text.
pub(crate) fn frozen_vectors(
    lookup: &dyn Lookup,
    texts: &dyn TextList,
) -> Result<(Matrix, Vec<WordCounts>), OutOfMemory> {
    let dim = lookup.dim();
    let mut matrix = Matrix::try_zeros(texts.count(), dim)?;
    let mut words = memory::filled(WordCounts::default(), texts.count())?;
    let together =
        matrix.values_mut().par_chunks_mut(dim * CHUNK_TEXTS).zip(words.par_chunks_mut(CHUNK_TEXTS)).enumerate();
    together.for_each_init(Vec::new, |ids, (chunk, (vectors, words))| {
        for ((at, vector), words) in (chunk * CHUNK_TEXTS..).zip(vectors.chunks_exact_mut(dim)).zip(words) {
            ids.clear();
            *words = lookup.token_ids(texts.text(at), ids);
            combine(lookup, ids, vector);
        }
    });
    Ok((matrix, words))
}

/// Returns one vector per text, `[texts, dim]`.
fn pooled(bags: &Bags, pooling: Pooling) -> Result<Matrix, OutOfMemory> {
    let (texts, dim) = (bags.offsets.len() - 1, bags.table.cols());
    let mut matrix = Matrix::try_zeros(texts, dim)?;
    matrix.values_mut().par_chunks_exact_mut(dim).enumerate().for_each(|(text, vector)| {
        pool(pooling, bags.of_text(text), bags.table.values(), vector);
    });
    Ok(matrix)
}

/// Returns one vector per text as a head on a frozen embedding takes it, `[texts, dim]`.
pub(crate) fn pooled_bags(bags: &Bags, pooling: Pooling) -> Result<Matrix, OutOfMemory> {
    let mut vectors = pooled(bags, Pooling { normalize: false, ..pooling })?;
    if pooling.normalize {
        let dim = vectors.cols();
        vectors.values_mut().par_chunks_exact_mut(dim).for_each(crate::combine::normalize);
    }
    Ok(vectors)
}

/// Returns the vectors of all splits, encoded together.
fn encoded(
    encoder: &dyn Encoder,
    texts: &Splits<&dyn TextList>,
    encoding: &mut Encoding<'_>,
) -> Result<Splits<Matrix>, Error> {
    let all: Vec<&[u8]> = texts.iter().flat_map(|(_, texts)| texts.all()).collect();
    let dim = encoder.dim();
    let mut vectors = encoding.vectors(encoder, &all)?.into_values();
    // Splits are taken from the end, so that the largest one, which comes first, need not be copied.
    let mut take = |texts: &&dyn TextList| -> Result<Matrix, OutOfMemory> {
        let start = vectors.len() - texts.count() * dim;
        let rest = memory::copied(&vectors[start..])?;
        vectors.truncate(start);
        Ok(Matrix::new(texts.count(), dim, rest))
    };
    let test = texts.test.as_ref().map(&mut take).transpose()?;
    let valid = texts.valid.as_ref().map(&mut take).transpose()?;
    Ok(Splits { train: Matrix::new(texts.train.count(), dim, vectors), valid, test })
}

/// The result of [`bags`]: bags of rows and word counts per split.
pub(crate) type SplitBags = (Splits<Bags>, Splits<Vec<WordCounts>>);

/// Returns the token ids of every text, the table of the rows that occur, and the word counts of every text.
pub(crate) fn bags(lookup: &dyn Lookup, texts: &Splits<&dyn TextList>) -> Result<SplitBags, OutOfMemory> {
    let (ids, words) = texts.try_map(|_, texts| token_ids(lookup, *texts))?.unzip();
    let mut occurs = memory::filled(false, lookup.rows())?;
    for (_, texts) in ids.iter() {
        texts.iter().flatten().for_each(|&id| occurs[id as usize] = true);
    }
    // Maps every old row to its new row, and every new row to its old one.
    let mut new = memory::filled(u32::MAX, lookup.rows())?;
    let mut old = Vec::new();
    for id in (0..lookup.rows()).filter(|&id| occurs[id]) {
        new[id] = old.len() as u32;
        old.push(id as u32);
    }
    let mut table = Matrix::try_zeros(old.len(), lookup.dim())?;
    for (row, &id) in old.iter().enumerate() {
        table.row_mut(row).copy_from_slice(lookup.row(id));
    }
    let (table, rows) = (Arc::new(table), Arc::<[u32]>::from(old));
    let bags = ids.try_map(|_, texts| {
        let mut offsets = memory::with_capacity(texts.len() + 1)?;
        offsets.push(0);
        offsets.extend(texts.iter().scan(0, |end, ids| {
            *end += ids.len();
            Some(*end)
        }));
        let mut ids = memory::with_capacity(offsets.last().copied().unwrap_or_default())?;
        ids.extend(texts.iter().flatten().map(|&id| new[id as usize]));
        let (table, rows) = (Arc::clone(&table), Arc::clone(&rows));
        Ok(Bags { table, rows, combiner: lookup.combiner(), normalize: lookup.normalize(), offsets, ids })
    })?;
    Ok((bags, words))
}

/// Returns the token ids and the word counts of each text.
fn token_ids(lookup: &dyn Lookup, texts: &dyn TextList) -> Result<(Vec<Vec<u32>>, Vec<WordCounts>), OutOfMemory> {
    let mut ids = vec![Vec::new(); texts.count()];
    let mut words = memory::filled(WordCounts::default(), texts.count())?;
    ids.par_iter_mut().zip(&mut words).enumerate().for_each(|(at, (ids, words))| {
        *words = lookup.token_ids(texts.text(at), ids);
    });
    Ok((ids, words))
}

#[cfg(test)]
mod tests {
    use emberline_base::record::KnownShare;
    use emberline_base::{Combiner, Digest};

    use super::*;
    use crate::WordCounts;

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

    const FROZEN: FeatureSpec = FeatureSpec { layers: Layers::All, reduction: None, trainable: false };
    const TUNED: FeatureSpec = FeatureSpec { trainable: true, ..FROZEN };

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
    fn words_are_told_of_each_held_out_text() {
        let words = |all, known| WordCounts { all, known, composed: 0 };
        let reduction = Some(Reduction { dim: 1, reduce: crate::reduce::Reduce::Truncate });
        for spec in [FROZEN, TUNED, FeatureSpec { reduction, ..FROZEN }] {
            let counts = embedded(&table(), &texts(), &spec).words.expect("a table");
            assert_eq!((counts.train, counts.valid, counts.test), (vec![], Some(vec![words(1, 1), words(0, 0)]), None));
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
        let digest =
            |dim| super::digest(&source, &FeatureSpec { reduction: reduce(dim), ..FROZEN }, &Vec::<&str>::new());
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
}
