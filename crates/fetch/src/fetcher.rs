//! One request from its url to its path.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::secret;

use crate::address::{Address, Holds, Repository};
use crate::archive::Arrived;
use crate::arrival;
use crate::checksum::{self, Found, look};
use crate::client::{Client, Resource};
use crate::hub::{self, Listing};
use crate::lock::Lock;
use crate::options::Options;
use crate::partial::{self, Partial, beside};
use crate::transfer::{Wanted, download};
use crate::{Error, kaggle};

/// What is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where from (the crate's table of urls).
    pub url: String,
    /// Where to: a file, or a folder. Its name tells what is unpacked.
    pub path: PathBuf,
    /// The SHA-256 of what is to lie at the path, in hex.
    pub sha256: Option<String>,
    /// The names that an ONNX graph may have in the folder, the first that is there counts; none for models whose weights
    /// are safetensors.
    pub graphs: Vec<String>,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Whether it was fetched now; else it was there.
    pub new: bool,
    /// The bytes at the path, all files together.
    pub bytes: u64,
    /// The SHA-256 of what lies at the path; none where it was there and nobody asked.
    pub sha256: Option<String>,
    /// The url that names the same content for good, where the server told one.
    pub pinned: Option<String>,
}

/// Is told how a download goes.
pub trait Observer {
    /// How many bytes there will be.
    fn expects(&mut self, _total: u64) {}

    /// How many bytes have arrived, those of earlier attempts too.
    fn advances(&mut self, _position: u64) {}

    /// Something that a person waiting should know.
    fn says(&mut self, _message: &str) {}
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Fetches.
#[derive(Debug)]
pub struct Fetcher {
    client: Client,
}

impl Fetcher {
    /// Makes ready; nothing is sent.
    ///
    /// # Errors
    /// When the proxy or the root certificates are no such thing.
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self { client: Client::new(options)? })
    }

    /// Brings what the request names to its path, unless it is there.
    ///
    /// # Errors
    /// When it can't be had, or has another hash; what was at the path before is then still there.
    pub fn fetch(&self, request: &Request, observer: &mut dyn Observer) -> Result<Fetched, Error> {
        let address = Address::parse(&request.url)?;
        refuse_pickle(request)?;
        if let Some(there) = self.there(request)? {
            tidy(&request.path);
            return Ok(there);
        }
        let lock = Lock::take(&request.path, observer)?;
        file::clear_litter(file::folder_of(&request.path));
        // Another process may have fetched it while this one waited.
        if let Some(there) = self.there(request)? {
            return Ok(there);
        }
        let working = lock.working_path(&request.path);
        let job = Job { client: &self.client, request, working: &working };
        match address {
            Address::Web(url) => job.file(&Wanted::new(Resource { url, authorization: None }), observer),
            Address::Kaggle(model) => job.file(&Wanted::new(kaggle::archive(&self.client.options, &model)?), observer),
            Address::Hub(repository) => job.hub(&repository, observer),
        }
    }

    /// What lies at the path, where that will do.
    fn there(&self, request: &Request) -> Result<Option<Fetched>, Error> {
        if self.client.options.force {
            return Ok(None);
        }
        let found = look(&request.path, request.sha256.as_deref())?;
        Ok(found.map(|found| Fetched { new: false, bytes: found.bytes, sha256: found.sha256, pinned: None }))
    }
}

/// Removes what a killed process left beside a path that needs nothing more.
fn tidy(path: &Path) {
    file::clear_litter(file::folder_of(path));
    if partial::is_left(path)
        && let Some(_lock) = Lock::try_take(path)
    {
        partial::remove_left(path);
    }
}

fn refuse_pickle(request: &Request) -> Result<(), Error> {
    let name = request.url.split(['?', '#']).next().unwrap_or_default();
    if hub::is_pickle(name) || hub::is_pickle(&request.path.to_string_lossy()) {
        let reason = "a pickle, which could run code when it is loaded; look for safetensors".to_owned();
        return Err(Error::Address { url: secret::url(&request.url), reason });
    }
    Ok(())
}

/// A request that is being fulfilled.
struct Job<'a> {
    client: &'a Client,
    request: &'a Request,
    /// The path that `.part` is added to.
    working: &'a Path,
}

impl Job<'_> {
    /// One file, or what is unpacked from it.
    fn file(&self, wanted: &Wanted, observer: &mut dyn Observer) -> Result<Fetched, Error> {
        let partial = download(self.client, wanted, self.working, observer)?;
        let joined = partial.joined;
        match self.settle(partial) {
            // A server that lies about its validators, or a disk that lost bytes of the part: once more, in one piece.
            Err(error) if joined && !error.is_local() => {
                observer.says(&format!("{error}; it is fetched again from its first byte"));
                self.settle(download(self.client, wanted, self.working, observer)?)
            }
            settled => settled,
        }
    }

    /// Unpacks, checks and places what has arrived.
    fn settle(&self, mut partial: Partial) -> Result<Fetched, Error> {
        let target = &self.request.path;
        let arrived = Arrived { path: &partial.path, url: &self.request.url, limits: &self.client.options.limits };
        let unpacked = match arrived.unpack(target) {
            Ok(unpacked) => unpacked,
            Err(error) => {
                if !error.is_local() {
                    partial.discard();
                }
                return Err(error);
            }
        };
        let content = unpacked.as_ref().map_or(&partial.path, |unpacked| &unpacked.path);
        if let Err(error) = arrival::refuse_stand_in(content, &self.request.url) {
            partial.discard();
            return Err(error);
        }
        let found = checksum::sum(content)?;
        if let Err(error) = self.check(&found, unpacked.as_ref().map(|_| partial.path.as_path())) {
            partial.discard();
            return Err(error);
        }
        match &unpacked {
            Some(unpacked) => {
                place(&unpacked.path, target)?;
                partial.discard();
            }
            None => {
                make_way(&partial.path, target)?;
                partial.finish(target)?;
            }
        }
        Ok(Fetched { new: true, bytes: found.bytes, sha256: found.sha256, pinned: None })
    }

    /// A model of the Hub, one file of it, or a file of a dataset.
    fn hub(&self, repository: &Repository, observer: &mut dyn Observer) -> Result<Fetched, Error> {
        let listing = Listing::of(self.client, repository, observer)?;
        let pinned = Some(listing.pinned.clone());
        if let Some(entry) = listing.file() {
            let wanted = listing.wanted(self.client, entry, None)?;
            let partial = entry.check(download(self.client, &wanted, self.working, observer)?)?;
            return Ok(Fetched { pinned, ..self.settle(partial)? });
        }
        if repository.holds == Holds::Dataset {
            return Err(listing.no_file());
        }
        let folder = beside(self.working, ".part");
        hub::collect_in(&folder, &listing.pinned, &self.request.graphs)?;
        listing.download_into(self.client, &self.request.graphs, &folder, observer)?;
        let found = checksum::sum(&folder)?;
        let checked = self.check(&found, None).and_then(|()| place(&folder, &self.request.path));
        // What remains of a model that isn't wanted is in nobody's way: the next attempt empties it.
        let _ = fs::remove_dir_all(&folder);
        let _ = fs::remove_file(partial::note_of(&folder));
        checked?;
        Ok(Fetched { new: true, bytes: found.bytes, sha256: found.sha256, pinned })
    }

    /// Compares with the pipeline's hash. `archive`: what it was unpacked from.
    fn check(&self, found: &Found, archive: Option<&Path>) -> Result<(), Error> {
        let (Some(expected), Some(has)) = (&self.request.sha256, &found.sha256) else { return Ok(()) };
        if has.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        let of_archive = archive.and_then(|path| checksum::of_file(path).ok());
        let cure = if of_archive.is_some_and(|(_, hash)| hash.eq_ignore_ascii_case(expected)) {
            "that is the archive's own; `sha256` is that of what is unpacked to `path`"
        } else {
            "what came was thrown away; correct `sha256` if it is what you mean"
        };
        let path = self.request.path.clone();
        Err(Error::Hash { path, expected: expected.clone(), found: has.clone(), cure: cure.to_owned() })
    }
}

/// Renames a file or folder to its place. What stood there is gone a moment before.
fn place(from: &Path, target: &Path) -> Result<(), Error> {
    make_way(from, target)?;
    Ok(fs::rename(from, target).map_err(FileError::new("write", target))?)
}

/// Removes what a renaming can't replace: a folder at the path, or a file where a folder is to come.
fn make_way(from: &Path, target: &Path) -> Result<(), Error> {
    let Ok(about) = fs::symlink_metadata(target) else { return Ok(()) };
    let removed = match about.is_dir() {
        true => fs::remove_dir_all(target),
        false if from.is_dir() => fs::remove_file(target),
        false => Ok(()),
    };
    Ok(removed.map_err(FileError::new("remove", target))?)
}
