//! The protocol-buffer messages of the plugins `hparams` and `pr_curves`, reduced to the fields that are written here.
//!
//! Field numbers are those of `tensorboard/plugins/hparams/{plugin_data,api}.proto` and of `google.protobuf.Value`.
//! Numbers that must be written even if they are 0 are optional.

use prost::{Message, Oneof};

/// The metadata of a value of the plugin: exactly one of the three fields is set.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PluginData {
    #[prost(message, optional, tag = "2")]
    pub(crate) experiment: Option<Experiment>,
    #[prost(message, optional, tag = "3")]
    pub(crate) session_start: Option<SessionStart>,
    #[prost(message, optional, tag = "4")]
    pub(crate) session_end: Option<SessionEnd>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Experiment {
    #[prost(message, repeated, tag = "4")]
    pub(crate) hparams: Vec<HParamInfo>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) metrics: Vec<MetricInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HParamInfo {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// 1: a string, 2: a bool, 3: a number.
    #[prost(int32, tag = "4")]
    pub(crate) value_type: i32,
    #[prost(oneof = "Domain", tags = "5, 6")]
    pub(crate) domain: Option<Domain>,
    #[prost(bool, tag = "7")]
    pub(crate) differs: bool,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Domain {
    #[prost(message, tag = "5")]
    Discrete(ListValue),
    #[prost(message, tag = "6")]
    Interval(Interval),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListValue {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<Value>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Interval {
    #[prost(double, optional, tag = "1")]
    pub(crate) min: Option<f64>,
    #[prost(double, optional, tag = "2")]
    pub(crate) max: Option<f64>,
}

/// `google.protobuf.Value`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(oneof = "Kind", tags = "2, 3, 4")]
    pub(crate) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Kind {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Bool(bool),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MetricInfo {
    #[prost(message, optional, tag = "1")]
    pub(crate) name: Option<MetricName>,
    #[prost(string, tag = "3")]
    pub(crate) display_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MetricName {
    /// The folder below the session's.
    #[prost(string, tag = "1")]
    pub(crate) group: String,
    #[prost(string, tag = "2")]
    pub(crate) tag: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SessionStart {
    /// A map, whose entries keep their order here.
    #[prost(message, repeated, tag = "1")]
    pub(crate) hparams: Vec<HParamEntry>,
    #[prost(string, tag = "4")]
    pub(crate) group: String,
    #[prost(double, optional, tag = "5")]
    pub(crate) start_secs: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HParamEntry {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct SessionEnd {
    /// 1: success, 2: failure.
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
    #[prost(double, optional, tag = "2")]
    pub(crate) end_secs: Option<f64>,
}

/// The content of a value of the plugin `pr_curves`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct PrCurveData {
    #[prost(uint32, tag = "2")]
    pub(crate) num_thresholds: u32,
}
