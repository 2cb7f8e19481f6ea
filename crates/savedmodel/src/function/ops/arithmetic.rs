//! Element-wise ops: arithmetic, comparison, selection, functions, conversion.

use super::Kernel;
use crate::function::tensor::{Data, Element, Tensor, like, with_values};
use crate::function::view::{View, broadcast};
use crate::graph::{dtype, flag};
use crate::proto::{NodeDef, dtype as types};

pub(super) fn kernel(node: &NodeDef) -> Result<Option<Kernel>, String> {
    Ok(Some(match node.op.as_str() {
        "Cast" => cast(dtype(node, "DstT"))?,
        "Select" => Kernel::of(|[condition, yes, no]| select(&rows_chosen(condition, yes)?, yes, no)),
        "SelectV2" => Kernel::of(|[condition, yes, no]| select(condition, yes, no)),
        "LogicalNot" => Kernel::of(|[x]| Ok(map(x, x.values::<bool>()?, |v| !v))),
        "LogicalAnd" => Kernel::of(|[a, b]| pairs(a, b, a.values()?, b.values()?, |x: &bool, y| *x && *y)),
        "LogicalOr" => Kernel::of(|[a, b]| pairs(a, b, a.values()?, b.values()?, |x: &bool, y| *x || *y)),
        "Relu" => Kernel::of(|[x]| Ok(map(x, x.values::<f32>()?, |v| v.max(0.0)))),
        "Neg" | "Abs" | "Sign" | "Square" => sign(&node.op),
        "Equal" | "NotEqual" => {
            if !flag(node, "incompatible_shape_error", true) {
                return Err("compares shapes that may not fit, which isn't supported".to_owned());
            }
            let wanted = node.op == "Equal";
            Kernel::of(move |[a, b]| with_values!(a, x => pairs(a, b, x, b.values()?, |x, y| (x == y) == wanted)))
        }
        op => match (function(op), numeric(op)) {
            (Some(function), _) => Kernel::of(move |[x]| match x.data() {
                Data::F32(values) => Ok(map(x, values, |&v| function(f64::from(v)) as f32)),
                Data::F64(values) => Ok(map(x, values, |&v| function(v))),
                _ => Err(format!("is used on {}", x.what())),
            }),
            (None, Some(kernel)) => kernel,
            (None, None) if op == "AddN" => Kernel::any(1, |inputs| {
                let (first, rest) = inputs.split_first().ok_or("has no input")?;
                rest.iter().try_fold((*first).clone(), |sum, x| add(&sum, x)).map(|sum| vec![sum])
            }),
            (None, None) => return Ok(None),
        },
    }))
}

/// Returns a function of one real number. It is computed in 64 bits, so that no system's own library decides the last
/// bit.
fn function(op: &str) -> Option<fn(f64) -> f64> {
    Some(match op {
        "Tanh" => libm::tanh,
        "Sigmoid" => |x| 1.0 / (1.0 + libm::exp(-x)),
        "Exp" => libm::exp,
        "Log" => libm::log,
        "Log1p" => libm::log1p,
        "Sqrt" => f64::sqrt,
        "Rsqrt" => |x| 1.0 / x.sqrt(),
        "Sin" => libm::sin,
        "Cos" => libm::cos,
        "Erf" => libm::erf,
        "Floor" => f64::floor,
        "Ceil" => f64::ceil,
        "Rint" | "Round" => f64::round_ties_even,
        "Reciprocal" | "Inv" => |x| 1.0 / x,
        "Relu6" => |x| x.clamp(0.0, 6.0),
        "Elu" => |x| if x < 0.0 { libm::expm1(x) } else { x },
        "Softplus" => |x| if x > 30.0 { x } else { libm::log1p(libm::exp(x)) },
        _ => return None,
    })
}

fn map<T, R: Element>(x: &Tensor, values: &[T], f: impl Fn(&T) -> R) -> Tensor {
    Tensor::new(x.shape().to_vec(), values.iter().map(f).collect())
}

/// Applies a function to every two elements, with the smaller tensor broadcast.
fn pairs<T, R: Element>(a: &Tensor, b: &Tensor, x: &[T], y: &[T], f: impl Fn(&T, &T) -> R) -> Result<Tensor, String> {
    if a.shape() == b.shape() {
        return Ok(Tensor::new(a.shape().to_vec(), x.iter().zip(y).map(|(x, y)| f(x, y)).collect()));
    }
    let shape = broadcast(a.shape(), b.shape())?;
    let wide = |t: &Tensor| View::whole(t.shape()).broadcast(&shape).ok_or("is used on shapes that don't fit");
    let (a, b) = (wide(a)?, wide(b)?);
    let mut firsts = Vec::new();
    b.rows(|first, stride, _| firsts.push((first, stride as usize)));
    let mut out = Vec::with_capacity(shape.iter().product());
    let mut firsts = firsts.into_iter();
    a.rows(|i, across, length| {
        let (j, down) = firsts.next().unwrap_or_default();
        out.extend((0..length).map(|n| f(&x[i + across as usize * n], &y[j + down * n])));
    });
    Ok(Tensor::new(shape, out))
}

/// Runs an expression on a tensor of numbers and another one of the same type.
macro_rules! with_numbers {
    ($a:expr, $b:expr, $x:ident, $y:ident => $float:expr, $whole:expr) => {
        match $a.data() {
            Data::F32($x) => {
                let $y = $b.values::<f32>()?;
                $float
            }
            Data::F64($x) => {
                let $y = $b.values::<f64>()?;
                $float
            }
            Data::I32($x) => {
                let $y = $b.values::<i32>()?;
                $whole
            }
            Data::I64($x) => {
                let $y = $b.values::<i64>()?;
                $whole
            }
            _ => Err(format!("is used on {}", $a.what())),
        }
    };
}

macro_rules! arithmetic {
    ($float:expr, $whole:expr) => {
        Kernel::of(|[a, b]| with_numbers!(a, b, x, y => pairs(a, b, x, y, $float), pairs(a, b, x, y, $whole)))
    };
}

/// Divides whole numbers, and refuses a division by 0.
macro_rules! division {
    ($float:expr, $whole:expr) => {
        Kernel::of(|[a, b]| {
            if matches!(b.data(), Data::I32(_) | Data::I64(_)) && b.ints()?.contains(&0) {
                return Err("divides a whole number by 0".to_owned());
            }
            with_numbers!(a, b, x, y => pairs(a, b, x, y, $float), pairs(a, b, x, y, $whole))
        })
    };
}

fn add(a: &Tensor, b: &Tensor) -> Result<Tensor, String> {
    with_numbers!(a, b, x, y => pairs(a, b, x, y, |x, y| x + y), pairs(a, b, x, y, |x, y| x.wrapping_add(*y)))
}

/// Returns a function of two numbers.
fn numeric(op: &str) -> Option<Kernel> {
    Some(match op {
        "AddV2" | "Add" => Kernel::of(|[a, b]| add(a, b)),
        "Sub" => arithmetic!(|x, y| x - y, |x, y| x.wrapping_sub(*y)),
        "Mul" => arithmetic!(|x, y| x * y, |x, y| x.wrapping_mul(*y)),
        "SquaredDifference" => {
            arithmetic!(|x, y| (x - y) * (x - y), |x, y| x.wrapping_sub(*y).wrapping_mul(x.wrapping_sub(*y)))
        }
        "Maximum" => arithmetic!(|x, y| x.max(*y), |x, y| *x.max(y)),
        "Minimum" => arithmetic!(|x, y| x.min(*y), |x, y| *x.min(y)),
        "RealDiv" | "Div" => division!(|x, y| x / y, |x, y| x.wrapping_div(*y)),
        "DivNoNan" => arithmetic!(|x, y| if *y == 0.0 { 0.0 } else { x / y }, |x, y| x.checked_div(*y).unwrap_or(0)),
        "FloorDiv" => division!(|x, y| (x / y).floor(), |x, y| {
            let part = x.wrapping_div(*y);
            if x.wrapping_rem(*y) != 0 && (*x < 0) != (*y < 0) { part - 1 } else { part }
        }),
        "FloorMod" | "Mod" => division!(|x, y| x - (x / y).floor() * y, |x, y| {
            let rest = x.wrapping_rem(*y);
            if rest != 0 && (rest < 0) != (*y < 0) { rest + y } else { rest }
        }),
        "TruncateDiv" => division!(|x, y| (x / y).trunc(), |x, y| x.wrapping_div(*y)),
        "TruncateMod" => division!(|x, y| x % y, |x, y| x.wrapping_rem(*y)),
        "Pow" => Kernel::of(|[a, b]| match (a.data(), b.data()) {
            (Data::F32(x), Data::F32(y)) => pairs(a, b, x, y, |&x, &y| libm::pow(f64::from(x), f64::from(y)) as f32),
            (Data::F64(x), Data::F64(y)) => pairs(a, b, x, y, |&x, &y| libm::pow(x, y)),
            _ => Err(format!("is used on {}", a.what())),
        }),
        "Greater" => arithmetic!(|x, y| x > y, |x, y| x > y),
        "GreaterEqual" => arithmetic!(|x, y| x >= y, |x, y| x >= y),
        "Less" => arithmetic!(|x, y| x < y, |x, y| x < y),
        "LessEqual" => arithmetic!(|x, y| x <= y, |x, y| x <= y),
        _ => return None,
    })
}

fn sign(op: &str) -> Kernel {
    macro_rules! each {
        ($float:expr, $whole:expr) => {
            Kernel::of(|[x]| match x.data() {
                Data::F32(values) => Ok(map(x, values, $float)),
                Data::F64(values) => Ok(map(x, values, $float)),
                Data::I32(values) => Ok(map(x, values, $whole)),
                Data::I64(values) => Ok(map(x, values, $whole)),
                _ => Err(format!("is used on {}", x.what())),
            })
        };
    }
    match op {
        "Neg" => each!(|v| -v, |v| v.wrapping_neg()),
        "Abs" => each!(|v| v.abs(), |v| v.wrapping_abs()),
        "Sign" => each!(|v| if *v == 0.0 { *v } else { v.signum() }, |v| v.signum()),
        _ => each!(|v| v * v, |v| v.wrapping_mul(*v)),
    }
}

/// The first version of `Select` accepts a condition that selects whole rows.
fn rows_chosen(condition: &Tensor, yes: &Tensor) -> Result<Tensor, String> {
    match (condition.shape(), yes.shape()) {
        ([rows], [first, rest @ ..]) if rows == first && !rest.is_empty() => {
            let mut shape = vec![*rows];
            shape.resize(yes.shape().len(), 1);
            condition.reshaped(shape)
        }
        _ => Ok(condition.clone()),
    }
}

fn select(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor, String> {
    let chosen = condition.values::<bool>()?;
    let shape = broadcast(&broadcast(condition.shape(), yes.shape())?, no.shape())?;
    let places = |t: &Tensor| -> Result<Vec<usize>, String> {
        let view = View::whole(t.shape()).broadcast(&shape).ok_or("is used on shapes that don't fit")?;
        let mut places = Vec::with_capacity(shape.iter().product());
        view.rows(|first, stride, length| places.extend((0..length).map(|i| first + stride as usize * i)));
        Ok(places)
    };
    let places = [places(condition)?, places(yes)?, places(no)?];
    with_values!(yes, x => Ok(Tensor::new(shape, picked(chosen, x, like(x, no)?, &places))))
}

/// Returns the elements at the positions of `yes` or `no`.
fn picked<T: Clone>(chosen: &[bool], yes: &[T], no: &[T], [at, from, other]: &[Vec<usize>; 3]) -> Vec<T> {
    let each = at.iter().zip(from.iter().zip(other));
    each.map(|(&c, (&i, &j))| if chosen[c] { yes[i].clone() } else { no[j].clone() }).collect()
}

fn cast(to: i32) -> Result<Kernel, String> {
    macro_rules! into {
        ($type:ty) => {
            Kernel::of(|[x]| match x.data() {
                Data::F32(values) => Ok(map(x, values, |&v| v as $type)),
                Data::F64(values) => Ok(map(x, values, |&v| v as $type)),
                Data::I32(values) => Ok(map(x, values, |&v| v as $type)),
                Data::I64(values) => Ok(map(x, values, |&v| v as $type)),
                Data::Bool(values) => Ok(map(x, values, |&v| u8::from(v) as $type)),
                Data::Bytes(_) | Data::Table(_) => Err(format!("is used on {}", x.what())),
            })
        };
    }
    Ok(match to {
        types::FLOAT => into!(f32),
        types::DOUBLE => into!(f64),
        types::INT32 => into!(i32),
        types::INT64 => into!(i64),
        types::BOOL => Kernel::of(|[x]| match x.data() {
            Data::F32(values) => Ok(map(x, values, |&v| v != 0.0)),
            Data::F64(values) => Ok(map(x, values, |&v| v != 0.0)),
            Data::I32(values) => Ok(map(x, values, |&v| v != 0)),
            Data::I64(values) => Ok(map(x, values, |&v| v != 0)),
            Data::Bool(_) => Ok(x.clone()),
            Data::Bytes(_) | Data::Table(_) => Err(format!("is used on {}", x.what())),
        }),
        other => return Err(format!("makes elements of type {other}, which aren't read here")),
    })
}
