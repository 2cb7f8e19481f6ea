//! Tensors: a shape, and elements of one of the types that functions compute with.
//!
//! A copy shares its elements, so that variables and constants are in memory only once.

use std::sync::Arc;

use crate::proto::{TensorProto, dtype};
use crate::text::Tokens;

/// The maximum number of elements that an op may create from a few numbers (`Fill`, `Tile`, `Range`, ...): 512 for
/// each of 8,192 tokens, whose attention takes as much memory as is allowed.
const MAX_MADE: usize = 1 << 22;
/// The maximum number of elements of any tensor.
const MAX_ELEMENTS: usize = 1 << 29;
/// The maximum number of dimensions.
const MAX_RANK: usize = 8;

/// A tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

/// Elements, row-major.
#[derive(Clone, Debug)]
pub enum Data {
    /// 32-bit floats.
    F32(Arc<Vec<f32>>),
    /// 64-bit floats.
    F64(Arc<Vec<f64>>),
    /// 32-bit whole numbers.
    I32(Arc<Vec<i32>>),
    /// 64-bit whole numbers.
    I64(Arc<Vec<i64>>),
    /// Booleans.
    Bool(Arc<Vec<bool>>),
    /// Strings.
    Bytes(Arc<Vec<Vec<u8>>>),
    /// A table from tokens to their lines; no elements.
    Table(Arc<Tokens>),
}

/// A type of elements.
pub trait Element: Clone + Send + Sync + 'static {
    /// How a message describes it.
    const NAME: &'static str;
    /// Wraps elements as those of a tensor.
    fn wrap(values: Vec<Self>) -> Data;
    /// Returns the elements of a tensor, if they are of this type.
    fn of(data: &Data) -> Option<&[Self]>;
}

macro_rules! elements {
    ($($type:ty, $variant:ident, $name:literal;)*) => {$(
        impl Element for $type {
            const NAME: &'static str = $name;
            fn wrap(values: Vec<Self>) -> Data {
                Data::$variant(Arc::new(values))
            }
            fn of(data: &Data) -> Option<&[Self]> {
                match data {
                    Data::$variant(values) => Some(values),
                    _ => None,
                }
            }
        }
    )*};
}

elements! {
    f32, F32, "float";
    f64, F64, "double";
    i32, I32, "int32";
    i64, I64, "int64";
    bool, Bool, "bool";
    Vec<u8>, Bytes, "string";
}

/// Runs a generic function on the elements of a tensor, whatever their type.
macro_rules! with_values {
    ($tensor:expr, $values:ident => $body:expr) => {
        match $tensor.data() {
            $crate::function::tensor::Data::F32($values) => $body,
            $crate::function::tensor::Data::F64($values) => $body,
            $crate::function::tensor::Data::I32($values) => $body,
            $crate::function::tensor::Data::I64($values) => $body,
            $crate::function::tensor::Data::Bool($values) => $body,
            $crate::function::tensor::Data::Bytes($values) => $body,
            $crate::function::tensor::Data::Table(_) => Err("is used on a table".to_owned()),
        }
    };
}
pub(crate) use with_values;

impl Tensor {
    /// Returns a tensor with these elements.
    ///
    /// # Panics
    /// When the shape has another number of elements than there are values.
    pub fn new<T: Element>(shape: Vec<usize>, values: Vec<T>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "the shape has as many elements");
        Self { shape, data: T::wrap(values) }
    }

    /// Returns a tensor of rank 0.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::new(Vec::new(), vec![value])
    }

    /// Returns a tensor of rank 1, such as a batch of texts.
    pub fn vector<T: Element>(values: Vec<T>) -> Self {
        Self::new(vec![values.len()], values)
    }

    /// Returns a tensor of whole numbers of type int32 or int64, as a node's attribute states.
    pub(crate) fn whole(shape: Vec<usize>, values: Vec<i64>, int64: bool) -> Self {
        match int64 {
            true => Self::new(shape, values),
            false => Self::new(shape, values.into_iter().map(|v| v as i32).collect()),
        }
    }

    pub(crate) fn table(tokens: Arc<Tokens>) -> Self {
        Self { shape: Vec::new(), data: Data::Table(tokens) }
    }

    /// Returns the same elements in another shape with the same number of elements.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Result<Self, String> {
        if elements(&shape)? != self.len() || matches!(self.data, Data::Table(_)) {
            return Err(format!("makes the shape {shape:?} of {:?}", self.shape));
        }
        Ok(Self { shape, data: self.data.clone() })
    }

    /// Returns the length of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the elements, if they are of this type.
    ///
    /// # Errors
    /// The type that they are of instead.
    pub fn values<T: Element>(&self) -> Result<&[T], String> {
        T::of(&self.data).ok_or_else(|| format!("is used on {}, where {} is read", self.what(), T::NAME))
    }

    /// Returns whole numbers of either type.
    pub(crate) fn ints(&self) -> Result<Vec<i64>, String> {
        match &self.data {
            Data::I32(values) => Ok(values.iter().map(|&v| i64::from(v)).collect()),
            Data::I64(values) => Ok(values.to_vec()),
            _ => Err(format!("is used on {}, where whole numbers are read", self.what())),
        }
    }

    /// Returns a single whole number.
    pub(crate) fn int(&self) -> Result<i64, String> {
        match self.ints()?.as_slice() {
            &[value] => Ok(value),
            many => Err(format!("is given {} numbers where one is read", many.len())),
        }
    }

    /// Returns whole numbers that are sizes.
    pub(crate) fn sizes(&self) -> Result<Vec<usize>, String> {
        let size = |v: i64| usize::try_from(v).map_err(|_| format!("is given the size {v}"));
        self.ints()?.into_iter().map(size).collect()
    }

    /// Returns a single string.
    pub(crate) fn string(&self) -> Result<&[u8], String> {
        match self.values::<Vec<u8>>()? {
            [value] => Ok(value),
            many => Err(format!("is given {} strings where one is read", many.len())),
        }
    }

    /// Returns how a message describes the elements.
    pub fn what(&self) -> &'static str {
        match &self.data {
            Data::F32(_) => f32::NAME,
            Data::F64(_) => f64::NAME,
            Data::I32(_) => i32::NAME,
            Data::I64(_) => i64::NAME,
            Data::Bool(_) => bool::NAME,
            Data::Bytes(_) => Vec::<u8>::NAME,
            Data::Table(_) => "a table",
        }
    }

    /// Returns the memory that the tensor takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.data {
            Data::F32(_) | Data::I32(_) => 4 * self.len(),
            Data::F64(_) | Data::I64(_) => 8 * self.len(),
            Data::Bool(_) => self.len(),
            Data::Bytes(values) => values.iter().map(|v| v.len() + 24).sum(),
            Data::Table(_) => 0,
        }
    }

    /// Returns a constant of a graph. No constant takes much more memory than the file, unless it repeats one
    /// element.
    pub(crate) fn constant(proto: &TensorProto) -> Result<Self, String> {
        let shape = match &proto.tensor_shape {
            Some(shape) if shape.unknown_rank => return Err("is a constant of no shape".to_owned()),
            Some(shape) => shape.dim.iter().map(|d| usize::try_from(d.size)).collect::<Result<Vec<_>, _>>(),
            None => Ok(Vec::new()),
        };
        let shape = shape.map_err(|_| "is a constant of a negative size".to_owned())?;
        let content = proto.tensor_content.as_slice();
        match proto.dtype {
            dtype::FLOAT => numbers(shape, content, &proto.float_val, f32::from_le_bytes),
            dtype::DOUBLE => numbers(shape, content, &proto.double_val, f64::from_le_bytes),
            dtype::INT32 => numbers(shape, content, &proto.int_val, i32::from_le_bytes),
            dtype::INT64 => numbers(shape, content, &proto.int64_val, i64::from_le_bytes),
            dtype::BOOL => numbers(shape, content, &proto.bool_val, |[byte]: [u8; 1]| byte != 0),
            dtype::STRING => filled(shape, proto.string_val.clone()),
            other => Err(format!("is a constant of type {other}, which isn't supported")),
        }
    }
}

/// Returns the elements of another tensor of the same type.
pub(crate) fn like<'t, T: Element>(_: &[T], other: &'t Tensor) -> Result<&'t [T], String> {
    other.values()
}

fn numbers<T: Element + Default, const N: usize>(
    shape: Vec<usize>,
    content: &[u8],
    listed: &[T],
    read: impl Fn([u8; N]) -> T,
) -> Result<Tensor, String> {
    match content {
        [] => filled(shape, listed.to_vec()),
        content => filled(shape, content.as_chunks::<N>().0.iter().map(|&bytes| read(bytes)).collect()),
    }
}

/// Expands the elements: a message may leave out repetitions of the last element, and zeros.
fn filled<T: Element + Default>(shape: Vec<usize>, mut values: Vec<T>) -> Result<Tensor, String> {
    let count = elements(&shape)?;
    if values.len() != count {
        let count = made(&shape)?;
        if values.len() > count {
            return Err(format!("is a constant of {} elements for the shape {shape:?}", values.len()));
        }
        let last = values.last().cloned().unwrap_or_default();
        values.resize(count, last);
    }
    Ok(Tensor::new(shape, values))
}

/// Returns the number of elements of a shape.
pub(crate) fn elements(shape: &[usize]) -> Result<usize, String> {
    let count = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_ELEMENTS);
    if shape.len() > MAX_RANK {
        return Err(format!("makes a tensor of {} dimensions; at most {MAX_RANK} are read", shape.len()));
    }
    // A size of zero may occur together with sizes whose product overflows.
    match count {
        _ if shape.contains(&0) && shape.iter().all(|&d| d <= MAX_ELEMENTS) => Ok(0),
        Some(count) => Ok(count),
        None => Err(format!("makes a tensor of the shape {shape:?}, which is too large")),
    }
}

/// Returns the number of elements of a shape that an op fills from a few numbers.
pub(crate) fn made(shape: &[usize]) -> Result<usize, String> {
    match elements(shape)? {
        count if count <= MAX_MADE => Ok(count),
        _ => Err(format!("fills the shape {shape:?}; at most {MAX_MADE} elements are made")),
    }
}
