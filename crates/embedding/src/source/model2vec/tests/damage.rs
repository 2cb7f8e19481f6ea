//! Damaged and hostile models: they give a clear error that names the file, and never a panic.

use std::fs;

use super::*;

/// A copy of a model, to be damaged.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(name: &str) -> Self {
        let copy = tempfile::tempdir().expect("a folder");
        for file in ["config.json", "model.safetensors", "tokenizer.json"] {
            fs::copy(fixtures().join(name).join(file), copy.path().join(file)).expect("copied");
        }
        Self(copy)
    }

    fn open(&self) -> Result<StaticModel, Error> {
        open_for(&settings(self.0.path()), &["hello world!", "un\u{1f642}"])
    }

    /// Opens the model with this content of a file. An error must name one of the folder's files.
    fn with(&self, file: &str, bytes: &[u8]) -> Option<StaticModel> {
        fs::write(self.0.path().join(file), bytes).expect("written");
        match self.open() {
            Ok(model) => Some(model),
            Err(Error::Format { path, .. }) => {
                assert!(path.starts_with(self.0.path()), "{}", path.display());
                None
            }
            Err(other) => panic!("not a fault of a file: {other}"),
        }
    }
}

#[test]
fn damaged_tables_are_refused() {
    for name in ["f32", "quantised"] {
        let copy = Copy::of(name);
        let whole = fs::read(copy.0.path().join("model.safetensors")).expect("readable");
        for len in (0..whole.len()).step_by(7).chain(0..200).chain([whole.len() - 1]) {
            assert!(copy.with("model.safetensors", &whole[..len]).is_none(), "{name}: truncated to {len} bytes");
        }
        let header = 8 + u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
        for bit in (0..header * 8).chain((header * 8..whole.len() * 8).step_by(31)) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Some(model) = copy.with("model.safetensors", &bytes) {
                assert!(model.row(model.rows() as u32 - 1).iter().all(|v| v.is_finite()), "{name}, bit {bit}");
            }
        }
    }
}

#[test]
fn damaged_tokenizers_are_refused() {
    for name in ["f32", "cased", "words", "unigram", "bpe"] {
        let copy = Copy::of(name);
        let whole = fs::read(copy.0.path().join("tokenizer.json")).expect("readable");
        for len in (0..whole.len() - 1).step_by(whole.len() / 50 + 1) {
            assert!(copy.with("tokenizer.json", &whole[..len]).is_none(), "{name}: truncated to {len} bytes");
        }
        for bit in (0..whole.len() * 8).step_by(whole.len() * 8 / 300 + 1) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            copy.with("tokenizer.json", &bytes);
        }
    }
}

#[test]
fn a_vocabulary_without_an_unknown_token_is_named() {
    let copy = Copy::of("words");
    let json = fs::read_to_string(copy.0.path().join("tokenizer.json")).expect("readable");
    let json = json.replace("\"unk_token\":\"[UNK]\"", "\"unk_token\":\"[NONE]\"");
    fs::write(copy.0.path().join("tokenizer.json"), json).expect("written");
    let error = copy.open().map(|_| ()).expect_err("no token for what is unknown").to_string();
    assert!(error.contains("tokenizer.json") && error.to_lowercase().contains("unk"), "{error}");
}

#[test]
fn random_tokens_are_refused() {
    let copy = Copy::of("bpe");
    let json = fs::read_to_string(copy.0.path().join("tokenizer.json")).expect("readable");
    let json = json.replace("\"dropout\":null", "\"dropout\":0.1");
    fs::write(copy.0.path().join("tokenizer.json"), json).expect("written");
    let error = copy.open().map(|_| ()).expect_err("dropout").to_string();
    assert!(error.ends_with("its tokens are random (`dropout`)"), "{error}");
}

#[test]
fn a_folder_of_another_kind_is_named() {
    let error = open_for(&settings(&fixtures()), &[]).map(|_| ()).expect_err("no model").to_string();
    assert!(error.contains("not a model2vec folder"), "{error}");
}
