//! The products of a layer, whose factors may be rounded to 16 bits (mixed precision; Micikevicius et al., 2018): a GPU's matrix
//! units multiply them many times as fast, and sum them in 32 bits. What is added, normalised or exponentiated stays in 32 bits,
//! and so do trained arrays, their gradients and moments. Brain floats have the range of 32 bits, so that losses aren't scaled.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, FloatDType, Tensor};
use emberline_device::Unavailable;

use super::super::fused;
use crate::Precision;

/// How products are computed. Factors and results are of 32 bits, but where a caller keeps a [`factor`](Self::factor).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Products {
    /// In 32 bits.
    Whole,
    /// Of factors that are rounded to brain floats; the result is rounded too.
    Rounded,
}

impl Products {
    /// Returns how a device computes products in a precision.
    ///
    /// # Errors
    /// If the device has no such numbers.
    pub(crate) fn of<B: Backend>(precision: Precision, device: &B::Device) -> Result<Self, Unavailable> {
        match precision {
            Precision::Bf16 if B::supports_dtype(device, DType::BF16) => Ok(Self::Rounded),
            Precision::Bf16 => Err(Unavailable(
                "no encoder is fine-tuned with `precision = \"bf16\"` on this device; use `--device cpu`, a GPU with CUDA, or leave `precision` out"
                    .to_owned(),
            )),
            // Integers are computed on the CPU alone, and not trained.
            Precision::F32 | Precision::I8 => Ok(Self::Whole),
        }
    }

    /// Returns what is multiplied in place of a factor, for one that is multiplied several times.
    pub(super) fn factor<B: Backend, const R: usize>(self, x: Tensor<B, R>) -> Tensor<B, R> {
        match self {
            Self::Whole => x,
            Self::Rounded => x.cast(FloatDType::BF16),
        }
    }

    /// Multiplies matrices.
    pub(super) fn multiply<B: Backend, const R: usize>(self, a: Tensor<B, R>, b: Tensor<B, R>) -> Tensor<B, R> {
        let product = self.factor(a).matmul(self.factor(b));
        match self {
            Self::Whole => product,
            Self::Rounded => product.cast(FloatDType::F32),
        }
    }

    /// Applies a linear map with the weight `[out, in]` and the bias `[1, out]` to rows, `[rows, in]`.
    pub(super) fn linear<B: Backend>(
        self,
        x: Tensor<B, 2>,
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 2>>,
    ) -> Tensor<B, 2> {
        let at_once = match self {
            Self::Whole => fused::linear(&x, &weight, bias.as_ref()),
            Self::Rounded => None,
        };
        at_once.unwrap_or_else(|| {
            let product = self.multiply(x, weight.transpose());
            bias.into_iter().fold(product, |product, bias| product + bias)
        })
    }
}
