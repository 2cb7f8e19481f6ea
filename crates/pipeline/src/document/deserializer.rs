//! Deserializes a tree with serde, for files that the program wrote itself, such as locks. The tree isn't copied, and
//! of an error only the position is reported, since the reader of the message didn't write the file.

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use super::tree::{Leaf, Node, Tree};
use crate::diagnostic::Span;

/// Deserializes a tree as a `T`. On failure, returns the path and the position at which the tree doesn't fit.
pub(crate) fn from_tree<T: DeserializeOwned>(tree: &Tree) -> Result<T, (String, Span)> {
    serde_path_to_error::deserialize(tree).map_err(|error| {
        let path = error.path().to_string();
        let span = tree.locate(path.split('.'));
        (path, span)
    })
}

impl<'de> IntoDeserializer<'de, serde::de::value::Error> for &'de Tree {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Tree {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match &self.node {
            Node::Table(table) => {
                let entries = table.iter().map(|(name, entry)| (name.as_str(), &entry.value));
                visitor.visit_map(MapDeserializer::new(entries))
            }
            Node::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Node::Leaf(Leaf::Text(text)) => visitor.visit_borrowed_str(text),
            Node::Leaf(Leaf::Integer(number)) => visitor.visit_i64(*number),
            Node::Leaf(Leaf::Float(number)) => visitor.visit_f64(*number),
            Node::Leaf(Leaf::Boolean(value)) => visitor.visit_bool(*value),
            Node::Leaf(Leaf::Datetime(_)) => Err(Self::Error::custom("no date is written")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    /// Files of the program contain only enums without data.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let name = self.as_str().ok_or_else(|| Self::Error::custom("a name is needed"))?;
        visitor.visit_enum(StrDeserializer::<Self::Error>::new(name))
    }

    /// Refuses to read a struct from a list of its fields' values.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match &self.node {
            Node::Table(_) => self.deserialize_any(visitor),
            _ => Err(Self::Error::custom("a table is needed")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}
