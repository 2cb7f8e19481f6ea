//! Signals that ask the program to end (SIGINT, SIGTERM).
//!
//! A command that can be continued later, such as `run`, is stopped by its [`CancellationToken`]: it saves checkpoints, and ends
//! within two seconds whatever it is doing. Any other command ends at once. Nothing is lost by a process that ends at any
//! moment, so unfinished work is left as it is, except for temporary files, which are removed.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use emberline_base::CancellationToken;
use emberline_base::file::remove_all_and_exit;

use crate::exit::Code;
use crate::terminal::say;

/// How long work may take to come to rest.
const GRACE: Duration = Duration::from_millis(1500);

/// How the program ends, once a signal has come.
static ENDS_WITH: OnceLock<Code> = OnceLock::new();

/// What asks the command under way to end, if it is one that can go on later.
static INTERRUPT: OnceLock<CancellationToken> = OnceLock::new();

/// The exit code that a signal has asked for, if one has come.
pub(crate) fn received() -> Option<Code> {
    ENDS_WITH.get().copied()
}

/// What asks for the end from the first signal on. A second one ends the program at once.
pub(crate) fn interrupt() -> CancellationToken {
    INTERRUPT.get_or_init(CancellationToken::default).clone()
}

/// Waits for signals from now on, on a thread of its own.
#[cfg(unix)]
pub(crate) fn listen() {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    // If signals can't be caught, they end the program as they always do.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    let listen = move || {
        for signal in signals.forever() {
            hear(if signal == SIGINT { Code::Interrupted } else { Code::ComeBack });
        }
    };
    // Without a thread to hear of them, signals would be lost: what ends the program then ends it without a word.
    if let Err(error) = thread::Builder::new().name("signals".to_owned()).spawn(listen) {
        say(&format!("warning: no thread can be started to wait for signals: {error}; Ctrl-C has no effect"));
    }
}

/// Elsewhere, whoever ends the program ends it at once.
#[cfg(not(unix))]
pub(crate) fn listen() {}

/// Ends the program with this code, or asks the command under way to end.
#[cfg(unix)]
fn hear(code: Code) {
    let is_first = ENDS_WITH.set(code).is_ok();
    match INTERRUPT.get() {
        Some(interrupt) if is_first => {
            interrupt.cancel();
            say("interrupted; run the command again to continue from here");
            end_after_grace(code);
        }
        Some(_) | None => remove_all_and_exit(code as i32),
    }
}

/// Asks for the end, as SIGTERM does, when standard input is closed: whoever started this program has ended.
pub(crate) fn end_with_stdin(interrupt: &CancellationToken) {
    let asked = interrupt.clone();
    let listen = move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        if ENDS_WITH.set(Code::ComeBack).is_ok() {
            asked.cancel();
            end_after_grace(Code::ComeBack);
        }
    };
    if thread::Builder::new().name("lifeline".to_owned()).spawn(listen).is_err() {
        say("warning: no thread can be started to wait for the end of whoever started this process");
    }
}

/// Ends the program when work had time to come to rest, whatever it is doing then.
fn end_after_grace(code: Code) {
    let end = move || {
        thread::sleep(GRACE);
        remove_all_and_exit(code as i32)
    };
    if thread::Builder::new().name("grace".to_owned()).spawn(end).is_err() {
        end();
    }
}
