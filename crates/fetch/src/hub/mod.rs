//! Models and datasets on the Hugging Face Hub.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/models/ORG/MODEL/revision/REVISION` | JSON: `sha`, the commit that all further requests name |
//! | `GET /api/models/ORG/MODEL/tree/COMMIT?recursive=true` | JSON: a list of `{type, path, size, lfs: {oid}}`; `Link: <...>; rel="next"` leads to the next page |
//! | `GET /ORG/MODEL/resolve/COMMIT/PATH` | the file, mostly by a redirect to its storage |
//!
//! Datasets are requested below `/api/datasets/` and `/datasets/`, and only the folder of the requested file is listed,
//! since datasets may have far more files than models. [`selection`] decides which files of a model are fetched. The
//! `lfs.oid` of a large file is its SHA-256 and is verified; of other files the size is.

mod selection;

use std::fs;
use std::path::Path;

use emberline_base::file::{self, FileError};
use emberline_base::secret;
use serde::Deserialize;
use ureq::http::Response;
use url::Url;

use crate::address::{Repository, RepositoryKind, check_allowed, redacted};
use crate::client::{Client, Resource, header_text};
use crate::partial::{Partial, metadata_path};
use crate::transfer::{DownloadRequest, download};
use crate::{Error, Observer, checksum};

pub(crate) use self::selection::is_pickle;

/// Maximum number of pages of a listing.
const MAX_PAGES: usize = 100;

/// Maximum number of files that a message names.
const MAX_NAMED_FILES: usize = 20;

/// A file or folder of a repository.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Lfs>,
}

/// What the Hub states about a large file.
#[derive(Clone, Debug, Deserialize)]
struct Lfs {
    /// Its SHA-256.
    oid: String,
}

/// The listing of a repository's files: all files of a model, or those of one folder of a dataset.
pub(crate) struct Listing {
    /// The URL that names exactly this commit.
    pub(crate) pinned: String,
    repository: Repository,
    commit: String,
    entries: Vec<Entry>,
}

impl RepositoryKind {
    /// The name of this kind in the Hub's API.
    fn api(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }

    /// The prefix of the names of repositories of this kind.
    fn prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Dataset => "datasets/",
        }
    }
}

impl Repository {
    /// Returns the API's URL of the repository, with further segments appended.
    fn api<'a>(&'a self, client: &Client, segments: impl IntoIterator<Item = &'a str>) -> Result<Url, Error> {
        let repository = ["api", self.kind.api()].into_iter().chain(self.name.split('/'));
        endpoint(&client.options.hub, "HF_ENDPOINT", repository.chain(segments))
    }
}

/// Returns the URL of an endpoint that an environment variable may set, with segments appended.
pub(crate) fn endpoint<'a>(
    base: &str,
    variable: &'static str,
    segments: impl IntoIterator<Item = &'a str>,
) -> Result<Url, Error> {
    let wrong = |reason: String| Error::Environment { variable, reason };
    let mut url = Url::parse(base).map_err(|e| wrong(format!("`{}` isn't a url ({e})", secret::mask_url(base))))?;
    check_allowed(&url).map_err(wrong)?;
    let wrong = || Error::Environment { variable, reason: format!("`{}` can't have a path", secret::mask_url(base)) };
    url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(segments);
    Ok(url)
}

impl Listing {
    /// Requests the commit of a repository and the list of its files.
    pub(crate) fn of(client: &Client, repository: &Repository, observer: &mut dyn Observer) -> Result<Self, Error> {
        let commit = commit(client, repository, observer)?;
        let entries = entries(client, repository, &commit, observer)?;
        let Repository { kind, name, subpath, .. } = repository;
        let below = if subpath.is_empty() { String::new() } else { format!("/{subpath}") };
        let pinned = format!("hf://{}{name}@{commit}{below}", kind.prefix());
        Ok(Self { pinned, repository: repository.clone(), commit, entries })
    }

    /// Returns the file that the address names; none if it names a folder or the whole repository.
    pub(crate) fn file(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == "file" && entry.path == self.repository.subpath)
    }

    /// The error for a file that a dataset lacks, which names the files of that folder.
    pub(crate) fn missing_file_error(&self) -> Error {
        let files = self.entries.iter().filter(|entry| entry.kind == "file");
        let names: Vec<String> = files.take(MAX_NAMED_FILES).map(|entry| format!("`{}`", entry.path)).collect();
        let there = if names.is_empty() { "no file in that folder".to_owned() } else { names.join(", ") };
        let reason = format!("the dataset has no file `{}`, but {there}; correct the `url`", self.repository.subpath);
        Error::Answer { url: self.pinned.clone(), reason }
    }

    /// Returns the request to download a file.
    pub(crate) fn request_for(
        &self,
        client: &Client,
        entry: &Entry,
        bytes_before: Option<u64>,
    ) -> Result<DownloadRequest, Error> {
        let Repository { kind, name, .. } = &self.repository;
        let repository = kind.prefix().split_terminator('/').chain(name.split('/'));
        let segments = repository.chain(["resolve", &self.commit]).chain(entry.path.split('/'));
        let url = endpoint(&client.options.hub, "HF_ENDPOINT", segments)?;
        let resource = Resource { url, authorization: authorization(client) };
        Ok(DownloadRequest { resource, size: Some(entry.size), bytes_before })
    }

    /// Downloads the files that encoders read into a folder, except those that are already complete there. `graphs`:
    /// see [`Request`](crate::Request).
    pub(crate) fn download_into(
        &self,
        client: &Client,
        graphs: &[String],
        folder: &Path,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let files = self.selection(client, graphs)?;
        observer.on_total(files.iter().map(|(_, entry)| entry.size).sum());
        let mut bytes_before = 0;
        for (name, entry) in files {
            let path = folder.join(&name);
            file::make_folder_below(folder, Path::new(&name).parent().unwrap_or(Path::new("")))?;
            if !entry.is_at(&path) {
                self.download_one(client, entry, bytes_before, &path, observer)?;
            }
            bytes_before += entry.size;
            observer.on_progress(bytes_before);
        }
        Ok(())
    }

    fn download_one(
        &self,
        client: &Client,
        entry: &Entry,
        bytes_before: u64,
        path: &Path,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let request = self.request_for(client, entry, Some(bytes_before))?;
        let partial = download(client, &request, path, observer)?;
        let partial = entry.check(partial)?;
        partial.finish(path)
    }
}

impl Entry {
    /// Returns whether the file already exists, from an earlier attempt at the same commit.
    fn is_at(&self, path: &Path) -> bool {
        let same_size = fs::symlink_metadata(path).is_ok_and(|info| info.is_file() && info.len() == self.size);
        same_size
            && self.lfs.as_ref().is_none_or(|lfs| checksum::of_file(path).is_ok_and(|(_, found)| found == lfs.oid))
    }

    /// Verifies a download against the hash that the Hub states.
    pub(crate) fn check(&self, mut partial: Partial) -> Result<Partial, Error> {
        let Some(lfs) = &self.lfs else { return Ok(partial) };
        let (_, found) = checksum::of_file(&partial.path)?;
        if found.eq_ignore_ascii_case(&lfs.oid) {
            return Ok(partial);
        }
        partial.discard();
        let reason =
            format!("its sha256 is {found}, but the Hub says {}; the download was discarded, try again", lfs.oid);
        Err(Error::Answer { url: self.path.clone(), reason })
    }
}

fn authorization(client: &Client) -> Option<String> {
    client.options.hub_token.as_ref().map(|token| format!("Bearer {token}"))
}

fn commit(client: &Client, repository: &Repository, observer: &mut dyn Observer) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Revision {
        sha: String,
    }
    let url = repository.api(client, ["revision", &repository.revision])?;
    let resource = Resource { url, authorization: authorization(client) };
    let (text, _) = client.get_text(&resource, observer)?;
    let wrong = || Error::Answer { url: redacted(&resource.url), reason: "the response names no commit".to_owned() };
    let revision: Revision = serde_json::from_str(&text).map_err(|_| wrong())?;
    let is_valid = !revision.sha.is_empty() && revision.sha.bytes().all(|b| b.is_ascii_hexdigit());
    if is_valid { Ok(revision.sha) } else { Err(wrong()) }
}

/// Lists the files of a model, or those in the folder of a dataset's file.
fn entries(
    client: &Client,
    repository: &Repository,
    commit: &str,
    observer: &mut dyn Observer,
) -> Result<Vec<Entry>, Error> {
    let url = match repository.kind {
        RepositoryKind::Model => {
            let mut url = repository.api(client, ["tree", commit])?;
            url.set_query(Some("recursive=true"));
            url
        }
        RepositoryKind::Dataset => {
            let folder = repository.subpath.rsplit_once('/').map_or("", |(folder, _)| folder);
            repository.api(client, ["tree", commit].into_iter().chain(folder.split_terminator('/')))?
        }
    };
    let mut resource = Resource { url, authorization: authorization(client) };
    let mut entries = Vec::new();
    for _ in 0..MAX_PAGES {
        let (text, head) = client.get_text(&resource, observer)?;
        let wrong = |reason: String| Error::Answer { url: redacted(&resource.url), reason };
        let page: Vec<Entry> =
            serde_json::from_str(&text).map_err(|e| wrong(format!("the response isn't a list of files ({e})")))?;
        entries.extend(page);
        let Some(next) = next_page(&head) else { return Ok(entries) };
        let next = resource.url.join(next).map_err(|e| wrong(format!("the link to the next page is invalid ({e})")))?;
        if next.origin() != resource.url.origin() {
            return Err(wrong("the next page of the list is on another server".to_owned()));
        }
        resource.url = next;
    }
    Err(Error::Answer {
        url: redacted(&resource.url),
        reason: format!("the list of files has more than {MAX_PAGES} pages"),
    })
}

/// Returns the target of `Link: <...>; rel="next"` (RFC 8288).
fn next_page(head: &Response<()>) -> Option<&str> {
    let links = header_text(head, "link")?.split(',');
    let mut nexts = links.filter(|link| link.contains("rel=\"next\"") || link.contains("rel=next"));
    nexts.next()?.trim().strip_prefix('<')?.split_once('>').map(|(url, _)| url)
}

/// Prepares the folder in which a model's files are collected: keeps its content if it is of the same commit and graph,
/// else empties it. A symbolic link, or the part of a single file, in its place is removed.
pub(crate) fn prepare_folder(folder: &Path, pinned: &str, graphs: &[String]) -> Result<(), Error> {
    let metadata = metadata_path(folder);
    let expected = [pinned, &graphs.concat()].concat();
    let is_same = fs::read(&metadata).is_ok_and(|text| text == expected.as_bytes());
    let removed = match fs::symlink_metadata(folder) {
        Ok(info) if !info.is_dir() => fs::remove_file(folder),
        Ok(_) if !is_same => fs::remove_dir_all(folder),
        _ => Ok(()),
    };
    removed.map_err(FileError::new("remove", folder))?;
    file::make_folder(folder)?;
    Ok(file::write_atomic(&metadata, expected.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_read_from_the_links() {
        let next = |link: &str| {
            let head = Response::builder().header("link", link).body(()).expect("a response");
            next_page(&head).map(str::to_owned)
        };
        assert_eq!(next("<https://a.org/x?cursor=b%3D>; rel=\"next\"").as_deref(), Some("https://a.org/x?cursor=b%3D"));
        assert_eq!(next("<x>; rel=\"prev\", </y>; rel=\"next\"").as_deref(), Some("/y"));
        assert_eq!(next("<x>; rel=\"prev\""), None);
    }
}
