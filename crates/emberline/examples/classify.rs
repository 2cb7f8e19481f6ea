//! Classifies the lines of standard input: `cargo run --example classify -- BUNDLE < texts.txt`

use std::error::Error;
use std::io::{self, Write};

use emberline::Classifier;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("name a bundle or a run folder")?;
    let classifier = Classifier::load(path)?;
    let texts: Vec<String> = io::stdin().lines().collect::<Result<_, _>>()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut out = io::stdout().lock();
    for (text, prediction) in texts.iter().zip(classifier.classify(&texts)?) {
        let labels: Vec<&str> = prediction.labels().collect();
        writeln!(out, "{}\t{:.4}\t{text}", labels.join("|"), prediction.probability())?;
    }
    Ok(())
}
