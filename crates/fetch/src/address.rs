//! Parses the URLs that a pipeline may name, and checks those that a server redirects to.
//!
//! Only `https` is used beyond this machine. The same holds for a server's redirects, which never lead from `https` to
//! `http`.

use emberline_base::secret;
use url::{Host, Url};

use crate::Error;

/// What a pipeline's URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// One file on a server.
    Web(Url),
    /// `hf://ORG/MODEL[@REVISION][/SUBPATH]`, `hf://datasets/ORG/NAME[@REVISION]/FILE`
    Hub(Repository),
    /// A model on Kaggle, `kaggle://OWNER/MODEL/FRAMEWORK/VARIATION/VERSION`: the five parts, joined by `/`.
    Kaggle(String),
}

/// The kind of a repository on the Hugging Face Hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepositoryKind {
    /// A model, of which the files that encoders read are fetched, or a single file.
    Model,
    /// A dataset, of which a single file is fetched.
    Dataset,
}

/// A repository on the Hugging Face Hub, and the part of it to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) kind: RepositoryKind,
    /// `ORG/NAME`
    pub(crate) name: String,
    /// A branch, tag or commit; `main` when left out.
    pub(crate) revision: String,
    /// The path of the folder or file to fetch; empty for all files.
    pub(crate) subpath: String,
}

/// How a Kaggle address is written.
const KAGGLE: &str = "kaggle://OWNER/MODEL/FRAMEWORK/VARIATION/VERSION";
/// How the address of a model on the Hub is written.
const HUB: &str = "hf://ORG/MODEL, hf://ORG/MODEL@REVISION or hf://ORG/MODEL/FOLDER";
/// How the address of a dataset's file on the Hub is written.
const HUB_DATASET: &str = "hf://datasets/ORG/NAME/FILE or hf://datasets/ORG/NAME@REVISION/FILE";

impl Address {
    /// Parses a pipeline's URL.
    ///
    /// # Errors
    /// When it isn't of a kind that can be fetched.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |reason: String| Error::Address { url: secret::mask_url(text), reason };
        if let Some(rest) = text.strip_prefix("hf://datasets/") {
            let file = repository(RepositoryKind::Dataset, rest).filter(|dataset| !dataset.subpath.is_empty());
            return file.map(Self::Hub).ok_or_else(|| invalid(format!("write it as {HUB_DATASET}")));
        }
        if let Some(rest) = text.strip_prefix("hf://") {
            return repository(RepositoryKind::Model, rest)
                .map(Self::Hub)
                .ok_or_else(|| invalid(format!("write it as {HUB}")));
        }
        if let Some(rest) = text.strip_prefix("kaggle://") {
            return kaggle(rest).map(Self::Kaggle).ok_or_else(|| invalid(format!("write it as {KAGGLE}")));
        }
        let mut url = Url::parse(text).map_err(|e| invalid(format!("not a url ({e})")))?;
        check_allowed(&url).map_err(invalid)?;
        if let Some(kaggle) = kaggle_page(&url) {
            return Ok(Self::Kaggle(kaggle));
        }
        if url.host_str() == Some("tfhub.dev") && url.query().is_none() {
            url.set_query(Some("tf-hub-format=compressed"));
        }
        url.set_fragment(None);
        Ok(Self::Web(url))
    }
}

/// Checks that requests may be sent to a URL; the error is the reason why not.
pub(crate) fn check_allowed(url: &Url) -> Result<(), String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials don't belong in a url; use HF_TOKEN, KAGGLE_USERNAME and KAGGLE_KEY".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err("http isn't encrypted, so its content can be read and changed in transit; use https".to_owned()),
        other => Err(format!("`{other}` can't be fetched; use https, hf or kaggle")),
    }
}

/// Checks that a server at `from` may redirect to `to`; the error is the reason why not.
pub(crate) fn check_redirect(from: &Url, to: &Url) -> Result<(), String> {
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(format!("redirects from https to {}, which isn't encrypted", redacted(to)));
    }
    check_allowed(to).map_err(|reason| format!("redirects to {}: {reason}", redacted(to)))
}

/// Returns whether the URL names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Formats a URL for messages, without its query, which may hold a signature.
pub(crate) fn redacted(url: &Url) -> String {
    secret::mask_url(url.as_str())
}

fn repository(kind: RepositoryKind, rest: &str) -> Option<Repository> {
    let mut parts = rest.trim_end_matches('/').split('/');
    let (org, named) = (parts.next()?, parts.next()?);
    let (name, revision) = named.split_once('@').unwrap_or((named, "main"));
    let mut revision = revision.replace("%2F", "/").replace("%2f", "/");
    let mut subpath: Vec<&str> = parts.collect();
    // `refs/pr/3` is the one kind of revision whose slashes aren't escaped by users.
    if revision == "refs" && subpath.len() >= 2 {
        revision = format!("refs/{}/{}", subpath.remove(0), subpath.remove(0));
    }
    let is_valid =
        [org, name].into_iter().chain(revision.split('/')).chain(subpath.iter().copied()).all(is_plain_segment);
    is_valid.then(|| Repository { kind, name: format!("{org}/{name}"), revision, subpath: subpath.join("/") })
}

fn kaggle(rest: &str) -> Option<String> {
    let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
    let is_valid =
        parts.len() == 5 && parts.iter().all(|part| is_plain_segment(part)) && parts[4].parse::<u32>().is_ok();
    is_valid.then(|| parts.join("/"))
}

/// Converts the URL of a model's page on kaggle.com to its address.
fn kaggle_page(url: &Url) -> Option<String> {
    if !matches!(url.host_str(), Some("www.kaggle.com" | "kaggle.com")) {
        return None;
    }
    let labels = ["frameworks", "variations", "versions"];
    let parts: Vec<&str> =
        url.path().strip_prefix("/models/")?.split('/').filter(|part| !labels.contains(part)).collect();
    kaggle(&parts.join("/"))
}

/// Returns whether a part of an address consists of harmless characters and isn't `.` or `..`.
fn is_plain_segment(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+= ".contains(c);
    !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(name: &str, revision: &str, subpath: &str) -> Address {
        let (name, revision, subpath) = (name.into(), revision.into(), subpath.into());
        Address::Hub(Repository { kind: RepositoryKind::Model, name, revision, subpath })
    }

    fn dataset(name: &str, revision: &str, subpath: &str) -> Address {
        let (name, revision, subpath) = (name.into(), revision.into(), subpath.into());
        Address::Hub(Repository { kind: RepositoryKind::Dataset, name, revision, subpath })
    }

    #[test]
    fn every_kind_of_address_is_recognised() {
        for (text, address) in [
            ("hf://org/model", hub("org/model", "main", "")),
            ("hf://org/model@v1.0/", hub("org/model", "v1.0", "")),
            ("hf://org/model@refs/pr/3/1_Pooling/config.json", hub("org/model", "refs/pr/3", "1_Pooling/config.json")),
            ("hf://org/model@refs%2Fpr%2F3/sub", hub("org/model", "refs/pr/3", "sub")),
            ("hf://datasets/org/name/data/train.parquet", dataset("org/name", "main", "data/train.parquet")),
            ("hf://datasets/org/name@v1/lang=en/a.csv", dataset("org/name", "v1", "lang=en/a.csv")),
            (
                "hf://datasets/org/name@refs/convert/parquet/default/train/0000.parquet",
                dataset("org/name", "refs/convert/parquet", "default/train/0000.parquet"),
            ),
            (
                "kaggle://google/nnlm/tensorFlow2/en-dim50/1",
                Address::Kaggle("google/nnlm/tensorFlow2/en-dim50/1".into()),
            ),
            (
                "https://www.kaggle.com/models/google/nnlm/frameworks/TensorFlow2/variations/en-dim50/versions/1",
                Address::Kaggle("google/nnlm/TensorFlow2/en-dim50/1".into()),
            ),
        ] {
            assert_eq!(Address::parse(text).expect(text), address);
        }
        for (text, url) in [
            ("https://example.org/a.zip?x=1#y", "https://example.org/a.zip?x=1"),
            (
                "https://tfhub.dev/google/nnlm-en-dim50/2",
                "https://tfhub.dev/google/nnlm-en-dim50/2?tf-hub-format=compressed",
            ),
            ("http://127.0.0.1:80/x", "http://127.0.0.1/x"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ] {
            assert_eq!(Address::parse(text).expect(text), Address::Web(Url::parse(url).expect("a url")));
        }
    }

    #[test]
    fn what_cant_be_fetched_is_refused_with_a_cure() {
        for (text, reason) in [
            ("http://example.org/x", "use https"),
            ("http://127.0.0.1.example.org/x", "use https"),
            ("ftp://example.org/x", "`ftp` can't be fetched"),
            ("file:///etc/passwd", "`file` can't be fetched"),
            ("x.zip", "not a url"),
            ("https://me:secret@example.org/x", "credentials"),
            ("ftp://me:secret@example.org/x", "credentials"),
            ("http://example.org/x?token=secret", "use https"),
            ("example.org/x?token=secret", "not a url"),
            ("hf://model?token=secret", "hf://ORG/MODEL"),
            ("hf://model", "hf://ORG/MODEL"),
            ("hf://org/../x", "hf://ORG/MODEL"),
            ("hf://org/model@", "hf://ORG/MODEL"),
            ("hf://datasets/org/name", "hf://datasets/ORG/NAME/FILE"),
            ("hf://datasets/org/name@v1/", "hf://datasets/ORG/NAME/FILE"),
            ("hf://datasets/org/../a.csv", "hf://datasets/ORG/NAME/FILE"),
            ("kaggle://google/nnlm", "kaggle://OWNER"),
            ("kaggle://a/b/c/d/latest", "kaggle://OWNER"),
        ] {
            let error = Address::parse(text).expect_err(text).to_string();
            assert!(error.contains(reason) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn redirects_stay_safe() {
        let url = |text| Url::parse(text).expect("a url");
        let is_allowed = |from, to| check_redirect(&url(from), &url(to)).is_ok();
        assert!(is_allowed("https://a.org/", "https://b.org/"));
        assert!(is_allowed("http://127.0.0.1:1/", "http://127.0.0.1:2/"));
        assert!(!is_allowed("https://a.org/", "http://a.org/"));
        assert!(!is_allowed("https://a.org/", "http://127.0.0.1/"));
        assert!(!is_allowed("http://127.0.0.1/", "http://a.org/"));
        assert!(!is_allowed("https://a.org/", "file:///etc/passwd"));
    }
}
