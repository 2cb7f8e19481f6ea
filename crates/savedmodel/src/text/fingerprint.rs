//! `Fingerprint64` of FarmHash (`farmhashna::Hash64`), with which TensorFlow hashes tokens to buckets.
//!
//! It is implemented here because the crate `farmhash` differs from TensorFlow on inputs of 128 bytes and larger
//! multiples of 64.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;

/// Returns the fingerprint of a byte string.
#[inline]
pub fn fingerprint64(bytes: &[u8]) -> u64 {
    match bytes.len() {
        0..=16 => up_to_16(bytes),
        17..=32 => up_to_32(bytes),
        33..=64 => up_to_64(bytes),
        _ => longer(bytes),
    }
}

/// Loads the eight bytes from `at` on, little-endian.
fn fetch(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk::<8>().map_or(0, |&chunk| u64::from_le_bytes(chunk))
}

fn fetch32(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk::<4>().map_or(0, |&chunk| u64::from(u32::from_le_bytes(chunk)))
}

fn shift_mix(value: u64) -> u64 {
    value ^ (value >> 47)
}

fn mix(u: u64, v: u64, factor: u64) -> u64 {
    let a = shift_mix((u ^ v).wrapping_mul(factor));
    shift_mix((v ^ a).wrapping_mul(factor)).wrapping_mul(factor)
}

fn sum<const N: usize>(terms: [u64; N]) -> u64 {
    terms.into_iter().fold(0, u64::wrapping_add)
}

fn factor(len: usize) -> u64 {
    K2.wrapping_add((len as u64).wrapping_mul(2))
}

fn up_to_16(s: &[u8]) -> u64 {
    let (len, factor) = (s.len(), factor(s.len()));
    match len {
        8.. => {
            let a = fetch(s, 0).wrapping_add(K2);
            let b = fetch(s, len - 8);
            let c = b.rotate_right(37).wrapping_mul(factor).wrapping_add(a);
            let d = a.rotate_right(25).wrapping_add(b).wrapping_mul(factor);
            mix(c, d, factor)
        }
        4.. => mix((len as u64).wrapping_add(fetch32(s, 0) << 3), fetch32(s, len - 4), factor),
        1.. => {
            let [a, b, c] = [s[0], s[len >> 1], s[len - 1]].map(u64::from);
            let y = a + (b << 8);
            let z = len as u64 + (c << 2);
            shift_mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K0)).wrapping_mul(K2)
        }
        0 => K2,
    }
}

fn up_to_32(s: &[u8]) -> u64 {
    let (len, factor) = (s.len(), factor(s.len()));
    let a = fetch(s, 0).wrapping_mul(K1);
    let b = fetch(s, 8);
    let c = fetch(s, len - 8).wrapping_mul(factor);
    let d = fetch(s, len - 16).wrapping_mul(K2);
    let u = sum([a.wrapping_add(b).rotate_right(43), c.rotate_right(30), d]);
    mix(u, sum([a, b.wrapping_add(K2).rotate_right(18), c]), factor)
}

fn up_to_64(s: &[u8]) -> u64 {
    let (len, factor) = (s.len(), factor(s.len()));
    let a = fetch(s, 0).wrapping_mul(K2);
    let b = fetch(s, 8);
    let c = fetch(s, len - 8).wrapping_mul(factor);
    let d = fetch(s, len - 16).wrapping_mul(K2);
    let y = sum([a.wrapping_add(b).rotate_right(43), c.rotate_right(30), d]);
    let z = mix(y, sum([a, b.wrapping_add(K2).rotate_right(18), c]), factor);
    let e = fetch(s, 16).wrapping_mul(factor);
    let f = fetch(s, 24);
    let g = y.wrapping_add(fetch(s, len - 32)).wrapping_mul(factor);
    let h = z.wrapping_add(fetch(s, len - 24)).wrapping_mul(factor);
    let u = sum([e.wrapping_add(f).rotate_right(43), g.rotate_right(30), h]);
    mix(u, sum([e, f.wrapping_add(a).rotate_right(18), g]), factor)
}

/// The state between two blocks of 64 bytes.
struct State {
    x: u64,
    y: u64,
    z: u64,
    v: (u64, u64),
    w: (u64, u64),
}

impl State {
    /// Processes a block; the last block has factors of its own.
    fn block(&mut self, s: &[u8], factor: u64, last: u64) {
        let Self { x, y, z, v, w } = self;
        *x = sum([*x, *y, v.0, fetch(s, 8)]).rotate_right(37).wrapping_mul(factor) ^ w.1.wrapping_mul(last);
        *y = sum([*y, v.1, fetch(s, 48)]).rotate_right(42).wrapping_mul(factor);
        *y = sum([*y, v.0.wrapping_mul(last), fetch(s, 40)]);
        *z = z.wrapping_add(w.0).rotate_right(33).wrapping_mul(factor);
        *v = weak(s, v.1.wrapping_mul(factor), x.wrapping_add(w.0));
        *w = weak(&s[32..], z.wrapping_add(w.1), y.wrapping_add(fetch(s, 16)));
        std::mem::swap(z, x);
    }
}

/// Hashes 32 bytes and two seeds to two numbers.
fn weak(s: &[u8], a: u64, b: u64) -> (u64, u64) {
    let a = a.wrapping_add(fetch(s, 0));
    let b = sum([b, a, fetch(s, 24)]).rotate_right(21);
    let all = sum([a, fetch(s, 8), fetch(s, 16)]);
    (all.wrapping_add(fetch(s, 24)), sum([b, all.rotate_right(44), a]))
}

fn longer(s: &[u8]) -> u64 {
    let seed = 81_u64;
    let y = seed.wrapping_mul(K1).wrapping_add(113);
    let z = shift_mix(y.wrapping_mul(K2).wrapping_add(113)).wrapping_mul(K2);
    let x = seed.wrapping_mul(K2).wrapping_add(fetch(s, 0));
    let mut state = State { x, y, z, v: (0, 0), w: (0, 0) };
    // Whole blocks are processed, but never the last byte: the end is processed as the last 64 bytes. Example: for
    // 128 bytes, `rest` is 63.
    let rest = (s.len() - 1) % 64;
    for block in s[..s.len() - 1 - rest].chunks_exact(64) {
        state.block(block, K1, 1);
    }
    let factor = K1.wrapping_add((state.z & 0xff) << 1);
    state.w.0 = state.w.0.wrapping_add(rest as u64);
    state.v.0 = state.v.0.wrapping_add(state.w.0);
    state.w.0 = state.w.0.wrapping_add(state.v.0);
    state.block(&s[s.len() - 64..], factor, 9);
    let State { x, y, z, v, w } = state;
    let u = sum([mix(v.0, w.0, factor), shift_mix(y).wrapping_mul(K0), z]);
    mix(u, mix(v.1, w.1, factor).wrapping_add(x), factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from `StringToHashBucketFast` of TensorFlow 2.21 at three moduli, for the bytes `7 i +
    /// length`.
    #[test]
    fn fingerprints_are_tensorflows() {
        for (len, expected) in [
            (0_usize, 0x9ae1_6a3b_2f90_404f),
            (1, 0x47a2_4c13_b17e_583e),
            (2, 0xf0c2_3b32_303a_63c2),
            (3, 0x40b4_412e_33ee_fd64),
            (4, 0xc107_ef4c_fd78_de68),
            (7, 0xef29_6bc3_f278_1108),
            (8, 0xaf3c_2fea_ecfb_8228),
            (16, 0x8935_c33c_50c9_19d8),
            (17, 0xeb5e_445e_8ed8_468f),
            (32, 0x3767_9234_ee53_fb79),
            (33, 0xace0_67ce_ef8b_7acd),
            (63, 0xd0b2_a664_6c27_1569),
            (64, 0x99ce_f40b_2c6f_98ec),
            (65, 0x062c_410b_763b_ef3d),
            (127, 0x523e_bfd8_9d1c_476c),
            (128, 0xdbce_ebb7_b5db_6dc9),
            (129, 0x4651_ad82_f97e_3ac7),
            (192, 0x21fc_dfc4_e74e_f3a2),
            (193, 0xc004_68f7_78b3_4a7a),
            (1000, 0xc3d4_52cf_c771_2240),
        ] {
            let bytes: Vec<u8> = (0..len).map(|i| (7 * i + len) as u8).collect();
            assert_eq!(fingerprint64(&bytes), expected, "{len} bytes");
        }
    }
}
