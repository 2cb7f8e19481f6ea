//! One file from a server to `PATH.part`: continued where it broke off, capped, and never waited for without end.
//!
//! A part is continued with `Range` and `If-Range` (RFC 9110, section 14): 206 brings the rest, 200 the whole anew,
//! 416 says that nothing is missing; [`range`](crate::range) decides which of these are believed. What comes is at most what
//! was announced, and at most what may come.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use emberline_base::file::FileError;
use ureq::Body;
use ureq::http::Response;
use url::Url;

use crate::address::shown;
use crate::client::{Client, Resource, failed, header_text};
use crate::options::Patience;
use crate::partial::{Origin, Partial, place};
use crate::range::{Extent, Validator, extent};
use crate::retry::{Failure, persist};
use crate::{Error, Observer};

/// New bytes that make an attempt worth another one.
const PROGRESS: u64 = 1 << 20;

/// A file that is wanted.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) resource: Resource,
    /// Its bytes, where they are known beforehand.
    pub(crate) size: Option<u64>,
    /// Bytes of other files that count as arrived; none where this file is all.
    pub(crate) before: Option<u64>,
}

impl Wanted {
    /// A file of which only the place is known.
    pub(crate) fn new(resource: Resource) -> Self {
        Self { resource, size: None, before: None }
    }
}

/// Downloads to `PATH.part` of `path`, continuing what is there.
///
/// # Errors
/// When the server refuses, keeps breaking off, or sends more than may come.
pub(crate) fn download(
    client: &Client,
    wanted: &Wanted,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<Partial, Error> {
    let mut partial = Partial::of(path, wanted.resource.url.as_str());
    let mut farthest = 0;
    persist(&client.options.patience, observer, |observer| {
        attempt(client, wanted, &mut partial, &mut farthest, observer)
    })?;
    Ok(partial)
}

fn attempt(
    client: &Client,
    wanted: &Wanted,
    partial: &mut Partial,
    farthest: &mut u64,
    observer: &mut dyn Observer,
) -> Result<(), Failure> {
    if partial.is_whole() {
        partial.joined = true;
        return Ok(());
    }
    let url = &wanted.resource.url;
    let Some(Answer { response, place, offset, total }) = ask(client, wanted, partial, observer)? else {
        return Ok(());
    };
    check_kind(url, &response)?;
    let cap = cap(client, wanted, total)?;
    if let Some(total) = total.filter(|_| wanted.before.is_none()) {
        observer.expects(total);
    }
    let origin = Origin::new(url.as_str(), &place, Validator::of(&response), total);
    let file = partial.open(offset, origin)?;
    let mut sink = Sink { file, partial, position: offset, cap, before: wanted.before.unwrap_or(0) };
    let ended = sink.receive(response.into_body(), url, &client.options.patience, observer);
    let position = sink.position;
    let progress = position >= farthest.saturating_add(PROGRESS);
    *farthest = position.max(*farthest);
    match ended {
        Err(Failure::Passing { error, after, .. }) => Err(Failure::Passing { error, after, progress }),
        Err(Failure::Final(error)) => Err(Failure::Final(error)),
        Ok(()) => length(url, wanted.size.or(total), position, progress),
    }
}

/// An answer that brings bytes.
struct Answer {
    response: Response<Body>,
    /// Where it comes from.
    place: String,
    /// The first of its bytes, from the file's start.
    offset: u64,
    /// The bytes of the whole.
    total: Option<u64>,
}

/// Asks for what is missing; none if nothing is. Where the answer can't be joined to the part that there is, the part is
/// forgotten and all of the file asked for.
fn ask(
    client: &Client,
    wanted: &Wanted,
    partial: &mut Partial,
    observer: &mut dyn Observer,
) -> Result<Option<Answer>, Failure> {
    let url = &wanted.resource.url;
    loop {
        let part = partial.part();
        let range = part.as_ref().map(|part| format!("bytes={}-", part.bytes));
        let headers: Vec<(&str, &str)> = match (&range, &part) {
            (Some(range), Some(part)) => vec![("range", range), ("if-range", part.validator.as_str())],
            _ => Vec::new(),
        };
        let (from, response) = client.get(&wanted.resource, &headers)?;
        let place = place(&from);
        match extent(&response, part.as_ref(), &place) {
            Extent::From(offset, total) => return Ok(Some(Answer { response, place, offset, total })),
            Extent::Complete => return Ok(None),
            Extent::Unfit(why) if part.is_some() => {
                observer.says(&format!("{}: {why}; it is fetched from its first byte", shown(url)));
                partial.discard();
            }
            Extent::Unfit(why) => {
                let error = Error::Network { url: shown(url), reason: why.to_owned() };
                return Err(Failure::Passing { error, after: None, progress: false });
            }
        }
    }
}

/// Whether as much came as there is.
fn length(url: &Url, expected: Option<u64>, came: u64, progress: bool) -> Result<(), Failure> {
    match expected {
        Some(expected) if expected != came => {
            let error =
                Error::Network { url: shown(url), reason: format!("broke off after {came} of {expected} bytes") };
            Err(Failure::Passing { error, after: None, progress })
        }
        _ => Ok(()),
    }
}

/// The most bytes that are taken, where there may be so many.
fn cap(client: &Client, wanted: &Wanted, total: Option<u64>) -> Result<u64, Error> {
    let url = shown(&wanted.resource.url);
    let most = client.options.limits.download;
    match (wanted.size, total) {
        (Some(size), Some(total)) if size != total => {
            Err(Error::Answer { url, reason: format!("has {total} bytes, where {size} are announced") })
        }
        (size, total) if size.or(total).is_some_and(|bytes| bytes > most) => {
            let bytes = size.or(total).unwrap_or_default();
            Err(Error::Answer { url, reason: format!("has {bytes} bytes; at most {most} are fetched") })
        }
        (size, _) => Ok(size.unwrap_or(most)),
    }
}

/// Refuses a web page in a file's place, and bytes that are coded unasked.
fn check_kind<T>(url: &Url, response: &Response<T>) -> Result<(), Error> {
    let refused = |reason: &str| Err(Error::Answer { url: shown(url), reason: reason.to_owned() });
    if header_text(response, "content-type").is_some_and(|kind| kind.trim_start().starts_with("text/html")) {
        return refused("a web page came instead of a file; open it in a browser, and name the file's own address");
    }
    match header_text(response, "content-encoding").map(str::trim) {
        None | Some("" | "identity") => Ok(()),
        // Some servers describe an archive's own packing so.
        Some("gzip" | "x-gzip") if url.path().ends_with("gz") => Ok(()),
        Some(_) => refused("the server packs what it sends, unasked"),
    }
}

/// Where bytes go.
struct Sink<'a> {
    file: File,
    partial: &'a mut Partial,
    /// The bytes that have arrived, from the file's start.
    position: u64,
    cap: u64,
    before: u64,
}

impl Sink<'_> {
    /// Takes a body to its end.
    fn receive(
        &mut self,
        body: Body,
        url: &Url,
        patience: &Patience,
        observer: &mut dyn Observer,
    ) -> Result<(), Failure> {
        let mut reader = body.into_reader();
        let mut buffer = vec![0; 1 << 17];
        let mut pace = Pace { since: Instant::now(), from: self.position };
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(url, error)),
            };
            if self.position + read as u64 > self.cap {
                self.partial.discard();
                let reason = format!("sends more than {} bytes", self.cap);
                return Err(Error::Answer { url: shown(url), reason }.into());
            }
            self.file.write_all(&buffer[..read]).map_err(FileError::new("write", &self.partial.path))?;
            self.position += read as u64;
            observer.advances(self.before + self.position);
            pace.check(url, self.position, patience)?;
        }
        self.file.sync_all().map_err(FileError::new("write", &self.partial.path))?;
        Ok(())
    }
}

fn broken(url: &Url, error: io::Error) -> Failure {
    let timed_out = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
    if timed_out {
        let error = Error::Network { url: shown(url), reason: "stalled: nothing came any more".to_owned() };
        return Failure::Passing { error, after: None, progress: false };
    }
    match error.downcast::<ureq::Error>() {
        Ok(error) => failed(url, error),
        Err(error) => failed(url, ureq::Error::Io(error)),
    }
}

/// How fast bytes come.
struct Pace {
    since: Instant,
    from: u64,
}

impl Pace {
    /// Breaks off what comes too slowly: every while of the length `stall` must bring its bytes.
    fn check(&mut self, url: &Url, position: u64, patience: &Patience) -> Result<(), Failure> {
        if self.since.elapsed() < patience.stall {
            return Ok(());
        }
        let seconds = self.since.elapsed().as_secs_f64();
        let speed = (position - self.from) as f64 / seconds;
        if speed < patience.slowest as f64 {
            let reason = format!("stalled: {speed:.0} bytes a second");
            let error = Error::Network { url: shown(url), reason };
            return Err(Failure::Passing { error, after: None, progress: false });
        }
        *self = Self { since: Instant::now(), from: position };
        Ok(())
    }
}
