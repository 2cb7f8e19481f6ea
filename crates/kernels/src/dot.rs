//! Inner products: 16 partial sums, one per lane, which are then added in a fixed order.
//!
//! The functions differ in that order, and in whether a product is rounded before it is added (fused multiply-adds don't),
//! and therefore in the last bits.

use crate::panels::{Group, LANES};

/// Returns the inner product of two rows; the partial sums are added by [`sum_in_pairs`].
#[inline(always)]
pub fn dot_in_pairs(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (left, right) in left.chunks(LANES).zip(right.chunks(LANES)) {
        for ((sum, &left), &right) in sums.iter_mut().zip(left).zip(right) {
            *sum = left.mul_add(right, *sum);
        }
    }
    sum_in_pairs(sums)
}

/// Adds partial sums in a fixed order: lane i and lane i + 8, then i and i + 4, and so on.
#[inline(always)]
pub fn sum_in_pairs(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Returns the inner product of two rows of panels; the partial sums are added from the first lane to the last.
#[inline(always)]
pub fn dot_in_order<'a>(left: &[Group], right: impl Iterator<Item = &'a Group>) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (left, right) in left.iter().zip(right) {
        for ((sum, left), right) in sums.iter_mut().zip(&**left).zip(&**right) {
            *sum = left.mul_add(*right, *sum);
        }
    }
    sums.iter().sum()
}

/// Returns the inner product of two vectors of the same length, with each product rounded before it is added; the partial
/// sums are added from the first lane to the last, and then the numbers that fill no group of lanes.
///
/// It needs no wide registers: it is fast in code that is compiled for any CPU, where a fused multiply-add is not.
pub fn dot_unfused(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (left, right) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(left, right)| left * right).sum();
    for (left, right) in left.zip(right) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Panels;

    /// Lane 0 holds 2^24, which swallows a 1 that is added to it alone; lanes 1 and 9 hold 1.
    #[test]
    fn partial_sums_are_added_in_the_order_of_each_function() {
        let mut left = [0.0; 20];
        (left[0], left[17], left[9]) = (16_777_216.0, 1.0, 1.0);
        let ones = [1.0; 20];
        assert_eq!(dot_in_pairs(&left, &ones), 16_777_218.0);
        let [left, ones] = [left, ones].map(|row| Panels::of(1, 20, &row).expect("memory"));
        let groups: Vec<Group> = left.row(0).copied().collect();
        assert_eq!(dot_in_order(&groups, ones.row(0)), 16_777_216.0);
    }

    /// 4097^2 = 2^24 + 2^13 + 1, whose last bit a 32-bit float can't hold.
    #[test]
    fn a_fused_product_is_not_rounded_before_it_is_added() {
        let mut left = [0.0; 17];
        let mut right = left;
        (left[0], right[0]) = (16_785_408.0, -1.0);
        (left[16], right[16]) = (4097.0, 4097.0);
        assert_eq!(dot_in_pairs(&left, &right), 1.0);
        assert_eq!(dot_unfused(&left, &right), 0.0);
        assert_eq!(dot_unfused(&left, &[1.0; 17]), 16_789_504.0);
    }
}
