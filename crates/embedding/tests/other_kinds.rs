//! Wrong files in the place of each file of every kind of source, such as a Git LFS pointer or an HTML page: the
//! message names the file, what it is, and the cure, whatever the file's own reader would have reported.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::warning::Code;
use emberline_device::Device;
use emberline_embedding::{Error, Opened, Source, Texts};

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
const PAGE: &[u8] = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n";

/// A kind of source, its model below `crates/`, the settings besides `path`, and the files that it reads.
type Model = (&'static str, &'static str, &'static str, &'static [&'static str]);

const MODELS: [Model; 6] = [
    (
        "tfhub",
        "savedmodel/tests/fixtures/models/nnlm-tf2-double",
        "",
        &[
            "saved_model.pb",
            "variables/variables.index",
            "variables/variables.data-00000-of-00001",
            "assets/tokens.txt",
        ],
    ),
    (
        "tfhub",
        "savedmodel/tests/fixtures/models/use-tf1",
        "",
        &[
            "saved_model.pb",
            "tfhub_module.pb",
            "variables/variables.index",
            "variables/variables.data-00000-of-00001",
            "assets/tokens.txt",
        ],
    ),
    (
        "model2vec",
        "embedding/tests/fixtures/model2vec/f32",
        "",
        &["config.json", "model.safetensors", "tokenizer.json"],
    ),
    (
        "sentence_transformer",
        "encoder/tests/fixtures/roberta",
        "",
        &[
            "config.json",
            "modules.json",
            "1_Pooling/config.json",
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "sentence_bert_config.json",
            "config_sentence_transformers.json",
        ],
    ),
    (
        "sentence_transformer",
        "encoder/tests/fixtures/distilbert",
        "",
        &["2_Dense/config.json", "2_Dense/model.safetensors"],
    ),
    ("elmo", "encoder/tests/fixtures/elmo", "", &["options.json", "weights.hdf5"]),
];

fn fixtures(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::write(to, fs::read(entry.path()).expect("readable")).expect("written");
        }
    }
}

fn source(kind: &str, path: &Path, options: &str) -> Source {
    toml::from_str(&format!("[{kind}]\npath = {:?}\n{options}", path.display().to_string())).expect("a source")
}

/// Opens the source and encodes a text with it, because some files are only read then.
fn open(source: &Source) -> Result<Opened, Error> {
    let all = ["the river"];
    let opened = source.open(Path::new(""), Texts { all: &all, train: &all }, Device::Cpu)?;
    if let Opened::Encoder(encoder) = &opened {
        encoder.encode(&[all[0].as_bytes()])?;
    }
    Ok(opened)
}

fn assert_every_file_is_named(&(kind, fixture, options, files): &Model) {
    let folder = tempfile::tempdir().expect("a folder");
    copy(&fixtures(fixture), folder.path());
    let source = source(kind, folder.path(), options);
    open(&source).unwrap_or_else(|error| panic!("{fixture}: {error}"));
    for file in files {
        let path = folder.path().join(file);
        let whole = fs::read(&path).expect("a file of the model");
        for (placeholder, what, cure) in
            [(POINTER, "Git LFS pointer", "`git lfs pull`"), (PAGE, "a web page", "download the file itself")]
        {
            fs::write(&path, placeholder).expect("written");
            let error = open(&source).err().unwrap_or_else(|| panic!("{kind}: {file} was taken")).to_string();
            assert!(error.contains(&format!("{file}: ")), "{kind}: {file}: {error}");
            assert!(error.contains(what) && error.contains(cure), "{kind}: {error}");
        }
        fs::write(&path, whole).expect("written");
    }
}

#[test]
fn what_stands_for_a_file_is_named_in_every_source() {
    MODELS.iter().for_each(assert_every_file_is_named);
}

#[cfg(feature = "onnx")]
#[test]
fn what_stands_for_a_file_of_an_onnx_encoder_is_named() {
    let files = &["onnx/model.onnx", "onnx/model.onnx_data", "tokenizer.json", "modules.json"];
    assert_every_file_is_named(&("onnx", "encoder/tests/fixtures/distilbert", "", files));
}

#[test]
fn word_vectors_are_told_from_other_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let refusal = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        open(&source("word_vectors", &path, "")).err().unwrap_or_else(|| panic!("{name} was taken")).to_string()
    };
    for name in ["a.vec", "a.bin", "a.ftz", "a.txt", "a.fifu", "a.vec.gz"] {
        assert!(refusal(name, POINTER).contains("`git lfs pull`"), "{name}");
    }
    let mut safetensors = 2_u64.to_le_bytes().to_vec();
    safetensors.extend(b"{}");
    for (bytes, expected) in [
        (b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), "a zip archive"),
        (PAGE, "a web page"),
        (&safetensors, "a safetensors file"),
        (b"\xff\xfea\0 \x001\0\n\0", "iconv -f UTF-16"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"\0\x05\x16\x07", "AppleDouble"),
    ] {
        assert!(refusal("a.vec", bytes).contains(expected), "{}", refusal("a.vec", bytes));
    }
}

#[test]
fn a_hash_that_differs_is_explained_by_what_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.vec");
    fs::write(&path, POINTER).expect("written");
    let error = open(&source("word_vectors", &path, &format!("sha256 = {:?}", "0".repeat(64)))).err().expect("refused");
    assert!(error.to_string().contains("`git lfs pull`"), "{error}");
}

#[test]
fn a_module_that_is_elsewhere_or_something_else_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let refusal = |path: &Path| open(&source("tfhub", path, "")).err().expect("no module").to_string();
    let at = |name: &str| folder.path().join(name);
    copy(&fixtures("savedmodel/tests/fixtures/models/nnlm-tf2-double"), &at("serving/1"));
    assert!(refusal(&at("serving")).contains("it is in `1/`"), "{}", refusal(&at("serving")));
    open(&source("tfhub", &at("serving/1"), "")).expect("a module");
    let itself = refusal(&at("serving/1/saved_model.pb"));
    assert!(itself.contains("name the folder that holds saved_model.pb"), "{itself}");
    fs::create_dir_all(at("lite"))
        .and_then(|()| fs::write(at("lite/model.tflite"), b"\x1c\0\0\0TFL3"))
        .expect("written");
    for path in ["lite", "lite/model.tflite"] {
        assert!(refusal(&at(path)).contains("TensorFlow Lite"), "{}", refusal(&at(path)));
    }
}

#[test]
fn a_prompt_that_is_no_name_is_warned_of() {
    let warnings = |prompt: &str| {
        let source = source(
            "sentence_transformer",
            &fixtures("encoder/tests/fixtures/roberta"),
            &format!("prompt = {prompt:?}"),
        );
        open(&source).expect("a model").warnings()
    };
    let [warning] = warnings("querry").try_into().expect("one warning");
    assert!(warning.code == Code::PromptIsNoName && warning.text.contains("\"querry\""), "{warning}");
    assert_eq!((warnings("query: "), warnings("")), (vec![], vec![]));
}
