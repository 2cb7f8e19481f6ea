//! The data of TensorBoard's HParams page: the settings and metrics of the sessions that it compares.
//!
//! Settings and metrics enter by name; values of the plugin `hparams` leave. Specification:
//! `tensorboard/plugins/hparams/{plugin_data,api}.proto`.
//!
//! | tag | where | content field | message |
//! |---|---|---|---|
//! | `_hparams_/experiment` | root of the log | 2 | 4 hparam info, 5 metric info |
//! | `_hparams_/session_start_info` | the session's folder | 3 | 1 map: name -> value, 4 group, 5 double: start |
//! | `_hparams_/session_end_info` | the session's folder | 4 | 1 status, 2 double: end |
//!
//! | message | fields |
//! |---|---|
//! | hparam info | 1 name, 4 type (1 string, 2 bool, 3 number), 5 domain: list { 1 value }, 6 domain: interval { 1 min, 2 max }, 7 bool: differs |
//! | metric info | 1 name { 1 group: the folder below the session's, 2 tag }, 3 display name |
//! | value | 2 number, 3 string, 4 bool |

use std::collections::BTreeMap;

use emberline_base::Metric;
use prost::Message as _;
use tfevents::EventFile;

use crate::proto::{self, Kind, PluginData};

/// The events of the HParams page have no step.
const NO_STEP: u64 = 0;

/// The maximum number of distinct values listed one by one; more are offered as an interval.
const LISTED_NUMBERS: usize = 24;

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum HParam {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A Boolean.
    Bool(bool),
}

impl HParam {
    fn value_type(&self) -> Type {
        match self {
            Self::Number(number) if number.is_finite() => Type::Number,
            // TensorBoard's JSON can't represent NaN and infinity.
            Self::Number(_) | Self::Text(_) => Type::Text,
            Self::Bool(_) => Type::Bool,
        }
    }

    fn into_text(self) -> Self {
        match self {
            Self::Number(number) => Self::Text(number.to_string()),
            Self::Bool(bool) => Self::Text(bool.to_string()),
            Self::Text(text) => Self::Text(text),
        }
    }

    fn message(&self) -> proto::Value {
        let kind = match self {
            Self::Number(number) if number.is_finite() => Kind::Number(*number),
            Self::Number(number) => Kind::Text(number.to_string()),
            Self::Text(text) => Kind::Text(text.clone()),
            Self::Bool(bool) => Kind::Bool(*bool),
        };
        proto::Value { kind: Some(kind) }
    }
}

impl From<f64> for HParam {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for HParam {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<&str> for HParam {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// Everything was trained.
    Success,
    /// The session ended with an error.
    Failure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text = 1,
    Bool = 2,
    Number = 3,
}

/// Where a metric of the sessions is found, and its column heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// The folder below the session's; empty for the session's own folder.
    pub group: String,
    /// The scalar's tag.
    pub tag: String,
    /// The column heading.
    pub display_name: String,
}

impl MetricInfo {
    /// Returns a metric of Keras's curves, of which the page shows the last epoch: `epoch_loss` in `validation`,
    /// headed `val_loss`; or in `train`, headed `loss`.
    pub fn last(metric: Metric, valid: bool) -> Self {
        let (group, prefix) = if valid { ("validation", "val_") } else { ("train", "") };
        Self {
            group: group.into(),
            tag: format!("epoch_{metric}"),
            display_name: format!("{prefix}{metric} (last epoch)"),
        }
    }

    /// Returns a metric that [`RunLog::finish`](crate::RunLog::finish) was given under this name, for example
    /// `val_loss`.
    pub fn result(name: &str) -> Self {
        Self { group: String::new(), tag: result_tag(name), display_name: name.to_owned() }
    }

    fn message(&self) -> proto::MetricInfo {
        let Self { group, tag, display_name } = self.clone();
        proto::MetricInfo { name: Some(proto::MetricName { group, tag }), display_name }
    }
}

/// Returns the tag under which a finished session's metrics are stored.
pub(crate) fn result_tag(name: &str) -> String {
    format!("result/{name}")
}

/// The settings that vary between sessions, and the metrics they are compared by.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    hparams: Vec<HParamInfo>,
    metrics: Vec<MetricInfo>,
}

#[derive(Clone, Debug, PartialEq)]
struct HParamInfo {
    name: String,
    value_type: Type,
    domain: Domain,
    differs: bool,
}

/// The values a setting takes.
#[derive(Clone, Debug, PartialEq)]
enum Domain {
    /// Each value once, ascending.
    Listed(Vec<HParam>),
    Interval(f64, f64),
}

impl Experiment {
    /// Collects the settings of all sessions; a setting that only some sessions have, or that has the same value in
    /// all, is allowed. The page's columns are in the order of first mention.
    pub fn of<'a>(sessions: impl IntoIterator<Item = &'a [(String, HParam)]>, metrics: Vec<MetricInfo>) -> Self {
        let mut order = Vec::new();
        let mut values: BTreeMap<&str, Vec<&HParam>> = BTreeMap::new();
        for (name, value) in sessions.into_iter().flatten() {
            let of_name = values.entry(name).or_insert_with(|| {
                order.push(name);
                Vec::new()
            });
            of_name.push(value);
        }
        let info = |name: &String| HParamInfo::of(name, values.get(name.as_str()).map_or(&[][..], Vec::as_slice));
        Self { hparams: order.into_iter().map(info).collect(), metrics }
    }

    /// Returns a session's settings with values of the types that the experiment states: if a setting is a number in
    /// one session and a text in another, it is a text in all, because TensorBoard can't sort a column of both.
    pub fn typed(&self, session: &[(String, HParam)]) -> Vec<(String, HParam)> {
        let is_text = |name: &str| self.hparams.iter().any(|info| info.name == name && info.value_type == Type::Text);
        let typed = |(name, value): &(String, HParam)| {
            let value = value.clone();
            (name.clone(), if is_text(name) { value.into_text() } else { value })
        };
        session.iter().map(typed).collect()
    }
}

impl HParamInfo {
    fn of(name: &str, values: &[&HParam]) -> Self {
        let mut types = values.iter().map(|value| value.value_type());
        let first = types.next().unwrap_or(Type::Text);
        let value_type = if types.all(|one| one == first) { first } else { Type::Text };
        let domain = Domain::of(value_type, values);
        let differs = match &domain {
            Domain::Listed(listed) => listed.len() > 1,
            Domain::Interval(..) => true,
        };
        Self { name: name.to_owned(), value_type, domain, differs }
    }

    fn message(&self) -> proto::HParamInfo {
        let domain = match &self.domain {
            Domain::Listed(listed) => {
                proto::Domain::Discrete(proto::ListValue { values: listed.iter().map(HParam::message).collect() })
            }
            Domain::Interval(min, max) => proto::Domain::Interval(proto::Interval { min: Some(*min), max: Some(*max) }),
        };
        let (name, value_type) = (self.name.clone(), self.value_type as i32);
        proto::HParamInfo { name, value_type, domain: Some(domain), differs: self.differs }
    }
}

impl Domain {
    fn of(value_type: Type, values: &[&HParam]) -> Self {
        if value_type == Type::Number {
            return Self::of_numbers(values);
        }
        let mut listed: Vec<HParam> = values.iter().map(|&value| value.clone()).collect();
        if value_type == Type::Text {
            listed = listed.into_iter().map(HParam::into_text).collect();
        }
        listed.sort_by_cached_key(|value| match value {
            HParam::Bool(bool) => bool.to_string(),
            HParam::Number(number) => number.to_string(),
            HParam::Text(text) => text.clone(),
        });
        listed.dedup();
        Self::Listed(listed)
    }

    fn of_numbers(values: &[&HParam]) -> Self {
        let number = |value: &&HParam| if let HParam::Number(number) = value { Some(*number) } else { None };
        let mut numbers: Vec<f64> = values.iter().filter_map(number).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.dedup();
        match numbers[..] {
            [min, .., max] if numbers.len() > LISTED_NUMBERS => Self::Interval(min, max),
            _ => Self::Listed(numbers.into_iter().map(HParam::Number).collect()),
        }
    }
}

/// Writes `_hparams_/experiment`: the settings that vary between the sessions below the file's folder, and the
/// metrics they are compared by. The file must be in the parent folder of the sessions' own.
pub(crate) fn write_experiment(events: &mut EventFile, experiment: &Experiment) -> Result<(), tfevents::Error> {
    write(events, "_hparams_/experiment", &experiment_data(experiment))
}

/// Writes `_hparams_/session_start_info`: a training session begins in the file's folder. Sessions of one `group` are
/// one row of the HParams page, with the mean of their metrics; a session with an empty group has a row of its own.
/// If a folder has several starts, TensorBoard keeps the first.
pub(crate) fn write_start(
    events: &mut EventFile,
    group: &str,
    hparams: &[(String, HParam)],
    start_secs: f64,
) -> Result<(), tfevents::Error> {
    write(events, "_hparams_/session_start_info", &start_data(group, hparams, start_secs))
}

/// Writes `_hparams_/session_end_info`: the session ended. If a folder has several ends, TensorBoard keeps the first.
pub(crate) fn write_end(events: &mut EventFile, status: SessionStatus, end_secs: f64) -> Result<(), tfevents::Error> {
    write(events, "_hparams_/session_end_info", &end_data(status, end_secs))
}

fn write(events: &mut EventFile, tag: &str, data: &PluginData) -> Result<(), tfevents::Error> {
    events.plugin_data(NO_STEP, tag, "hparams", data.encode_to_vec())
}

fn experiment_data(experiment: &Experiment) -> PluginData {
    let hparams = experiment.hparams.iter().map(HParamInfo::message).collect();
    let metrics = experiment.metrics.iter().map(MetricInfo::message).collect();
    PluginData { experiment: Some(proto::Experiment { hparams, metrics }), ..PluginData::default() }
}

fn start_data(group: &str, hparams: &[(String, HParam)], start_secs: f64) -> PluginData {
    let entry =
        |(name, value): &(String, HParam)| proto::HParamEntry { name: name.clone(), value: Some(value.message()) };
    let hparams = hparams.iter().map(entry).collect();
    let start = proto::SessionStart { hparams, group: group.to_owned(), start_secs: Some(start_secs) };
    PluginData { session_start: Some(start), ..PluginData::default() }
}

fn end_data(status: SessionStatus, end_secs: f64) -> PluginData {
    let status = match status {
        SessionStatus::Success => 1,
        SessionStatus::Failure => 2,
    };
    let end = proto::SessionEnd { status, end_secs: Some(end_secs) };
    PluginData { session_end: Some(end), ..PluginData::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the only event of a file after its first one, without its wall time, in hexadecimal.
    fn written(write: impl FnOnce(&mut EventFile) -> Result<(), tfevents::Error>) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::create(folder.path(), "tests").expect("a file");
        write(&mut events).and_then(|()| events.flush()).expect("written");
        let bytes = std::fs::read(events.path()).expect("readable");
        let event = tfevents::records(&bytes).nth(1).expect("an event").expect("whole");
        event[9..].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns an event of a summary with one value, whose bytes these are.
    fn event(value: &str) -> String {
        let length = |bytes: usize| {
            if bytes < 0x80 { format!("{bytes:02x}") } else { format!("{:02x}{:02x}", bytes & 0x7f | 0x80, bytes >> 7) }
        };
        let value = format!("0a{}{value}", length(value.len() / 2));
        format!("2a{}{value}", length(value.len() / 2))
    }

    fn listed<const N: usize>(values: [HParam; N]) -> Domain {
        Domain::Listed(values.to_vec())
    }

    #[test]
    fn an_experiment_is_tensorboards_bytes() {
        // hp.hparams_config(hparams=[hp.HParam("dim", hp.Discrete([20, 50, 128])), hp.HParam("lr", hp.RealInterval(1e-5, 1e-2))],
        //                   metrics=[hp.Metric("epoch_accuracy", group="validation", display_name="val acc")]), TensorBoard 2.21
        let dim = [20.0, 50.0, 128.0].map(HParam::Number);
        let experiment_of = Experiment {
            hparams: vec![
                HParamInfo { name: "dim".into(), value_type: Type::Number, domain: listed(dim), differs: false },
                HParamInfo {
                    name: "lr".into(),
                    value_type: Type::Number,
                    domain: Domain::Interval(1e-5, 1e-2),
                    differs: false,
                },
            ],
            metrics: vec![MetricInfo {
                group: "validation".into(),
                tag: "epoch_accuracy".into(),
                display_name: "val acc".into(),
            }],
        };
        let expected = "0a145f68706172616d735f2f6578706572696d656e7442060801120212004a80010a7e0a0768706172616d7312731271222a0a\
                        0364696d20032a210a091100000000000034400a091100000000000049400a09110000000000006040221a0a026c722003\
                        321209f168e388b5f8e43e117b14ae47e17a843f2a270a1c0a0a76616c69646174696f6e120e65706f63685f616363757261\
                        63791a0776616c20616363";
        assert_eq!(written(|events| write_experiment(events, &experiment_of)), event(expected));
    }

    #[test]
    fn a_session_start_is_tensorboards_bytes() {
        let hparams = [("emb".into(), "nnlm".into()), ("lr".into(), 0.1.into()), ("ft".into(), true.into())];
        let start = written(|events| write_start(events, "t1", &hparams, 5.0));
        let content = "1a370a0d0a03656d6212061a046e6e6c6d0a0f0a026c721209119a9999999999b93f0a080a0266741202200122027431290000000000001440";
        let tag = "5f68706172616d735f2f73657373696f6e5f73746172745f696e666f"; // _hparams_/session_start_info
        let head = format!("2a700a6e0a1c{tag}42060801120212004a460a440a0768706172616d731239");
        assert_eq!(start, head + content);
    }

    #[test]
    fn numbers_that_are_0_are_written() {
        let hparams =
            [("a".to_owned(), HParam::from(0.0)), ("b".to_owned(), false.into()), ("c".to_owned(), "".into())];
        let interval = HParamInfo {
            name: "x".into(),
            value_type: Type::Number,
            domain: Domain::Interval(0.0, 0.0),
            differs: true,
        };
        let start = start_data("", &hparams, 0.0).encode_to_vec();
        let values = "0a0e0a01611209110000000000000000 0a070a016212022000 0a070a016312021a00 290000000000000000"
            .replace(' ', "");
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&start), format!("1a{:02x}{values}", values.len() / 2));
        assert_eq!(
            hex(&interval.message().encode_to_vec()),
            "0a01782003 3212090000000000000000110000000000000000 3801".replace(' ', "")
        );
    }

    #[test]
    fn a_session_end_is_tensorboards_bytes() {
        // hp.KerasCallback at the end of a fit; the time is 0x41dac0ff1fe0cdc3
        let end_secs = f64::from_bits(0x41da_c0ff_1fe0_cdc3);
        let expected = "0a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f42060801120212004a1a0a180a0768706172616d73120d220b\
                        080111c3cde01fffc0da41";
        assert_eq!(written(|events| write_end(events, SessionStatus::Success, end_secs)), event(expected));
    }

    #[test]
    fn domains_follow_the_values() {
        let of = |values: &[HParam]| {
            let info = HParamInfo::of("x", &values.iter().collect::<Vec<_>>());
            (info.value_type, info.domain, info.differs)
        };
        assert_eq!(of(&[3.0.into(), 1.0.into(), 3.0.into()]), (Type::Number, listed([1.0.into(), 3.0.into()]), true));
        assert_eq!(of(&[true.into(), false.into()]), (Type::Bool, listed([false.into(), true.into()]), true));
        assert_eq!(of(&["b".into(), "b".into()]), (Type::Text, listed(["b".into()]), false));
        assert_eq!(of(&["auto".into(), 0.5.into()]), (Type::Text, listed(["0.5".into(), "auto".into()]), true));
        assert_eq!(of(&[f64::NAN.into(), 0.5.into()]), (Type::Text, listed(["0.5".into(), "NaN".into()]), true));
        let many: Vec<HParam> = (0..30).map(|i| f64::from(i).into()).collect();
        assert_eq!(of(&many), (Type::Number, Domain::Interval(0.0, 29.0), true));
    }

    #[test]
    fn a_column_has_one_type() {
        let sessions = [
            vec![("lr".to_owned(), HParam::from(0.1))],
            vec![("lr".to_owned(), "auto".into()), ("b".to_owned(), true.into())],
        ];
        let experiment = Experiment::of(sessions.iter().map(Vec::as_slice), Vec::new());
        assert_eq!(experiment.typed(&sessions[0]), [("lr".to_owned(), "0.1".into())]);
        assert_eq!(experiment.typed(&sessions[1]), sessions[1]);
    }
}
