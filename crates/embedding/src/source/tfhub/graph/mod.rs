//! Reads a SavedModel's graph as a text embedding: how texts are edited and split, how tokens become ids, where the
//! rows of ids lie, how rows become one vector.
//!
//! In: a MetaGraphDef. Out: a [`Plan`]. The function is found through the object graph (root -> `__call__`, or a
//! signature), in TF1 modules as the signature "default". It is evaluated symbolically: every tensor on the way from
//! the output to the input gets a [meaning](value), so nothing is guessed from names, and what isn't understood is
//! refused by the name of its op. What is refused here is run as it stands ([`super::encoder`]).

mod constant;
mod entry;
mod expr;
mod plan;
mod reader;
mod rules;
mod value;

pub(super) use entry::{find, read};
pub(super) use expr::{Element, Lines};
pub(super) use plan::Plan;
pub(super) use value::Edit;
