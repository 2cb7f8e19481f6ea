//! `cache`: lists, verifies and clears the cached vectors of neural encoders.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use emberline_base::number::{agreeing, counted, grouped};
use emberline_cache::Cache;
use emberline_cache::housekeeping::{CacheEntry, RetentionLimits};
use emberline_pipeline::CellCache;

use crate::args::{Cache as Args, CacheCommand, CacheGc, ListFormat};
use crate::download::megabytes;
use crate::exit::{Code, Error};
use crate::terminal::{say, table};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn run(args: &Args) -> Result<Code, Error> {
    if let CacheCommand::Gc(CacheGc { cell_cache: Some(folder), .. }) = &args.command
        && !folder.is_dir()
    {
        return Err(Error::Usage(format!("{} is no folder; name the folder of a cell cache", folder.display())));
    }
    let cache = Cache::for_current_user().ok_or_else(|| {
        Error::Usage(format!("there is no folder for caches; name one in {}", emberline_cache::VARIABLE))
    })?;
    match &args.command {
        CacheCommand::Ls(args) => list(&cache, args.format),
        CacheCommand::Verify(args) => verify(&cache, args.format),
        CacheCommand::Gc(args) => clear(&cache, args),
    }
}

fn list(cache: &Cache, format: ListFormat) -> Result<Code, Error> {
    let held = cache.list()?;
    match format {
        ListFormat::Text => {
            if !held.is_empty() {
                write!(io::stdout(), "{}", table(&rows(&held)))?;
            }
            let bytes = held.iter().map(|held| held.bytes).sum();
            say(&format!("{} in {}", megabytes(bytes), cache.folder().display()));
            say_older(&held);
        }
        ListFormat::Json => print_json(cache, &held)?,
    }
    Ok(Code::Fine)
}

fn verify(cache: &Cache, format: ListFormat) -> Result<Code, Error> {
    let held = cache.list()?;
    let damaged: Vec<&String> = held.iter().flat_map(|held| &held.damaged).collect();
    match format {
        ListFormat::Text => {
            damaged.iter().for_each(|message| say(&format!("damaged: {message}")));
            let texts = held.iter().filter(|held| !held.is_other_format).map(|held| held.texts).sum();
            let (are_whole, are_damaged) = (agreeing(texts, "is", "are"), agreeing(damaged.len(), "is", "are"));
            let (vectors, files) = (counted(texts, "vector"), counted(damaged.len(), "file"));
            let hint = if damaged.is_empty() { "" } else { "; a run removes them and encodes their texts again" };
            writeln!(io::stdout(), "{vectors} {are_whole} whole, {files} {are_damaged} damaged{hint}")?;
            say_older(&held);
        }
        ListFormat::Json => print_json(cache, &held)?,
    }
    Ok(if damaged.is_empty() { Code::Fine } else { Code::Asset })
}

fn clear(cache: &Cache, args: &CacheGc) -> Result<Code, Error> {
    let limits = RetentionLimits {
        size: if args.all { Some(0) } else { args.max_size },
        unused: args.unused_for.map(|days| DAY * days),
    };
    let removed = match &args.cell_cache {
        Some(folder) => CellCache::new(folder).collect_garbage(limits, args.dry_run)?,
        None => cache.collect_garbage(limits, args.dry_run)?,
    };
    let what = if args.dry_run { "would be removed" } else { "removed" };
    removed.refused.iter().for_each(|message| say(&format!("warning: {message}")));
    let (bytes, kept) = (megabytes(removed.bytes), megabytes(removed.kept));
    writeln!(io::stdout(), "{} {what} ({bytes}), {kept} kept", counted(removed.files, "file"))?;
    Ok(Code::Fine)
}

/// Reports files of older formats, and how to remove them.
fn say_older(held: &[CacheEntry]) {
    let older = || held.iter().filter(|held| held.is_other_format);
    if older().next().is_some() {
        let (texts, bytes) = (older().map(|held| held.texts).sum(), older().map(|held| held.bytes).sum());
        let (vectors, bytes, are) = (counted(texts, "vector"), megabytes(bytes), agreeing(texts, "is", "are"));
        say(&format!(
            "{vectors} ({bytes}) {are} in an older format, which is not read; `emberline cache gc` removes such files"
        ));
    }
}

fn rows(held: &[CacheEntry]) -> Vec<Vec<String>> {
    let head = ["made by", "device", "dim", "texts", "size", "last used", "source"];
    let row = |held: &CacheEntry| {
        let days = SystemTime::now().duration_since(held.used).unwrap_or_default().as_secs() / DAY.as_secs();
        vec![
            if held.is_other_format { format!("{} (older format)", held.about) } else { held.about.clone() },
            held.device.clone(),
            held.dim.to_string(),
            grouped(held.texts as u64),
            megabytes(held.bytes),
            if days == 0 { "today".to_owned() } else { format!("{} ago", counted(days as usize, "day")) },
            held.source.chars().take(8).collect(),
        ]
    };
    std::iter::once(head.map(str::to_owned).to_vec()).chain(held.iter().map(row)).collect()
}

fn print_json(cache: &Cache, held: &[CacheEntry]) -> Result<(), Error> {
    let entry = |held: &CacheEntry| {
        let used = held.used.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        serde_json::json!({
            "source": held.source, "device": held.device, "about": held.about, "dim": held.dim, "texts": held.texts,
            "bytes": held.bytes, "used": used, "damaged": held.damaged, "older_format": held.is_other_format,
        })
    };
    let entries: Vec<_> = held.iter().map(entry).collect();
    writeln!(io::stdout(), "{}", serde_json::json!({"folder": cache.folder(), "held": entries}))?;
    Ok(())
}
