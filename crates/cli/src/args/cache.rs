//! The arguments of `cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ListFormat;

#[derive(Debug, Args)]
pub(crate) struct Cache {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List the cached vectors: model, device, texts, size.
    Ls(CacheLs),
    /// Compare every file with the hash in its name, and what it states with its path; exit code 8 if a file is damaged.
    Verify(CacheLs),
    /// Remove cached vectors by size or age. Without a limit: leftovers of interrupted writes, and files of older formats.
    Gc(CacheGc),
}

#[derive(Debug, Args)]
pub(crate) struct CacheLs {
    /// For people, or for programs.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct CacheGc {
    /// The maximum size to keep, such as 500MB or 20GB; the least recently used vectors are removed first.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_size: Option<u64>,
    /// Remove vectors that were not used for this number of days.
    #[arg(long, value_name = "DAYS")]
    pub(crate) unused_for: Option<u32>,
    /// Remove everything.
    #[arg(long, conflicts_with_all = ["max_size", "unused_for"])]
    pub(crate) all: bool,
    /// Only report what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove finished cells from this folder, which `run --cell-cache` fills, instead of vectors.
    #[arg(long, value_name = "DIR")]
    pub(crate) cell_cache: Option<PathBuf>,
}

/// Parses a size in bytes, such as `20GB`, `1.5 GiB` or `1000`.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024f64.powi(2),
        "gib" => 1024f64.powi(3),
        "tib" => 1024f64.powi(4),
        _ => return Err(format!("unknown unit `{unit}`; use kB, MB, GB or TB")),
    };
    let number: f64 = number.trim().parse().map_err(|_| "write a number and a unit, such as 20GB".to_owned())?;
    if number.is_finite() && number >= 0.0 { Ok((number * factor) as u64) } else { Err("a size is at least 0".into()) }
}
