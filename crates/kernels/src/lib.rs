//! The arithmetic that heads, encoders and the search for neighbours share on the CPU: matrix products on panels, inner
//! products, and elementary functions.
//!
//! Slices and [`Panels`] of `f32` enter and leave ([`double`] has products in `f64`); the crate knows nothing of layers, models or training.
//!
//! **Every number is equal, bit for bit, on every CPU**: a sum is taken in an order that depends neither on the width of
//! the CPU's registers nor on other rows. All inner loops are inlined into code that [`pulp::Arch`] compiles for the
//! widest registers available; they are fast only if they are called from there.
//!
//! | | training and inference of heads | encoders | why there are two |
//! |---|---|---|---|
//! | product | [`multiply`](product::multiply), [`descend`](product::descend) | [`multiply_rows`](rows::multiply_rows) | the left matrix is panels, or rows of a wider array; equal bits |
//! | inner product | [`dot_in_order`](dot::dot_in_order) | [`dot_in_pairs`](dot::dot_in_pairs) | other orders of the last 16 additions: other bits |
//! | GELU | [`gelu_with_slope`](function::gelu_with_slope) | [`gelu`](function::gelu) | the former shares a factor with the derivative: other bits |
//!
//! The search for neighbours has a third inner product, [`dot_unfused`](dot::dot_unfused), for code without wide registers.
//!
//! Where the bits differ, neither form may replace the other: stored models, locks and cached vectors hold the numbers
//! of both. ReLU isn't here, for it differs too: a head's keeps NaN, which shows that a training failed, and an encoder's
//! is `max(x, 0)`.

pub mod dot;
pub mod double;
pub mod function;
pub mod integer;
mod panels;
pub mod product;
pub mod rows;
mod tile;

pub use panels::{Group, LANES, Panels, STEP, flat, flat_mut};
