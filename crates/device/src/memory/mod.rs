//! How much memory there is to work with. What can't fit is refused in words, because a system that runs out of memory kills
//! the process without any.
//!
//! Cells that are trained side by side [`reserve`] what they need: one that fits beside the others begins, one that doesn't
//! waits until they have ended, and only one that doesn't fit by itself is refused. So the number of jobs decides how many
//! cells are under way, never which of them fail.

mod cgroup;
mod limits;

use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use self::limits::Left;
pub use self::limits::Limit;

/// More memory is needed than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("about {} of memory are needed, and {} are free {limit}; make layers, `dim` or the batch smaller, or provide more memory", size(*.needed), size(*.available))]
pub struct Lack {
    /// Bytes, about.
    pub needed: u64,
    /// Bytes.
    pub available: u64,
    /// What bounds them.
    pub limit: Limit,
}

/// Waits until `needed` bytes fit beside what is reserved, and takes them for good: until nothing is reserved any more,
/// reservations count them as used.
///
/// # Errors
/// When they don't fit although nothing else is reserved.
pub fn require(needed: u64) -> Result<(), Lack> {
    LEDGER.wait_for(needed).map(drop)
}

/// Waits until `needed` bytes fit beside what others have reserved, and reserves them until the result is dropped.
///
/// # Errors
/// When they don't fit although nobody else has reserved any.
pub fn reserve(needed: u64) -> Result<Reservation, Lack> {
    let mut account = LEDGER.wait_for(needed)?;
    account.reservations += 1;
    Ok(Reservation { _private: () })
}

/// Memory that one computation counts on.
#[derive(Debug)]
pub struct Reservation {
    _private: (),
}

impl Drop for Reservation {
    fn drop(&mut self) {
        LEDGER.account().reservations -= 1;
        LEDGER.changed.notify_all();
    }
}

/// Looks whether `needed` bytes fit now, beside what is reserved already; neither waits nor takes them.
///
/// # Errors
/// When they don't.
pub fn look_for(needed: u64) -> Result<(), Lack> {
    check(needed).map(drop)
}

/// How many threads more the address space has room for: each takes some for its stack, and much for allocations of its own,
/// and one that doesn't get them ends the process.
pub fn room_for_threads() -> usize {
    const OF_A_THREAD: u64 = 128 << 20;
    let bounded = limits::left().into_iter().filter(|left| left.limit == Limit::AddressSpace);
    let most = bounded.map(|left| left.bytes / OF_A_THREAD).min().unwrap_or(u64::MAX);
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Names what gives memory back to the system that was freed, but is kept for later: it is called where memory seems to
/// lack. Only the first call counts.
pub fn give_back_by(release: fn()) {
    let _ = RELEASE.set(release);
}

static RELEASE: OnceLock<fn()> = OnceLock::new();

static LEDGER: Ledger = Ledger { account: Mutex::new(Account { reservations: 0, left: 0 }), changed: Condvar::new() };

/// What is reserved in this process.
struct Ledger {
    account: Mutex<Account>,
    changed: Condvar,
}

struct Account {
    reservations: usize,
    /// Of the bytes that were free when the first of the present reservations was made, those that nobody has taken since.
    /// What is free now tells too little, since nobody has used all that was reserved yet.
    left: u64,
}

impl Ledger {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account, with `needed` bytes taken from it.
    fn wait_for(&self, needed: u64) -> Result<MutexGuard<'_, Account>, Lack> {
        let mut account = self.account();
        while account.reservations > 0 {
            if needed <= account.left && lack_of(needed, &limits::left()).is_none() {
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

/// Makes sure that so much can be had now, and gives what can be had in all.
fn check(needed: u64) -> Result<u64, Lack> {
    let mut left = limits::left();
    if lack_of(needed, &left).is_some() {
        RELEASE.get().into_iter().for_each(|release| release());
        left = limits::left();
    }
    match lack_of(needed, &left) {
        None => Ok(left.iter().map(|left| left.bytes).min().unwrap_or(u64::MAX)),
        // What the process has freed counts as used by these limits, and may be had again.
        Some(lack) if lack.limit.refuses() && can_allocate(needed) => Ok(needed),
        Some(lack) => Err(lack),
    }
}

/// What keeps so many bytes from being had, by the figures alone. A limit whose excess kills counts before one that refuses.
fn lack_of(needed: u64, left: &[Left]) -> Option<Lack> {
    let lacking = left.iter().filter(|left| needed > left.bytes);
    let worst = lacking.min_by_key(|left| (left.limit.refuses(), left.bytes))?;
    Some(Lack { needed, available: worst.bytes, limit: worst.limit })
}

/// Whether allocations of so many bytes together succeed. They are not written to, and so cost no memory.
fn can_allocate(needed: u64) -> bool {
    const PIECE: u64 = 32 << 20;
    const MOST_PIECES: u64 = 1 << 12;
    let piece = (needed / MOST_PIECES).max(PIECE);
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

/// Bytes, as people say them.
fn size(bytes: u64) -> String {
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
    fn what_no_machine_has_is_refused_in_words() {
        let lack = require(1 << 60).expect_err("no machine has that");
        let text = lack.to_string();
        assert!(text.contains("of memory are needed") && text.contains(&lack.limit.to_string()), "{text}");
        assert!(require(1 << 20).is_ok() && !can_allocate(1 << 60) && can_allocate((32 << 20) + 1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_does_not_fit_beside_others_waits_for_them() {
        let first = reserve(1 << 20).expect("it fits");
        let beside = reserve(1 << 20).expect("it fits beside the first");
        let (tell, told) = channel();
        thread::spawn(move || tell.send(reserve(1 << 60).map(drop)));
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "it waits");
        drop((first, beside));
        told.recv().expect("an answer").expect_err("too much even by itself");
    }
}
