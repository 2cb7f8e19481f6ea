//! Graphs: nodes and their attributes, walks from the requested tensors to the inputs, and the objects that functions
//! capture.
//!
//! In: a MetaGraphDef. [`Walk`] assigns a value to every tensor between an output and the inputs: a slot of a program
//! (for functions that are run), or a meaning. [`Objects`] finds variables, vocabularies, files and constants.

mod frame;
mod objects;
mod walk;

pub use frame::{Frame, bytes, dtype, flag, int, ints};
pub use objects::{Captured, Objects, Variable, Vocabulary, child};
pub use walk::{Library, Next, Walk};
