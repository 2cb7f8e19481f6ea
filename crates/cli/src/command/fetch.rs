//! `fetch`: downloads the files that the pipeline's data and embeddings name. No other command uses the network.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_base::secret;
use emberline_dataset::Settings as DataSettings;
use emberline_embedding::Source;
use emberline_fetch::{Fetched, Fetcher, Options, Request, inspect};
use emberline_pipeline::{Cell, Pipeline, Plan};
use serde_json::json;

use super::load;
use crate::args::{Fetch, ListFormat};
use crate::download::{Download, megabytes};
use crate::exit::{Code, Error};
use crate::terminal::{left_out_message, say, table};

pub(super) fn run(args: &Fetch) -> Result<Code, Error> {
    let pipeline = load(&args.pipeline)?;
    let assets = assets(&pipeline, args.all);
    let online = || Fetcher::new(Options { force: args.force, ..Options::from_env() });
    let fetcher = (!args.offline).then(online).transpose()?;
    let mut ended = Vec::with_capacity(assets.len());
    for asset in assets {
        let outcome = fetcher.as_ref().map_or_else(|| asset.look(), |fetcher| asset.fetch(fetcher));
        if let Some(problem) = outcome.problem() {
            say(&format!("error: {}: {problem}", asset.user));
        }
        ended.push((asset, outcome));
    }
    let mut out = io::stdout();
    match args.format {
        ListFormat::Text => write!(out, "{}", text(&ended))?,
        ListFormat::Json => {
            let list: Vec<_> = ended.iter().map(|(asset, outcome)| json_of(asset, outcome)).collect();
            writeln!(out, "{:#}", json!({ "assets": list }))?;
        }
    }
    Ok(code(&ended))
}

/// A file or folder that the pipeline needs.
struct Asset {
    user: User,
    url: Option<String>,
    path: PathBuf,
    sha256: Option<String>,
    graphs: Vec<String>,
}

/// The part of the pipeline that needs a file.
enum User {
    /// `[data]`, or a split's table below it.
    Data(Option<&'static str>),
    /// An embedding: its name and its kind.
    Embedding(String, &'static str),
}

/// The result of looking for or downloading a file.
enum Outcome {
    There(Fetched),
    /// The file doesn't exist; the message says what to do.
    Missing(String),
    Failed(emberline_fetch::Error),
}

/// Returns the files that the cells of the grid need, or all that the pipeline names. Data files without a url are left out: the
/// user provides them.
fn assets(pipeline: &Pipeline, all: bool) -> Vec<Asset> {
    let mut assets: Vec<Asset> = Vec::new();
    let mut add = |asset: Asset| {
        let place = |asset: &Asset| (asset.path.clone(), asset.url.clone(), asset.sha256.clone());
        if !assets.iter().any(|known| place(known) == place(&asset)) {
            assets.push(asset);
        }
    };
    let folder = &pipeline.folder;
    if all {
        of_data(folder, &pipeline.settings.data).for_each(&mut add);
        pipeline.settings.embedding.iter().filter_map(|(name, source)| of_source(folder, name, source)).for_each(add);
        return assets;
    }
    let plan = Plan::of(pipeline);
    let mut known = HashSet::new();
    let datasets = plan.cells.iter().map(|cell| &cell.settings.data).filter(|data| known.insert(Arc::as_ptr(data)));
    datasets.flat_map(|data| of_data(folder, data)).for_each(&mut add);
    let sources = plan.cells.iter().map(Cell::source);
    sources.filter_map(|(name, source)| of_source(folder, name, source)).for_each(add);
    if plan.cells.is_empty()
        && let Some(message) = left_out_message(&plan.left_out)
    {
        say(&message);
    }
    assets
}

fn of_data<'a>(folder: &'a Path, data: &'a DataSettings) -> impl Iterator<Item = Asset> + 'a {
    let fetched = data.data_files().filter(|file| file.url.is_some());
    fetched.map(|file| Asset {
        user: User::Data(file.table),
        url: file.url.map(str::to_owned),
        path: folder.join(file.path),
        sha256: file.sha256.map(str::to_owned),
        graphs: Vec::new(),
    })
}

fn of_source(folder: &Path, name: &str, source: &Source) -> Option<Asset> {
    let place = source.location()?;
    Some(Asset {
        user: User::Embedding(name.to_owned(), source.kind()),
        url: place.url.map(str::to_owned),
        path: folder.join(place.path),
        sha256: place.sha256.map(str::to_owned),
        graphs: source.graphs(),
    })
}

impl User {
    /// Returns its table in the pipeline file.
    fn table(&self) -> String {
        match self {
            Self::Data(None) => "data".to_owned(),
            Self::Data(Some(split)) => format!("data.{split}"),
            Self::Embedding(name, kind) => format!("embedding.{name}.{kind}"),
        }
    }

    /// Returns a short name for tables and progress bars: an embedding's name, or a data table in brackets.
    fn short(&self) -> String {
        match self {
            Self::Data(_) => format!("[{}]", self.table()),
            Self::Embedding(name, _) => name.clone(),
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(_) => f.write_str(&self.short()),
            Self::Embedding(name, _) => write!(f, "embedding `{name}`"),
        }
    }
}

impl Asset {
    /// Looks for the file without downloading it.
    fn look(&self) -> Outcome {
        match inspect(&self.path, self.sha256.as_deref()) {
            Ok(Some(found)) => {
                Outcome::There(Fetched { new: false, bytes: found.bytes, sha256: found.sha256, pinned: None })
            }
            Ok(None) => self.missing(),
            Err(error) => Outcome::Failed(error),
        }
    }

    fn fetch(&self, fetcher: &Fetcher) -> Outcome {
        let Some(url) = self.url.clone() else { return self.look() };
        let (path, sha256, graphs) = (self.path.clone(), self.sha256.clone(), self.graphs.clone());
        let request = Request { url, path, sha256, graphs };
        let mut download = Download::new(&self.user.short());
        match fetcher.fetch(&request, &mut download) {
            Ok(fetched) => Outcome::There(fetched),
            Err(error) => Outcome::Failed(error),
        }
    }

    fn missing(&self) -> Outcome {
        let cure = match self.url {
            Some(_) => "`emberline fetch` without `--offline` downloads it",
            None => "no `url` says where to get it: add one, or correct `path`",
        };
        Outcome::Missing(format!("{} isn't there; {cure}", self.path.display()))
    }

    /// Returns the lines to add to the pipeline file, so that everyone gets the same file.
    fn advice(&self, outcome: &Outcome) -> Option<String> {
        let Outcome::There(fetched) = outcome else { return None };
        let mut lines = Vec::new();
        if let Some(pinned) = fetched.pinned.as_ref().filter(|pinned| self.url.as_ref() != Some(pinned)) {
            lines.push(format!("url = \"{pinned}\"\n"));
        }
        if let Some(hash) = fetched.sha256.as_ref().filter(|_| self.sha256.is_none()) {
            lines.push(format!("sha256 = \"{hash}\"\n"));
        }
        (!lines.is_empty()).then(|| format!("[{}]\n{}", self.user.table(), lines.concat()))
    }
}

impl Outcome {
    fn problem(&self) -> Option<String> {
        match self {
            Self::There(_) => None,
            Self::Missing(cure) => Some(cure.clone()),
            Self::Failed(error) => Some(error.to_string()),
        }
    }

    /// Returns the status for people, and that for programs.
    fn status(&self) -> (&'static str, &'static str) {
        match self {
            Self::There(fetched) if fetched.new => ("fetched", "fetched"),
            Self::There(_) => ("is there", "there"),
            Self::Missing(_) => ("missing", "missing"),
            Self::Failed(_) => ("failed", "failed"),
        }
    }

    fn bytes(&self) -> Option<u64> {
        if let Self::There(fetched) = self { Some(fetched.bytes) } else { None }
    }
}

fn text(ended: &[(Asset, Outcome)]) -> String {
    if ended.is_empty() {
        return "no embedding of this pipeline needs a file, and its data have no url\n".to_owned();
    }
    let row = |(asset, outcome): &(Asset, Outcome)| {
        let bytes = outcome.bytes().map(megabytes).unwrap_or_default();
        vec![asset.user.short(), outcome.status().0.to_owned(), bytes, asset.path.display().to_string()]
    };
    let head = ["asset", "status", "size", "path"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = [head].into_iter().chain(ended.iter().map(row)).collect();
    let advice: Vec<String> = ended.iter().filter_map(|(asset, outcome)| asset.advice(outcome)).collect();
    let lead = "\nwith these lines in the pipeline file, everyone gets the same:\n";
    table(&rows) + if advice.is_empty() { "" } else { lead } + &advice.join("\n")
}

fn json_of(asset: &Asset, outcome: &Outcome) -> serde_json::Value {
    let fetched = if let Outcome::There(fetched) = outcome { Some(fetched) } else { None };
    let (data, embedding) = match &asset.user {
        User::Data(_) => (Some(asset.user.table()), None),
        User::Embedding(name, _) => (None, Some(name)),
    };
    json!({
        "data": data,
        "embedding": embedding,
        "url": asset.url.as_deref().map(secret::mask_url),
        "path": asset.path,
        "status": outcome.status().1,
        "bytes": outcome.bytes(),
        "sha256": fetched.and_then(|f| f.sha256.as_ref()),
        "pinned_url": fetched.and_then(|f| f.pinned.as_ref()),
        "error": outcome.problem(),
    })
}

/// Returns the exit code: a local failure, such as a full disk, is unexpected; any other missing file is an asset error.
fn code(ended: &[(Asset, Outcome)]) -> Code {
    let mut code = Code::Fine;
    for (_, outcome) in ended {
        match outcome {
            Outcome::There(_) => {}
            Outcome::Failed(error) if error.is_local() => return Code::Unexpected,
            Outcome::Missing(_) | Outcome::Failed(_) => code = Code::Asset,
        }
    }
    code
}
