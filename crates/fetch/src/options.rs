//! Options of fetching: limits, retries, credentials, proxy, and the environment variables that set them.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;

/// Options of fetching. The default uses the public servers, without credentials and without a proxy.
#[derive(Clone, Debug)]
pub struct Options {
    /// Fetch even what already exists.
    pub force: bool,
    /// The maximum sizes.
    pub limits: Limits,
    /// Timeouts and retries.
    pub retry: RetryPolicy,
    /// The URL of the Hugging Face Hub, `https://huggingface.co` by default.
    pub hub: String,
    /// The token for the Hub.
    pub hub_token: Option<String>,
    /// The URL of Kaggle's API, `https://www.kaggle.com/api/v1` by default.
    pub kaggle: String,
    /// The credentials for Kaggle.
    pub kaggle_login: Option<Login>,
    /// The URL of the proxy: `http://user:password@proxy.example.org:3128`, `socks5://...`.
    pub proxy: Option<String>,
    /// Hosts that are contacted without the proxy: names, which include their subdomains, or `*`.
    pub no_proxy: Vec<String>,
    /// A PEM file of root certificates to trust instead of Mozilla's.
    pub roots: Option<PathBuf>,
}

/// Maximum sizes and counts of downloads and archives.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum bytes of one download.
    pub download: u64,
    /// Maximum bytes that an archive may unpack to.
    pub unpacked: u64,
    /// Maximum ratio of unpacked to packed bytes, beyond the first 64 MiB.
    pub max_ratio: u64,
    /// Maximum number of files of an archive or a model.
    pub files: usize,
}

/// Timeouts, retries and redirects.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Timeout for establishing a connection.
    pub connect_timeout: Duration,
    /// Timeout for the next bytes. A download that is slower than `min_bytes_per_second` for this long is aborted too.
    pub stall_timeout: Duration,
    /// The speed below which a download counts as stalled, in bytes per second.
    pub min_bytes_per_second: u64,
    /// Maximum number of attempts without progress.
    pub max_attempts: u32,
    /// The delay before the second attempt; it doubles with each further one.
    pub initial_delay: Duration,
    /// Maximum delay, also when the server asks for one.
    pub max_delay: Duration,
    /// Maximum number of redirects of one request.
    pub max_redirects: u32,
}

/// Credentials for Kaggle.
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

/// Prints no secrets.
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
            retry: RetryPolicy::default(),
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
        Self { download: 20_000_000_000, unpacked: 64 << 30, max_ratio: 250, files: 10_000 }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            min_bytes_per_second: 100,
            max_attempts: 5,
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(120),
            max_redirects: 10,
        }
    }
}

impl Options {
    /// Reads the options from environment variables.
    ///
    /// | variable | content |
    /// |---|---|
    /// | `HF_ENDPOINT`, `HF_TOKEN` | the URL of another Hugging Face Hub, and the token for it |
    /// | `KAGGLE_API_ENDPOINT` | the URL of another Kaggle API |
    /// | `KAGGLE_API_TOKEN`, or `KAGGLE_USERNAME` and `KAGGLE_KEY`, or `kaggle.json` in `KAGGLE_CONFIG_DIR` or `~/.kaggle` | the credentials for it |
    /// | `HTTPS_PROXY`, or `ALL_PROXY`; `NO_PROXY` (also in lower case) | the proxy, and the hosts that bypass it |
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
        let bypassed = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
        options.no_proxy =
            bypassed.split(',').map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect();
        options.roots = variable("SSL_CERT_FILE").map(PathBuf::from);
        options
    }

    /// Reads the trusted root certificates; none if they are Mozilla's.
    pub(crate) fn root_certificates(&self) -> Result<Option<ureq::tls::RootCerts>, Error> {
        let Some(path) = &self.roots else { return Ok(None) };
        let invalid = |reason: String| Error::Environment { variable: "SSL_CERT_FILE", reason };
        let pem = fs::read(path).map_err(|e| invalid(format!("can't read {}: {e}", path.display())))?;
        let of_item = |item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        };
        let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
            .filter_map(of_item)
            .collect::<Result<_, _>>()
            .map_err(|e| invalid(format!("{} isn't a PEM file: {e}", path.display())))?;
        if certificates.is_empty() {
            return Err(invalid(format!("{} holds no certificate", path.display())));
        }
        Ok(Some(ureq::tls::RootCerts::from(certificates)))
    }

    /// Returns the proxy, if one is set.
    pub(crate) fn proxy(&self) -> Result<Option<ureq::Proxy>, Error> {
        let Some(text) = &self.proxy else { return Ok(None) };
        let invalid = |_| Error::Environment {
            variable: "HTTPS_PROXY or ALL_PROXY",
            reason: "it isn't the URL of a proxy; write it as http://proxy.example.org:3128".to_owned(),
        };
        let plain = ureq::Proxy::new(text).map_err(invalid)?;
        let mut proxy = ureq::Proxy::builder(plain.protocol()).host(plain.host()).port(plain.port());
        proxy = proxy.resolve_target(plain.resolve_target());
        if let Some(user) = plain.username() {
            proxy = proxy.username(user).password(plain.password().unwrap_or_default());
        }
        for host in &self.no_proxy {
            let name = host.trim_start_matches("*.").trim_start_matches('.');
            proxy = proxy.no_proxy(name).no_proxy(&format!(".{name}"));
        }
        proxy.build().map(Some).map_err(invalid)
    }
}

/// Returns the value of an environment variable; none if it is unset or blank.
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
    fn the_hosts_that_are_named_bypass_the_proxy() {
        let options = Options {
            proxy: Some("http://me:pass%40word@proxy.example.org:3128".to_owned()),
            no_proxy: vec!["intern.example.org".to_owned(), "*.local".to_owned()],
            ..Options::default()
        };
        let proxy = options.proxy().expect("sound").expect("a proxy");
        assert_eq!((proxy.host(), proxy.port()), ("proxy.example.org", 3128));
        assert_eq!((proxy.username(), proxy.password()), (Some("me"), Some("pass@word")));
        let bypassed = |url: &str| proxy.is_no_proxy(&url.parse().expect("a url"));
        assert!(bypassed("https://intern.example.org/x") && bypassed("https://a.intern.example.org/x"));
        assert!(bypassed("https://box.local/") && !bypassed("https://example.org/"));
    }

    #[test]
    fn an_invalid_proxy_is_an_error() {
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
