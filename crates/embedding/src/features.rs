//! What training takes: a vector a text where the embedding is frozen, bags of rows where it is tuned.
//!
//! An opened source and the texts of every split enter, [`Features`] leave, and how many words of the texts a table knows,
//! which is counted while they are looked up. Texts are worked on
//! side by side; the result doesn't depend on how many threads do it.

use std::borrow::Cow;
use std::sync::Arc;

use emberline_base::memory::{self, OutOfMemory};
use emberline_base::record::KnownWords;
use emberline_base::{Bags, Digest, Features, Layered, Matrix, Splits, TextList};
use rayon::prelude::*;

use crate::combine::{Pooling, combine, pool};
use crate::encode::Encoding;
use crate::known::{self, Words};
use crate::layers::{Layers, mix};
use crate::reduce::{Projection, Reduction};
use crate::{Encoder, Error, Lookup, Opened};

/// The version of what is computed here: pooling, the mix of layers and reduction. Raise it when the same source, settings
/// and texts come to other numbers; an encoder has a version of its own.
const COMPUTATION: u32 = 1;

/// Texts that are worked on by one thread at a time.
const TOGETHER: usize = 32;

/// What is made of a source's vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// What becomes of the layers of an encoder's vectors.
    pub layers: Layers,
    /// Shorter ones.
    pub reduction: Option<Reduction>,
    /// Bags of rows that training moves; of an encoder's layers, their mix.
    pub trainable: bool,
}

/// What an embedding makes of texts.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// What training takes.
    pub features: Splits<Features>,
    /// How many words of the texts the table knows; none of an encoder of whole texts.
    pub known_words: Option<KnownWords>,
    /// The words of each text of validation and test, in order; no text of training. None of an encoder, and of a source that
    /// has no vocabulary.
    pub words: Option<Splits<Vec<Words>>>,
    /// How vectors were made shorter; a projection may have been learned from the training texts.
    pub projection: Option<Arc<Projection>>,
}

/// What makes vectors shorter: still to be learned, or learned before.
pub(crate) enum Shortening {
    /// Fits the projection on the training texts.
    Fit(Option<Reduction>),
    /// Applies a projection; none where vectors keep their length.
    Fitted(Option<Arc<Projection>>),
}

impl Shortening {
    /// The projection of vectors of `from` numbers. `training`: makes the training texts' vectors, `[texts, from]`.
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

/// Embeds texts, and gives the features alone: those of [`embed()`].
///
/// # Errors
/// Those of [`embed()`].
pub fn features(
    source: &Opened,
    texts: &Splits<impl TextList>,
    wanted: &Wanted,
    encoding: &mut Encoding<'_>,
) -> Result<Splits<Features>, Error> {
    Ok(embed(source, texts, wanted, encoding)?.features)
}

/// The features of every split, and the words that a table knows. Tuned: one table, shared by the splits, of the rows that occur
/// in any of them, in the order of the source; a text with no known word has an empty bag. Of an encoder: its layers.
/// Otherwise a fixed vector a text, zeros for a text with no known word. A text is bytes: it need not be UTF-8.
///
/// # Errors
/// When an encoder can't compute, or is to be tuned; when vectors can't be made as short as wanted.
pub fn embed(
    source: &Opened,
    texts: &Splits<impl TextList>,
    wanted: &Wanted,
    encoding: &mut Encoding<'_>,
) -> Result<Embedded, Error> {
    let texts = &texts.map(|_, texts| texts as &dyn TextList);
    match source {
        Opened::Table(table) => {
            let (features, words, projection) = looked_up(table.as_ref(), texts, wanted)?;
            let known_words = Some(known::known_words(&words));
            let held_out = table.has_vocabulary().then(|| Splits { train: Vec::new(), ..words });
            Ok(Embedded { features, known_words, words: held_out, projection })
        }
        Opened::Encoder(encoder) => {
            let shortening = Shortening::Fit(wanted.reduction);
            let (features, projection) = of_encoder(encoder.as_ref(), texts, wanted, shortening, encoding)?;
            Ok(Embedded { features, known_words: None, words: None, projection })
        }
    }
}

/// The features that a table gives, the words of each text, and how vectors were made shorter.
type LookedUp = (Splits<Features>, Splits<Vec<Words>>, Option<Arc<Projection>>);

fn looked_up(table: &dyn Lookup, texts: &Splits<&dyn TextList>, wanted: &Wanted) -> Result<LookedUp, Error> {
    if let Wanted { reduction: None, trainable: false, .. } = wanted {
        let (vectors, words) = texts.try_map(|_, texts| frozen(table, *texts))?.unzip();
        return Ok((vectors.into_map(Features::Frozen), words, None));
    }
    let (mut bags, words) = bags(table, texts)?;
    // Directions are those of the vectors before they are scaled to length 1.
    let unscaled = Pooling { normalize: false, ..Pooling::of(table) };
    let training = || Ok(Cow::Owned(pooled(&bags.train, unscaled)?));
    let projection = Shortening::Fit(wanted.reduction).projection(table.dim(), training)?;
    if let Some(projection) = &projection {
        let table = Arc::new(projection.apply(&bags.train.table)?);
        bags = bags.into_map(|bags| Bags { table: Arc::clone(&table), ..bags });
    }
    if wanted.trainable {
        return Ok((bags.into_map(Features::Tuned), words, projection));
    }
    let frozen = bags.try_map(|_, bags| Ok::<_, Error>(Features::Frozen(of_bags(bags, Pooling::of(table))?)))?;
    Ok((frozen, words, projection))
}

/// The features that an encoder gives, and how they were made shorter.
pub(crate) fn of_encoder(
    encoder: &dyn Encoder,
    texts: &Splits<&dyn TextList>,
    wanted: &Wanted,
    shortening: Shortening,
    encoding: &mut Encoding<'_>,
) -> Result<(Splits<Features>, Option<Arc<Projection>>), Error> {
    match wanted {
        Wanted { trainable: true, layers: Layers::Mix { .. }, .. } => {
            let layers = encoder.layers();
            let vectors = encoded(encoder, texts, encoding)?;
            Ok((vectors.into_map(|vectors| Features::Mixed(Layered { vectors, layers })), None))
        }
        Wanted { trainable: true, .. } => {
            Err(Error::Unsupported("a neural encoder can't be trained here; leave `trainable` out".into()))
        }
        Wanted { trainable: false, .. } => {
            let shares = wanted.layers.shares(encoder.layers())?;
            let mut vectors = encoded(encoder, texts, encoding)?;
            if let Some(shares) = &shares {
                vectors = vectors.try_map(|_, vectors| mix(vectors, shares))?;
            }
            let projection = shortening.projection(vectors.train.cols(), || Ok(Cow::Borrowed(&vectors.train)))?;
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

/// The content address of everything that decides a text's vector; `train` are the training texts, which a
/// reduction may learn from.
pub fn digest(source: &Opened, wanted: &Wanted, train: &impl TextList) -> Digest {
    digest_of(source, &source.digest(), wanted, train)
}

/// The digest without what was learned from the training texts: what can be computed again without them.
pub(crate) fn origin(source: &Opened, wanted: &Wanted) -> Digest {
    digest_of(source, &source.origin(), wanted, &Vec::<&str>::new())
}

/// The digest of an embedding whose source has the digest `content`.
fn digest_of(source: &Opened, content: &Digest, wanted: &Wanted, train: &impl TextList) -> Digest {
    let (computation, dim, layers) = match source {
        Opened::Table(table) => (0, table.dim(), None),
        Opened::Encoder(encoder) if encoder.layers() == 1 => (encoder.computation(), encoder.dim(), None),
        Opened::Encoder(encoder) => (encoder.computation(), 0, Some(wanted.layers.description())),
    };
    let versions = format!("features/{COMPUTATION} encoder/{computation} layers={}", layers.unwrap_or_default());
    let digest = Digest::of_parts([content.as_str().as_bytes(), versions.as_bytes()]);
    match wanted.reduction {
        Some(reduction) if reduction.dim != dim => reduction.digest(&digest, train),
        _ => digest,
    }
}

/// A vector per text, `[texts, dim]`, and the words of each.
pub(crate) fn frozen(lookup: &dyn Lookup, texts: &dyn TextList) -> Result<(Matrix, Vec<Words>), OutOfMemory> {
    let dim = lookup.dim();
    let mut matrix = Matrix::try_zeros(texts.count(), dim)?;
    let mut words = memory::filled(Words::default(), texts.count())?;
    let together = matrix.values_mut().par_chunks_mut(dim * TOGETHER).zip(words.par_chunks_mut(TOGETHER)).enumerate();
    together.for_each_init(Vec::new, |ids, (chunk, (vectors, words))| {
        for ((at, vector), words) in (chunk * TOGETHER..).zip(vectors.chunks_exact_mut(dim)).zip(words) {
            ids.clear();
            *words = lookup.token_ids(texts.text(at), ids);
            combine(lookup, ids, vector);
        }
    });
    Ok((matrix, words))
}

/// A vector a text, `[texts, dim]`.
fn pooled(bags: &Bags, pooling: Pooling) -> Result<Matrix, OutOfMemory> {
    let (texts, dim) = (bags.offsets.len() - 1, bags.table.cols());
    let mut matrix = Matrix::try_zeros(texts, dim)?;
    matrix.values_mut().par_chunks_exact_mut(dim).enumerate().for_each(|(text, vector)| {
        pool(pooling, bags.of_text(text), bags.table.values(), vector);
    });
    Ok(matrix)
}

/// A vector per text as a frozen head gets it, `[texts, dim]`.
pub(crate) fn of_bags(bags: &Bags, pooling: Pooling) -> Result<Matrix, OutOfMemory> {
    let mut vectors = pooled(bags, Pooling { normalize: false, ..pooling })?;
    if pooling.normalize {
        let dim = vectors.cols();
        vectors.values_mut().par_chunks_exact_mut(dim).for_each(crate::combine::normalize);
    }
    Ok(vectors)
}

/// The vectors of all splits, made in one go.
fn encoded(
    encoder: &dyn Encoder,
    texts: &Splits<&dyn TextList>,
    encoding: &mut Encoding<'_>,
) -> Result<Splits<Matrix>, Error> {
    let all: Vec<&[u8]> = texts.iter().flat_map(|(_, texts)| texts.all()).collect();
    let dim = encoder.dim();
    let mut vectors = encoding.vectors(encoder, &all)?.into_values();
    // From the end, so that what is left, which is the most, need not be copied.
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

/// What [`bags`] makes of the texts of every split.
pub(crate) type Looked = (Splits<Bags>, Splits<Vec<Words>>);

/// The token ids of every text and the table of the rows that occur, and the words of every text.
pub(crate) fn bags(lookup: &dyn Lookup, texts: &Splits<&dyn TextList>) -> Result<Looked, OutOfMemory> {
    let (ids, words) = texts.try_map(|_, texts| token_ids(lookup, *texts))?.unzip();
    let mut occurs = memory::filled(false, lookup.rows())?;
    for (_, texts) in ids.iter() {
        texts.iter().flatten().for_each(|&id| occurs[id as usize] = true);
    }
    // The new row of every old one, and the old row of every new one.
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

/// The token ids and the words of each text.
fn token_ids(lookup: &dyn Lookup, texts: &dyn TextList) -> Result<(Vec<Vec<u32>>, Vec<Words>), OutOfMemory> {
    let mut ids = vec![Vec::new(); texts.count()];
    let mut words = memory::filled(Words::default(), texts.count())?;
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
    use crate::Words;

    /// Ten rows `[id, 10 * id]`; a text is digits, each its own id.
    struct Digits(Vec<f32>);

    impl Lookup for Digits {
        fn dim(&self) -> usize {
            2
        }

        fn table_rows(&self) -> u64 {
            10
        }

        fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>) -> Words {
            ids.extend(text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')));
            let mut words = Words::default();
            text.iter().for_each(|byte| words.meet(&[*byte], byte.is_ascii_digit()));
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

    const FROZEN: Wanted = Wanted { layers: Layers::All, reduction: None, trainable: false };
    const TUNED: Wanted = Wanted { trainable: true, ..FROZEN };

    fn texts() -> Splits<Vec<&'static [u8]>> {
        Splits { train: vec![b"7 3 7", b"none", b"2"], valid: Some(vec![b"9", b""]), test: None }
    }

    fn made(source: &Opened, texts: &Splits<Vec<&[u8]>>, wanted: &Wanted) -> Splits<Features> {
        embedded(source, texts, wanted).features
    }

    fn embedded(source: &Opened, texts: &Splits<Vec<&[u8]>>, wanted: &Wanted) -> Embedded {
        let told = &mut |_| {};
        let mut encoding = Encoding {
            cache: None,
            device: emberline_device::Device::Cpu,
            about: "",
            told,
            interrupt: emberline_base::Interrupt::default(),
        };
        embed(source, texts, wanted, &mut encoding).expect("possible")
    }

    #[test]
    fn words_are_told_of_each_held_out_text() {
        let words = |all, known| Words { all, known, composed: 0 };
        let reduction = Some(Reduction { dim: 1, reduce: crate::reduce::Reduce::Truncate });
        for wanted in [FROZEN, TUNED, Wanted { reduction, ..FROZEN }] {
            let told = embedded(&table(), &texts(), &wanted).words.expect("a table");
            assert_eq!((told.train, told.valid, told.test), (vec![], Some(vec![words(1, 1), words(0, 0)]), None));
        }
        assert!(embedded(&Opened::Encoder(Box::new(Bytes)), &texts(), &FROZEN).words.is_none());
    }

    /// The words are counted alike however their rows are used.
    #[test]
    fn known_words_are_counted_for_frozen_and_tuned_alike() {
        let reduction = Some(Reduction { dim: 1, reduce: crate::reduce::Reduce::Truncate });
        for wanted in [FROZEN, TUNED, Wanted { reduction, ..FROZEN }] {
            let known = embedded(&table(), &texts(), &wanted).known_words.expect("a table");
            let share = |tokens, texts_without| KnownShare { tokens, composed: 0.0, texts_without };
            assert_eq!(known.splits.train, share(0.5, 1.0 / 3.0), "{wanted:?}");
            assert_eq!(known.splits.valid, Some(share(1.0, 0.5)), "{wanted:?}");
            assert_eq!(known.all, share(5.0 / 9.0, 2.0 / 5.0), "{wanted:?}");
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
        let (Features::Tuned(train), Some(Features::Tuned(valid))) = (&features.train, &features.valid) else {
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
        let Features::Tuned(bags) = made(&table(), &texts, &TUNED).train else { panic!("bags") };
        assert_eq!((bags.table.rows(), bags.table.cols(), bags.of_text(0).len()), (0, 2, 0));
    }

    /// Truncated rows are combined; so frozen vectors are the combined rows of tuned ones.
    #[test]
    fn rows_are_reduced_before_they_are_combined() {
        let reduction = Some(Reduction { dim: 1, reduce: crate::reduce::Reduce::Truncate });
        let frozen = made(&table(), &texts(), &Wanted { reduction, ..FROZEN });
        assert_eq!(frozen.train, Features::Frozen(Matrix::new(3, 1, vec![17., 0., 2.])));
        let Features::Tuned(bags) = made(&table(), &texts(), &Wanted { reduction, ..TUNED }).train else {
            panic!("bags")
        };
        assert_eq!((bags.table.cols(), bags.table.values()), (1, &[2., 3., 7., 9.][..]));
    }

    /// A vector is the text's length, its first byte, and 1.
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
        let short = made(&source, &texts, &Wanted { reduction: reduce(2), ..FROZEN });
        assert_eq!(short.train, Features::Frozen(Matrix::new(2, 2, vec![2., 97., 1., 98.])));
        let digest = |dim| super::digest(&source, &Wanted { reduction: reduce(dim), ..FROZEN }, &Vec::<&str>::new());
        assert_ne!(digest(2), digest(3));
        // The source's own length is no reduction.
        assert_eq!(digest(3), super::digest(&source, &FROZEN, &Vec::<&str>::new()));
    }

    /// Two layers of one number: the text's length, and 10 times that.
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
        let of = |layers| made(&source, &texts, &Wanted { layers, ..FROZEN }).train;
        let mix = Layers::Mix { weights: None, gamma: 2.0 };
        assert_eq!(of(mix.clone()), Features::Frozen(Matrix::new(1, 1, vec![22.0])));
        assert_eq!(of(Layers::One(1)), Features::Frozen(Matrix::new(1, 1, vec![20.0])));
        assert_eq!(of(Layers::All), Features::Frozen(Matrix::new(1, 2, vec![2.0, 20.0])));
        let trained = made(&source, &texts, &Wanted { layers: mix, ..TUNED }).train;
        let vectors = Matrix::new(1, 2, vec![2.0, 20.0]);
        assert_eq!((trained.dim(), trained), (1, Features::Mixed(Layered { vectors, layers: 2 })));
        let digest = |layers| digest(&source, &Wanted { layers, ..FROZEN }, &Vec::<&str>::new());
        assert_ne!(digest(Layers::One(0)), digest(Layers::One(1)));
    }
}
