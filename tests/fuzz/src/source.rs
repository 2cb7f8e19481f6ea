//! Fuzzes embedding sources: opens a source and embeds a few texts.

use emberline_base::{CancellationToken, Splits};
use emberline_device::Device;
use emberline_embedding::encode::Encoding;
use emberline_embedding::features::{digest, features};
use emberline_embedding::{Source, Texts};
use serde_json::Value;

use crate::{folder, memory};

/// Texts with known and unknown words, and with characters that are difficult for tokenizers.
const TEXTS: [&str; 8] = [
    "",
    "the quick brown fox jumps over the lazy dog.",
    "Hello, world! How do you do?",
    "hello hello\tcat\nking queen 1984",
    "Ünïcödé e\u{301} \u{1F469}\u{200D}\u{1F52C} \u{65E5}\u{672C}\u{8A9E} \u{202E}abc\u{0}",
    "          ",
    "[CLS] [MASK] <s> </s> <unk> [SEP]",
    "a-very-long-word-of-which-no-vocabulary-has-ever-heard-and-which-is-longer-than-fifty-characters",
];

/// Opens the source with the given settings, as in a pipeline file, and embeds texts; `bytes` is the size of its files. Every
/// result except for a panic is correct.
///
/// # Panics
/// If the settings aren't those of a source.
pub fn embed(settings: Value, bytes: usize) {
    let source: Source = serde_json::from_value(settings).expect("settings of a source");
    memory::limit(bytes);
    let texts = Texts { all: &TEXTS, train: &TEXTS[..4] };
    let _ = source.unsupported_reason(folder());
    match source.open(folder(), texts, Device::Cpu) {
        Err(error) => drop(error.to_string()),
        Ok(opened) => {
            let splits = Splits { train: &TEXTS[..4], valid: Some(&TEXTS[4..]), test: None };
            let (on_event, interrupt) = (&mut |_| {}, CancellationToken::default());
            let mut encoding = Encoding { cache: None, device: Device::Cpu, label: "", on_event, interrupt };
            let _ = digest(&opened, &source.feature_spec(), &splits.train);
            let _ = features(&opened, &splits, &source.feature_spec(), &mut encoding);
        }
    }
}
