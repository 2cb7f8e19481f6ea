//! Graphs: nodes and their attributes, walks from wanted tensors to inputs, and the objects that functions capture.
//!
//! In: a MetaGraphDef. [`Walk`] gives every tensor on the way from an output to the inputs a value: a place in a program
//! (as functions that are run have it), or a meaning. [`Objects`] finds variables, vocabularies, files and constants.

mod frame;
mod objects;
mod walk;

pub use frame::{Frame, bytes, dtype, flag, int, ints};
pub use objects::{Captured, Objects, Variable, Vocabulary, child};
pub use walk::{Library, Next, Walk};
