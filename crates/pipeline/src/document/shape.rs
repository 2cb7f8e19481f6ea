//! The shape of a settings file: what may be written where, derived from the JSON Schema of the settings' types.
//!
//! The types are the single definition of the pipeline file. `schemars` derives their schema, from which editors
//! complete (`schemas/pipeline.schema.json`). The same schema is used here to find faults, so that both agree: kinds of
//! values, names, ranges, missing and unknown keys, and keys that exclude or need each other.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use indexmap::IndexMap;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything.
    Any,
    /// `true` or `false`.
    Boolean,
    /// A whole number within a range.
    Integer(Range<i64>),
    /// A finite number within a range.
    Number(Range<f64>),
    /// A text.
    Text {
        /// The allowed texts; empty if any text is allowed.
        choices: Vec<String>,
        /// Whether the text must be a single character.
        is_char: bool,
    },
    /// A list.
    List(Arc<Shape>),
    /// A table.
    Table(TableShape),
    /// A table with exactly one key, which names the kind of the value below it.
    Kinds(IndexMap<String, Arc<Shape>>),
    /// One of several shapes, which are told apart by their kind of value.
    Either(Vec<Arc<Shape>>),
}

/// A range of numbers, with inclusive (`from`, `to`) and exclusive (`above`, `below`) bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Range<T> {
    pub(crate) from: Option<T>,
    pub(crate) above: Option<T>,
    pub(crate) to: Option<T>,
    pub(crate) below: Option<T>,
}

/// The keys of a table.
#[derive(Debug, Default)]
pub(crate) struct TableShape {
    pub(crate) keys: IndexMap<String, Key>,
    /// The shape of values at any other key; `None` if other keys are unknown keys.
    pub(crate) others: Option<Arc<Shape>>,
    /// Keys of which exactly one must be given; empty if there is no such rule.
    pub(crate) one_of: Vec<String>,
    /// Keys that may be given only together with others.
    pub(crate) needs: Vec<(String, Vec<String>)>,
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) shape: Arc<Shape>,
    pub(crate) is_required: bool,
}

impl Shape {
    /// Returns the shape at a dotted path, or `None` if there can't be a value.
    pub(crate) fn at<'p>(self: &Arc<Self>, path: impl IntoIterator<Item = &'p str>) -> Option<Arc<Self>> {
        path.into_iter().try_fold(self.clone(), |shape, segment| shape.below(segment))
    }

    fn below(self: &Arc<Self>, segment: &str) -> Option<Arc<Self>> {
        match &**self {
            Self::Any => Some(self.clone()),
            Self::Table(table) => match table.keys.get(segment) {
                Some(key) => Some(key.shape.clone()),
                None => table.others.clone(),
            },
            Self::Kinds(kinds) => kinds.get(segment).cloned(),
            Self::Either(shapes) => shapes.iter().find_map(|shape| shape.below(segment)),
            Self::Boolean | Self::Integer(_) | Self::Number(_) | Self::Text { .. } | Self::List(_) => None,
        }
    }
}

impl<T: PartialOrd + Copy> Range<T> {
    /// Returns whether a number is within the range. NaN never is.
    pub(crate) fn contains(&self, number: T) -> bool {
        self.from.is_none_or(|from| number >= from)
            && self.above.is_none_or(|above| number > above)
            && self.to.is_none_or(|to| number <= to)
            && self.below.is_none_or(|below| number < below)
    }
}

/// Returns the shape of a type. It is derived once and cached.
pub(crate) fn shape_of<T: JsonSchema>() -> Arc<Shape> {
    static SHAPES: LazyLock<Mutex<HashMap<String, Arc<Shape>>>> = LazyLock::new(Mutex::default);
    let known = || SHAPES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let id = T::schema_id().into_owned();
    if let Some(shape) = known().get(&id) {
        return shape.clone();
    }
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let schema = schema.to_value();
    let shape =
        Compiler { definitions: schema.get("$defs").cloned().unwrap_or_default(), made: HashMap::new() }.shape(&schema);
    known().entry(id).or_insert(shape).clone()
}

/// Converts a schema, as `schemars` writes it.
struct Compiler {
    definitions: Value,
    made: HashMap<String, Arc<Shape>>,
}

impl Compiler {
    fn shape(&mut self, schema: &Value) -> Arc<Shape> {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            return self.definition(name.trim_start_matches("#/$defs/"));
        }
        let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
        let is_table = schema.get("type").is_some_and(|kind| kind == "object");
        match alternatives.filter(|_| !is_table) {
            Some(alternatives) => self.alternatives(alternatives),
            None => self.plain(schema),
        }
    }

    fn definition(&mut self, name: &str) -> Arc<Shape> {
        if let Some(shape) = self.made.get(name) {
            return shape.clone();
        }
        let schema = self.definitions.get(name).cloned().unwrap_or_default();
        let shape = self.shape(&schema);
        self.made.insert(name.to_owned(), shape.clone());
        shape
    }

    /// Converts `anyOf` and `oneOf`: an optional value, an enumeration, tables with one key each, or values of several
    /// kinds.
    fn alternatives(&mut self, alternatives: &[Value]) -> Arc<Shape> {
        let alternatives: Vec<&Value> =
            alternatives.iter().filter(|schema| schema.get("type").is_none_or(|kind| kind != "null")).collect();
        let constant = |schema: &&Value| schema.get("const").and_then(Value::as_str).map(str::to_owned);
        if let Some(choices) = alternatives.iter().map(constant).collect::<Option<Vec<_>>>() {
            return Arc::new(Shape::Text { choices, is_char: false });
        }
        if let [only] = alternatives[..] {
            return self.shape(only);
        }
        if let Some(kinds) = alternatives.iter().map(|schema| single_key(schema)).collect::<Option<Vec<_>>>() {
            let kinds = kinds.into_iter().map(|(name, schema)| (name.to_owned(), self.shape(schema)));
            return Arc::new(Shape::Kinds(kinds.collect()));
        }
        let mut flat = Vec::new();
        for shape in alternatives.into_iter().map(|schema| self.shape(schema)) {
            match &*shape {
                Shape::Either(inner) => flat.extend(inner.iter().cloned()),
                _ => flat.push(shape),
            }
        }
        Arc::new(Shape::Either(flat))
    }

    /// Converts a schema with a `type`, or without one, which allows any value.
    fn plain(&mut self, schema: &Value) -> Arc<Shape> {
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).filter(|k| *k != "null").collect(),
            _ => return Arc::new(Shape::Any),
        };
        let mut shapes: Vec<Arc<Shape>> = kinds.into_iter().map(|kind| Arc::new(self.of_kind(kind, schema))).collect();
        if shapes.len() == 1 { shapes.remove(0) } else { Arc::new(Shape::Either(shapes)) }
    }

    fn of_kind(&mut self, kind: &str, schema: &Value) -> Shape {
        match kind {
            "boolean" => Shape::Boolean,
            "integer" => Shape::Integer(integers(schema)),
            "number" => Shape::Number(numbers(schema)),
            "string" => Shape::Text {
                choices: texts(schema.get("enum")),
                is_char: schema.get("maxLength").and_then(Value::as_u64) == Some(1),
            },
            "array" => Shape::List(schema.get("items").map_or(Arc::new(Shape::Any), |items| self.shape(items))),
            "object" => Shape::Table(self.table(schema)),
            other => unreachable!("a schema of a type `{other}`"),
        }
    }

    fn table(&mut self, schema: &Value) -> TableShape {
        let required = texts(schema.get("required"));
        let properties = schema.get("properties").and_then(Value::as_object);
        let key = |(name, schema): (&String, &Value)| {
            (name.clone(), Key { shape: self.shape(schema), is_required: required.contains(name) })
        };
        let keys = properties.into_iter().flatten().map(key).collect();
        let others = match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(Value::Bool(true)) | None => Some(Arc::new(Shape::Any)),
            Some(schema) => Some(self.shape(schema)),
        };
        let rules = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let one_of = rules.flat_map(|rule| texts(rule.get("required"))).collect();
        let needs = schema.get("dependentRequired").and_then(Value::as_object).into_iter().flatten();
        let needs = needs.map(|(key, needed)| (key.clone(), texts(Some(needed)))).collect();
        TableShape { keys, others, one_of, needs }
    }
}

/// Returns the key of a table that has exactly one, as externally tagged enums are written.
fn single_key(schema: &Value) -> Option<(&str, &Value)> {
    let properties = schema.get("properties")?.as_object()?;
    let (name, below) = properties.iter().next()?;
    let is_alone = properties.len() == 1 && schema.get("additionalProperties") == Some(&Value::Bool(false));
    is_alone.then_some((name, below))
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Returns the range of a whole number: the schema's bounds within those of its integer type.
fn integers(schema: &Value) -> Range<i64> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64).map(|bound| bound as i64);
    let largest = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => Some(i64::from(u8::MAX)),
        Some("uint32") => Some(i64::from(u32::MAX)),
        _ => None,
    };
    let to = bound("maximum").or(largest);
    Range { from: bound("minimum"), above: bound("exclusiveMinimum"), to, below: bound("exclusiveMaximum") }
}

fn numbers(schema: &Value) -> Range<f64> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    Range {
        from: bound("minimum"),
        above: bound("exclusiveMinimum"),
        to: bound("maximum"),
        below: bound("exclusiveMaximum"),
    }
}
