//! How things are fetched: limits, patience, credentials and the environment's wishes.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;

/// How things are fetched. The default asks the public servers, without credentials and without a proxy.
#[derive(Clone, Debug)]
pub struct Options {
    /// Fetch again what is there.
    pub force: bool,
    /// How much may come.
    pub limits: Limits,
    /// How long to wait and how often to try.
    pub patience: Patience,
    /// The Hugging Face Hub, `https://huggingface.co`.
    pub hub: String,
    /// The token for the Hub.
    pub hub_token: Option<String>,
    /// Kaggle's API, `https://www.kaggle.com/api/v1`.
    pub kaggle: String,
    /// Who asks Kaggle.
    pub kaggle_login: Option<Login>,
    /// The proxy, as a url: `http://user:password@proxy.example.org:3128`, `socks5://...`.
    pub proxy: Option<String>,
    /// The hosts that are asked directly: names, which stand for their subdomains too, or `*`.
    pub no_proxy: Vec<String>,
    /// A PEM file of root certificates to trust instead of Mozilla's.
    pub roots: Option<PathBuf>,
}

/// How much may come.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one download.
    pub download: u64,
    /// Bytes that an archive unpacks to.
    pub unpacked: u64,
    /// Unpacked bytes for a packed one, beyond the first 64 MiB.
    pub growth: u64,
    /// Files of an archive or a model.
    pub files: usize,
}

/// How long to wait and how often to try.
#[derive(Clone, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes; a download that brings less than `slowest` bytes a second for so long is broken off too.
    pub stall: Duration,
    /// Bytes a second below which a download counts as stalled.
    pub slowest: u64,
    /// Attempts without progress before giving up.
    pub tries: u32,
    /// The pause before the second attempt; it doubles with each further one.
    pub pause: Duration,
    /// The longest pause, also when the server asks for one.
    pub longest_pause: Duration,
    /// Redirects from one address to the next.
    pub redirects: u32,
}

/// Who asks Kaggle.
#[derive(Clone)]
pub enum Login {
    /// A user's name and key.
    Key {
        /// The user's name.
        user: String,
        /// The API key.
        key: String,
    },
    /// An access token.
    Token(String),
}

/// Secrets stay out of logs.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            force: false,
            limits: Limits::default(),
            patience: Patience::default(),
            hub: "https://huggingface.co".to_owned(),
            hub_token: None,
            kaggle: "https://www.kaggle.com/api/v1".to_owned(),
            kaggle_login: None,
            proxy: None,
            no_proxy: Vec::new(),
            roots: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { download: 20_000_000_000, unpacked: 64 << 30, growth: 250, files: 10_000 }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            slowest: 100,
            tries: 5,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(120),
            redirects: 10,
        }
    }
}

impl Options {
    /// What the environment asks for.
    ///
    /// | variable | |
    /// |---|---|
    /// | `HF_ENDPOINT`, `HF_TOKEN` | another Hugging Face Hub, and the token for it |
    /// | `KAGGLE_API_ENDPOINT` | another Kaggle |
    /// | `KAGGLE_API_TOKEN`, or `KAGGLE_USERNAME` and `KAGGLE_KEY`, or `kaggle.json` in `KAGGLE_CONFIG_DIR` or `~/.kaggle` | who asks it |
    /// | `HTTPS_PROXY`, or `ALL_PROXY`; `NO_PROXY` (also in lower case) | the proxy, and what goes past it |
    /// | `SSL_CERT_FILE` | root certificates to trust instead of Mozilla's |
    pub fn from_env() -> Self {
        let mut options = Self::default();
        if let Some(endpoint) = variable("HF_ENDPOINT") {
            options.hub = endpoint;
        }
        if let Some(endpoint) = variable("KAGGLE_API_ENDPOINT") {
            options.kaggle = endpoint;
        }
        options.hub_token = variable("HF_TOKEN");
        options.kaggle_login = kaggle_login();
        options.proxy = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].into_iter().find_map(variable);
        let past = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
        options.no_proxy = past.split(',').map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect();
        options.roots = variable("SSL_CERT_FILE").map(PathBuf::from);
        options
    }

    /// The trusted root certificates, where they aren't Mozilla's.
    pub(crate) fn root_certificates(&self) -> Result<Option<ureq::tls::RootCerts>, Error> {
        let Some(path) = &self.roots else { return Ok(None) };
        let wrong = |reason: String| Error::Environment { variable: "SSL_CERT_FILE", reason };
        let pem = fs::read(path).map_err(|e| wrong(format!("can't read {}: {e}", path.display())))?;
        let of_item = |item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        };
        let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
            .filter_map(of_item)
            .collect::<Result<_, _>>()
            .map_err(|e| wrong(format!("{} isn't a PEM file: {e}", path.display())))?;
        if certificates.is_empty() {
            return Err(wrong(format!("{} holds no certificate", path.display())));
        }
        Ok(Some(ureq::tls::RootCerts::from(certificates)))
    }

    /// The proxy, where there is one.
    pub(crate) fn proxy(&self) -> Result<Option<ureq::Proxy>, Error> {
        let Some(text) = &self.proxy else { return Ok(None) };
        let wrong = |_| Error::Environment {
            variable: "HTTPS_PROXY or ALL_PROXY",
            reason: "not a proxy's url; write it as http://proxy.example.org:3128".to_owned(),
        };
        let plain = ureq::Proxy::new(text).map_err(wrong)?;
        let mut proxy = ureq::Proxy::builder(plain.protocol()).host(plain.host()).port(plain.port());
        proxy = proxy.resolve_target(plain.resolve_target());
        if let Some(user) = plain.username() {
            proxy = proxy.username(user).password(plain.password().unwrap_or_default());
        }
        for host in &self.no_proxy {
            let name = host.trim_start_matches("*.").trim_start_matches('.');
            proxy = proxy.no_proxy(name).no_proxy(&format!(".{name}"));
        }
        proxy.build().map(Some).map_err(wrong)
    }
}

/// A variable that isn't empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn kaggle_login() -> Option<Login> {
    if let Some(token) = variable("KAGGLE_API_TOKEN") {
        return Some(Login::Token(token));
    }
    if let (Some(user), Some(key)) = (variable("KAGGLE_USERNAME"), variable("KAGGLE_KEY")) {
        return Some(Login::Key { user, key });
    }
    let home = || env::home_dir().map(|home| home.join(".kaggle"));
    let folder = variable("KAGGLE_CONFIG_DIR").map(PathBuf::from).or_else(home)?;
    let file: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("kaggle.json")).ok()?).ok()?;
    let text = |key: &str| Some(file.get(key)?.as_str()?.to_owned());
    Some(Login::Key { user: text("username")?, key: text("key")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_passed_by_for_the_hosts_that_are_named() {
        let options = Options {
            proxy: Some("http://me:pass%40word@proxy.example.org:3128".to_owned()),
            no_proxy: vec!["intern.example.org".to_owned(), "*.local".to_owned()],
            ..Options::default()
        };
        let proxy = options.proxy().expect("sound").expect("a proxy");
        assert_eq!((proxy.host(), proxy.port()), ("proxy.example.org", 3128));
        assert_eq!((proxy.username(), proxy.password()), (Some("me"), Some("pass@word")));
        let past = |url: &str| proxy.is_no_proxy(&url.parse().expect("a url"));
        assert!(past("https://intern.example.org/x") && past("https://a.intern.example.org/x"));
        assert!(past("https://box.local/") && !past("https://example.org/"));
    }

    #[test]
    fn a_faulty_proxy_is_no_reason_to_go_without() {
        let options = Options { proxy: Some("gopher://x".to_owned()), ..Options::default() };
        assert!(matches!(options.proxy(), Err(Error::Environment { .. })));
    }

    #[test]
    fn roots_must_hold_a_certificate() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("roots.pem");
        let options = Options { roots: Some(path.clone()), ..Options::default() };
        for text in [None, Some("nothing"), Some("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n")] {
            if let Some(text) = text {
                fs::write(&path, text).expect("written");
            }
            assert!(matches!(options.root_certificates(), Err(Error::Environment { .. })), "{text:?}");
        }
    }
}
