//! Elementary functions (exp, erf, tanh) and activations (sigmoid, GELU, SiLU) of 32-bit floats that give the same bits on every
//! machine and can be vectorised.
//!
//! They are inlined without branches and calls, so that the compiler vectorises a loop over them for the SIMD registers of
//! the surrounding code.

/// Computes e^x for x <= 88, with an error of at most 2 units in the last place; returns 0 if the result would be subnormal.
///
/// Range reduction: x = n ln 2 + r with |r| <= ln(2) / 2, so that e^x = 2^n e^r, with e^r by its Taylor series.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// 1.5 * 2^23. Adding it rounds a number to an integer in the low mantissa bits: 2.7 + ROUND has the bits of ROUND plus 3.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.0, 88.0);
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let mut series = 1.0 / 5040.0_f32;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series.mul_add(r, coefficient);
    }
    // 2^n by its exponent bits, with the bias 127 (n = 3: 130 << 23 is 8.0); n is in -126..=127.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { series * power }
}

/// Computes the error function with an absolute error of at most 4e-7, by the rational approximation x P(x^2) / Q(x^2) on
/// [-4, 4] that Eigen and TensorFlow use.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    const P: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const Q: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let mut p = P[0];
    for coefficient in &P[1..] {
        p = p.mul_add(square, *coefficient);
    }
    let mut q = Q[0];
    for coefficient in &Q[1..] {
        q = q.mul_add(square, *coefficient);
    }
    x * p / q
}

/// Computes tanh x = 1 - 2 / (e^2x + 1), or its Taylor series for |x| < 0.1, where that formula would lose digits to
/// cancellation.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let square = x * x;
    let mut series = -17.0 / 315.0_f32;
    for coefficient in [2.0 / 15.0, -1.0 / 3.0, 1.0] {
        series = series.mul_add(square, coefficient);
    }
    let far = 1.0 - 2.0 / (exp(2.0 * x.clamp(-10.0, 10.0)) + 1.0);
    if square < 0.01 { x * series } else { far }
}

/// Computes 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Computes GELU: x Phi(x) with the normal distribution's Phi, as x/2 + x/2 erf(x / sqrt(2)) with one rounding at the end.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let half = 0.5 * x;
    half.mul_add(erf(x * std::f32::consts::FRAC_1_SQRT_2), half)
}

/// Computes GELU and its derivative, x Phi(x) and Phi(x) + x phi(x), from one Phi(x). The former differs from [`gelu`] in
/// the last bits, since Phi(x) is rounded before it is multiplied by x.
#[inline(always)]
pub fn gelu_with_slope(x: f32) -> (f32, f32) {
    /// 1 / sqrt(2 pi)
    const DENSITY: f32 = 0.398_942_3;
    let share = erf(x * std::f32::consts::FRAC_1_SQRT_2).mul_add(0.5, 0.5);
    (x * share, (x * DENSITY).mul_add(exp(-0.5 * x * x), share))
}

/// Computes SiLU and its derivative, x s and s + x s (1 - s) with s = 1 / (1 + e^-x).
#[inline(always)]
pub fn silu_with_slope(x: f32) -> (f32, f32) {
    let share = sigmoid(x);
    let value = x * share;
    (value, value.mul_add(1.0 - share, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes the error function in 64 bits by its Taylor series.
    fn reference_erf(x: f64) -> f64 {
        let mut term = x;
        let mut total = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            total += term / f64::from(2 * n + 1);
        }
        total * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn functions_are_those_of_64_bits() {
        for step in -4000..=4000 {
            let x = step as f32 / 1000.0;
            let wide = f64::from(x);
            assert!((f64::from(erf(x)) - reference_erf(wide)).abs() < 4e-7, "erf {x}");
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 3e-7, "tanh {x}");
            let phi = 0.5 + 0.5 * reference_erf(wide * std::f64::consts::FRAC_1_SQRT_2);
            let density = (-0.5 * wide * wide).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let (value, slope) = gelu_with_slope(x);
            assert!((f64::from(sigmoid(x)) - 1.0 / (1.0 + (-wide).exp())).abs() < 3e-7, "sigmoid {x}");
            assert!((f64::from(gelu(x)) - wide * phi).abs() < 2e-6, "gelu {x}");
            assert!((f64::from(value) - wide * phi).abs() < 2e-6, "gelu {x}");
            assert!((f64::from(slope) - (phi + wide * density)).abs() < 2e-6, "slope of gelu {x}");
            let share = 1.0 / (1.0 + (-wide).exp());
            let (value, slope) = silu_with_slope(x);
            assert!((f64::from(value) - wide * share).abs() < 2e-6, "silu {x}");
            assert!((f64::from(slope) - share * (1.0 + wide * (1.0 - share))).abs() < 2e-6, "slope of silu {x}");
            let large = x * 20.0;
            let relative = f64::from(exp(large)) / f64::from(large).exp() - 1.0;
            assert!(relative.abs() < 3e-7, "exp {large}: {relative}");
        }
        assert_eq!((exp(f32::NEG_INFINITY), exp(-1e9), exp(0.0)), (0.0, 0.0, 1.0));
        assert_eq!((erf(50.0), tanh(-50.0)), (erf(4.0), -1.0));
    }
}
