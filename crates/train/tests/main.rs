//! Tests of the whole crate, in one program, one module per file.

mod contrastive;
mod devices;
mod divergence;
mod lbfgs;
mod mix;
mod parity;
mod resume;
mod support;
mod threshold;
mod together;
