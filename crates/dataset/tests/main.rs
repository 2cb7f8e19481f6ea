//! Tests of the whole crate, in one program, one module per file.

mod formats;
mod labels;
mod leaks;
mod lines;
mod other_kinds;
mod real;
mod splits;
mod stable;
mod text_input;
mod write;
