//! Tests that corrupt, malicious and incomplete folders give errors that name the file, and never a panic.

use super::*;

/// Returns the error of opening a folder, or of encoding with it.
fn error(folder: &Path) -> String {
    match open(folder, &EncoderOptions::default()) {
        Err(error) => error.to_string(),
        Ok(model) => model.encode(&[b"the dog"]).expect_err("a fault").to_string(),
    }
}

/// Returns the error of a model after the content of one file was replaced.
fn with(name: &str, file: &str, content: &str) -> String {
    let folder = copy(name);
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, content).expect("written");
    error(folder.path())
}

/// Returns the error of a model after the text of one file was changed.
fn changed(name: &str, file: &str, from: &str, to: &str) -> String {
    let text = fs::read_to_string(fixtures().join(name).join(file)).expect("text");
    assert!(text.contains(from), "{text}");
    with(name, file, &text.replace(from, to))
}

#[test]
fn what_is_missing_is_named_with_its_cure() {
    let folder = copy("bert");
    let weights = folder.path().join("model.safetensors");
    fs::rename(&weights, folder.path().join("pytorch_model.bin")).expect("renamed");
    let message = error(folder.path());
    assert!(
        message
            .ends_with("pytorch_model.bin is there, but may run code and is never loaded: take the model.safetensors")
    );
    fs::remove_file(folder.path().join("pytorch_model.bin")).expect("removed");
    assert!(error(folder.path()).contains("model.safetensors isn't there; the model is incomplete"));
    let folder = copy("bert");
    fs::remove_file(folder.path().join("tokenizer.json")).expect("removed");
    assert!(error(folder.path()).contains("AutoTokenizer"), "{}", error(folder.path()));
    let file = folder.path().join("config.json");
    assert!(error(&file).contains("a file; name the folder"), "{}", error(&file));
    let empty = tempfile::tempdir().expect("a folder");
    assert!(
        error(empty.path()).contains("modules.json isn't there; a model's folder holds"),
        "{}",
        error(empty.path())
    );
}

#[test]
fn what_is_not_known_is_named_with_what_is() {
    let message = changed("bert", "config.json", "\"bert\"", "\"gpt2\"");
    assert!(
        message.contains("unsupported model type \"gpt2\"; the supported types are bert, roberta, xlm-roberta"),
        "{message}"
    );
    let message = changed("bert", "modules.json", "models.Pooling", "models.LSTM");
    assert!(
        message.contains("unsupported module type \"LSTM\"; the supported types are Transformer, Pooling"),
        "{message}"
    );
    let message = changed("distilbert", "2_Dense/config.json", "torch.nn.modules.activation.Tanh", "os.system");
    assert!(
        message.contains("unsupported activation \"os.system\"; the supported ones are Identity, GELU"),
        "{message}"
    );
    let message = changed("bert", "config.json", "\"gelu\"", "\"snake\"");
    assert!(message.contains("\"snake\""), "{message}");
    let message = with("bert", "modules.json", r#"[{"type": "x.StaticEmbedding", "path": "0"}]"#);
    assert!(message.contains("model2vec"), "{message}");
    let message = with("distilbert", "4_Normalize/config.json", r#"{"module_input_name": "token_embeddings"}"#);
    assert!(message.contains("token_embeddings"), "{message}");
}

#[test]
fn paths_stay_inside_the_folder() {
    for path in ["../1_Pooling", "/etc", "a/../../b", "c:\\x", "a\\b"] {
        let path = path.replace('\\', "\\\\");
        let message = changed("bert", "modules.json", "\"1_Pooling\"", &format!("\"{path}\""));
        assert!(message.contains("leads out of the model's folder"), "{message}");
    }
    for shard in ["../model.safetensors", "/etc/passwd", "x.bin", ".safetensors"] {
        let message = changed("roberta", "model.safetensors.index.json", "model-00001-of-00002.safetensors", shard);
        assert!(message.contains("not a .safetensors file of this folder"), "{message}");
    }
}

#[test]
fn sizes_must_belong_together() {
    for (file, from, to, said) in [
        ("config.json", "\"hidden_size\": 24", "\"hidden_size\": 48", "the config says [32, 48]"),
        ("config.json", "\"hidden_size\": 24", "\"hidden_size\": 25", "isn't divisible by 3 heads"),
        ("config.json", "\"hidden_size\": 24", "\"hidden_size\": -3", "not a size"),
        ("config.json", "\"hidden_size\": 24", "\"hidden_size\": 1e99", "not a size"),
        ("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "no tensor \"bert.encoder.layer.2"),
        ("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 99999", "at most 1024"),
        ("config.json", "\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": 0", "isn't a positive number"),
        ("1_Pooling/config.json", "24", "25", "the transformer's tokens have 24"),
        ("sentence_bert_config.json", "40", "2", "at most 2 tokens per text, but 2 of them are special"),
        ("tokenizer.json", "\"dog\": 14", "\"dog\": 9999", "gives token 9999, but the model has"),
    ] {
        let message = changed("bert", file, from, to);
        assert!(message.contains(said), "{file} {to}: {message}");
    }
    let message = changed("distilbert", "2_Dense/config.json", "\"in_features\": 32", "\"in_features\": 31");
    assert!(message.contains("but the vectors have 32 numbers"), "{message}");
    let message = changed("roberta", "config.json", "\"pad_token_id\": 0", "\"pad_token_id\": 49");
    assert!(message.contains("50 positions, but none after that of the padding token"), "{message}");
}

/// What a family has, but is not computed here, is named with its key and its value.
#[test]
fn unsupported_settings_of_a_family_are_refused() {
    for (model, from, to, said) in [
        (
            "qwen3",
            "\"attention_bias\": false",
            "\"attention_bias\": true",
            "`attention_bias` is true, which is unsupported",
        ),
        (
            "qwen3",
            "\"rope_scaling\": null",
            "\"rope_scaling\": {\"type\": \"yarn\"}",
            "`rope_scaling` is {\"type\":\"yarn\"}",
        ),
        ("qwen3", "\"use_sliding_window\": false", "\"use_sliding_window\": true", "`use_sliding_window` is true"),
        ("qwen3", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"xielu\"", "`hidden_act` is \"xielu\""),
        (
            "qwen3",
            "\"num_key_value_heads\": 2",
            "\"num_key_value_heads\": 3",
            "not a multiple of `num_key_value_heads`, 3",
        ),
        ("qwen3", "\"head_dim\": 6", "\"head_dim\": 5", "is 5, which must be even"),
        ("qwen3", "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": -1", "`rms_norm_eps` isn't a positive number"),
        (
            "gemma3",
            "\"attn_logit_softcapping\": null",
            "\"attn_logit_softcapping\": 50.0",
            "`attn_logit_softcapping` is 50.0",
        ),
        ("gemma3", "\"full_attention\"", "\"linear_attention\"", "`layer_types` must be a list of 6 values"),
        (
            "t5",
            "\"feed_forward_proj\": \"relu\"",
            "\"feed_forward_proj\": \"gated-gaussian\"",
            "`feed_forward_proj` is",
        ),
        ("t5", "\"relative_attention_max_distance\": 20", "\"relative_attention_max_distance\": 3", "max_distance` 3"),
        (
            "nomic",
            "\"rotary_emb_fraction\": 1.0",
            "\"rotary_emb_fraction\": 0.5",
            "`rotary_emb_fraction` is 0.5; only 1.0",
        ),
        ("nomic", "\"prenorm\": false", "\"prenorm\": true", "`prenorm` is true"),
        ("nomic", "\"swiglu\"", "\"geglu\"", "`activation_function` is \"geglu\"; only \"swiglu\""),
        ("gte_new", "\"type\": \"ntk\"", "\"type\": \"dynamic\"", "unsupported rotary positions"),
        (
            "gte_new",
            "\"logn_attention_scale\": false",
            "\"logn_attention_scale\": true",
            "`logn_attention_scale` is true",
        ),
        ("gte_new", "\"factor\": 2.0", "\"factor\": 0.5", "its `factor` must be at least 1"),
        ("albert", "\"num_hidden_groups\": 2", "\"num_hidden_groups\": 9", "`num_hidden_groups` is 9"),
        ("deberta", "\"share_att_key\": true", "\"share_att_key\": false", "`share_att_key` isn't true"),
        ("deberta", "\"p2c|c2p\"", "\"c2p\"", "`pos_att_type` is \"c2p\"; only"),
        ("deberta", "\"position_buckets\": 12", "\"position_buckets\": 3", "`position_buckets` is 3"),
        ("deberta", "\"hidden_act\"", "\"conv_kernel_size\": 3, \"hidden_act\"", "`conv_kernel_size` is 3"),
    ] {
        let message = changed(model, "config.json", from, to);
        assert!(message.contains("config.json") && message.contains(said), "{model} {to}: {message}");
    }
}

/// If all vectors are cached, the tokenizer isn't parsed; a corrupt one must have another digest than the intact one.
#[test]
fn a_tokenizer_is_parsed_when_a_text_needs_it() {
    let folder = copy("bert");
    let whole = open(folder.path(), &EncoderOptions::default()).expect("a model").digest();
    fs::write(folder.path().join("tokenizer.json"), "{").expect("written");
    let model = open(folder.path(), &EncoderOptions::default()).expect("not looked into yet");
    assert_ne!(model.digest(), whole);
    for _ in 0..2 {
        let error = model.encode(&[b"the dog"]).expect_err("damaged").to_string();
        assert!(error.contains("tokenizer.json") && error.contains("not a tokenizer"), "{error}");
    }
}

/// There would be too few positions, since the tokenizer truncates a text as if its template contained it once.
#[test]
fn a_template_that_repeats_the_text_is_refused_where_that_is_too_long() {
    let folder = copy("bert");
    let path = folder.path().join("tokenizer.json");
    let mut tokenizer: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    let single = tokenizer["post_processor"]["single"].as_array_mut().expect("a template");
    single.insert(1, single[1].clone());
    fs::write(&path, tokenizer.to_string()).expect("written");
    fs::write(folder.path().join("sentence_bert_config.json"), r#"{"max_seq_length": 5}"#).expect("written");
    assert!(
        error(folder.path()).contains("gives 6 tokens for a text that it truncated to 5"),
        "{}",
        error(folder.path())
    );
}

#[test]
fn numbers_must_be_finite_and_of_a_known_type() {
    let folder = copy("bert");
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).expect("read");
    let mut bytes = whole.clone();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &bytes).expect("written");
    bytes = whole;
    assert!(error(folder.path()).contains("has the value NaN at"), "{}", error(folder.path()));
    let at = bytes.windows(5).position(|part| part == b"\"F32\"").expect("a type");
    bytes[at + 1..at + 4].copy_from_slice(b"U32");
    fs::write(&path, &bytes).expect("written");
    assert!(
        error(folder.path()).contains("is of the type U32; the supported types are F16"),
        "{}",
        error(folder.path())
    );
}

/// A truncated file, or one with flipped bits, gives an error or a model that still runs.
#[test]
fn no_damage_is_a_panic() {
    for (model, files) in [
        (
            "distilbert",
            &["modules.json", "config.json", "tokenizer.json", "1_Pooling/config.json", "2_Dense/config.json"][..],
        ),
        ("distilbert", &["model.safetensors", "2_Dense/model.safetensors"]),
        ("qwen3", &["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"]),
        ("gemma3", &["config.json"]),
        ("t5", &["config.json"]),
        ("gte_new", &["config.json"]),
        ("albert", &["config.json"]),
        ("deberta", &["config.json"]),
        ("roberta", &["model.safetensors.index.json", "config_sentence_transformers.json", "tokenizer_config.json"]),
    ] {
        let folder = copy(model);
        for file in files {
            let path = folder.path().join(file);
            let whole = fs::read(&path).expect("read");
            let step = (whole.len() / 60).max(1);
            for at in (0..whole.len()).step_by(step) {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << (at % 7);
                for bytes in [&whole[..at], &flipped] {
                    fs::write(&path, bytes).expect("written");
                    if let Ok(model) = open(folder.path(), &EncoderOptions::default()) {
                        let _ = model.encode(&[b"the dog runs", b""]);
                    }
                }
            }
            fs::write(&path, whole).expect("written");
        }
    }
}

#[test]
fn a_shape_that_no_file_holds_is_refused_before_it_is_read() {
    let folder = copy("bert");
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).expect("read");
    let length = u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&whole[8..8 + length]).expect("JSON");
    let name = header.as_object().expect("tensors").keys().find(|name| name.contains("word_embeddings")).expect("one");
    for shape in [[1_u64 << 40, 1 << 40], [1 << 20, 24], [u64::MAX, u64::MAX]] {
        let mut lying = header.clone();
        lying[name]["shape"] = shape.to_vec().into();
        let text = lying.to_string();
        let bytes = [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &whole[8 + length..]].concat();
        fs::write(&path, bytes).expect("written");
        assert!(error(folder.path()).contains("not a safetensors file, or truncated"), "{}", error(folder.path()));
    }
}

#[test]
fn cut_weights_are_refused() {
    let folder = copy("distilbert");
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).expect("read");
    for length in (0..whole.len()).step_by(97) {
        fs::write(&path, &whole[..length]).expect("written");
        assert!(error(folder.path()).contains("not a safetensors file, or truncated"), "{length}");
    }
}
