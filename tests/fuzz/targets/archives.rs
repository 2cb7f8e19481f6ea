//! Fuzzes archives that are downloaded: fetches one from a local server and unpacks it, as a folder and for a single file.
#![no_main]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use emberline_fetch::{Fetcher, IgnoreProgress, Options, Request};
use emberline_fuzz::{begin, folder, memory};
use libfuzzer_sys::fuzz_target;

/// The body of the server's next response.
static BODY: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fuzz_target!(init: begin(), |input: &[u8]| {
    let address = server();
    input.clone_into(&mut BODY.lock().unwrap_or_else(PoisonError::into_inner));
    // The server has the archive in memory too.
    memory::limit(2 * input.len());
    for name in ["model", "words.txt"] {
        let path = folder().join("fetched").join(name);
        let request = Request { url: format!("http://{address}/archive"), path, sha256: None, graphs: Vec::new() };
        let fetcher = Fetcher::new(Options::default()).expect("sound options");
        match fetcher.fetch(&request, &mut IgnoreProgress) {
            Err(error) => drop(error.to_string()),
            Ok(_) => assert!(request.path.exists(), "fetched, but not there"),
        }
        assert_only_below(&folder().join("fetched"));
    }
    let _ = std::fs::remove_dir_all(folder().join("fetched"));
});

/// Asserts that nothing was written outside of the requested folder.
fn assert_only_below(fetched: &Path) {
    let entries = std::fs::read_dir(folder()).expect("the folder is there");
    let others: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path != fetched).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Starts a server that responds to each connection with [`BODY`]; returns its address.
fn server() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let _ = lines.find(String::is_empty);
                let body = BODY.lock().unwrap_or_else(PoisonError::into_inner);
                let head = format!("HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            }
        });
        address
    })
}
