//! Words of other programs and what they are called here: keys and values of Keras, scikit-learn, PyTorch, SetFit and the Hugging
//! Face Trainer that people write into a pipeline file.
//!
//! There are two tables, [`KEYS`] and [`VALUES`], which `docs/from-keras.md` and its siblings follow. A word is compared by its
//! letters and digits alone, in any case: `BatchSize`, `batch-size` and `batchsize` are one. A sentence says what to write instead,
//! and where.

mod keys;
mod values;

use self::keys::KEYS;
use self::values::VALUES;

/// Words for one thing, where they are meant so, and what to write instead.
struct Word {
    /// The words, in lower case without separators, with a space between them.
    words: &'static str,
    /// The table below which they are meant so; empty for anywhere.
    below: &'static str,
    says: &'static str,
}

const fn word(words: &'static str, below: &'static str, says: &'static str) -> Word {
    Word { words, below, says }
}

impl Word {
    fn has(&self, name: &str) -> bool {
        self.words.split(' ').any(|word| word == name)
    }
}

/// Keys whose values are those of another key.
const SAME_VALUES: &[(&str, &str)] = &[("metric", "monitor")];

/// Returns what to write instead of an unknown key below the tables `path`, if it is a word of another program.
pub(super) fn key(path: &str, name: &str) -> Option<&'static str> {
    let name = letters(name);
    let is_below = |below: &str| {
        below.is_empty() || path == below || path.strip_prefix(below).is_some_and(|rest| rest.starts_with('.'))
    };
    KEYS.iter().find(|word| word.has(&name) && is_below(word.below)).map(|word| word.says)
}

/// Returns what to write instead of an unknown value of a key, if it is a word of another program.
pub(super) fn value(key: &str, value: &str) -> Option<&'static str> {
    let (key, value) = (letters(key), letters(value));
    let key = SAME_VALUES.iter().find(|(same, _)| *same == key).map_or(key.as_str(), |(_, other)| other);
    VALUES.iter().find(|word| word.below == key && word.has(&value)).map(|word| word.says)
}

/// Returns the letters and digits of a word, in lower case.
fn letters(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_they_are_compared() {
        for word in KEYS.iter().chain(VALUES) {
            assert!(!word.words.is_empty() && !word.says.is_empty());
            for name in word.words.split(' ') {
                assert_eq!(name, letters(name), "it would never be found");
            }
        }
    }

    #[test]
    fn no_entry_hides_behind_another() {
        for (at, word) in KEYS.iter().enumerate() {
            for name in word.words.split(' ') {
                let hidden = KEYS[..at]
                    .iter()
                    .any(|earlier| earlier.has(name) && (earlier.below.is_empty() || earlier.below == word.below));
                assert!(!hidden, "`{name}` below `{}`", word.below);
            }
        }
    }

    #[test]
    fn the_table_above_decides() {
        assert_eq!(key("train.optimizer.adam", "lr"), Some("it is called `learning_rate` here"));
        assert!(key("train", "lr").is_some_and(|says| says.contains("belongs to the optimizer")));
        assert!(key("", "Batch-Size").is_some_and(|says| says.contains("batch_size")));
        assert_eq!(key("train", "qqq"), None);
        assert_eq!(value("quantize", "int8"), Some("write \"i8\""));
        assert_eq!(value("metric", "AUC"), value("monitor", "auc"));
        assert_eq!(value("loss", "int8"), None);
    }
}
