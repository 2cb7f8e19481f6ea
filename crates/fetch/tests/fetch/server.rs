//! A test server on this machine that misbehaves as instructed.
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use emberline_fetch::{Error, Fetched, Fetcher, IgnoreProgress, Limits, Options, Request, RetryPolicy};

/// A request that the server received.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The path with the query.
    pub(crate) path: String,
    /// The headers by name, in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The number of the request, 0 for the server's first.
    pub(crate) number: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the offset of `Range: bytes=OFFSET-`.
    pub(crate) fn offset(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What the server does before it closes the connection.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// Sends the same bytes until the client closes the connection.
    Forever(Vec<u8>, Duration),
}

pub(crate) type Reply = Vec<Step>;

/// Returns a reply of a status line, headers and a body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// Returns a 200 with the body and its length.
pub(crate) fn whole(body: &[u8]) -> Reply {
    answer(200, &[("content-length", &body.len().to_string()), ("etag", "\"v1\"")], body)
}

/// Returns the complete body, or the part that is requested.
pub(crate) fn part(asked: &Asked, body: &[u8]) -> Reply {
    match asked.offset().filter(|_| asked.header("if-range") == Some("\"v1\"")) {
        None => whole(body),
        Some(from) if from >= body.len() => {
            answer(416, &[("content-range", &format!("bytes */{}", body.len())), ("content-length", "0")], b"")
        }
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
            let length = (body.len() - from).to_string();
            answer(206, &[("content-range", &range), ("content-length", &length), ("etag", "\"v1\"")], &body[from..])
        }
    }
}

/// Returns only the first bytes of a reply.
pub(crate) fn cut(mut reply: Reply, bytes: usize) -> Reply {
    for step in &mut reply {
        if let Step::Send(sent) = step {
            let head = sent.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
            sent.truncate(head + bytes);
        }
    }
    reply
}

/// A server that runs as long as the test.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self { address: listener.local_addr().expect("an address"), asked: Arc::default() };
        let (reply, asked) = (Arc::new(reply), server.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (reply, asked) = (reply.clone(), asked.clone());
                thread::spawn(move || serve(stream.expect("a connection"), &*reply, &asked));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// Reads the head of a request; none if the client closes the connection.
pub(crate) fn read_head(stream: impl Read) -> Option<(String, BTreeMap<String, String>)> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: String| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
    Some((path, lines.take_while(|line| !line.is_empty()).filter_map(header).collect()))
}

fn serve(mut stream: TcpStream, reply: &dyn Fn(&Asked) -> Reply, asked: &Mutex<Vec<Asked>>) {
    let Some((path, headers)) = read_head(&stream) else { return };
    let request = {
        let mut all = asked.lock().expect("no panic");
        let request = Asked { path, headers, number: all.len() };
        all.push(request.clone());
        request
    };
    perform(&mut stream, &reply(&request));
}

fn perform(stream: &mut TcpStream, reply: &[Step]) {
    for step in reply {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(bytes).is_err() {
                    return;
                }
            }
            Step::Wait(time) => thread::sleep(*time),
            Step::Forever(bytes, pause) => {
                while stream.write_all(bytes).is_ok() {
                    thread::sleep(*pause);
                }
            }
        }
    }
}

/// Options with short timeouts and delays.
pub(crate) fn options() -> Options {
    Options {
        retry: RetryPolicy {
            connect_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_millis(400),
            min_bytes_per_second: 1,
            max_attempts: 3,
            initial_delay: Duration::from_millis(1),
            ..RetryPolicy::default()
        },
        limits: Limits { download: 50_000_000, ..Limits::default() },
        ..Options::default()
    }
}

pub(crate) fn request(url: &str, path: &Path, sha256: Option<&str>) -> Request {
    Request { url: url.to_owned(), path: path.to_owned(), sha256: sha256.map(str::to_owned), graphs: Vec::new() }
}

/// Fetches with these options.
pub(crate) fn fetch_with(options: Options, url: &str, path: &Path, sha256: Option<&str>) -> Result<Fetched, Error> {
    Fetcher::new(options).expect("sound options").fetch(&request(url, path, sha256), &mut IgnoreProgress)
}

pub(crate) fn fetch(url: &str, path: &Path) -> Result<Fetched, Error> {
    fetch_with(options(), url, path, None)
}

/// Returns the sorted names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Returns bytes that don't repeat soon.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length as u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(length).collect()
}
