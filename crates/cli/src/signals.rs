//! Handles the signals that end the program: SIGINT and SIGTERM.
//!
//! A command that can be continued later, such as `run`, is stopped by its [`CancellationToken`]: it saves checkpoints, and is
//! ended within two seconds whatever it is doing. Any other command ends at once. Ending at any moment loses no finished work, so
//! unfinished files are left as they are, except for temporary files, which are removed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use emberline_base::CancellationToken;
use emberline_base::file::remove_all_and_exit;

use crate::exit::Code;
use crate::terminal::say;

/// How long a cancelled command may take to save its checkpoints, in milliseconds.
static GRACE: AtomicU64 = AtomicU64::new(1500);

/// Whether a second SIGTERM means no more than the first.
static MAY_REPEAT: AtomicBool = AtomicBool::new(false);

/// The exit code of the first signal, once one was received.
static EXIT_CODE: OnceLock<Code> = OnceLock::new();

/// Cancels the current command, if it can be continued later.
static INTERRUPT: OnceLock<CancellationToken> = OnceLock::new();

/// Returns the exit code of the first signal, if one was received.
pub(crate) fn received() -> Option<Code> {
    EXIT_CODE.get().copied()
}

/// Returns the token that the first signal cancels. A second signal ends the program at once.
pub(crate) fn interrupt() -> CancellationToken {
    INTERRUPT.get_or_init(CancellationToken::default).clone()
}

/// Gives a cancelled command this time to save its checkpoints, however often it is signalled meanwhile: a workload manager signals all
/// processes of a task, and `srun` passes on to the program what it gets itself.
pub(crate) fn set_grace(grace: Duration) {
    GRACE.store(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    MAY_REPEAT.store(true, Ordering::Relaxed);
}

/// Starts a thread that waits for signals.
#[cfg(unix)]
pub(crate) fn listen() {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    // If signals can't be caught, they end the program as they always do.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    let listen = move || {
        for signal in signals.forever() {
            handle(if signal == SIGINT { Code::Interrupted } else { Code::TempFail });
        }
    };
    // Without this thread, the caught signals have no effect: only SIGKILL ends the program.
    if let Err(error) = thread::Builder::new().name("signals".to_owned()).spawn(listen) {
        say(&format!("warning: no thread can be started to wait for signals: {error}; Ctrl-C has no effect"));
    }
}

/// On other systems, signals are not caught: they end the program at once.
#[cfg(not(unix))]
pub(crate) fn listen() {}

/// Cancels the current command at the first signal; otherwise ends the program with this code.
#[cfg(unix)]
fn handle(code: Code) {
    let is_first = EXIT_CODE.set(code).is_ok();
    match INTERRUPT.get() {
        Some(interrupt) if is_first => {
            interrupt.cancel();
            say("interrupted; run the command again to continue from here");
            end_after_grace(code);
        }
        Some(_) if !is_first && code == Code::TempFail && MAY_REPEAT.load(Ordering::Relaxed) => {}
        Some(_) | None => remove_all_and_exit(code as i32),
    }
}

/// Cancels the command, as SIGTERM does, when standard input is closed: the parent process has ended.
pub(crate) fn end_with_stdin(interrupt: &CancellationToken) {
    let interrupt = interrupt.clone();
    let listen = move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        if EXIT_CODE.set(Code::TempFail).is_ok() {
            interrupt.cancel();
            end_after_grace(Code::TempFail);
        }
    };
    if thread::Builder::new().name("stdin".to_owned()).spawn(listen).is_err() {
        say("warning: no thread can be started to wait for the end of the parent process");
    }
}

/// Ends the program after the grace period, whatever it is doing then.
fn end_after_grace(code: Code) {
    let end = move || {
        thread::sleep(Duration::from_millis(GRACE.load(Ordering::Relaxed)));
        remove_all_and_exit(code as i32)
    };
    if thread::Builder::new().name("grace".to_owned()).spawn(end).is_err() {
        end();
    }
}
