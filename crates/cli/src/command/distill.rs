//! `distill`: makes a static table of a sentence encoder, as a folder of model2vec.

use std::path::Path;

use emberline_base::file;
use emberline_base::number::counted;
use emberline_dataset::{Source, TextInput};
use emberline_embedding::distill::{DistillOptions, Distiller, LeftOut};
use emberline_pipeline::source_from_options;

use super::export::{check_folder, write_folder};
use crate::args::Distill;
use crate::exit::{Code, Error};
use crate::progress::EncodingBar;
use crate::terminal::{say, warn};
use crate::texts::{TextColumn, column};

pub(super) fn run(args: &Distill) -> Result<Code, Error> {
    check_folder(&args.output, args.force)?;
    if args.max_words.is_some() && args.words.is_none() && args.words_of.is_none() {
        return Err(Error::Usage(
            "--max-words limits the words of --words or --words-of; add one of the two".to_owned(),
        ));
    }
    let source = source_from_options(&args.kind, Some(&args.path), &[])?;
    let distiller = Distiller::open(&source, Path::new(""), args.device.resolve()?)?;
    let words = words(args, &distiller)?;
    let options = DistillOptions { dim: args.dim, weights: args.token_weights(), words };
    let mut bar = EncodingBar::default();
    let table = distiller.distill(&options, &mut |event| {
        bar.show(source.kind(), &event);
    })?;
    let bytes = write_folder(&args.output, |folder| Ok(table.write(folder, args.quantize.into())?))?;
    say_left_out(table.left_out);
    let (rows, numbers) = (counted(table.rows.rows(), "row"), counted(table.rows.cols(), "number"));
    say(&format!("{} written: {rows} of {numbers}, {}", args.output.display(), counted(bytes as usize, "byte")));
    Ok(Code::Fine)
}

/// Returns the words that get vectors. `None`: all tokens of the encoder.
fn words(args: &Distill, distiller: &Distiller) -> Result<Option<Vec<String>>, Error> {
    let words = match (&args.words, &args.words_of) {
        (Some(path), _) => listed(path)?,
        (None, Some(path)) => distiller.words_of(&texts(path, &args.text)?)?,
        (None, None) => return Ok(None),
    };
    let most = args.max_words.unwrap_or(usize::MAX);
    Ok(Some(words.into_iter().take(most).collect()))
}

/// Reads a list of words, one per line; empty lines are skipped.
fn listed(path: &Path) -> Result<Vec<String>, Error> {
    let bytes = file::read(path)?;
    let text = str::from_utf8(&bytes).map_err(|error| {
        Error::Usage(format!("{}: byte {} isn't UTF-8; save the file as UTF-8", path.display(), error.valid_up_to()))
    })?;
    let words = text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_owned).collect();
    if words.is_empty() {
        return Err(Error::Usage(format!("{}: there is no word; give one per line", path.display())));
    }
    Ok(words)
}

/// Reads the texts of a data file.
fn texts(path: &Path, text: &str) -> Result<Vec<String>, Error> {
    let TextColumn { column, header } = column(text);
    let mut texts = Vec::new();
    let input = TextInput { header, ..TextInput::of_column(Source::File(path), column) };
    let read = input.read(|row| {
        texts.push(row.text.to_owned());
        Ok::<_, Error>(())
    })?;
    read.warnings.iter().for_each(warn);
    Ok(texts)
}

fn say_left_out(left_out: LeftOut) {
    let LeftOut { split, repeated } = left_out;
    if split > 0 {
        say(&format!("{} left out, which the tokenizer cuts into several", counted(split, "word")));
    }
    if repeated > 0 {
        say(&format!("{} left out, equal to an earlier one", counted(repeated, "word")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_word_per_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("words.txt");
        std::fs::write(&path, "\u{feff}the\r\n\n  of \nthe\n").expect("written");
        assert_eq!(listed(&path).expect("words"), ["the", "of", "the"]);
        for (bytes, message) in [(&b"a\xff"[..], "byte 1 isn't UTF-8"), (b" \n\n", "there is no word")] {
            std::fs::write(&path, bytes).expect("written");
            match listed(&path) {
                Err(Error::Usage(found)) => assert!(found.contains(message), "{found}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
