//! The tokens of a text split into pieces equal those of the whole text, as the crate `tokenizers` gives them.

use emberline_base::Substream;

use super::*;

/// Strings that are special to normalisers and splits, and parts of added tokens.
const ODD: &[&str] = &[
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{a0}",
    "\u{1680}",
    "\u{2003}",
    "\u{2028}",
    "\u{3000}",
    "\0",
    "\u{7f}",
    "\u{1b}",
    "\u{ad}",
    "\u{200b}",
    "\u{200d}",
    "\u{200e}",
    "\u{feff}",
    "\u{fffd}",
    "\u{e000}",
    "\u{378}",
    "a",
    "Z",
    "é",
    "e\u{301}",
    "\u{301}",
    "\u{327}\u{301}",
    "\u{301}\u{327}",
    "\u{338}",
    "\u{345}",
    "İ",
    "ı",
    "ß",
    "ẞ",
    "ﬁ",
    "Σ",
    "ς",
    "Å",
    "\u{212b}",
    "한",
    "\u{1112}\u{1161}\u{11ab}",
    "ไ",
    "हिं",
    "世",
    "界",
    "\u{20000}",
    "豈",
    "カ",
    "ﾞ",
    "!",
    "\"",
    "#",
    "$",
    "'",
    "(",
    "+",
    ",",
    "-",
    ".",
    "/",
    ":",
    ";",
    "<",
    "=",
    ">",
    "?",
    "@",
    "[",
    "\\",
    "]",
    "^",
    "_",
    "`",
    "{",
    "|",
    "}",
    "~",
    "\u{37e}",
    "\u{1fef}",
    "…",
    "—",
    "’",
    "¡",
    "、",
    "！",
    "٪",
    "€",
    "№",
    "½",
    "٣",
    "🙂",
    "👩\u{200d}👧",
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[MASK",
    "don't",
    "don",
    "wor",
    "world",
    "believ",
    "un",
    "hello",
    "the",
    "THE",
    "what",
];

fn texts() -> Vec<String> {
    let mut stream = Substream::new(11, "model2vec/texts");
    let mut draw = |below: usize| (stream.symmetric(1.0).abs() * below as f32) as usize % below;
    let mut texts: Vec<String> = ODD.iter().map(|&odd| odd.to_owned()).collect();
    for _ in 0..4000 {
        let parts = 1 + draw(14);
        texts.push((0..parts).map(|_| ODD[draw(ODD.len())]).collect());
    }
    texts.extend([99, 100, 101, 300].map(|letters| "a".repeat(letters)));
    texts.extend(["un".repeat(60), "é".repeat(100), "e\u{301}".repeat(60), format!("{} hello", "世".repeat(120))]);
    texts
}

#[test]
fn pieces_have_the_tokens_of_the_whole_text() {
    let texts = texts();
    let all: Vec<&str> = texts.iter().map(String::as_str).collect();
    for name in ["f32", "cased", "words"] {
        let model = open_for(&settings(&fixtures().join(name)), &all).expect("a model");
        assert!(model.tokenizer.cuts().pieces("a b").count() == 2, "{name} is cut");
        for text in &all {
            let mut whole = Vec::new();
            model.tokenizer.token_ids(text, &mut whole).expect("tokens");
            let mut pieces = Vec::new();
            model.pieces.token_ids(text, &model.tokenizer, &mut pieces);
            assert_eq!(pieces, whole, "{name}, {text:?}");
        }
    }
}

#[test]
fn where_the_tokens_depend_on_the_whole_text_nothing_is_cut() {
    for name in ["unigram", "bpe"] {
        let model = open_for(&settings(&fixtures().join(name)), &[]).expect("a model");
        assert_eq!(model.tokenizer.cuts().pieces(" a, b ").collect::<Vec<_>>(), [" a, b "], "{name}");
    }
}

#[test]
fn added_tokens_stay_whole() {
    let pieces = |name: &str, text| {
        let model = open_for(&settings(&fixtures().join(name)), &[]).expect("a model");
        model.tokenizer.cuts().pieces(text).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(pieces("f32", " don't, [MASK]\nx_y"), ["don", "'", "t", ",", "[MASK]", "x", "_", "y"]);
    assert_eq!(pieces("cased", "don't, [MASK]\nx_y"), ["don't", ",", "[MASK]", "x_y"]);
    assert_eq!(pieces("words", "don't, [MASK]\nx_y"), ["don't,", "[MASK]", "x_y"]);
    assert_eq!(pieces("f32", " \t"), Vec::<String>::new());
}
