//! `embed`: turns texts into vectors.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use emberline_base::number::counted;
use emberline_base::{CancellationToken, Features, Matrix, Splits, file};
use emberline_cache::Cache;
use emberline_device::Device;
use emberline_embedding::encode::Encoding;
use emberline_embedding::features::{FeatureSpec, features};
use emberline_embedding::{Source, Texts};
use emberline_pipeline::source_from_options;

use super::published;
use crate::args::{Embed, VectorFormat};
use crate::exit::{Code, Error};
use crate::progress::EncodingBar;
use crate::terminal::{say, table, warn};
use crate::texts::column;

pub(super) fn run(args: &Embed) -> Result<Code, Error> {
    let source = source_from_options(&args.kind, args.path.as_deref(), &args.set)?;
    if let Some(name) = &args.verify_published {
        return published::verify(&source, name, args.device.resolve()?);
    }
    let texts = read_texts(args)?;
    if texts.is_empty() {
        return Err(Error::Usage("there is no text; give one per line".into()));
    }
    let vectors = embed(&source, &texts, args.device.resolve()?)?;
    if args.similarity {
        return similarity(&texts, &vectors);
    }
    let bytes = match args.format {
        VectorFormat::Jsonl => jsonl(&texts, &vectors),
        VectorFormat::Npy => npy(&vectors),
        VectorFormat::Safetensors => safetensors(&vectors),
    };
    match &args.output {
        Some(path) => file::write_output(path, &bytes)?,
        None => io::stdout().write_all(&bytes)?,
    }
    let empty = texts.iter().filter(|text| text.trim().is_empty()).count();
    let of_them = if empty == 0 { String::new() } else { format!(" ({empty} of them empty)") };
    let (texts, numbers) = (counted(vectors.rows(), "text"), counted(vectors.cols(), "number"));
    say(&format!("{texts}{of_them}, {numbers} each"));
    Ok(Code::Fine)
}

/// Returns one vector per text, [texts, dim], as a cell with a frozen embedding gets them.
pub(super) fn embed(source: &Source, texts: &[String], device: Device) -> Result<Matrix, Error> {
    let all: Vec<&str> = texts.iter().map(String::as_str).collect();
    let opened = source.open(Path::new(""), Texts { all: &all, train: &all }, device)?;
    opened.warnings().iter().for_each(warn);
    let texts = Splits { train: texts, valid: None, test: None };
    let wanted = FeatureSpec { trainable: false, fine_tuning: None, ..source.feature_spec() };
    let mut bar = EncodingBar::default();
    let on_event = &mut |event| {
        bar.show(source.kind(), &event);
    };
    let cache = Cache::for_current_user();
    let mut encoding = Encoding {
        cache: cache.as_ref(),
        device,
        label: source.kind(),
        on_event,
        interrupt: CancellationToken::default(),
    };
    match features(&opened, &texts, &wanted, &mut encoding)?.train {
        Features::Frozen(vectors) => Ok(vectors),
        Features::Trainable(_) | Features::Mixed(_) | Features::Tokens { .. } => {
            unreachable!("frozen features were asked for")
        }
    }
}

/// Reads every text of the input, in order, the empty ones too, so that row `i` of the vectors is that of text `i`.
fn read_texts(args: &Embed) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let read = args.texts.read(column(&args.text), false, |row| {
        found.push(row.text.to_owned());
        Ok(())
    })?;
    read.warnings.iter().for_each(warn);
    Ok(found)
}

fn jsonl(texts: &[String], vectors: &Matrix) -> Vec<u8> {
    let mut out = BufWriter::new(Vec::new());
    for (row, text) in texts.iter().enumerate() {
        let line = serde_json::json!({"text": text, "vector": vectors.row(row)});
        let _ = writeln!(out, "{line}"); // writing to memory can't fail
    }
    out.into_inner().unwrap_or_default()
}

/// NumPy's format 1.0: magic, version, u16 header length, a padded Python dict, little-endian f32.
fn npy(vectors: &Matrix) -> Vec<u8> {
    let dict =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", vectors.rows(), vectors.cols());
    let padding = (64 - (10 + dict.len() + 1) % 64) % 64;
    let header = format!("{dict}{}\n", " ".repeat(padding));
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(floats(vectors));
    bytes
}

fn safetensors(vectors: &Matrix) -> Vec<u8> {
    use safetensors::tensor::{Dtype, TensorView};
    let bytes: Vec<u8> = floats(vectors).collect();
    let view = TensorView::new(Dtype::F32, vec![vectors.rows(), vectors.cols()], &bytes).expect("the shape fits");
    safetensors::serialize([("embeddings", view)], None).expect("one array has one name")
}

fn floats(vectors: &Matrix) -> impl Iterator<Item = u8> + '_ {
    vectors.values().iter().flat_map(|v| v.to_le_bytes())
}

/// Prints the cosine similarity of every pair of vectors; 0 if one of them is zero.
fn similarity(texts: &[String], vectors: &Matrix) -> Result<Code, Error> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let norms: Vec<f64> = (0..vectors.rows()).map(|r| dot(vectors.row(r), vectors.row(r)).sqrt()).collect();
    let mut rows = vec![std::iter::once(String::new()).chain((1..=texts.len()).map(|n| n.to_string())).collect()];
    for (a, text) in texts.iter().enumerate() {
        let shown: String = text.chars().take(40).collect();
        let mut row = vec![format!("{} {shown}", a + 1)];
        for b in 0..texts.len() {
            let product = norms[a] * norms[b];
            let cosine = if product > 0.0 { dot(vectors.row(a), vectors.row(b)) / product } else { 0.0 };
            row.push(format!("{cosine:.3}"));
        }
        rows.push(row);
    }
    write!(io::stdout(), "{}", table(&rows))?;
    Ok(Code::Fine)
}
