//! An HTTP client that follows redirects by its own rules.
//!
//! Every hop of a redirect is checked ([`check_redirect`]), and credentials go only to the server they are for. Bodies
//! are received as they are sent: no content coding is requested, and none is decoded.

use std::time::SystemTime;

use emberline_base::secret;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};
use url::Url;

use crate::address::{check_allowed, check_redirect, is_loopback, redacted};
use crate::options::Options;
use crate::retry::{Failure, retry_after};
use crate::{Error, Observer, retry};

/// The maximum size of an API's response, in bytes.
const MAX_API_RESPONSE: u64 = 32 << 20;

/// Sends HTTP requests.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    pub(crate) options: Options,
}

/// A resource on a server.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) url: Url,
    /// The value of the `Authorization` header, sent to this URL's server only.
    pub(crate) authorization: Option<String>,
}

impl Client {
    /// Creates a client; sends nothing.
    pub(crate) fn new(options: Options) -> Result<Self, Error> {
        let mut tls = TlsConfig::builder();
        if let Some(roots) = options.root_certificates()? {
            tls = tls.root_certs(roots);
        }
        let policy = &options.retry;
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .proxy(options.proxy()?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("emberline/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(policy.connect_timeout))
            .timeout_recv_response(Some(policy.stall_timeout))
            .timeout_per_read(Some(policy.stall_timeout))
            .build();
        Ok(Self { agent: config.into(), options })
    }

    /// Sends a request and follows redirects. Returns the final URL and its response, whose status is 200, 206 or 416.
    pub(crate) fn get(&self, resource: &Resource, headers: &[(&str, &str)]) -> Result<(Url, Response<Body>), Failure> {
        let mut url = resource.url.clone();
        check_allowed(&url).map_err(|reason| Error::Address { url: redacted(&url), reason })?;
        for _ in 0..=self.options.retry.max_redirects {
            let to_owner = url.origin() == resource.url.origin();
            let response = self.send(&url, headers, resource.authorization.as_deref().filter(|_| to_owner))?;
            match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                    return Ok((url, response));
                }
                status if status.is_redirection() => url = redirect_target(&url, &response)?,
                _ => return Err(status_failure(&url, &response)),
            }
        }
        let reason = format!("more than {} redirects", self.options.retry.max_redirects);
        Err(Error::Answer { url: redacted(&resource.url), reason }.into())
    }

    fn send(&self, url: &Url, headers: &[(&str, &str)], credentials: Option<&str>) -> Result<Response<Body>, Failure> {
        let mut request = self.agent.get(url.as_str());
        for (name, value) in headers.iter().copied().chain(credentials.map(|value| ("authorization", value))) {
            request = request.header(name, value);
        }
        if is_loopback(url) {
            request = request.config().proxy(None).build();
        }
        request.call().map_err(|error| transport_failure(url, error))
    }

    /// Requests a text from an API and returns it with the headers of the response. Transient failures are retried.
    pub(crate) fn get_text(
        &self,
        resource: &Resource,
        observer: &mut dyn Observer,
    ) -> Result<(String, Response<()>), Error> {
        retry::retry(&self.options.retry, observer, |_| {
            let (head, body) = self.get(resource, &[])?.1.into_parts();
            let body = body.into_with_config().limit(MAX_API_RESPONSE);
            let text = body.read_to_string().map_err(|error| match error {
                ureq::Error::BodyExceedsLimit(_) => {
                    let reason = format!("the response has more than {MAX_API_RESPONSE} bytes");
                    Failure::Permanent(Error::Answer { url: redacted(&resource.url), reason })
                }
                error => transport_failure(&resource.url, error),
            })?;
            Ok((text, Response::from_parts(head, ())))
        })
    }
}

/// Returns the target of a redirect.
fn redirect_target(from: &Url, response: &Response<Body>) -> Result<Url, Failure> {
    let invalid = |reason: String| Error::Answer { url: redacted(from), reason };
    let location = header_text(response, "location")
        .ok_or_else(|| invalid("the server redirects without a `Location`".to_owned()))?;
    let to = from.join(location).map_err(|e| invalid(format!("the server redirects to an invalid URL ({e})")))?;
    check_redirect(from, &to).map_err(invalid)?;
    Ok(to)
}

/// Returns the value of a header as text.
pub(crate) fn header_text<'a, T>(response: &'a Response<T>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Converts a response with another status into a failure.
fn status_failure(url: &Url, response: &Response<Body>) -> Failure {
    let status = response.status().as_u16();
    let is_transient = matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504);
    let hint = match status {
        401 | 403 => credentials_hint(url),
        404 | 410 => "; it doesn't exist (any more): correct the `url`".to_owned(),
        407 => "; the proxy requires credentials: set HTTPS_PROXY=http://user:password@host:port".to_owned(),
        429 => "; too many requests: try again later".to_owned(),
        _ => String::new(),
    };
    let error = Error::Status { url: redacted(url), status, hint };
    if !is_transient {
        return Failure::Permanent(error);
    }
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    Failure::Transient { error, after: after.and_then(|v| retry_after(v, SystemTime::now())), progress: false }
}

/// Returns a hint which credentials the server expects.
fn credentials_hint(url: &Url) -> String {
    let path = url.path();
    if path.contains("/api/v1/models/") || url.host_str().is_some_and(|host| host.ends_with("kaggle.com")) {
        "; accept the model's licence on its page, and set KAGGLE_USERNAME and KAGGLE_KEY".to_owned()
    } else if ["/api/models/", "/api/datasets/", "/resolve/"].iter().any(|part| path.contains(part)) {
        "; the model or dataset doesn't exist, or it requires a login: accept its licence on its page, and set HF_TOKEN"
            .to_owned()
    } else {
        "; it requires a login: download it by hand and place it at `path`".to_owned()
    }
}

/// Converts a transport error, before or within a body, into a failure.
pub(crate) fn transport_failure(url: &Url, error: ureq::Error) -> Failure {
    let text = error.to_string();
    let network = |reason: String| Error::Network { url: redacted(url), reason };
    if text.contains("UnknownIssuer") {
        let cure = "set SSL_CERT_FILE to the root certificates of your network";
        return Failure::Permanent(network(format!(
            "its certificate is signed by an authority that isn't trusted; {cure}"
        )));
    }
    let is_permanent =
        matches!(error, ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::BadUri(_) | ureq::Error::Http(_))
            || text.contains("invalid peer certificate");
    let error = network(match &error {
        ureq::Error::Timeout(_) => format!("no response in time ({})", secret::mask_urls(&text)),
        ureq::Error::HostNotFound => "the host doesn't exist, or there is no network".to_owned(),
        _ => secret::mask_urls(&text),
    });
    if is_permanent { Failure::Permanent(error) } else { Failure::Transient { error, after: None, progress: false } }
}
