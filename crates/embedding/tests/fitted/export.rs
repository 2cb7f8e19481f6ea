//! Exported tables, read back by this program, and by the other programs if a Python has them
//! (`EMBERLINE_EXPORT_PYTHON`: a Python with `model2vec==0.10.0` and `gensim==4.4.0`).

use std::fs;
use std::path::Path;
use std::process::Command;

use emberline_base::{Features, Matrix};
use emberline_embedding::{Error, FittedEmbedding, Opened, Source, export};
use emberline_test_support::{Requirement, from_environment};

use super::{corpus, encoding, fixtures, reopened, source, trained, tuned, vector_files};

/// The vectors of these texts are compared with those that the other programs compute.
const TEXTS: [&str; 12] = [
    "the fox",
    "The FOX; isn't it: don't, DON\u{2019}T!",
    "",
    "xyzzy",
    "Fluß 日本 rivers\u{200b}over \u{ad}do\u{ad}g",
    "cafe\u{301} \u{301}the =\u{338}dog",
    "ΣΟΦΟΣ the",
    "quick-brown/fox's 'lazy' U.S. a_b",
    "\u{1f468}\u{200d}\u{1f469} the\u{1f600}dog",
    "the\tcat\u{0}sat on\u{a0}the",
    "how do I",
    "日本the本",
];

/// The embedding with fine-tuned rows.
fn fine_tuned(source: &Source) -> FittedEmbedding {
    let corpus = corpus();
    let (opened, embedded, digest) = trained(source, &corpus);
    let (Features::Trainable(train), Some(Features::Trainable(new))) =
        (&embedded.features.train, &embedded.features.valid)
    else {
        panic!("{source:?}: bags")
    };
    let ((rows, table), _) = tuned(&opened, train, new);
    reopened(source, (opened, &embedded, &digest)).with_tuned(rows, table).expect("they fit")
}

fn vectors(embedding: &FittedEmbedding) -> Matrix {
    embedding.vectors(&TEXTS.to_vec(), &mut encoding(&mut |_| {})).expect("vectors")
}

fn assert_close(found: &Matrix, expected: &Matrix, what: &str) {
    assert_eq!((found.rows(), found.cols()), (expected.rows(), expected.cols()), "{what}");
    for (row, text) in TEXTS.iter().enumerate() {
        let far = found.row(row).iter().zip(expected.row(row)).any(|(a, b)| (a - b).abs() > 1e-5 * b.abs().max(1.0));
        assert!(!far, "{what}, {text:?}: {:?} instead of {:?}", found.row(row), expected.row(row));
    }
}

/// Returns the matrix that a script prints; `None` without a Python to run it.
fn from_python(script: &str, path: &Path) -> Option<Matrix> {
    let python = from_environment(Requirement::ExportPython, "exported tables as model2vec and gensim read them")?;
    let texts = serde_json::json!(TEXTS).to_string();
    let output = Command::new(python).arg("-c").arg(script).arg(path).arg(texts).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Vec<f32>> = serde_json::from_slice(&output.stdout).expect("vectors");
    Some(Matrix::new(rows.len(), rows[0].len(), rows.concat()))
}

const MODEL2VEC: &str = "
import json, sys
from model2vec import StaticModel
model = StaticModel.from_pretrained(sys.argv[1])
print(json.dumps(model.encode(json.loads(sys.argv[2])).tolist()))
";

const GENSIM: &str = "
import json, sys
from gensim.models import KeyedVectors
vectors = KeyedVectors.load_word2vec_format(sys.argv[1])
print(json.dumps([vectors[word].tolist() for word in vectors.index_to_key]))
";

#[test]
fn a_model2vec_folder_gives_the_vectors_of_the_embedding() {
    let model = fixtures("embedding/tests/fixtures/model2vec/f32");
    for source in [
        source("model2vec", &model, "trainable = true"),
        source("model2vec", &model, "dim = 2\nreduce = \"pca\"\ntrainable = true"),
        source("model2vec", &model, "max_length = 3\nnormalize = false\ntrainable = true"),
        toml::from_str("[corpus]\ndim = 4\ncombiner = \"mean\"\ntrainable = true").expect("a source"),
    ] {
        let embedding = fine_tuned(&source);
        let folder = tempfile::tempdir().expect("a folder");
        let exported = export::model2vec(&embedding, folder.path()).expect("it can be said");
        assert_eq!(exported.left_out, 0);
        let expected = vectors(&embedding);
        let again = super::source("model2vec", folder.path(), "");
        let (opened, embedded, digest) = trained(&again, &corpus());
        assert_close(&vectors(&reopened(&again, (opened, &embedded, &digest))), &expected, &format!("{source:?}"));
        if let Some(found) = from_python(MODEL2VEC, folder.path()) {
            assert_close(&found, &expected, &format!("model2vec, {source:?}"));
        }
    }
}

#[test]
fn word2vec_text_holds_every_word_and_its_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let [glove, ..] = vector_files(folder.path());
    for source in [
        source("word_vectors", &glove, "trainable = true"),
        source("word_vectors", &glove, "weights = \"sif\"\ndim = 2\nreduce = \"pca\"\ntrainable = true"),
        source("tfhub", &fixtures("savedmodel/tests/fixtures/models/nnlm-tf1"), "trainable = true"),
        toml::from_str("[corpus]\ndim = 4\ntrainable = true").expect("a source"),
    ] {
        let embedding = fine_tuned(&source);
        let (bytes, exported) = export::word2vec_text(&embedding).expect("it can be said");
        let path = folder.path().join("exported.txt");
        fs::write(&path, &bytes).expect("written");
        let words: Vec<String> = String::from_utf8(bytes)
            .expect("text")
            .lines()
            .skip(1)
            .map(|line| line.split(' ').next().expect("a word").into())
            .collect();
        assert_eq!(words.len(), exported.rows);
        let again = super::source("word_vectors", &path, "tokens = \"whitespace\"\nlowercase = false");
        let opened = again.reopen(Path::new(""), None, emberline_device::Device::Cpu).expect("word vectors");
        let Opened::Table(table) = &opened else { panic!("a table") };
        for (row, word) in words.iter().enumerate() {
            let bag = embedding.word_bags(&vec![word.as_str()]).expect("made").expect("a table");
            let Some(at) = bag.words.iter().position(|found| found.as_ref() == Some(word)) else { continue };
            assert_eq!(table.row(row as u32), bag.bags.table.row(at), "{source:?}: {word}");
        }
        if let Some(found) = from_python(GENSIM, &path) {
            assert_eq!(found.values(), table.table(), "gensim, {source:?}");
        }
    }
}

#[test]
fn what_a_format_cannot_say_is_refused_with_the_cure() {
    let folder = tempfile::tempdir().expect("a folder");
    let [glove, ..] = vector_files(folder.path());
    let refusal = |source: &Source| {
        let (opened, embedded, digest) = trained(source, &corpus());
        let embedding = reopened(source, (opened, &embedded, &digest));
        let text = export::word2vec_text(&embedding).err();
        let model = export::model2vec(&embedding, &folder.path().join("model")).err();
        [text, model].map(|error: Option<Error>| error.map(|error| error.to_string()).unwrap_or_default())
    };
    let subwords = source("word_vectors", &fixtures("wordvectors/tests/fixtures/fasttext/skipgram.bin"), "");
    let hashing: Source = toml::from_str("[hashing]\ndim = 4").expect("a source");
    let sqrtn: Source = toml::from_str("[corpus]\ndim = 4").expect("a source");
    let encoder = source("sentence_transformer", &fixtures("encoder/tests/fixtures/bert"), "");
    for (source, text, model) in [
        (&subwords, "n-grams", "n-grams"),
        (&hashing, "no words", "combiner = \"mean\""),
        (&sqrtn, "", "combiner = \"mean\""),
        (&encoder, "no table", "no table"),
        (&source("word_vectors", &glove, ""), "", "rules of its own"),
    ] {
        for (error, reason) in refusal(source).iter().zip([text, model]) {
            assert_eq!(error.is_empty(), reason.is_empty(), "{source:?}: {error}");
            assert!(error.contains(reason) && (reason.is_empty() || error.contains("export --bundle")), "{error}");
        }
    }
    assert!(!folder.path().join("model").exists(), "nothing is written for what is refused");
}
