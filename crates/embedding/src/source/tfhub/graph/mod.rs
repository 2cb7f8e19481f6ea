//! Reads a SavedModel's graph as a text embedding: how texts are edited and split, how tokens become ids, where the
//! rows of ids lie, how rows become one vector.
//!
//! In: a MetaGraphDef. Out: a [`Plan`]. The function is found through the object graph (root -> `__call__`, or a
//! signature), in TF1 modules as the signature "default". It is evaluated symbolically: every tensor on the way from
//! the output to the input gets a [meaning](value), so nothing is guessed from names, and what isn't understood is
//! refused by the name of its op. The [interpreter](super::interpreter) walks what is refused here in the same way.

mod capture;
mod constant;
mod entry;
mod expr;
mod frame;
mod plan;
mod reader;
mod rules;
mod value;
mod walk;

pub(super) use capture::{Captured, Variable, Vocabulary};
pub(super) use entry::{Entry, find, read, several_outputs};
pub(super) use expr::{Element, Lines};
pub(super) use frame::{Frame, bytes, dtype, flag, int, ints};
pub(super) use plan::Plan;
pub(super) use reader::Reader;
pub(super) use value::{Edit, Split};
pub(super) use walk::{Library, Walk};
