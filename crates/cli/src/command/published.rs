//! `embed --verify-published`: compares a downloaded model with the vectors that its authors published.

use std::io::{self, Write};

use emberline_device::Device;
use emberline_embedding::Source;
use emberline_embedding::source::published::{PUBLISHED, Published};

use super::embed::embed;
use crate::exit::{Code, Error};

/// Compares the source with the vectors published under `name`, and prints the largest difference.
pub(super) fn verify(source: &Source, name: &str, device: Device) -> Result<Code, Error> {
    let published = Published::named(name).ok_or_else(|| Error::Usage(unknown(name)))?;
    if source.kind() != published.kind {
        let kind = published.kind;
        return Err(Error::Usage(format!("{name} is a model of the kind {kind}; say embed {kind} PATH")));
    }
    let texts: Vec<String> = published.vectors.iter().map(|(text, _)| (*text).to_owned()).collect();
    let vectors = embed(source, &texts, device)?;
    if vectors.cols() != published.dim {
        let (found, expected) = (vectors.cols(), published.dim);
        writeln!(io::stdout(), "{}: the vectors have {found} numbers, published are {expected}", published.name)?;
        return Ok(Code::OutsideTolerance);
    }
    let difference = published.difference((0..vectors.rows()).map(|row| vectors.row(row)));
    let fits = difference <= published.tolerance;
    writeln!(
        io::stdout(),
        "{}: {} published numbers, largest difference {difference:.1e}, tolerance {:.0e}: {}",
        published.name,
        published.numbers(),
        published.tolerance,
        if fits { "the same model" } else { "not the same model" },
    )?;
    Ok(if fits { Code::Fine } else { Code::OutsideTolerance })
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = PUBLISHED.iter().map(|published| published.name).collect();
    format!("nothing published is known of {name:?}; known are {}", names.join(", "))
}
