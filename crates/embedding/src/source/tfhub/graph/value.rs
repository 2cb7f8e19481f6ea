//! The meaning of a tensor in a text module's graph: the values that the [rules](super::rules) compute with.
//!
//! Two tensors with equal values hold equal numbers for every batch of texts, as every supported op is pure.

use std::rc::Rc;

use savedmodel::text::Split;

use super::expr::Expr;

/// A size that is known, or known to be that of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Known(i64),
    /// The number of texts.
    Batch,
    /// The number of tokens of the longest text.
    Longest,
    /// A size that affects no vector.
    Some,
}

/// A change to a text before it is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Replaces the matches of an RE2 pattern, all of them or the first.
    Replace { pattern: Vec<u8>, rewrite: Vec<u8>, global: bool },
    /// Replaces A-Z by a-z.
    Lowercase,
}

/// A change to the tokens of each text, in the order of the graph.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// A text without tokens gets this one.
    FillToken(Vec<u8>),
    /// Tokens become ids; a text without any gets this one.
    FillId { ids: Expr, fill: Fill },
    /// Tokens or ids for which this is false are dropped.
    Keep(Expr),
}

/// The id of a text without ids.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fill {
    Id(i64),
    /// The id of a token.
    OfToken(Vec<u8>, Expr),
}

/// The tokens (or ids, after [`Step::FillId`]) of each text of the batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bags {
    pub(super) edits: Vec<Edit>,
    pub(super) split: Split,
    pub(super) steps: Vec<Step>,
}

impl Bags {
    pub(super) fn with(&self, step: Step) -> Rc<Self> {
        let mut steps = self.steps.clone();
        steps.push(step);
        Rc::new(Self { edits: self.edits.clone(), split: self.split.clone(), steps })
    }

    /// Returns whether every text has a token.
    pub(super) fn filled(&self) -> bool {
        !matches!(self.steps.last(), None | Some(Step::Keep(_)))
    }

    /// Returns whether these are the tokens of `other` at an earlier step.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        self.edits == other.edits && self.split == other.split && other.steps.starts_with(&self.steps)
    }
}

/// A sequence of elements.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sequence {
    /// The elements of the bags, text after text.
    Bags(Rc<Bags>),
    /// One token.
    Token(Vec<u8>),
    /// The distinct ids of another sequence.
    Unique(Rc<Self>, Expr),
}

/// Rows of vectors: for each element of a sequence, one row of one of several variables.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rows {
    pub(super) of: Sequence,
    pub(super) variables: Vec<usize>,
    /// The variable.
    pub(super) variable: Expr,
    /// The row in the variable.
    pub(super) row: Expr,
}

/// Ids and their positions, split by the variable that holds their rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(super) of: Sequence,
    pub(super) variable: Expr,
    pub(super) parts: usize,
    pub(super) index: usize,
}

/// The vectors of the texts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Combined {
    pub(super) bags: Rc<Bags>,
    /// The id of each element.
    pub(super) ids: Expr,
    pub(super) variables: Vec<usize>,
    /// The variable that holds the row of an id, and the row's position in it.
    pub(super) variable: Expr,
    pub(super) row: Expr,
    pub(super) combiner: emberline_base::Combiner,
    /// Texts that were empty before the last step of these bags have a vector of zeros.
    pub(super) zeroed: Option<Rc<Bags>>,
}

/// The meaning of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// The texts after some edits, `[batch]`.
    Texts(Vec<Edit>),
    /// Constant strings.
    Strings(Vec<Vec<u8>>),
    /// A constant or a shape, of rank 0 or 1.
    Sizes(Vec<Size>),
    /// Zeros.
    Zeros,
    /// The tokens themselves, text after text.
    Tokens(Rc<Bags>),
    /// (text, position) of each token, `[tokens, 2]`.
    Indices(Rc<Bags>),
    /// The largest text and position, `[2]`.
    LastIndex(Rc<Bags>),
    /// The text of each token.
    TextOfToken(Rc<Bags>),
    /// The number of tokens of each text, and the running sum of these numbers without and with a leading 0.
    Counts(Rc<Bags>),
    Ends(Rc<Bags>),
    Splits(Rc<Bags>),
    /// Whether a text was empty before the bags' last step.
    WasEmpty(Rc<Bags>),
    /// A number for each element of a sequence.
    Each(Sequence, Expr),
    /// The positions of the elements for which this is true.
    Where(Sequence, Expr),
    /// For each element of a sequence, the position of its id among the distinct ones.
    UniqueIndex(Sequence, Expr),
    /// The positions of a sequence: 0, 1, ...
    Positions(Sequence),
    /// The number of elements of a sequence.
    Length(Sequence),
    PartOfIds(Part, Expr),
    PartOfPositions(Part),
    PartOfRows(Part, Expr, usize),
    Variable(usize),
    Vocabulary(usize),
    /// The number of lines of a vocabulary.
    Lines(usize),
    /// A file of the module.
    Asset(String),
    Rows(Rows),
    Combined(Box<Combined>),
    /// A constant that no rule can use, and why.
    Unread(&'static str),
}

impl Value {
    pub(super) fn known(value: i64) -> Self {
        Self::Sizes(vec![Size::Known(value)])
    }

    /// Returns how a message describes the value.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Texts(_) => "the texts",
            Self::Strings(_) => "constant strings",
            Self::Sizes(_) => "sizes",
            Self::Zeros => "zeros",
            Self::Tokens(_) => "tokens",
            Self::Indices(_) => "the indices of tokens",
            Self::LastIndex(_) => "the last index of tokens",
            Self::TextOfToken(_) => "the texts' numbers",
            Self::Counts(_) | Self::Ends(_) | Self::Splits(_) => "counts of tokens",
            Self::WasEmpty(_) => "whether a text is empty",
            Self::Each(..) => "numbers of tokens",
            Self::Where(..) => "positions of some tokens",
            Self::UniqueIndex(..) => "indices of different ids",
            Self::Positions(_) => "positions of tokens",
            Self::Length(_) => "a number of tokens",
            Self::PartOfIds(..) | Self::PartOfPositions(_) | Self::PartOfRows(..) => "a part of the ids",
            Self::Variable(_) => "a variable",
            Self::Vocabulary(_) => "a vocabulary",
            Self::Lines(_) => "the size of a vocabulary",
            Self::Asset(_) => "a file",
            Self::Rows(_) => "rows of a table",
            Self::Combined(_) => "vectors of texts",
            Self::Unread(what) => what,
        }
    }
}
