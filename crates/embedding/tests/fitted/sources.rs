//! The texts and sources of these tests: every kind with its fixtures.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::Substream;
use emberline_embedding::Source;

/// Words that the fixtures know, and some that they don't know.
const WORDS: [&str; 26] = [
    "the",
    "river",
    "Fluß",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dog",
    "what",
    "is",
    "a",
    "cat",
    "sat",
    "on",
    "unseenword",
    "rivers",
    "日本",
    "how",
    "do",
    "I",
    "you",
    "why",
    "don't",
    "U.S.",
];

/// Texts of random words; the last `new` words only occur in the new texts.
pub(crate) struct Corpus {
    pub(crate) train: Vec<String>,
    pub(crate) new: Vec<String>,
}

pub(crate) fn corpus() -> Corpus {
    let mut stream = Substream::new(5, "texts");
    let mut sentence = |words: usize| {
        let length = 1 + stream.below(14);
        (0..length).map(|_| WORDS[stream.below(words)]).collect::<Vec<_>>().join(" ")
    };
    let mut train: Vec<String> = (0..60).map(|_| sentence(16)).collect();
    train.extend(["", "?!", "the the the", "  spaces \t between "].map(str::to_owned));
    let mut new: Vec<String> = (0..20).map(|_| sentence(WORDS.len())).collect();
    new.extend(["", "xyzzy", "riversides unseenwords", "Fluß!", "the cat \u{0} sat"].map(str::to_owned));
    Corpus { train, new }
}

pub(crate) fn fixtures(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

pub(crate) fn source(kind: &str, path: &Path, options: &str) -> Source {
    let text = format!("[{kind}]\npath = {:?}\n{options}", path.display().to_string());
    toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Writes word vectors in the formats of word2vec text, word2vec binary and GloVe.
pub(crate) fn vector_files(folder: &Path) -> [PathBuf; 3] {
    let mut stream = Substream::new(9, "vectors");
    let rows: Vec<(&str, Vec<f32>)> =
        WORDS.iter().map(|word| (*word, (0..6).map(|_| stream.symmetric(1.0)).collect())).collect();
    let line = |(word, row): &(&str, Vec<f32>)| {
        let numbers: Vec<String> = row.iter().map(ToString::to_string).collect();
        format!("{word} {}\n", numbers.join(" "))
    };
    let text: String = rows.iter().map(line).collect();
    let header = format!("{} 6\n", rows.len());
    let binary = rows.iter().flat_map(|(word, row)| {
        let numbers = row.iter().flat_map(|value| value.to_le_bytes());
        word.bytes().chain([b' ']).chain(numbers).chain([b'\n']).collect::<Vec<u8>>()
    });
    let binary: Vec<u8> = header.bytes().chain(binary).collect();
    let [glove, word2vec, packed] = ["glove.txt", "word2vec.txt", "word2vec.bin"].map(|name| folder.join(name));
    fs::write(&glove, &text).expect("written");
    fs::write(&word2vec, format!("{header}{text}")).expect("written");
    fs::write(&packed, binary).expect("written");
    [glove, word2vec, packed]
}

/// Returns every kind of source with every fixture: frozen and trainable, reduced and not.
pub(crate) fn sources(folder: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    for name in ["nnlm-tf1", "nnlm-tf2-double", "use-dan", "use-dan-signed", "use-large", "use-tf1", "wiki-words-tf1"] {
        sources.push(source("tfhub", &fixtures("savedmodel/tests/fixtures/models").join(name), ""));
    }
    for options in ["dim = 2\nreduce = \"pca\"", "dim = 2\nreduce = \"random\"", "trainable = true"] {
        sources.push(source("tfhub", &fixtures("savedmodel/tests/fixtures/models/nnlm-tf1"), options));
        if options != "trainable = true" {
            sources.push(source("tfhub", &fixtures("savedmodel/tests/fixtures/models/use-dan"), options));
        }
    }
    let weighed = "weights = \"idf\"\npre_normalize = true\nnormalize = true";
    let shortened = "weights = \"sif\"\ndim = 2\nreduce = \"pca\"\ntrainable = true";
    for name in ["cbow-edges.bin", "pruned.ftz", "quantised-lengths.ftz", "quantised.ftz", "skipgram.bin", "words.bin"]
    {
        let path = fixtures("wordvectors/tests/fixtures/fasttext").join(name);
        sources.extend(["", weighed, shortened].map(|options| source("word_vectors", &path, options)));
    }
    for name in ["supervised-11.bin", "supervised.bin"] {
        let path = fixtures("wordvectors/tests/fixtures/fasttext").join(name);
        sources.extend(
            ["tokens = \"fasttext\"", "tokens = \"fasttext\"\nweights = \"idf\""]
                .map(|o| source("word_vectors", &path, o)),
        );
    }
    for name in ["buckets", "fasttext", "listed", "quantised-buckets", "quantised", "words-lengths", "words"] {
        let path = fixtures("wordvectors/tests/fixtures/finalfusion").join(format!("{name}.fifu"));
        sources.extend(["", weighed, shortened].map(|options| source("word_vectors", &path, options)));
    }
    for path in vector_files(folder) {
        let others = ["", weighed, shortened, "trainable = true", "lowercase = true\ncombiner = \"max\""];
        sources.extend(others.map(|options| source("word_vectors", &path, options)));
    }
    for name in
        ["bpe", "cased", "f16", "f32", "f64", "i8", "nested", "quantised", "sentence-transformers", "unigram", "words"]
    {
        sources.push(source("model2vec", &fixtures("embedding/tests/fixtures/model2vec").join(name), ""));
    }
    for options in ["dim = 2\nreduce = \"pca\"", "dim = 2\ntrainable = true", "trainable = true", "max_length = 3"] {
        sources.push(source("model2vec", &fixtures("embedding/tests/fixtures/model2vec/f32"), options));
    }
    for (name, options) in [
        ("bert", ""),
        ("distilbert", "normalize = true"),
        ("mpnet", ""),
        ("roberta", "prompt = \"query: \""),
        ("modernbert", ""),
    ] {
        sources.push(source("sentence_transformer", &fixtures("encoder/tests/fixtures").join(name), options));
    }
    sources.push(source("sentence_transformer", &fixtures("encoder/tests/fixtures/bert"), "dim = 2\nreduce = \"pca\""));
    for options in ["", "layers = \"all\"", "layers = \"lstm_1\"\ndim = 2\nreduce = \"pca\"", "trainable = true"] {
        sources.push(source("elmo", &fixtures("encoder/tests/fixtures/elmo"), options));
    }
    if cfg!(feature = "onnx") {
        sources.push(source("onnx", &fixtures("encoder/tests/fixtures/bert"), ""));
    }
    let made = [
        "[hashing]\ndim = 4\nngrams = 2\nseed = 3",
        "[hashing]\ndim = 4\ntrainable = true",
        "[corpus]\ndim = 4\nseed = 3",
        "[corpus]\ndim = 4\ncombiner = \"mean\"\ntrainable = true",
    ];
    sources.extend(made.map(|text| toml::from_str::<Source>(text).expect("a source")));
    sources
}
