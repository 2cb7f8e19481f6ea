//! The innermost part of all matrix products: a tile of sums that stays in registers.

use std::array::from_fn;

use pulp::Simd;

use crate::panels::Group;

/// The sums of a tile, `[HEIGHT, WIDE, VECTORS]`: rows, panels, and registers per group of a panel.
pub(crate) type Sums<V, const HEIGHT: usize, const WIDE: usize, const VECTORS: usize> = [[[V; VECTORS]; WIDE]; HEIGHT];

/// Loads a group into registers.
#[inline(always)]
pub(crate) fn vectors<S: Simd, const VECTORS: usize>(group: &Group) -> [S::f32s; VECTORS] {
    let (whole, _) = S::as_simd_f32s(&**group);
    from_fn(|v| whole[v])
}

/// Computes `sums += left * right`, `[HEIGHT, 1] * [1, WIDE]`, by fused multiply-adds.
#[inline(always)]
pub(crate) fn add_product<S: Simd, const HEIGHT: usize, const WIDE: usize, const VECTORS: usize>(
    simd: S,
    sums: &mut Sums<S::f32s, HEIGHT, WIDE, VECTORS>,
    left: [f32; HEIGHT],
    right: [&Group; WIDE],
) {
    let right = right.map(vectors::<S, VECTORS>);
    for (sums, left) in sums.iter_mut().zip(left) {
        let left = simd.splat_f32s(left);
        for (sum, right) in sums.as_flattened_mut().iter_mut().zip(right.as_flattened()) {
            *sum = simd.mul_add_f32s(left, *right, *sum);
        }
    }
}
