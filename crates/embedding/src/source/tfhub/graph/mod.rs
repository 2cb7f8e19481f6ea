//! Reads a SavedModel's graph as a text embedding: how texts are edited and split, how tokens become ids, where the
//! rows of ids are, and how rows become one vector.
//!
//! In: a MetaGraphDef. Out: a [`Plan`]. The function is found through the object graph (root -> `__call__`, or a
//! signature); in TF1 modules it is the signature "default". It is evaluated symbolically: every tensor between the
//! output and the input gets a [meaning](value), so that nothing is guessed from names, and an unsupported op is
//! refused by name. A graph that is refused here is run as it is ([`super::encoder`]).

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
