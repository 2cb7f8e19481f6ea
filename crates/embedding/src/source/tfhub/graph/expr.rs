//! Integer arithmetic on each element: how a graph computes an id from a token, and a table position from an id.
//!
//! The rules build expressions, which are evaluated once for each line of the vocabulary, each hash bucket and each
//! row of the table. Every way of numbering tokens or of partitioning a table is therefore read from the graph, not
//! guessed.

use std::rc::Rc;

/// The maximum size of an expression, which bounds time and memory; no known way of numbering needs more.
const MAX_SIZE: usize = 128;

/// An operation on two numbers; true is 1 and false is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    FloorDiv,
    FloorMod,
    Maximum,
    Minimum,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
}

/// An expression that gives a number for each element of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    /// The same number for every element.
    Const(i64),
    /// The element itself, if elements are ids.
    Id,
    /// The line of a token in the vocabulary, or the default if it isn't in there.
    Found {
        vocabulary: usize,
        default: i64,
    },
    /// The hash of a token, modulo the number of buckets.
    Bucket(u64),
    /// The number of lines of a vocabulary.
    Lines(usize),
    Binary(Op, Rc<Self>, Rc<Self>),
    Not(Rc<Self>),
    /// The condition, the value if it holds, and the value otherwise.
    Select(Rc<Self>, Rc<Self>, Rc<Self>),
}

/// The element that an expression is evaluated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// The token on this line of the vocabulary.
    Known(u32),
    /// A token that isn't in the vocabulary, identified by its hash bucket.
    Unknown(u64),
    /// An id.
    Id(i64),
}

/// The number of lines of a vocabulary, which expressions may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines(pub(crate) u32);

impl Expr {
    pub(super) fn binary(op: Op, left: &Self, right: &Self) -> Result<Self, String> {
        Self::Binary(op, Rc::new(left.clone()), Rc::new(right.clone())).checked()
    }

    pub(super) fn not(of: &Self) -> Result<Self, String> {
        Self::Not(Rc::new(of.clone())).checked()
    }

    pub(super) fn select(condition: &Self, yes: &Self, no: &Self) -> Result<Self, String> {
        Self::Select(Rc::new(condition.clone()), Rc::new(yes.clone()), Rc::new(no.clone())).checked()
    }

    /// Returns the number of one element. `None` if it depends on the hash of a token that is in the vocabulary,
    /// overflows, or divides by zero.
    pub(super) fn value(&self, element: Element, lines: Lines) -> Option<i64> {
        match self {
            Self::Const(value) => Some(*value),
            Self::Lines(_) => Some(i64::from(lines.0)),
            Self::Id => match element {
                Element::Id(id) => Some(id),
                Element::Known(_) | Element::Unknown(_) => None,
            },
            Self::Found { default, .. } => match element {
                Element::Known(line) => Some(i64::from(line)),
                Element::Unknown(_) => Some(*default),
                Element::Id(_) => None,
            },
            Self::Bucket(_) => match element {
                Element::Unknown(bucket) => i64::try_from(bucket).ok(),
                Element::Known(_) | Element::Id(_) => None,
            },
            Self::Binary(op, left, right) => op.apply(left.value(element, lines)?, right.value(element, lines)?),
            Self::Not(of) => Some(i64::from(of.value(element, lines)? == 0)),
            Self::Select(condition, yes, no) => {
                if condition.value(element, lines)? != 0 {
                    yes.value(element, lines)
                } else {
                    no.value(element, lines)
                }
            }
        }
    }

    /// Visits every leaf and branch, including the expression itself.
    pub(super) fn each(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        match self {
            Self::Binary(_, left, right) => [left, right].iter().for_each(|e| e.each(visit)),
            Self::Not(of) => of.each(visit),
            Self::Select(condition, yes, no) => [condition, yes, no].iter().for_each(|e| e.each(visit)),
            Self::Const(_) | Self::Id | Self::Found { .. } | Self::Bucket(_) | Self::Lines(_) => {}
        }
    }

    /// Checks the size; the parts were checked before, so that at most three times the limit is visited.
    fn checked(self) -> Result<Self, String> {
        let mut size = 0;
        self.each(&mut |_| size += 1);
        if size <= MAX_SIZE { Ok(self) } else { Err("is too long a calculation".to_owned()) }
    }
}

impl Op {
    pub(super) fn apply(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Sub => a.checked_sub(b),
            Self::Mul => a.checked_mul(b),
            Self::FloorDiv => {
                let quotient = a.checked_div(b)?;
                Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
            }
            Self::FloorMod => {
                let rest = a.checked_rem(b)?;
                Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
            }
            Self::Maximum => Some(a.max(b)),
            Self::Minimum => Some(a.min(b)),
            Self::Less => Some(i64::from(a < b)),
            Self::LessEqual => Some(i64::from(a <= b)),
            Self::Greater => Some(i64::from(a > b)),
            Self::GreaterEqual => Some(i64::from(a >= b)),
            Self::Equal => Some(i64::from(a == b)),
            Self::NotEqual => Some(i64::from(a != b)),
            Self::And => Some(i64::from(a != 0 && b != 0)),
            Self::Or => Some(i64::from(a != 0 || b != 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_rounds_down_and_never_panics() {
        for (a, b, quotient, rest) in [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1), (-6, 2, -3, 0)] {
            assert_eq!(Op::FloorDiv.apply(a, b), Some(quotient));
            assert_eq!(Op::FloorMod.apply(a, b), Some(rest));
        }
        for (a, b) in [(1, 0), (i64::MIN, -1)] {
            assert_eq!((Op::FloorDiv.apply(a, b), Op::FloorMod.apply(a, b)), (None, None));
        }
        assert_eq!(Op::Add.apply(i64::MAX, 1), None);
    }

    #[test]
    fn expressions_stay_small() {
        let mut doubled = Expr::Id;
        let error = loop {
            match Expr::binary(Op::Add, &doubled, &doubled) {
                Ok(next) => doubled = next,
                Err(error) => break error,
            }
        };
        assert!(error.contains("too long"), "{error}");
    }
}
