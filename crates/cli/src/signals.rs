//! Signals that ask a run to end: it leaves checkpoints, and is gone within two seconds whatever it is doing.
//!
//! Nothing is lost by a process that ends at any moment, so what hasn't come to rest by then is left where it is.

use std::process;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use emberline_base::Interrupt;

use crate::exit::Code;
use crate::terminal::say;

/// How long work may take to come to rest.
const GRACE: Duration = Duration::from_millis(1500);

/// How the program ends, once a signal has come.
static ENDS_WITH: OnceLock<Code> = OnceLock::new();

/// The exit code that a signal has asked for, if one has come.
pub(crate) fn received() -> Option<Code> {
    ENDS_WITH.get().copied()
}

/// What asks for the end from the first signal on. A second one ends the program at once.
#[cfg(unix)]
pub(crate) fn interrupt() -> Interrupt {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    // Where signals can't be caught, they end the program as they always do.
    if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) {
        let listen = move || {
            for signal in signals.forever() {
                let code = if signal == SIGINT { Code::Interrupted } else { Code::ComeBack };
                if ENDS_WITH.set(code).is_err() {
                    process::exit(code as i32);
                }
                asked.ask();
                say("interrupted: what is under way goes on from here when it is run again");
                end_after_grace(code);
            }
        };
        // Without a thread to hear of them, signals would be lost: what ends the program then ends it without a word.
        if let Err(error) = thread::Builder::new().name("signals".to_owned()).spawn(listen) {
            say(&format!("warning: no thread can be started to wait for signals: {error}; Ctrl-C has no effect"));
        }
    }
    interrupt
}

/// Asks for the end, as SIGTERM does, when standard input is closed: whoever started this program has ended.
pub(crate) fn end_with_stdin(interrupt: &Interrupt) {
    let asked = interrupt.clone();
    let listen = move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        if ENDS_WITH.set(Code::ComeBack).is_ok() {
            asked.ask();
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
        process::exit(code as i32);
    };
    if thread::Builder::new().name("grace".to_owned()).spawn(end).is_err() {
        end();
    }
}

/// Elsewhere, whoever ends the program ends it at once.
#[cfg(not(unix))]
pub(crate) fn interrupt() -> Interrupt {
    Interrupt::default()
}
