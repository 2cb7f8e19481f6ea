//! Memory accounting: reserves memory for computations, and refuses those that don't fit with an error message, because
//! a system that runs out of memory kills the process without one.
//!
//! Cells that are trained concurrently [`reserve`] the memory they need. A cell that fits next to the others starts,
//! one that doesn't waits until they have ended, and only a cell that doesn't fit on its own is refused. The number of
//! jobs therefore decides how many cells run at once, never which of them fail.

mod cgroup;
mod limits;

use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

pub use self::limits::Limit;
use self::limits::Remaining;

/// A computation needs more memory than is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not enough memory: about {} are needed, and {} are available {limit}; use smaller layers, a smaller `dim` or a \
     smaller batch size, or provide more memory",
    human_size(*.needed), human_size(*.available)
)]
pub struct InsufficientMemory {
    /// The estimated need, in bytes.
    pub needed: u64,
    /// The available memory, in bytes.
    pub available: u64,
    /// The limit that would be exceeded.
    pub limit: Limit,
}

/// Waits until `needed` bytes fit next to the present reservations, and marks them as used permanently: they are
/// counted until no reservation is left.
///
/// # Errors
/// When they don't fit although nothing is reserved.
pub fn require(needed: u64) -> Result<(), InsufficientMemory> {
    RESERVATIONS.wait_for(needed).map(drop)
}

/// Waits until `needed` bytes fit next to the present reservations, and reserves them until the result is dropped.
///
/// # Errors
/// When they don't fit although nothing else is reserved.
pub fn reserve(needed: u64) -> Result<Reservation, InsufficientMemory> {
    let mut account = RESERVATIONS.wait_for(needed)?;
    account.count += 1;
    Ok(Reservation { _private: () })
}

/// A reservation of memory for one computation, released when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    _private: (),
}

impl Drop for Reservation {
    fn drop(&mut self) {
        RESERVATIONS.account().count -= 1;
        RESERVATIONS.changed.notify_all();
    }
}

/// Checks whether `needed` bytes are available now, in addition to what is reserved. Neither waits nor reserves.
///
/// # Errors
/// When they aren't available.
pub fn check_available(needed: u64) -> Result<(), InsufficientMemory> {
    check(needed).map(drop)
}

/// Returns how many more threads fit into the address-space limit. Each thread takes memory for its stack and much more
/// for an allocation arena of its own, and the process ends if it doesn't get them.
pub fn max_additional_threads() -> usize {
    const BYTES_PER_THREAD: u64 = 128 << 20;
    let bounded = limits::remaining().into_iter().filter(|left| left.limit == Limit::AddressSpace);
    let most = bounded.map(|left| left.bytes / BYTES_PER_THREAD).min().unwrap_or(u64::MAX);
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Registers a function that returns freed memory to the system, which allocators keep for reuse. It is called when
/// memory appears to be short. Only the first registration counts.
pub fn set_memory_release(release: fn()) {
    let _ = RELEASE.set(release);
}

static RELEASE: OnceLock<fn()> = OnceLock::new();

static RESERVATIONS: Reservations =
    Reservations { account: Mutex::new(Account { count: 0, left: 0 }), changed: Condvar::new() };

/// The reservations of this process.
struct Reservations {
    account: Mutex<Account>,
    changed: Condvar,
}

struct Account {
    count: usize,
    /// What is left of the bytes that were available when the first of the present reservations was made. The memory
    /// available now would be too high an estimate, since not all of the reserved memory is in use yet.
    left: u64,
}

impl Reservations {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `needed` bytes are left, subtracts them, and returns the locked account.
    fn wait_for(&self, needed: u64) -> Result<MutexGuard<'_, Account>, InsufficientMemory> {
        let mut account = self.account();
        while account.count > 0 {
            if needed <= account.left && exceeded_limit(needed, &limits::remaining()).is_none() {
                account.left -= needed;
                return Ok(account);
            }
            account = self.changed.wait(account).unwrap_or_else(PoisonError::into_inner);
        }
        let left = check(needed)?;
        account.left = left.saturating_sub(needed);
        Ok(account)
    }
}

/// Checks that `needed` bytes are available, and returns how many are available in total.
fn check(needed: u64) -> Result<u64, InsufficientMemory> {
    let mut left = limits::remaining();
    if exceeded_limit(needed, &left).is_some() {
        RELEASE.get().into_iter().for_each(|release| release());
        left = limits::remaining();
    }
    match exceeded_limit(needed, &left) {
        None => Ok(left.iter().map(|left| left.bytes).min().unwrap_or(u64::MAX)),
        // These limits count memory that the process has freed as used, although it can be allocated again.
        Some(lack) if lack.limit.fails_allocations() && can_allocate(needed) => Ok(needed),
        Some(lack) => Err(lack),
    }
}

/// Returns the limit that `needed` bytes would exceed, if any. A limit beyond which the process is killed takes
/// precedence over one that makes allocations fail.
fn exceeded_limit(needed: u64, left: &[Remaining]) -> Option<InsufficientMemory> {
    let lacking = left.iter().filter(|left| needed > left.bytes);
    let worst = lacking.min_by_key(|left| (left.limit.fails_allocations(), left.bytes))?;
    Some(InsufficientMemory { needed, available: worst.bytes, limit: worst.limit })
}

/// Returns whether `needed` bytes can be allocated. The memory is never written to, and so takes no physical memory.
fn can_allocate(needed: u64) -> bool {
    const PIECE: u64 = 32 << 20;
    const MAX_PIECES: u64 = 1 << 12;
    let piece = (needed / MAX_PIECES).max(PIECE);
    let sizes = (0..needed.div_ceil(piece)).map(|at| (needed - at * piece).min(piece));
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for size in sizes {
        let mut piece = Vec::new();
        let fits = usize::try_from(size).is_ok_and(|size| piece.try_reserve_exact(size).is_ok());
        if !fits || pieces.try_reserve(1).is_err() {
            return false;
        }
        pieces.push(piece);
    }
    true
}

/// Formats bytes for a message, such as `12 MB` or `3.4 GB`.
pub fn human_size(bytes: u64) -> String {
    const GB: f64 = 1e9;
    let bytes = bytes as f64;
    if bytes < GB { format!("{:.0} MB", bytes / 1e6) } else { format!("{:.1} GB", bytes / GB) }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn more_memory_than_any_machine_has_is_refused_with_a_message() {
        let lack = require(1 << 60).expect_err("no machine has that");
        let text = lack.to_string();
        assert!(text.contains("not enough memory") && text.contains(&lack.limit.to_string()), "{text}");
        assert!(require(1 << 20).is_ok() && !can_allocate(1 << 60) && can_allocate((32 << 20) + 1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_reservation_that_does_not_fit_waits_for_the_others() {
        let first = reserve(1 << 20).expect("it fits");
        let beside = reserve(1 << 20).expect("it fits beside the first");
        let (sender, receiver) = channel();
        thread::spawn(move || sender.send(reserve(1 << 60).map(drop)));
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err(), "it waits");
        drop((first, beside));
        receiver.recv().expect("an answer").expect_err("too much even by itself");
    }
}
