//! Content addresses: SHA-256 in lower-case hex over byte strings, each preceded by its length (64 bits,
//! little-endian), so that no two different lists of parts have the same address.

use sha2::{Digest as _, Sha256};

/// Returns the digest of some byte strings.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(of_parts([&b"ab"[..], b"c"]), of_parts([&b"a"[..], b"bc"]));
        // The SHA-256 of eight zeros.
        assert_eq!(of_parts([&b""[..]]), "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
    }
}
