//! The warning about an embedding that knows few of the words.

use emberline_base::record::{KnownShare, KnownWords};
use emberline_base::warning::Code;
use emberline_base::{SplitName, Warning};

/// Smallest share of known words without a warning, and largest share of texts without any known word.
const MIN_KNOWN_SHARE: f64 = 0.5;

/// Returns a warning if an embedding knows less than half of the words of all texts or of a split, or if most texts
/// have no word that it knows.
pub(crate) fn warning(embedding: &str, known: &KnownWords) -> Option<Warning> {
    let is_low = |share: &KnownShare| share.tokens < MIN_KNOWN_SHARE || share.texts_without > MIN_KNOWN_SHARE;
    if !is_low(&known.all) && !known.splits.iter().any(|(_, share)| is_low(share)) {
        return None;
    }
    let splits: Vec<String> = known.splits.iter().map(|(name, share)| of_split(name, share)).collect();
    let KnownShare { tokens, composed, texts_without } = known.all;
    let composed = match composed {
        0.0 => String::new(),
        share => format!(" Vectors of another {} are composed of character n-grams.", percent(share)),
    };
    Some(Warning::new(
        Code::FewKnownWords,
        format!(
            "`{embedding}` knows {} of the words of the data ({}); {} of the texts hold no word that it knows, so their \
             vectors say nothing about them.{composed} Use an embedding of the language of the texts, and check how it \
             spells words (`lowercase`, `tokens`).",
            percent(tokens),
            splits.join(", "),
            percent(texts_without)
        ),
    ))
}

fn of_split(name: SplitName, share: &KnownShare) -> String {
    format!("{name} {}", percent(share.tokens))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use emberline_base::Splits;

    use super::*;

    fn known(train: f64, valid: f64, texts_without: f64) -> KnownWords {
        let share = |tokens| KnownShare { tokens, composed: 0.0, texts_without };
        let splits = Splits { train: share(train), valid: Some(share(valid)), test: None };
        KnownWords { all: share(0.8 * train + 0.2 * valid), splits }
    }

    #[test]
    fn less_than_half_is_warned_of_in_all_texts_or_a_split() {
        assert_eq!(warning("g", &known(0.5, 0.5, 0.0)), None);
        assert_eq!(warning("g", &known(0.9, 0.9, 0.5)), None);
        for (train, valid, without) in [(0.49, 0.49, 0.0), (0.9, 0.1, 0.0), (1.0, 1.0, 0.7), (0.0, 0.0, 1.0)] {
            let warning = warning("g", &known(train, valid, without)).expect("a warning");
            assert_eq!((warning.code, warning.cells.len()), (Code::FewKnownWords, 0));
        }
        let none = warning("g", &known(0.0, 0.0, 1.0)).expect("a warning").text;
        let begins =
            "`g` knows 0.0 % of the words of the data (train 0.0 %, valid 0.0 %); 100.0 % of the texts hold no word";
        assert!(none.starts_with(begins), "{none}");
    }

    #[test]
    fn composed_words_are_named() {
        let mut known = known(0.0, 0.0, 1.0);
        known.all.composed = 0.975;
        let text = warning("g", &known).expect("a warning").text;
        assert!(text.contains("Vectors of another 97.5 % are composed of character n-grams."), "{text}");
    }
}
