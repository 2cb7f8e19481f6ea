//! Embeddings that are reopened in fresh objects, from the source's files and the learned state, give every text the
//! vector that training gave it, bit for bit, in chunks of any size; they do so too for texts that training never
//! saw.

mod export;
mod sources;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use emberline_base::{Bags, CancellationToken, Digest, Features, Matrix, Splits, TextList, TunedRows};
use emberline_device::Device;
use emberline_embedding::encode::Encoding;
use emberline_embedding::features::{self, Embedded};
use emberline_embedding::{Error, FittedEmbedding, LearnedState, Opened, Source, Texts};

use self::sources::{Corpus, corpus, fixtures, source, sources, vector_files};

fn encoding(events: &mut dyn FnMut(emberline_embedding::encode::Event)) -> Encoding<'_> {
    Encoding { cache: None, device: Device::Cpu, label: "", on_event: events, interrupt: CancellationToken::default() }
}

/// Returns what training computes for the texts. The new texts are those of validation, so that they are looked up
/// too.
fn trained(source: &Source, corpus: &Corpus) -> (Arc<Opened>, Embedded, Digest) {
    let all: Vec<&str> = corpus.train.iter().chain(&corpus.new).map(String::as_str).collect();
    let texts = Texts { all: &all, train: &all[..corpus.train.len()] };
    let opened = source
        .without_tuning()
        .open(Path::new(""), texts, Device::Cpu)
        .unwrap_or_else(|error| panic!("{source:?}: {error}"));
    let splits = Splits { train: corpus.train.clone(), valid: Some(corpus.new.clone()), test: None };
    let embedded = features::embed(&opened, &splits, &source.feature_spec(), &mut encoding(&mut |_| {}));
    let embedded = embedded.unwrap_or_else(|error| panic!("{source:?}: {error}"));
    let digest = features::digest(&opened, &source.feature_spec(), &corpus.train);
    (Arc::new(opened), embedded, digest)
}

/// Returns the embedding in fresh objects: only the source's files, a digest, and a file's bytes remain of training.
fn reopened(source: &Source, (opened, embedded, digest): (Arc<Opened>, &Embedded, &Digest)) -> FittedEmbedding {
    let content = opened.digest();
    let fitted = FittedEmbedding::new(opened, source.feature_spec(), embedded.projection.clone(), digest.clone());
    let written = || fitted.learned().map(|state| state.to_safetensors().expect("memory"));
    let bytes = written();
    assert_eq!(bytes, written(), "equal states have equal bytes");
    drop(fitted);
    let state = bytes.map(|bytes| LearnedState::from_safetensors(&bytes, Path::new("state")).expect("whole"));
    let again = FittedEmbedding::reopen(source, Path::new(""), state.as_ref(), digest, Device::Cpu);
    let again = again.unwrap_or_else(|error| panic!("{source:?}: {error}"));
    assert_eq!((again.digest(), again.opened().digest()), (digest, content), "{source:?}");
    assert_eq!(again.learned(), state, "{source:?}: what was learned can be stored again");
    again
}

/// Returns the bits of each text's features: its vector, or the rows of its bag, one after another.
fn bits(features: &Features) -> Vec<Vec<u32>> {
    let of = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    let rows = |matrix: &Matrix| (0..matrix.rows()).map(|row| of(matrix.row(row))).collect();
    match features {
        Features::Frozen(vectors) => rows(vectors),
        Features::Mixed(layered) => rows(&layered.vectors),
        Features::Trainable(bags) => {
            let text = |text| bags.of_text(text).iter().flat_map(|&id| of(bags.table.row(id as usize))).collect();
            (0..features.texts()).map(text).collect()
        }
        Features::Tokens { sequences, .. } => {
            (0..sequences.texts()).map(|text| sequences.of_text(text).to_vec()).collect()
        }
    }
}

fn in_chunks(fitted: &FittedEmbedding, texts: &[String], size: usize) -> Vec<Vec<u32>> {
    let features = |chunk: &[String]| {
        let chunk: &dyn TextList = &chunk.to_vec();
        fitted.features(chunk, &mut encoding(&mut |_| {})).expect("embedded")
    };
    texts.chunks(size).flat_map(|chunk| bits(&features(chunk))).collect()
}

#[test]
fn every_kind_of_source_embeds_later_texts_as_training_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus();
    for source in sources(folder.path()) {
        let (opened, embedded, digest) = trained(&source, &corpus);
        let fitted = reopened(&source, (opened, &embedded, &digest));
        let valid = embedded.features.valid.as_ref().expect("new texts");
        for (texts, features) in [(&corpus.train, &embedded.features.train), (&corpus.new, valid)] {
            let expected = bits(features);
            assert!(expected.iter().flatten().any(|&bits| bits != 0), "{source:?}: nothing is known");
            for size in [1, 7, texts.len()] {
                assert_eq!(in_chunks(&fitted, texts, size), expected, "{source:?} in chunks of {size}");
            }
        }
    }
}

/// Returns a frozen source with another type of numbers.
fn quantised(source: &Source, quantize: &str) -> Source {
    let mut settings = serde_json::to_value(source).expect("JSON");
    let kinds = settings.as_object_mut().expect("a table").values_mut();
    for kind in kinds {
        kind["quantize"] = quantize.into();
        kind["trainable"] = false.into();
    }
    serde_json::from_value(settings).expect("a source")
}

#[test]
fn later_texts_are_quantised_as_in_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus();
    for source in sources(folder.path()).iter().filter(|source| !source.feature_spec().trainable) {
        let (_, whole, in_32_bits) = trained(source, &corpus);
        let whole = bits(&whole.features.train);
        for quantize in ["f16", "i8", "bit"] {
            let source = quantised(source, quantize);
            let (opened, embedded, digest) = trained(&source, &corpus);
            assert_ne!(digest, in_32_bits, "{source:?}");
            let expected = bits(&embedded.features.train);
            assert_ne!(expected, whole, "{source:?}");
            if quantize == "bit" {
                let is_sign = |bits: &u32| f32::from_bits(*bits).abs() == 1.0;
                assert!(expected.iter().flatten().all(is_sign), "{source:?}");
            }
            let fitted = reopened(&source, (opened, &embedded, &digest));
            for size in [1, corpus.train.len()] {
                assert_eq!(in_chunks(&fitted, &corpus.train, size), expected, "{source:?} in chunks of {size}");
            }
            let vectors = fitted.vectors(&corpus.train, &mut encoding(&mut |_| {})).expect("vectors");
            assert_eq!(bits(&Features::Frozen(vectors)), expected, "{source:?}");
        }
    }
}

#[test]
fn a_fine_tuned_table_is_not_quantised() {
    let source: Source =
        toml::from_str("[hashing]\ndim = 4\nbuckets = 8\nseed = 1\nquantize = \"i8\"\ntrainable = true")
            .expect("a source");
    let opened =
        source.without_tuning().open(Path::new(""), Texts { all: &[], train: &[] }, Device::Cpu).expect("open");
    let texts = Splits { train: vec!["a"], valid: None, test: None };
    let refused = features::embed(&opened, &texts, &source.feature_spec(), &mut encoding(&mut |_| {}));
    assert!(refused.expect_err("32 bits").to_string().contains("frozen vectors"));
}

/// Returns what training might have changed a row into.
fn moved(row: &[f32]) -> Vec<f32> {
    row.iter().map(|value| 2.0 * value + 1.0).collect()
}

/// Returns the updated rows of the training texts, and the rows of the new texts as a model must see them.
fn tuned(opened: &Opened, train: &Bags, new: &Bags) -> ((TunedRows, Matrix), Bags) {
    let occur: BTreeSet<usize> = train.ids.iter().map(|&id| id as usize).collect();
    let ids: Vec<u32> = occur.iter().map(|&at| train.rows[at]).collect();
    let table = occur.iter().flat_map(|&at| moved(train.table.row(at))).collect();
    let table = Matrix::new(ids.len(), train.table.cols(), table);
    let mut expected = new.clone();
    let shown = Arc::make_mut(&mut expected.table);
    occur.iter().for_each(|&at| {
        let row = moved(train.table.row(at));
        shown.row_mut(at).copy_from_slice(&row);
    });
    ((TunedRows { words: opened.row_words(&ids), ids }, table), expected)
}

#[test]
fn rows_that_training_moved_come_from_the_model_and_all_others_from_the_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = corpus();
    let trainable: Vec<Source> = sources(folder.path())
        .into_iter()
        .filter(|source| source.feature_spec().trainable && source.kind() != "elmo")
        .collect();
    let mut with_others = 0;
    for source in trainable {
        let (opened, embedded, digest) = trained(&source, &corpus);
        let (Features::Trainable(train), Some(Features::Trainable(new))) =
            (&embedded.features.train, &embedded.features.valid)
        else {
            panic!("{source:?}: bags")
        };
        let ((rows, table), expected) = tuned(&opened, train, new);
        with_others += usize::from(table.rows() < new.table.rows());
        let fitted = reopened(&source, (opened, &embedded, &digest)).with_tuned(rows, table).expect("they fit");
        let expected = bits(&Features::Trainable(expected));
        for size in [1, 7, corpus.new.len()] {
            assert_eq!(in_chunks(&fitted, &corpus.new, size), expected, "{source:?} in chunks of {size}");
        }
        let vectors = fitted.vectors(&corpus.new, &mut encoding(&mut |_| {})).expect("combined");
        assert_eq!((vectors.rows(), vectors.cols()), (corpus.new.len(), train.table.cols()));
    }
    assert!(with_others > 15, "new texts need rows that training never moved: {with_others}");
}

#[test]
fn rows_are_named_by_their_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let [glove, ..] = vector_files(folder.path());
    let of = |source: &Source, text: &str| {
        let corpus = corpus();
        let (opened, embedded, digest) = trained(source, &corpus);
        let fitted = reopened(source, (opened, &embedded, &digest));
        let named = fitted.word_bags(&vec![text]).expect("made").expect("a table");
        let word = |&id: &u32| named.words[id as usize].clone().unwrap_or_else(|| "?".to_owned());
        named.bags.of_text(0).iter().map(word).collect::<Vec<String>>()
    };
    assert_eq!(of(&source("word_vectors", &glove, ""), "The cat; xyzzy"), ["the", "cat"]);
    let skipgram = fixtures("wordvectors/tests/fixtures/fasttext/skipgram.bin");
    assert_eq!(of(&source("word_vectors", &skipgram, ""), "river riversides"), ["river", "riversides"]);
    let nnlm = fixtures("savedmodel/tests/fixtures/models/nnlm-tf1");
    assert_eq!(of(&source("tfhub", &nnlm, ""), "the cat xyzzy"), ["the", "cat", "?"]);
    let words = fixtures("embedding/tests/fixtures/model2vec/f32");
    assert!(of(&source("model2vec", &words, ""), "the river").iter().all(|word| word != "?"));
    let hashing: Source = toml::from_str("[hashing]\ndim = 4").expect("a source");
    assert_eq!(of(&hashing, "the cat"), ["?", "?"]);
    let corpus: Source = toml::from_str("[corpus]\ndim = 4").expect("a source");
    assert_eq!(of(&corpus, "The fox; xyzzy"), ["the", "fox"]);
}

fn refusal(source: &Source, state: Option<&LearnedState>, expected: &Digest) -> Error {
    let again = FittedEmbedding::reopen(source, Path::new(""), state, expected, Device::Cpu);
    again.err().unwrap_or_else(|| panic!("{source:?} was taken"))
}

#[test]
fn a_source_that_is_not_the_one_trained_with_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let [glove, word2vec, _] = vector_files(folder.path());
    let corpus = corpus();
    for options in ["", "weights = \"idf\"", "dim = 2\nreduce = \"pca\""] {
        let source = |path: &Path, more: &str| self::source("word_vectors", path, &format!("{options}\n{more}"));
        let first = source(&glove, "");
        let (opened, embedded, digest) = trained(&first, &corpus);
        let fitted = FittedEmbedding::new(opened, first.feature_spec(), embedded.projection, digest.clone());
        let state = fitted.learned();
        for other in [source(&word2vec, ""), source(&glove, "combiner = \"sum\"")] {
            let error = refusal(&other, state.as_ref(), &digest);
            assert!(matches!(error, Error::OtherSource { .. }), "{error}");
        }
        let error = refusal(&first, state.as_ref(), &Digest::of(b"another model's"));
        assert!(matches!(error, Error::OtherSource { .. }), "{error}");
        if state.is_some() {
            let error = refusal(&first, None, &digest).to_string();
            assert!(error.contains("isn't the one") || error.contains("restore the run's `inputs` folder"), "{error}");
        }
    }
    let learned: Source = toml::from_str("[corpus]\ndim = 4").expect("a source");
    let (_, _, digest) = trained(&learned, &corpus);
    let error = refusal(&learned, None, &digest).to_string();
    assert!(error.contains("restore the run's `inputs` folder"), "{error}");
}

#[test]
fn fine_tuned_rows_that_do_not_fit_are_refused() {
    let corpus = corpus();
    let folder = tempfile::tempdir().expect("a folder");
    let [glove, ..] = vector_files(folder.path());
    let rows = |ids: &[u32], words: Option<&[&str]>, dim: usize| {
        let words = words.map(|words| words.iter().map(ToString::to_string).collect());
        (TunedRows { ids: ids.to_vec(), words }, Matrix::zeros(ids.len(), dim))
    };
    let hashing: Source = toml::from_str("[hashing]\ndim = 4\nbuckets = 8\ntrainable = true").expect("a source");
    let by_word = source("word_vectors", &glove, "trainable = true");
    let encoder = source("sentence_transformer", &fixtures("encoder/tests/fixtures/bert"), "");
    for (source, (rows, table), reason) in [
        (&hashing, rows(&[0], None, 3), "3 numbers"),
        (&hashing, rows(&[8], None, 4), "a row 8"),
        (&hashing, rows(&[1, 1], None, 4), "named twice"),
        (&by_word, rows(&[0], None, 6), "no words"),
        (&by_word, rows(&[0, 1], Some(&["a", "a"]), 6), "named twice"),
        (&by_word, rows(&[0, 1], Some(&["a"]), 6), "2 rows have"),
        (&encoder, rows(&[0], None, 4), "encoder"),
    ] {
        let (opened, embedded, digest) = trained(source, &corpus);
        let fitted = reopened(source, (opened, &embedded, &digest));
        let error = fitted.with_tuned(rows, table).err().expect("refused").to_string();
        assert!(error.contains(reason) && error.contains("belongs to another embedding"), "{error}");
    }
}
