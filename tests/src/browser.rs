//! A browser without a window, driven by the DevTools protocol over two pipes: for pages whose content a script makes later.
//!
//! Each message is a JSON document that ends with a zero byte. See <https://chromedevtools.github.io/devtools-protocol/>.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::end;

/// The program.
pub const PROGRAM: &str = "chromium";

/// How often a page is asked that is just being replaced by the one that it leads to.
const TRIES: u32 = 20;

/// Returns whether there is a browser.
pub fn is_there() -> bool {
    Command::new(PROGRAM).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A running browser, which ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    requests: File,
    answers: BufReader<File>,
    last: u64,
    _folder: TempDir,
}

impl Browser {
    /// Starts the browser, with a profile of its own.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [requests, answers] = ["requests", "answers"].map(|name| folder.path().join(name));
        assert_eq!(end(Command::new("mkfifo").args([&requests, &answers])).code, Some(0), "two pipes");
        // The browser reads from descriptor 3 and writes to 4.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" 3<\"$REQUESTS\" 4>\"$ANSWERS\"", PROGRAM]);
        shell.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--no-first-run"]);
        shell.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        shell.args(["--remote-debugging-pipe", "--window-size=1400,900"]);
        shell.arg(format!("--user-data-dir={}", folder.path().join("profile").display())).arg("about:blank");
        shell.env("REQUESTS", &requests).env("ANSWERS", &answers);
        let process = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        // Each is opened once the shell opens its other end.
        let open = |path: &Path| File::options().write(path == requests).read(path == answers).open(path);
        let (requests, answers) = (open(&requests).expect("a pipe"), open(&answers).expect("a pipe"));
        Self { process, requests, answers: BufReader::new(answers), last: 0, _folder: folder }
    }

    /// Opens a page, and returns what an expression comes to in it; a promise is awaited.
    ///
    /// # Panics
    /// If the expression throws.
    pub fn evaluate(&mut self, address: &str, expression: &str) -> Value {
        let page = self.call("Target.createTarget", json!({ "url": address }), None);
        let attach = json!({ "targetId": page["result"]["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", attach, None)["result"]["sessionId"].clone();
        let evaluate = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        for _ in 0..TRIES {
            let answer = self.call("Runtime.evaluate", evaluate.clone(), Some(&session));
            // The empty page, with which a new one begins, goes when the address is reached.
            if answer["error"].is_null() {
                assert!(answer["result"]["exceptionDetails"].is_null(), "{address}: {answer}");
                return answer["result"]["result"]["value"].clone();
            }
            thread::sleep(Duration::from_millis(200));
        }
        panic!("{address} doesn't stay")
    }

    fn call(&mut self, method: &str, params: Value, session: Option<&Value>) -> Value {
        self.last += 1;
        let mut request = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = session {
            request["sessionId"] = session.clone();
        }
        self.requests.write_all(format!("{request}\0").as_bytes()).expect("the browser listens");
        loop {
            let mut message = Vec::new();
            self.answers.read_until(0, &mut message).expect("the browser answers");
            let end = message.pop();
            assert_eq!(end, Some(0), "the browser has ended");
            let message: Value = serde_json::from_slice(&message).expect("JSON");
            // The others tell of events.
            if message["id"] == self.last {
                return message;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // What can't be ended has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
