//! Decides whether a response continues a partial download: only bytes of the same version of the same file are ever
//! joined.
//!
//! Two responses hold parts of one version if they share a *strong* validator (RFC 9110, section 15.3.7.3):
//!
//! | validator | strong |
//! |---|---|
//! | `ETag: "x"` | yes |
//! | `ETag: W/"x"` | never |
//! | `Last-Modified` | if there is no `ETag`, and `Date` is at least 60 s later (sections 8.8.2.2 and 13.1.5) |
//!
//! The validator is sent as `If-Range`, so that a server whose file has changed responds with all of it (200). Some
//! servers ignore that header. A 206 is therefore joined only if it repeats the validator, starts at the next byte, has
//! the length that it states, comes from the same address as the first part, and doesn't state another length of the
//! complete file. A date is a weaker proof than a tag: with it, both responses must state the length of the complete
//! file. Any other response means that the file is downloaded again from the first byte.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::http::{Response, StatusCode};

use crate::client::header_text;
use crate::partial::Part;

/// How much later than the file's last change a response must have been sent for its date to be a strong validator.
const STRONG_DATE_AGE: Duration = Duration::from_secs(60);

/// A strong validator, by which a server identifies one version of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Validator {
    /// A strong entity tag, quotes included.
    Etag(String),
    /// The time of the last change, if there is no entity tag.
    LastModified(String),
}

impl Validator {
    /// Returns the strong validator of a response, if it has one.
    pub(crate) fn of<T>(response: &Response<T>) -> Option<Self> {
        match header_text(response, "etag").map(str::trim) {
            Some(tag) => is_strong(tag).then(|| Self::Etag(tag.to_owned())),
            // An unreadable tag is still a tag.
            None if response.headers().contains_key("etag") => None,
            None => {
                let modified = header_text(response, "last-modified")?.trim();
                let date = httpdate::parse_http_date(header_text(response, "date")?.trim()).ok()?;
                let age = date.duration_since(httpdate::parse_http_date(modified).ok()?).ok()?;
                (age >= STRONG_DATE_AGE).then(|| Self::LastModified(modified.to_owned()))
            }
        }
    }

    /// Returns the value for `If-Range`.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Etag(tag) => tag,
            Self::LastModified(date) => date,
        }
    }

    /// Returns whether a response repeats this validator.
    fn is_of<T>(&self, response: &Response<T>) -> bool {
        let has = |name: &str, value: &str| header_text(response, name).is_some_and(|found| found.trim() == value);
        match self {
            Self::Etag(tag) => has("etag", tag),
            Self::LastModified(date) => !response.headers().contains_key("etag") && has("last-modified", date),
        }
    }
}

/// A strong entity tag is quoted and doesn't begin with `W/`.
fn is_strong(tag: &str) -> bool {
    tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"') && !tag[1..tag.len() - 1].contains('"')
}

/// The bytes that a response holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The bytes from this offset on, and the length of the complete file, if stated.
    From(u64, Option<u64>),
    /// None: everything has arrived.
    Complete,
    /// Bytes that can't be joined to the part; the reason.
    Mismatch(&'static str),
}

/// Returns which bytes a response from `source` holds, given the part that it was asked to continue.
pub(crate) fn extent<T>(response: &Response<T>, part: Option<&Part>, source: &str) -> Extent {
    match (response.status(), part) {
        (StatusCode::OK, _) => Extent::From(0, content_length(response)),
        (StatusCode::PARTIAL_CONTENT, Some(part)) => {
            check_partial_content(response, part, source).unwrap_or_else(Extent::Mismatch)
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(part)) => {
            check_not_satisfiable(response, part, source).unwrap_or_else(Extent::Mismatch)
        }
        _ => Extent::Mismatch("the server sent a part of the file that wasn't requested"),
    }
}

/// Checks a 206, which holds the rest of the file.
fn check_partial_content<T>(response: &Response<T>, part: &Part, source: &str) -> Result<Extent, &'static str> {
    let range = content_range(response).ok_or("the `Content-Range` of the response is invalid")?;
    let (first, last) = range.part.ok_or("the `Content-Range` of the response is invalid")?;
    if first != part.bytes {
        return Err("the server sent other bytes than requested");
    }
    if content_length(response).is_some_and(|length| length != last - first + 1) {
        return Err("the `Content-Length` of the response contradicts its `Content-Range`");
    }
    same_version(response, part, source, range.total)?;
    Ok(Extent::From(part.bytes, range.total.or(part.origin.total)))
}

/// Checks a 416, which means that nothing follows the part.
fn check_not_satisfiable<T>(response: &Response<T>, part: &Part, source: &str) -> Result<Extent, &'static str> {
    let total = content_range(response).and_then(|range| range.total);
    if total != Some(part.bytes) {
        return Err("the file on the server is shorter than the part that has arrived");
    }
    same_version(response, part, source, total).map(|()| Extent::Complete)
}

/// Refuses a response that isn't known to belong to the same version as the part.
fn same_version<T>(response: &Response<T>, part: &Part, source: &str, total: Option<u64>) -> Result<(), &'static str> {
    let origin = &part.origin;
    if origin.source != source {
        return Err("the response comes from another address than the first part");
    }
    if !part.validator.is_of(response) {
        return Err("the file has changed on the server, or the response doesn't prove that it hasn't");
    }
    let same_length = match &part.validator {
        Validator::Etag(_) => total.is_none() || origin.total.is_none() || total == origin.total,
        Validator::LastModified(_) => total.is_some() && total == origin.total,
    };
    if same_length { Ok(()) } else { Err("the file on the server has another length") }
}

/// `Content-Range: bytes FIRST-LAST/TOTAL`; `*` stands for an unknown value.
struct ContentRange {
    part: Option<(u64, u64)>,
    total: Option<u64>,
}

/// Parses the header `Content-Range`; none if it is missing or contradicts itself.
fn content_range<T>(response: &Response<T>) -> Option<ContentRange> {
    let (unit, range) = header_text(response, "content-range")?.trim().split_once(' ')?;
    let (part, total) = range.trim().split_once('/')?;
    let total = if total == "*" { None } else { Some(number(total)?) };
    let part = match part {
        "*" => None,
        part => {
            let (first, last) = part.split_once('-')?;
            Some((number(first)?, number(last)?))
        }
    };
    let is_sound = part.is_none_or(|(first, last)| first <= last && total.is_none_or(|total| last < total));
    (unit.eq_ignore_ascii_case("bytes") && is_sound).then_some(ContentRange { part, total })
}

fn content_length<T>(response: &Response<T>) -> Option<u64> {
    number(header_text(response, "content-length")?.trim())
}

/// Parses digits only: `parse` would accept a sign too.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partial::Origin;

    fn response(status: u16, headers: &[(&str, &str)]) -> Response<()> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).expect("a response")
    }

    /// The first three bytes of seven.
    fn part(validator: Validator, total: Option<u64>) -> Part {
        let origin = Origin::new("https://a.org/x", "here", Some(validator.clone()), total);
        Part { bytes: 3, validator, origin }
    }

    const CHANGED: &str = "Sun, 06 Nov 1994 08:49:30 GMT";
    const RANGE: (&str, &str) = ("content-range", "bytes 3-6/7");
    const TAG: (&str, &str) = ("etag", "\"a\"");
    const DATE: (&str, &str) = ("last-modified", CHANGED);

    #[test]
    fn only_strong_validators_count() {
        let of = |headers: &[(&str, &str)]| Validator::of(&response(200, headers));
        let tag = |tag: &str| Some(Validator::Etag(tag.to_owned()));
        assert_eq!(of(&[TAG]), tag("\"a\""));
        assert_eq!(of(&[("etag", "\"\"")]), tag("\"\""));
        for weak in ["W/\"a\"", "w/\"a\"", "a", "\"a", "\"", "\"a\", \"b\"", ""] {
            assert_eq!(of(&[("etag", weak)]), None, "{weak}");
            // A date is no validator if there is a tag.
            assert_eq!(of(&[("etag", weak), DATE, ("date", "Sun, 06 Nov 1994 09:49:30 GMT")]), None, "{weak}");
        }
        let date = Some(Validator::LastModified(CHANGED.to_owned()));
        for (sent, strong) in [("08:50:30", true), ("08:50:29", false), ("08:49:30", false), ("08:00:00", false)] {
            let sent = format!("Sun, 06 Nov 1994 {sent} GMT");
            assert_eq!(of(&[DATE, ("date", &sent)]), date.clone().filter(|_| strong), "{sent}");
        }
        assert_eq!(of(&[DATE]), None);
        assert_eq!(of(&[("last-modified", "yesterday"), ("date", CHANGED)]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_response_without_a_range_is_the_complete_file_or_nothing() {
        let of = |status, headers: &[(&str, &str)]| extent(&response(status, headers), None, "here");
        assert_eq!(of(200, &[("content-length", "7")]), Extent::From(0, Some(7)));
        assert_eq!(of(200, &[]), Extent::From(0, None));
        for status in [206, 416] {
            assert!(matches!(of(status, &[RANGE, TAG]), Extent::Mismatch(_)), "{status}");
        }
    }

    #[test]
    fn the_rest_of_the_same_version_is_joined() {
        let etag = Validator::Etag("\"a\"".to_owned());
        let of =
            |total, headers: &[(&str, &str)]| extent(&response(206, headers), Some(&part(etag.clone(), total)), "here");
        assert_eq!(of(Some(7), &[RANGE, TAG]), Extent::From(3, Some(7)));
        assert_eq!(of(Some(7), &[RANGE, TAG, ("content-length", "4")]), Extent::From(3, Some(7)));
        assert_eq!(of(None, &[RANGE, TAG]), Extent::From(3, Some(7)));
        assert_eq!(of(Some(7), &[("content-range", "bytes 3-6/*"), TAG]), Extent::From(3, Some(7)));
        for (headers, why) in [
            (vec![RANGE], "no validator"),
            (vec![RANGE, ("etag", "\"b\"")], "another version"),
            (vec![RANGE, ("etag", "W/\"a\"")], "a weak one"),
            (vec![RANGE, DATE], "a date for a tag"),
            (vec![TAG], "no range"),
            (vec![TAG, ("content-range", "bytes 2-6/7")], "begins before"),
            (vec![TAG, ("content-range", "bytes 4-6/7")], "begins behind"),
            (vec![TAG, ("content-range", "bytes 3-6/8")], "another length"),
            (vec![TAG, ("content-range", "bytes 3-7/7")], "ends behind the end"),
            (vec![TAG, ("content-range", "bytes 3-2/7")], "ends before it begins"),
            (vec![TAG, ("content-range", "bytes +3-6/7")], "a sign"),
            (vec![TAG, ("content-range", "rows 3-6/7")], "another unit"),
            (vec![TAG, ("content-range", "bytes */7")], "no part"),
            (vec![TAG, RANGE, ("content-length", "5")], "another length of the body"),
        ] {
            assert!(matches!(of(Some(7), &headers), Extent::Mismatch(_)), "{why}");
        }
        let elsewhere = extent(&response(206, &[RANGE, TAG]), Some(&part(etag, Some(7))), "elsewhere");
        assert!(matches!(elsewhere, Extent::Mismatch(_)));
    }

    #[test]
    fn a_date_needs_the_length_as_well() {
        let date = Validator::LastModified(CHANGED.to_owned());
        let of =
            |total, headers: &[(&str, &str)]| extent(&response(206, headers), Some(&part(date.clone(), total)), "here");
        assert_eq!(of(Some(7), &[RANGE, DATE]), Extent::From(3, Some(7)));
        for (total, headers) in [
            (None, vec![RANGE, DATE]),
            (Some(7), vec![("content-range", "bytes 3-6/*"), DATE]),
            (Some(8), vec![RANGE, DATE]),
            (Some(7), vec![RANGE]),
            (Some(7), vec![RANGE, DATE, TAG]),
            (Some(7), vec![RANGE, ("last-modified", "Sun, 06 Nov 1994 08:49:31 GMT")]),
        ] {
            assert!(matches!(of(total, &headers), Extent::Mismatch(_)), "{total:?} {headers:?}");
        }
    }

    #[test]
    fn nothing_is_missing_only_from_the_same_version() {
        let etag = Validator::Etag("\"a\"".to_owned());
        let of = |headers: &[(&str, &str)]| extent(&response(416, headers), Some(&part(etag.clone(), None)), "here");
        let all = ("content-range", "bytes */3");
        assert_eq!(of(&[all, TAG]), Extent::Complete);
        for headers in [vec![all], vec![all, ("etag", "\"b\"")], vec![TAG], vec![TAG, ("content-range", "bytes */2")]] {
            assert!(matches!(of(&headers), Extent::Mismatch(_)), "{headers:?}");
        }
    }
}
