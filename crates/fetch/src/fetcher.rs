//! Fetches what a request names: downloads, unpacks, verifies, and moves it to its path.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_base::file::{self, FileError};
use emberline_base::secret;

use crate::address::{Address, Repository, RepositoryKind};
use crate::archive::Downloaded;
use crate::checksum::{self, FileInfo, inspect};
use crate::client::{Client, Resource};
use crate::hub::{self, Listing};
use crate::lock::Lock;
use crate::options::Options;
use crate::partial::{self, Partial, with_suffix};
use crate::placeholder;
use crate::transfer::{DownloadRequest, download};
use crate::{Error, kaggle};

/// A request to fetch a file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The URL to fetch (see the crate's table of URLs).
    pub url: String,
    /// The path of the file or folder to create. Its name determines what is unpacked.
    pub path: PathBuf,
    /// The expected SHA-256 of the content at the path, in hexadecimal.
    pub sha256: Option<String>,
    /// The possible names of an ONNX graph in the folder, of which the first that exists is fetched; empty for models
    /// whose weights are safetensors.
    pub graphs: Vec<String>,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Whether it was downloaded now; otherwise it already existed.
    pub new: bool,
    /// The size of the content at the path, all files together, in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content at the path; none if it already existed and the request has no expected one.
    pub sha256: Option<String>,
    /// The URL that permanently names the same content, if the server gave one.
    pub pinned: Option<String>,
}

/// Observes the progress of a download.
pub trait Observer {
    /// Called with the total number of bytes to expect.
    fn on_total(&mut self, _total: u64) {}

    /// Called with the number of bytes that have arrived, including those of earlier attempts.
    fn on_progress(&mut self, _position: u64) {}

    /// Called with a message for the person who waits.
    fn on_message(&mut self, _message: &str) {}
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct IgnoreProgress;

impl Observer for IgnoreProgress {}

/// Fetches what requests name.
#[derive(Debug)]
pub struct Fetcher {
    client: Client,
}

impl Fetcher {
    /// Creates a fetcher; nothing is sent.
    ///
    /// # Errors
    /// When the proxy or the root certificates are invalid.
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self { client: Client::new(options)? })
    }

    /// Fetches what the request names to its path, unless it already exists.
    ///
    /// # Errors
    /// When it can't be fetched, or has another SHA-256; what was at the path before then still exists.
    pub fn fetch(&self, request: &Request, observer: &mut dyn Observer) -> Result<Fetched, Error> {
        let address = Address::parse(&request.url)?;
        refuse_pickle(request)?;
        if let Some(existing) = self.existing(request)? {
            remove_leftovers(&request.path);
            return Ok(existing);
        }
        let lock = Lock::take(&request.path, observer)?;
        file::remove_stale(file::folder_of(&request.path));
        // Another process may have fetched it while this one waited.
        if let Some(existing) = self.existing(request)? {
            return Ok(existing);
        }
        let working = lock.working_path(&request.path);
        let job = FetchJob { client: &self.client, request, working: &working };
        match address {
            Address::Web(url) => job.file(&DownloadRequest::new(Resource { url, authorization: None }), observer),
            Address::Kaggle(model) => {
                job.file(&DownloadRequest::new(kaggle::archive(&self.client.options, &model)?), observer)
            }
            Address::Hub(repository) => job.hub(&repository, observer),
        }
    }

    /// Returns the content at the path, if it satisfies the request.
    fn existing(&self, request: &Request) -> Result<Option<Fetched>, Error> {
        if self.client.options.force {
            return Ok(None);
        }
        let found = inspect(&request.path, request.sha256.as_deref())?;
        Ok(found.map(|found| Fetched { new: false, bytes: found.bytes, sha256: found.sha256, pinned: None }))
    }
}

/// Removes what a killed process left next to a path whose content is complete.
fn remove_leftovers(path: &Path) {
    file::remove_stale(file::folder_of(path));
    if partial::has_leftovers(path)
        && let Some(_lock) = Lock::try_take(path)
    {
        partial::remove_leftovers(path);
    }
}

fn refuse_pickle(request: &Request) -> Result<(), Error> {
    let name = request.url.split(['?', '#']).next().unwrap_or_default();
    if hub::is_pickle(name) || hub::is_pickle(&request.path.to_string_lossy()) {
        let reason = "this is a pickle, which could run code when it is loaded; use safetensors instead".to_owned();
        return Err(Error::Address { url: secret::mask_url(&request.url), reason });
    }
    Ok(())
}

/// A request in progress.
struct FetchJob<'a> {
    client: &'a Client,
    request: &'a Request,
    /// The path to which `.part` is appended.
    working: &'a Path,
}

impl FetchJob<'_> {
    /// Fetches one file, and unpacks it if the path asks for that.
    fn file(&self, download_request: &DownloadRequest, observer: &mut dyn Observer) -> Result<Fetched, Error> {
        let partial = download(self.client, download_request, self.working, observer)?;
        let is_resumed = partial.is_resumed;
        match self.install(partial) {
            // The server gave wrong validators, or the disk lost bytes of the part: download once more from the start.
            Err(error) if is_resumed && !error.is_local() => {
                observer.on_message(&format!("{error}; downloading it again from the start"));
                self.install(download(self.client, download_request, self.working, observer)?)
            }
            installed => installed,
        }
    }

    /// Unpacks and verifies a complete download, and moves it to its path.
    fn install(&self, mut partial: Partial) -> Result<Fetched, Error> {
        let target = &self.request.path;
        let downloaded =
            Downloaded { path: &partial.path, url: &self.request.url, limits: &self.client.options.limits };
        let unpacked = match downloaded.unpack(target) {
            Ok(unpacked) => unpacked,
            Err(error) => {
                if !error.is_local() {
                    partial.discard();
                }
                return Err(error);
            }
        };
        let content = unpacked.as_ref().map_or(&partial.path, |unpacked| &unpacked.path);
        if let Err(error) = placeholder::refuse_placeholder(content, &self.request.url) {
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
                move_into_place(&unpacked.path, target)?;
                partial.discard();
            }
            None => {
                clear_destination(&partial.path, target)?;
                partial.finish(target)?;
            }
        }
        Ok(Fetched { new: true, bytes: found.bytes, sha256: found.sha256, pinned: None })
    }

    /// Fetches a model from the Hub, one file of it, or one file of a dataset.
    fn hub(&self, repository: &Repository, observer: &mut dyn Observer) -> Result<Fetched, Error> {
        let listing = Listing::of(self.client, repository, observer)?;
        let pinned = Some(listing.pinned.clone());
        if let Some(entry) = listing.file() {
            let download_request = listing.request_for(self.client, entry, None)?;
            let partial = entry.check(download(self.client, &download_request, self.working, observer)?)?;
            return Ok(Fetched { pinned, ..self.install(partial)? });
        }
        if repository.kind == RepositoryKind::Dataset {
            return Err(listing.missing_file_error());
        }
        let folder = with_suffix(self.working, ".part");
        hub::prepare_folder(&folder, &listing.pinned, &self.request.graphs)?;
        listing.download_into(self.client, &self.request.graphs, &folder, observer)?;
        let found = checksum::sum(&folder)?;
        let checked = self.check(&found, None).and_then(|()| move_into_place(&folder, &self.request.path));
        // If the folder of a rejected model can't be removed, the next attempt empties it.
        let _ = fs::remove_dir_all(&folder);
        let _ = fs::remove_file(partial::metadata_path(&folder));
        checked?;
        Ok(Fetched { new: true, bytes: found.bytes, sha256: found.sha256, pinned })
    }

    /// Compares the digest with the expected one. `archive` is the file that the content was unpacked from.
    fn check(&self, found: &FileInfo, archive: Option<&Path>) -> Result<(), Error> {
        let (Some(expected), Some(actual)) = (&self.request.sha256, &found.sha256) else { return Ok(()) };
        if actual.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        let of_archive = archive.and_then(|path| checksum::of_file(path).ok());
        let cure = if of_archive.is_some_and(|(_, hash)| hash.eq_ignore_ascii_case(expected)) {
            "that is the SHA-256 of the archive; `sha256` must be that of the content unpacked to `path`"
        } else {
            "the download was discarded; correct `sha256` if it is the content that you want"
        };
        let path = self.request.path.clone();
        Err(Error::Hash { path, expected: expected.clone(), found: actual.clone(), cure: cure.to_owned() })
    }
}

/// Renames a file or folder to its destination, whose former content is removed just before.
fn move_into_place(from: &Path, target: &Path) -> Result<(), Error> {
    clear_destination(from, target)?;
    Ok(fs::rename(from, target).map_err(FileError::new("write", target))?)
}

/// Removes what a rename can't replace: a folder at the destination, or a file where a folder is to be created.
fn clear_destination(from: &Path, target: &Path) -> Result<(), Error> {
    let Ok(metadata) = fs::symlink_metadata(target) else { return Ok(()) };
    let removed = match metadata.is_dir() {
        true => fs::remove_dir_all(target),
        false if from.is_dir() => fs::remove_file(target),
        false => Ok(()),
    };
    Ok(removed.map_err(FileError::new("remove", target))?)
}
