//! The protocol-buffer messages of event files, reduced to the fields that are written and read here.
//!
//! Field numbers are those of TensorFlow's `event.proto`, `summary.proto`, `tensor.proto` and `tensor_shape.proto`.
//! Fields that are not written are left out; decoding skips them.

use prost::{Message, Oneof};

/// One event: the content of a record.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    /// Seconds since 1970. Optional, so that a time of 0 is written too.
    #[prost(double, optional, tag = "1")]
    pub(crate) wall_time: Option<f64>,
    #[prost(uint64, tag = "2")]
    pub(crate) step: u64,
    #[prost(oneof = "Content", tags = "3, 5, 7")]
    pub(crate) content: Option<Content>,
    #[prost(message, optional, tag = "10")]
    pub(crate) source_metadata: Option<SourceMetadata>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Content {
    /// `brain.Event:2`, in the first event only.
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SourceMetadata {
    #[prost(string, tag = "1")]
    pub(crate) writer: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct SessionLog {
    /// 1: start.
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(crate) value: Vec<Value>,
}

/// `Summary.Value`: a tensor, and the plugin that shows it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) tag: String,
    #[prost(message, optional, tag = "8")]
    pub(crate) tensor: Option<Tensor>,
    #[prost(message, optional, tag = "9")]
    pub(crate) metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    /// The element type, see [`dtype`].
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<Shape>,
    /// The numbers, little-endian, row-major.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) content: Vec<u8>,
    /// The texts of a tensor of texts, row-major.
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub(crate) texts: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub(crate) dim: Vec<Dim>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Dim {
    #[prost(uint64, tag = "1")]
    pub(crate) size: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub(crate) plugin: Option<Plugin>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Plugin {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) content: Vec<u8>,
}

/// Element types, `DataType` of `types.proto`.
pub(crate) mod dtype {
    pub(crate) const FLOAT: i32 = 1;
    pub(crate) const STRING: i32 = 7;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_breaks_off_is_refused() {
        let event = Event {
            wall_time: Some(1.0),
            step: 300,
            content: Some(Content::FileVersion("x".into())),
            source_metadata: None,
        };
        let whole = event.encode_to_vec();
        let ends = [0, 9, 12, whole.len()]; // where one field ends and the next begins
        for end in 0..=whole.len() {
            assert_eq!(Event::decode(&whole[..end]).is_ok(), ends.contains(&end), "cut at {end}");
        }
        Event::decode(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1][..])
            .expect_err("a length of 2^64");
        Event::decode(&[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..]).expect_err("65 bits");
    }
}
