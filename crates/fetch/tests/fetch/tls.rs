//! Tests of https, with test certificates (`tests/fixtures/make.sh`).

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use emberline_fetch::Options;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::{fetch_with, options, read_head};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Starts a server with the test certificate. Returns its port and its count of requests.
fn serve(reply: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    let certificate = CertificateDer::from_pem_file(fixture("localhost.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(fixture("localhost.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a pair"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let connection = ServerConnection::new(config.clone()).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream);
            if read_head(&mut stream).is_some() {
                let _ = stream.write_all(reply);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    (port, count)
}

fn trusting() -> Options {
    Options { roots: Some(fixture("root.pem")), ..options() }
}

#[test]
fn a_server_is_trusted_by_its_root() {
    let (port, _) = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    assert_eq!(fetch_with(trusting(), &format!("https://localhost:{port}/x"), &path, None).expect("fetched").bytes, 5);
}

#[test]
fn a_server_of_an_unknown_authority_isnt() {
    let (port, count) = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bin");
    let error = fetch_with(options(), &format!("https://localhost:{port}/x"), &path, None).expect_err("untrusted");
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
    // The certificate is for another name.
    let error = fetch_with(trusting(), &format!("https://127.0.0.1:{port}/x"), &path, None).expect_err("another name");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 2, "it isn't asked again");
    assert!(!path.exists());
}

#[test]
fn https_never_leads_to_http() {
    let (port, _) = serve(b"HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/x\r\ncontent-length: 0\r\n\r\n");
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("https://localhost:{port}/x");
    let error = fetch_with(trusting(), &url, &folder.path().join("x.bin"), None).expect_err("a downgrade");
    assert!(error.to_string().contains("redirects from https to http://127.0.0.1:1/x"), "{error}");
}
