//! A server on this machine that misbehaves as it is told to.
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use emberline_fetch::{Error, Fetched, Fetcher, Limits, Options, Patience, Request, Silent};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// With the query.
    pub(crate) path: String,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// 0 for the server's first request.
    pub(crate) number: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The offset of `Range: bytes=OFFSET-`.
    pub(crate) fn offset(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What the server does, before it closes the connection.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// The same bytes until the other side hangs up.
    Forever(Vec<u8>, Duration),
}

pub(crate) type Reply = Vec<Step>;

/// A status line, headers and a body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// 200 with the body and its length.
pub(crate) fn whole(body: &[u8]) -> Reply {
    answer(200, &[("content-length", &body.len().to_string()), ("etag", "\"v1\"")], body)
}

/// The whole, or the part that is asked for.
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

/// The first bytes of an answer only.
pub(crate) fn cut(mut reply: Reply, bytes: usize) -> Reply {
    for step in &mut reply {
        if let Step::Send(sent) = step {
            let head = sent.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
            sent.truncate(head + bytes);
        }
    }
    reply
}

/// A server that lives as long as the test.
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

/// Reads a request's head; none where the other side hangs up.
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

/// Options that don't keep a test waiting.
pub(crate) fn options() -> Options {
    Options {
        patience: Patience {
            connect: Duration::from_secs(5),
            stall: Duration::from_millis(400),
            slowest: 1,
            tries: 3,
            pause: Duration::from_millis(1),
            ..Patience::default()
        },
        limits: Limits { download: 50_000_000, ..Limits::default() },
        ..Options::default()
    }
}

pub(crate) fn request(url: &str, path: &Path, sha256: Option<&str>) -> Request {
    Request { url: url.to_owned(), path: path.to_owned(), sha256: sha256.map(str::to_owned), graphs: Vec::new() }
}

/// Fetches with the options.
pub(crate) fn fetch_with(options: Options, url: &str, path: &Path, sha256: Option<&str>) -> Result<Fetched, Error> {
    Fetcher::new(options).expect("sound options").fetch(&request(url, path, sha256), &mut Silent)
}

pub(crate) fn fetch(url: &str, path: &Path) -> Result<Fetched, Error> {
    fetch_with(options(), url, path, None)
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Bytes that don't repeat soon.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length as u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(length).collect()
}
