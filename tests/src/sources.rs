//! A source of every kind, small enough that all of them are trained in a test: what needs files reads the project's
//! own fixtures.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};
use std::fs;
use std::path::Path;

use emberline_base::Substream;
use emberline_pipeline::schema::Schema;

/// Words that every fixture's vocabulary knows some of.
pub const WORDS: [&str; 16] = [
    "the", "what", "is", "why", "how", "do", "cat", "dog", "house", "of", "you", "people", "sun", "red", "mat", "hello",
];

/// One source of a pipeline file.
#[derive(Clone, Debug)]
pub struct Small {
    /// `[embedding.NAME.KIND]`
    pub name: &'static str,
    /// `[embedding.NAME.KIND]`
    pub kind: &'static str,
    /// The lines below that.
    pub settings: String,
    /// Whether it can be trained along.
    pub trainable: bool,
    /// Whether it learns something from the training texts.
    pub learns: bool,
}

/// At least one source of every kind; a file of word vectors is written to `folder`.
///
/// # Panics
/// When a kind is missing here.
pub fn every_kind(folder: &Path) -> Vec<Small> {
    let vectors = folder.join("vectors.txt");
    fs::write(&vectors, word_vectors()).expect("written");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let file = |name: &str| format!("path = '{}'\n", fixtures.join(name).display());
    let small = |name, kind, settings: String, trainable, learns| Small { name, kind, settings, trainable, learns };
    let words = |more: &str| format!("path = '{}'\n{more}", vectors.display());
    let subwords =
        file("wordvectors/tests/fixtures/fasttext/skipgram.bin") + "tokens = \"fasttext\"\npre_normalize = true\n";
    let sources = vec![
        small("hashing", "hashing", "dim = 6\nbuckets = 64\nngrams = 2\n".into(), true, false),
        small("corpus", "corpus", "dim = 4\nmin_count = 1\n".into(), true, true),
        small("idf", "word_vectors", words("weights = \"idf\"\n"), true, true),
        small("sif", "word_vectors", words("weights = \"sif\"\nnormalize = true\n"), true, true),
        small("pca", "word_vectors", words("dim = 3\nreduce = \"pca\"\n"), true, true),
        small("subwords", "word_vectors", subwords, true, false),
        small("buckets", "word_vectors", file("wordvectors/tests/fixtures/finalfusion/buckets.fifu"), true, false),
        small("module", "tfhub", file("savedmodel/tests/fixtures/models/nnlm-tf1"), true, false),
        small("graph", "tfhub", file("savedmodel/tests/fixtures/models/use-dan-signed"), false, false),
        small("static", "model2vec", file("embedding/tests/fixtures/model2vec/f32"), true, false),
        small("elmo", "elmo", file("encoder/tests/fixtures/elmo"), true, false),
        small("bert", "sentence_transformer", file("encoder/tests/fixtures/bert"), true, false),
        small(
            "mixed",
            "sentence_transformer",
            file("encoder/tests/fixtures/distilbert") + "precision = \"bf16\"\n",
            true,
            false,
        ),
        small(
            "last",
            "sentence_transformer",
            file("encoder/tests/fixtures/mpnet") + "trainable_layers = 1\n",
            true,
            false,
        ),
        small(
            "lora",
            "sentence_transformer",
            file("encoder/tests/fixtures/modernbert") + "lora = { rank = 2 }\n",
            true,
            false,
        ),
        small(
            "bert-pca",
            "sentence_transformer",
            file("encoder/tests/fixtures/bert") + "dim = 4\nreduce = \"pca\"\n",
            false,
            true,
        ),
        small("sizes", "sentence_transformer", file("encoder/tests/fixtures/qwen3") + "dim = 8\n", false, false),
        small(
            "mean4",
            "sentence_transformer",
            file("encoder/tests/fixtures/qwen3") + "layers = \"mean4\"\n",
            false,
            false,
        ),
        small("onnx", "onnx", file("encoder/tests/fixtures/bert"), false, false),
        small("f16", "word_vectors", words("quantize = \"f16\"\n"), false, false),
        small("i8", "corpus", "dim = 4\nmin_count = 1\nquantize = \"i8\"\n".into(), false, true),
        small(
            "bit",
            "sentence_transformer",
            file("encoder/tests/fixtures/bert") + "quantize = \"bit\"\n",
            false,
            false,
        ),
    ];
    let here: BTreeSet<&str> = sources.iter().map(|source| source.kind).collect();
    let all = keys("Source", |schema| schema["oneOf"].clone());
    assert_eq!(here, all.iter().map(String::as_str).collect(), "a source of every kind");
    sources
}

/// The callbacks that there are, by their keys.
pub fn callbacks() -> BTreeSet<String> {
    keys("Callbacks", |schema| serde_json::json!([schema]))
}

/// The keys of the tables that `tables` finds in a definition of the pipeline's schema.
fn keys(definition: &str, tables: impl Fn(&serde_json::Value) -> serde_json::Value) -> BTreeSet<String> {
    let schema: serde_json::Value = serde_json::from_str(&Schema::Pipeline.text()).expect("JSON");
    let tables = tables(&schema["$defs"][definition]);
    let keys = |table: &serde_json::Value| table["properties"].as_object().expect("a table").clone().into_iter();
    tables.as_array().expect("tables").iter().flat_map(keys).map(|(key, _)| key).collect()
}

/// Random vectors of 6 numbers for the words, as GloVe writes them.
fn word_vectors() -> String {
    let mut stream = Substream::new(5, "word vectors");
    let mut text = String::new();
    for word in WORDS {
        text += word;
        (0..6).for_each(|_| write!(text, " {}", stream.symmetric(1.0)).expect("a string"));
        text.push('\n');
    }
    text
}

/// Texts of a few words and a number, no two of them the same; which words there are depends on the stream. A text of class
/// 1 rather says "why".
pub fn labelled(stream: &str, rows: usize) -> Vec<(String, usize)> {
    let mut random = Substream::new(3, stream);
    let mut row = |number: usize| {
        let class = usize::from(random.below(5) < 2);
        let sign = if class == usize::from(random.below(6) > 0) { "why" } else { "how" };
        let length = 2 + random.below(5);
        let words: Vec<&str> = (0..length).map(|_| WORDS[random.below(WORDS.len())]).collect();
        (format!("{sign} {} {stream}{number}", words.join(" ")), class)
    };
    (0..rows).map(&mut row).collect()
}

/// The rows as a CSV file.
pub fn csv<T: Display, L: Display>(rows: &[(T, L)]) -> String {
    rows.iter().fold("text,label\n".to_owned(), |text, (row, class)| text + &format!("{row},{class}\n"))
}

/// `[embedding.NAME.KIND]` of every source.
pub fn tables(sources: &[Small]) -> String {
    sources.iter().map(|Small { name, kind, settings, .. }| format!("[embedding.{name}.{kind}]\n{settings}")).collect()
}
