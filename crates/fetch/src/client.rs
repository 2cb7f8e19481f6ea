//! One HTTP request, its redirects followed by our own rules.
//!
//! Every step of a redirect is checked ([`may_redirect`]), and credentials go only to the server they are for.
//! A body is taken as it is sent: no content coding is asked for, none is undone.

use std::time::SystemTime;

use emberline_base::secret;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};
use url::Url;

use crate::address::{is_loopback, may_redirect, permitted, shown};
use crate::options::Options;
use crate::retry::{Failure, retry_after};
use crate::{Error, Observer, retry};

/// The largest answer of an API.
const MAX_TEXT: u64 = 32 << 20;

/// Sends requests.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    pub(crate) options: Options,
}

/// A resource on a server.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) url: Url,
    /// The `Authorization` header, for this url's server alone.
    pub(crate) authorization: Option<String>,
}

impl Client {
    /// Makes ready to send requests; sends none.
    pub(crate) fn new(options: Options) -> Result<Self, Error> {
        let mut tls = TlsConfig::builder();
        if let Some(roots) = options.root_certificates()? {
            tls = tls.root_certs(roots);
        }
        let patience = &options.patience;
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .proxy(options.proxy()?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("emberline/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.stall))
            .timeout_per_read(Some(patience.stall))
            .build();
        Ok(Self { agent: config.into(), options })
    }

    /// The answer to a request, whatever redirects led to it: 200, 206 or 416; and the address that it comes from.
    pub(crate) fn get(&self, resource: &Resource, headers: &[(&str, &str)]) -> Result<(Url, Response<Body>), Failure> {
        let mut url = resource.url.clone();
        permitted(&url).map_err(|reason| Error::Address { url: shown(&url), reason })?;
        for _ in 0..=self.options.patience.redirects {
            let to_owner = url.origin() == resource.url.origin();
            let response = self.send(&url, headers, resource.authorization.as_deref().filter(|_| to_owner))?;
            match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                    return Ok((url, response));
                }
                status if status.is_redirection() => url = target(&url, &response)?,
                _ => return Err(refusal(&url, &response)),
            }
        }
        let reason = format!("more than {} redirects", self.options.patience.redirects);
        Err(Error::Answer { url: shown(&resource.url), reason }.into())
    }

    fn send(&self, url: &Url, headers: &[(&str, &str)], credentials: Option<&str>) -> Result<Response<Body>, Failure> {
        let mut request = self.agent.get(url.as_str());
        for (name, value) in headers.iter().copied().chain(credentials.map(|value| ("authorization", value))) {
            request = request.header(name, value);
        }
        if is_loopback(url) {
            request = request.config().proxy(None).build();
        }
        request.call().map_err(|error| failed(url, error))
    }

    /// The text and headers that an API answers with; asked again where that may help.
    pub(crate) fn text(
        &self,
        resource: &Resource,
        observer: &mut dyn Observer,
    ) -> Result<(String, Response<()>), Error> {
        retry::persist(&self.options.patience, observer, |_| {
            let (head, body) = self.get(resource, &[])?.1.into_parts();
            let body = body.into_with_config().limit(MAX_TEXT);
            let text = body.read_to_string().map_err(|error| match error {
                ureq::Error::BodyExceedsLimit(_) => {
                    let reason = format!("answers with more than {MAX_TEXT} bytes");
                    Failure::Final(Error::Answer { url: shown(&resource.url), reason })
                }
                error => failed(&resource.url, error),
            })?;
            Ok((text, Response::from_parts(head, ())))
        })
    }
}

/// Where a redirect leads.
fn target(from: &Url, response: &Response<Body>) -> Result<Url, Failure> {
    let wrong = |reason: String| Error::Answer { url: shown(from), reason };
    let location = header_text(response, "location").ok_or_else(|| wrong("a redirect to nowhere".to_owned()))?;
    let to = from.join(location).map_err(|e| wrong(format!("a redirect to what isn't a url ({e})")))?;
    may_redirect(from, &to).map_err(wrong)?;
    Ok(to)
}

/// A header's text.
pub(crate) fn header_text<'a, T>(response: &'a Response<T>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// What an answer that isn't the wanted one means.
fn refusal(url: &Url, response: &Response<Body>) -> Failure {
    let status = response.status().as_u16();
    let passing = matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504);
    let hint = match status {
        401 | 403 => hint_of_credentials(url),
        404 | 410 => "; it isn't there (any more): correct the `url`".to_owned(),
        407 => "; the proxy wants credentials: HTTPS_PROXY=http://user:password@host:port".to_owned(),
        429 => "; it is asked too often".to_owned(),
        _ => String::new(),
    };
    let error = Error::Status { url: shown(url), status, hint };
    if !passing {
        return Failure::Final(error);
    }
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    Failure::Passing { error, after: after.and_then(|v| retry_after(v, SystemTime::now())), progress: false }
}

/// Who wants which credentials.
fn hint_of_credentials(url: &Url) -> String {
    let path = url.path();
    if path.contains("/api/v1/models/") || url.host_str().is_some_and(|host| host.ends_with("kaggle.com")) {
        "; accept the model's licence on its page, and set KAGGLE_USERNAME and KAGGLE_KEY".to_owned()
    } else if ["/api/models/", "/api/datasets/", "/resolve/"].iter().any(|part| path.contains(part)) {
        "; there is no such model or dataset, or it wants a login: accept its licence on its page, and set HF_TOKEN"
            .to_owned()
    } else {
        "; it wants a login: download it by hand and place it at `path`".to_owned()
    }
}

/// What a request that got no answer, or a body that broke off, means.
pub(crate) fn failed(url: &Url, error: ureq::Error) -> Failure {
    let text = error.to_string();
    let network = |reason: String| Error::Network { url: shown(url), reason };
    if text.contains("UnknownIssuer") {
        let cure = "set SSL_CERT_FILE to the root certificates of your network";
        return Failure::Final(network(format!(
            "its certificate is signed by an authority that isn't trusted; {cure}"
        )));
    }
    let hopeless =
        matches!(error, ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::BadUri(_) | ureq::Error::Http(_))
            || text.contains("invalid peer certificate");
    let error = network(match &error {
        ureq::Error::Timeout(_) => format!("no answer in time ({})", secret::urls(&text)),
        ureq::Error::HostNotFound => "there is no such host, or no network".to_owned(),
        _ => secret::urls(&text),
    });
    if hopeless { Failure::Final(error) } else { Failure::Passing { error, after: None, progress: false } }
}
