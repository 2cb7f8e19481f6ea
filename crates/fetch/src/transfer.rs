//! Downloads one file to `PATH.part`: resumes partial downloads, limits their size, and aborts stalled ones.
//!
//! A part is continued with `Range` and `If-Range` (RFC 9110, section 14): a 206 holds the rest, a 200 the complete
//! file, and a 416 states that nothing is missing. [`range`](crate::range) decides which of them are believed. At most
//! the announced number of bytes, and at most the permitted number, are accepted.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use emberline_base::file::FileError;
use ureq::Body;
use ureq::http::Response;
use url::Url;

use crate::address::redacted;
use crate::client::{Client, Resource, header_text, transport_failure};
use crate::options::RetryPolicy;
use crate::partial::{Origin, Partial, address_digest};
use crate::range::{Extent, Validator, extent};
use crate::retry::{Failure, retry};
use crate::{Error, Observer};

/// The number of new bytes from which an attempt counts as progress.
const MIN_PROGRESS: u64 = 1 << 20;

/// A request to download one file.
#[derive(Debug)]
pub(crate) struct DownloadRequest {
    pub(crate) resource: Resource,
    /// The size in bytes, if it is known beforehand.
    pub(crate) size: Option<u64>,
    /// The bytes of other files that count as arrived; none if this file is the only one.
    pub(crate) bytes_before: Option<u64>,
}

impl DownloadRequest {
    /// A file of which only the address is known.
    pub(crate) fn new(resource: Resource) -> Self {
        Self { resource, size: None, bytes_before: None }
    }
}

/// Downloads to the `.part` file of `path`, continuing what exists.
///
/// # Errors
/// When the server refuses, keeps breaking off, or sends more than permitted.
pub(crate) fn download(
    client: &Client,
    request: &DownloadRequest,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<Partial, Error> {
    let mut partial = Partial::of(path, request.resource.url.as_str());
    let mut farthest = 0;
    retry(&client.options.retry, observer, |observer| attempt(client, request, &mut partial, &mut farthest, observer))?;
    Ok(partial)
}

fn attempt(
    client: &Client,
    request: &DownloadRequest,
    partial: &mut Partial,
    farthest: &mut u64,
    observer: &mut dyn Observer,
) -> Result<(), Failure> {
    if partial.is_complete() {
        partial.is_resumed = true;
        return Ok(());
    }
    let url = &request.resource.url;
    let Some(BodyResponse { response, source, offset, total }) = request_missing(client, request, partial, observer)?
    else {
        return Ok(());
    };
    check_content_type(url, &response)?;
    let limit = byte_limit(client, request, total)?;
    if let Some(total) = total.filter(|_| request.bytes_before.is_none()) {
        observer.on_total(total);
    }
    let origin = Origin::new(url.as_str(), &source, Validator::of(&response), total);
    let file = partial.open(offset, origin)?;
    let mut writer =
        PartWriter { file, partial, position: offset, limit, bytes_before: request.bytes_before.unwrap_or(0) };
    let ended = writer.receive(response.into_body(), url, &client.options.retry, observer);
    let position = writer.position;
    let progress = position >= farthest.saturating_add(MIN_PROGRESS);
    *farthest = position.max(*farthest);
    match ended {
        Err(Failure::Transient { error, after, .. }) => Err(Failure::Transient { error, after, progress }),
        Err(Failure::Permanent(error)) => Err(Failure::Permanent(error)),
        Ok(()) => check_length(url, request.size.or(total), position, progress),
    }
}

/// A response that holds bytes of the file.
struct BodyResponse {
    response: Response<Body>,
    /// The digest of the address that it comes from.
    source: String,
    /// The offset of its first byte in the file.
    offset: u64,
    /// The length of the complete file, if stated.
    total: Option<u64>,
}

/// Requests the missing bytes; none if nothing is missing. If the response can't be joined to the existing part, the
/// part is discarded and the complete file requested.
fn request_missing(
    client: &Client,
    request: &DownloadRequest,
    partial: &mut Partial,
    observer: &mut dyn Observer,
) -> Result<Option<BodyResponse>, Failure> {
    let url = &request.resource.url;
    loop {
        let part = partial.resumable_part();
        let range = part.as_ref().map(|part| format!("bytes={}-", part.bytes));
        let headers: Vec<(&str, &str)> = match (&range, &part) {
            (Some(range), Some(part)) => vec![("range", range), ("if-range", part.validator.as_str())],
            _ => Vec::new(),
        };
        let (from, response) = client.get(&request.resource, &headers)?;
        let source = address_digest(&from);
        match extent(&response, part.as_ref(), &source) {
            Extent::From(offset, total) => return Ok(Some(BodyResponse { response, source, offset, total })),
            Extent::Complete => return Ok(None),
            Extent::Mismatch(why) if part.is_some() => {
                observer.on_message(&format!("{}: {why}; downloading it again from the start", redacted(url)));
                partial.discard();
            }
            Extent::Mismatch(why) => {
                let error = Error::Network { url: redacted(url), reason: why.to_owned() };
                return Err(Failure::Transient { error, after: None, progress: false });
            }
        }
    }
}

/// Checks that the complete file has arrived.
fn check_length(url: &Url, expected: Option<u64>, arrived: u64, progress: bool) -> Result<(), Failure> {
    match expected {
        Some(expected) if expected != arrived => {
            let error = Error::Network {
                url: redacted(url),
                reason: format!("the connection broke off after {arrived} of {expected} bytes"),
            };
            Err(Failure::Transient { error, after: None, progress })
        }
        _ => Ok(()),
    }
}

/// Returns the maximum number of bytes to accept; an error if the announced size is larger than permitted.
fn byte_limit(client: &Client, request: &DownloadRequest, total: Option<u64>) -> Result<u64, Error> {
    let url = redacted(&request.resource.url);
    let max_bytes = client.options.limits.download;
    match (request.size, total) {
        (Some(size), Some(total)) if size != total => {
            Err(Error::Answer { url, reason: format!("the file has {total} bytes, but {size} were announced") })
        }
        (size, total) if size.or(total).is_some_and(|bytes| bytes > max_bytes) => {
            let bytes = size.or(total).unwrap_or_default();
            Err(Error::Answer { url, reason: format!("the file has {bytes} bytes; at most {max_bytes} are permitted") })
        }
        (size, _) => Ok(size.unwrap_or(max_bytes)),
    }
}

/// Refuses a web page instead of a file, and content codings that weren't requested.
fn check_content_type<T>(url: &Url, response: &Response<T>) -> Result<(), Error> {
    let refused = |reason: &str| Err(Error::Answer { url: redacted(url), reason: reason.to_owned() });
    if header_text(response, "content-type").is_some_and(|kind| kind.trim_start().starts_with("text/html")) {
        return refused(
            "the server sent a web page instead of a file; open the URL in a browser, and use the file's own URL",
        );
    }
    match header_text(response, "content-encoding").map(str::trim) {
        None | Some("" | "identity") => Ok(()),
        // Some servers declare the compression of an archive itself this way.
        Some("gzip" | "x-gzip") if url.path().ends_with("gz") => Ok(()),
        Some(_) => refused("the server compresses the file although that wasn't requested"),
    }
}

/// Writes a body to the part.
struct PartWriter<'a> {
    file: File,
    partial: &'a mut Partial,
    /// The number of bytes that have arrived, from the start of the file.
    position: u64,
    limit: u64,
    bytes_before: u64,
}

impl PartWriter<'_> {
    /// Reads a body to its end.
    fn receive(
        &mut self,
        body: Body,
        url: &Url,
        policy: &RetryPolicy,
        observer: &mut dyn Observer,
    ) -> Result<(), Failure> {
        let mut reader = body.into_reader();
        let mut buffer = vec![0; 1 << 17];
        let mut stall_detector = StallDetector { since: Instant::now(), from: self.position };
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read_failure(url, error)),
            };
            if self.position + read as u64 > self.limit {
                self.partial.discard();
                let reason = format!("the server sends more than {} bytes", self.limit);
                return Err(Error::Answer { url: redacted(url), reason }.into());
            }
            self.file.write_all(&buffer[..read]).map_err(FileError::new("write", &self.partial.path))?;
            self.position += read as u64;
            observer.on_progress(self.bytes_before + self.position);
            stall_detector.check(url, self.position, policy)?;
        }
        self.file.sync_all().map_err(FileError::new("write", &self.partial.path))?;
        Ok(())
    }
}

fn read_failure(url: &Url, error: io::Error) -> Failure {
    let timed_out = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
    if timed_out {
        let error =
            Error::Network { url: redacted(url), reason: "the download stalled: no more bytes arrived".to_owned() };
        return Failure::Transient { error, after: None, progress: false };
    }
    match error.downcast::<ureq::Error>() {
        Ok(error) => transport_failure(url, error),
        Err(error) => transport_failure(url, ureq::Error::Io(error)),
    }
}

/// Measures the speed of a download to detect stalls.
struct StallDetector {
    since: Instant,
    from: u64,
}

impl StallDetector {
    /// Fails if the download was too slow during the last `stall_timeout`.
    fn check(&mut self, url: &Url, position: u64, policy: &RetryPolicy) -> Result<(), Failure> {
        if self.since.elapsed() < policy.stall_timeout {
            return Ok(());
        }
        let seconds = self.since.elapsed().as_secs_f64();
        let speed = (position - self.from) as f64 / seconds;
        if speed < policy.min_bytes_per_second as f64 {
            let reason = format!("the download stalled: {speed:.0} bytes per second");
            let error = Error::Network { url: redacted(url), reason };
            return Err(Failure::Transient { error, after: None, progress: false });
        }
        *self = Self { since: Instant::now(), from: position };
        Ok(())
    }
}
