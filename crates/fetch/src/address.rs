//! Urls: what a pipeline may write, and where a server may send us.
//!
//! Only `https` goes out of this machine. A server's redirect obeys the same rule, and never leads from `https` to
//! `http`.

use emberline_base::secret;
use url::{Host, Url};

use crate::Error;

/// What a pipeline's url names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// One file on a server.
    Web(Url),
    /// `hf://ORG/MODEL[@REVISION][/INSIDE]`, `hf://datasets/ORG/NAME[@REVISION]/FILE`
    Hub(Repository),
    /// `kaggle://OWNER/MODEL/FRAMEWORK/VARIATION/VERSION`: the five parts, joined by `/`.
    Kaggle(String),
}

/// What a repository of the Hugging Face Hub holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// A model: the files that encoders read are wanted, or one of them.
    Model,
    /// A dataset: one file is wanted.
    Dataset,
}

/// A repository of the Hugging Face Hub, and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) holds: Holds,
    /// `ORG/NAME`
    pub(crate) name: String,
    /// A branch, tag or commit; `main` when left out.
    pub(crate) revision: String,
    /// The folder or file that is wanted; empty for all.
    pub(crate) inside: String,
}

/// The shape of a Kaggle address.
const KAGGLE: &str = "kaggle://OWNER/MODEL/FRAMEWORK/VARIATION/VERSION";
/// The shape of a model's address on the Hub.
const HUB: &str = "hf://ORG/MODEL, hf://ORG/MODEL@REVISION or hf://ORG/MODEL/FOLDER";
/// The shape of the address of a dataset's file on the Hub.
const HUB_DATASET: &str = "hf://datasets/ORG/NAME/FILE or hf://datasets/ORG/NAME@REVISION/FILE";

impl Address {
    /// Reads a pipeline's url.
    ///
    /// # Errors
    /// When it is none of the kinds that can be fetched.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Address { url: secret::url(text), reason };
        if let Some(rest) = text.strip_prefix("hf://datasets/") {
            let file = repository(Holds::Dataset, rest).filter(|dataset| !dataset.inside.is_empty());
            return file.map(Self::Hub).ok_or_else(|| wrong(format!("write it as {HUB_DATASET}")));
        }
        if let Some(rest) = text.strip_prefix("hf://") {
            return repository(Holds::Model, rest).map(Self::Hub).ok_or_else(|| wrong(format!("write it as {HUB}")));
        }
        if let Some(rest) = text.strip_prefix("kaggle://") {
            return kaggle(rest).map(Self::Kaggle).ok_or_else(|| wrong(format!("write it as {KAGGLE}")));
        }
        let mut url = Url::parse(text).map_err(|e| wrong(format!("not a url ({e})")))?;
        permitted(&url).map_err(wrong)?;
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

/// Whether a url may be asked at all; else why not.
pub(crate) fn permitted(url: &Url) -> Result<(), String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials don't belong in a url; use HF_TOKEN, KAGGLE_USERNAME and KAGGLE_KEY".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err("http can be read and changed on its way; use https".to_owned()),
        other => Err(format!("`{other}` can't be fetched; use https, hf or kaggle")),
    }
}

/// Whether a server at `from` may send us to `to`; else why not.
pub(crate) fn may_redirect(from: &Url, to: &Url) -> Result<(), String> {
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(format!("leads from https to {}, which can be read and changed on its way", shown(to)));
    }
    permitted(to).map_err(|reason| format!("leads to {}: {reason}", shown(to)))
}

/// Whether the url names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A url for messages: without its query, which may hold a signature.
pub(crate) fn shown(url: &Url) -> String {
    secret::url(url.as_str())
}

fn repository(holds: Holds, rest: &str) -> Option<Repository> {
    let mut parts = rest.trim_end_matches('/').split('/');
    let (org, named) = (parts.next()?, parts.next()?);
    let (name, revision) = named.split_once('@').unwrap_or((named, "main"));
    let mut revision = revision.replace("%2F", "/").replace("%2f", "/");
    let mut inside: Vec<&str> = parts.collect();
    // `refs/pr/3` is the one kind of revision whose slashes people write.
    if revision == "refs" && inside.len() >= 2 {
        revision = format!("refs/{}/{}", inside.remove(0), inside.remove(0));
    }
    let sound = [org, name].into_iter().chain(revision.split('/')).chain(inside.iter().copied()).all(is_part);
    sound.then(|| Repository { holds, name: format!("{org}/{name}"), revision, inside: inside.join("/") })
}

fn kaggle(rest: &str) -> Option<String> {
    let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
    let sound = parts.len() == 5 && parts.iter().all(|part| is_part(part)) && parts[4].parse::<u32>().is_ok();
    sound.then(|| parts.join("/"))
}

/// The address of the model whose page on kaggle.com this is.
fn kaggle_page(url: &Url) -> Option<String> {
    if !matches!(url.host_str(), Some("www.kaggle.com" | "kaggle.com")) {
        return None;
    }
    let words = ["frameworks", "variations", "versions"];
    let parts: Vec<&str> =
        url.path().strip_prefix("/models/")?.split('/').filter(|part| !words.contains(part)).collect();
    kaggle(&parts.join("/"))
}

/// A name without surprises.
fn is_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+= ".contains(c);
    !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(name: &str, revision: &str, inside: &str) -> Address {
        let (name, revision, inside) = (name.into(), revision.into(), inside.into());
        Address::Hub(Repository { holds: Holds::Model, name, revision, inside })
    }

    fn dataset(name: &str, revision: &str, inside: &str) -> Address {
        let (name, revision, inside) = (name.into(), revision.into(), inside.into());
        Address::Hub(Repository { holds: Holds::Dataset, name, revision, inside })
    }

    #[test]
    fn addresses_are_told_apart() {
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
        let leads = |from, to| may_redirect(&url(from), &url(to)).is_ok();
        assert!(leads("https://a.org/", "https://b.org/"));
        assert!(leads("http://127.0.0.1:1/", "http://127.0.0.1:2/"));
        assert!(!leads("https://a.org/", "http://a.org/"));
        assert!(!leads("https://a.org/", "http://127.0.0.1/"));
        assert!(!leads("http://127.0.0.1/", "http://a.org/"));
        assert!(!leads("https://a.org/", "file:///etc/passwd"));
    }
}
