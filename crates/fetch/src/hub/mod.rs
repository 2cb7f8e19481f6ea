//! Models and datasets on the Hugging Face Hub.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/models/ORG/MODEL/revision/REVISION` | JSON: `sha`, the commit, which all else is asked by |
//! | `GET /api/models/ORG/MODEL/tree/COMMIT?recursive=true` | JSON: a list of `{type, path, size, lfs: {oid}}`; `Link: <...>; rel="next"` leads to the next page |
//! | `GET /ORG/MODEL/resolve/COMMIT/PATH` | the file, mostly by a redirect to its storage |
//!
//! A dataset is asked for below `/api/datasets/` and `/datasets/`, and of its tree only the folder of the one file that is
//! wanted: datasets may have far more files than models. Which files of a model come is said in [`selection`]. A large file's `lfs.oid` is its SHA-256 and is checked; of the others the size is.

mod selection;

use std::fs;
use std::path::Path;

use emberline_base::file::{self, FileError};
use emberline_base::secret;
use serde::Deserialize;
use ureq::http::Response;
use url::Url;

use crate::address::{Holds, Repository, permitted, shown};
use crate::client::{Client, Resource, header_text};
use crate::partial::{Partial, note_of};
use crate::transfer::{Wanted, download};
use crate::{Error, Observer, checksum};

pub(crate) use self::selection::is_pickle;

/// The most pages of a list.
const MAX_PAGES: usize = 100;

/// The most files that a message names.
const MOST_NAMED: usize = 20;

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

/// What is known of a large file.
#[derive(Clone, Debug, Deserialize)]
struct Lfs {
    /// Its SHA-256.
    oid: String,
}

/// A repository whose files are known: all of a model, of a dataset those of one folder.
pub(crate) struct Listing {
    /// The url that names this very commit.
    pub(crate) pinned: String,
    repository: Repository,
    commit: String,
    entries: Vec<Entry>,
}

impl Holds {
    /// What the Hub's API calls repositories of this kind.
    fn api(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }

    /// What stands before the names of its repositories.
    fn prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Dataset => "datasets/",
        }
    }
}

impl Repository {
    /// The API's url of the repository, with these segments added.
    fn api<'a>(&'a self, client: &Client, segments: impl IntoIterator<Item = &'a str>) -> Result<Url, Error> {
        let repository = ["api", self.holds.api()].into_iter().chain(self.name.split('/'));
        endpoint(&client.options.hub, "HF_ENDPOINT", repository.chain(segments))
    }
}

/// A url of an endpoint that the environment may set, with these segments added.
pub(crate) fn endpoint<'a>(
    base: &str,
    variable: &'static str,
    segments: impl IntoIterator<Item = &'a str>,
) -> Result<Url, Error> {
    let wrong = |reason: String| Error::Environment { variable, reason };
    let mut url = Url::parse(base).map_err(|e| wrong(format!("`{}` isn't a url ({e})", secret::url(base))))?;
    permitted(&url).map_err(wrong)?;
    let wrong = || Error::Environment { variable, reason: format!("`{}` has no path", secret::url(base)) };
    url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(segments);
    Ok(url)
}

impl Listing {
    /// Asks for a repository's commit and its files.
    pub(crate) fn of(client: &Client, repository: &Repository, observer: &mut dyn Observer) -> Result<Self, Error> {
        let commit = commit(client, repository, observer)?;
        let entries = entries(client, repository, &commit, observer)?;
        let Repository { holds, name, inside, .. } = repository;
        let below = if inside.is_empty() { String::new() } else { format!("/{inside}") };
        let pinned = format!("hf://{}{name}@{commit}{below}", holds.prefix());
        Ok(Self { pinned, repository: repository.clone(), commit, entries })
    }

    /// The one file that is meant, where the address names a file.
    pub(crate) fn file(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == "file" && entry.path == self.repository.inside)
    }

    /// That a dataset holds no such file, and which it holds in that folder.
    pub(crate) fn no_file(&self) -> Error {
        let files = self.entries.iter().filter(|entry| entry.kind == "file");
        let names: Vec<String> = files.take(MOST_NAMED).map(|entry| format!("`{}`", entry.path)).collect();
        let there = if names.is_empty() { "no file there".to_owned() } else { names.join(", ") };
        let reason = format!("holds no file `{}`, but {there}; correct the `url`", self.repository.inside);
        Error::Answer { url: self.pinned.clone(), reason }
    }

    /// The request for a file.
    pub(crate) fn wanted(&self, client: &Client, entry: &Entry, before: Option<u64>) -> Result<Wanted, Error> {
        let Repository { holds, name, .. } = &self.repository;
        let repository = holds.prefix().split_terminator('/').chain(name.split('/'));
        let segments = repository.chain(["resolve", &self.commit]).chain(entry.path.split('/'));
        let url = endpoint(&client.options.hub, "HF_ENDPOINT", segments)?;
        let resource = Resource { url, authorization: authorization(client) };
        Ok(Wanted { resource, size: Some(entry.size), before })
    }

    /// Downloads the files that encoders read into a folder; what is there whole stays. `graphs`: as in a request.
    pub(crate) fn download_into(
        &self,
        client: &Client,
        graphs: &[String],
        folder: &Path,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let files = self.selection(client, graphs)?;
        observer.expects(files.iter().map(|(_, entry)| entry.size).sum());
        let mut before = 0;
        for (name, entry) in files {
            let path = folder.join(&name);
            file::make_folder_below(folder, Path::new(&name).parent().unwrap_or(Path::new("")))?;
            if !entry.is_at(&path) {
                self.download_one(client, entry, before, &path, observer)?;
            }
            before += entry.size;
            observer.advances(before);
        }
        Ok(())
    }

    fn download_one(
        &self,
        client: &Client,
        entry: &Entry,
        before: u64,
        path: &Path,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let wanted = self.wanted(client, entry, Some(before))?;
        let partial = download(client, &wanted, path, observer)?;
        let partial = entry.check(partial)?;
        partial.finish(path)
    }
}

impl Entry {
    /// Whether the file is there already, from an earlier attempt at the same commit.
    fn is_at(&self, path: &Path) -> bool {
        let same_size = fs::symlink_metadata(path).is_ok_and(|about| about.is_file() && about.len() == self.size);
        same_size
            && self.lfs.as_ref().is_none_or(|lfs| checksum::of_file(path).is_ok_and(|(_, found)| found == lfs.oid))
    }

    /// Checks what arrived against the hash that the Hub gives.
    pub(crate) fn check(&self, mut partial: Partial) -> Result<Partial, Error> {
        let Some(lfs) = &self.lfs else { return Ok(partial) };
        let (_, found) = checksum::of_file(&partial.path)?;
        if found.eq_ignore_ascii_case(&lfs.oid) {
            return Ok(partial);
        }
        partial.discard();
        let reason = format!("its sha256 is {found}, the Hub says {}; what came was thrown away, try again", lfs.oid);
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
    let (text, _) = client.text(&resource, observer)?;
    let wrong = || Error::Answer { url: shown(&resource.url), reason: "names no commit".to_owned() };
    let revision: Revision = serde_json::from_str(&text).map_err(|_| wrong())?;
    let sound = !revision.sha.is_empty() && revision.sha.bytes().all(|b| b.is_ascii_hexdigit());
    if sound { Ok(revision.sha) } else { Err(wrong()) }
}

/// The files of a model, or those of the folder of a dataset's file.
fn entries(
    client: &Client,
    repository: &Repository,
    commit: &str,
    observer: &mut dyn Observer,
) -> Result<Vec<Entry>, Error> {
    let url = match repository.holds {
        Holds::Model => {
            let mut url = repository.api(client, ["tree", commit])?;
            url.set_query(Some("recursive=true"));
            url
        }
        Holds::Dataset => {
            let folder = repository.inside.rsplit_once('/').map_or("", |(folder, _)| folder);
            repository.api(client, ["tree", commit].into_iter().chain(folder.split_terminator('/')))?
        }
    };
    let mut resource = Resource { url, authorization: authorization(client) };
    let mut entries = Vec::new();
    for _ in 0..MAX_PAGES {
        let (text, head) = client.text(&resource, observer)?;
        let wrong = |reason: String| Error::Answer { url: shown(&resource.url), reason };
        let page: Vec<Entry> = serde_json::from_str(&text).map_err(|e| wrong(format!("not a list of files ({e})")))?;
        entries.extend(page);
        let Some(next) = next_page(&head) else { return Ok(entries) };
        let next = resource.url.join(next).map_err(|e| wrong(format!("not a next page ({e})")))?;
        if next.origin() != resource.url.origin() {
            return Err(wrong("its next page is on another server".to_owned()));
        }
        resource.url = next;
    }
    Err(Error::Answer { url: shown(&resource.url), reason: format!("a list of more than {MAX_PAGES} pages") })
}

/// The target of `Link: <...>; rel="next"` (RFC 8288).
fn next_page(head: &Response<()>) -> Option<&str> {
    let links = header_text(head, "link")?.split(',');
    let mut nexts = links.filter(|link| link.contains("rel=\"next\"") || link.contains("rel=next"));
    nexts.next()?.trim().strip_prefix('<')?.split_once('>').map(|(url, _)| url)
}

/// Makes the folder that a model's files are collected in, empty unless it is of the same commit and for the same graph. A
/// link, or a part of a single file, in its place is removed.
pub(crate) fn collect_in(folder: &Path, pinned: &str, graphs: &[String]) -> Result<(), Error> {
    let note = note_of(folder);
    let wanted = [pinned, &graphs.concat()].concat();
    let same = fs::read(&note).is_ok_and(|text| text == wanted.as_bytes());
    let removed = match fs::symlink_metadata(folder) {
        Ok(about) if !about.is_dir() => fs::remove_file(folder),
        Ok(_) if !same => fs::remove_dir_all(folder),
        _ => Ok(()),
    };
    removed.map_err(FileError::new("remove", folder))?;
    file::make_folder(folder)?;
    Ok(file::write_atomic(&note, wanted.as_bytes())?)
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
