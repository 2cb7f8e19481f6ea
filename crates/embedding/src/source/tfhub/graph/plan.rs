//! A text embedding as read from a graph, before its vocabulary and tables are loaded.

use emberline_base::Combiner;
use savedmodel::graph::{Variable, Vocabulary};
use savedmodel::text::Split;

use super::expr::{Element, Expr, Lines};
use super::value::{Combined, Edit, Fill, Step};

/// How a text becomes a vector.
#[derive(Debug)]
pub(crate) struct Plan {
    combined: Combined,
    variables: Vec<Variable>,
    vocabulary: Option<Vocabulary>,
    buckets: Option<u64>,
}

/// The ids of texts without ids of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fills {
    /// If splitting gives no token.
    pub(crate) no_token: Vec<i64>,
    /// If every token is dropped.
    pub(crate) all_dropped: Vec<i64>,
}

impl Plan {
    pub(super) fn new(
        combined: Combined,
        variables: Vec<Variable>,
        vocabularies: &[Vocabulary],
    ) -> Result<Self, String> {
        let mut used: Vec<usize> = Vec::new();
        let mut buckets: Vec<u64> = Vec::new();
        for expr in expressions(&combined) {
            expr.each(&mut |part| match part {
                Expr::Found { vocabulary, .. } | Expr::Lines(vocabulary) => used.push(*vocabulary),
                Expr::Bucket(count) => buckets.push(*count),
                _ => {}
            });
        }
        used.sort_unstable();
        used.dedup();
        buckets.sort_unstable();
        buckets.dedup();
        if used.len() > 1 || buckets.len() > 1 {
            return Err("numbers tokens by several vocabularies or hashes".to_owned());
        }
        if combined.bags.steps.iter().filter(|step| matches!(step, Step::Keep(_))).count() > 1 {
            return Err("drops tokens in several steps".to_owned());
        }
        let vocabulary = used.first().and_then(|&index| vocabularies.get(index).cloned());
        Ok(Self { combined, variables, vocabulary, buckets: buckets.first().copied() })
    }

    /// Returns the edits of a text before it is split.
    pub(crate) fn edits(&self) -> &[Edit] {
        &self.combined.bags.edits
    }

    /// Returns how a text is split.
    pub(crate) fn split(&self) -> &Split {
        &self.combined.bags.split
    }

    /// Returns the file of known tokens, if there is one.
    pub(crate) fn vocabulary(&self) -> Option<&Vocabulary> {
        self.vocabulary.as_ref()
    }

    /// Returns the number of hash buckets of tokens, if they are hashed.
    pub(crate) fn buckets(&self) -> Option<u64> {
        self.buckets
    }

    /// Returns how a text's rows become one vector.
    pub(crate) fn combiner(&self) -> Combiner {
        self.combined.combiner
    }

    /// Returns the variables that make up the table.
    pub(crate) fn variables(&self) -> impl ExactSizeIterator<Item = &Variable> {
        self.combined.variables.iter().map(|&index| &self.variables[index])
    }

    /// Returns whether ids are the rows of the only variable.
    pub(crate) fn is_plain(&self) -> bool {
        self.combined.variables.len() == 1 && self.combined.variable == Expr::Const(0) && self.combined.row == Expr::Id
    }

    /// Returns the variable that holds the row of an id, and the row's position in it.
    pub(crate) fn place(&self, id: i64, lines: Lines) -> Option<(usize, usize)> {
        let at = |expr: &Expr| usize::try_from(expr.value(Element::Id(id), lines)?).ok();
        Some((at(&self.combined.variable)?, at(&self.combined.row)?))
    }

    /// Returns a token's id; `None` if the graph drops the token.
    pub(crate) fn id(&self, token: Element, lines: Lines) -> Result<Option<i64>, String> {
        let mut element = token;
        for step in &self.combined.bags.steps {
            match step {
                Step::FillToken(_) => {}
                Step::FillId { ids, .. } => element = Element::Id(number(ids, element, lines)?),
                Step::Keep(condition) if number(condition, element, lines)? == 0 => return Ok(None),
                Step::Keep(_) => {}
            }
        }
        number(&self.combined.ids, element, lines).map(Some)
    }

    /// Returns the ids of texts that have no token, or none left. `element` classifies a token.
    pub(crate) fn fills(&self, lines: Lines, element: &dyn Fn(&[u8]) -> Element) -> Result<Fills, String> {
        let keep = self.combined.bags.steps.iter().position(|step| matches!(step, Step::Keep(_)));
        Ok(Fills {
            no_token: self.filled_from(0, lines, element)?,
            all_dropped: match keep {
                Some(keep) => self.filled_from(keep + 1, lines, element)?,
                None => Vec::new(),
            },
        })
    }

    /// Returns the ids of a text that is empty before a step.
    fn filled_from(&self, start: usize, lines: Lines, element: &dyn Fn(&[u8]) -> Element) -> Result<Vec<i64>, String> {
        let mut filled = None;
        for (index, step) in self.combined.bags.steps.iter().enumerate().skip(start) {
            let was_empty = filled.is_none();
            filled = match (step, filled) {
                (Step::FillToken(token), None) => Some(element(token)),
                (Step::FillId { fill: Fill::Id(id), .. }, None) => Some(Element::Id(*id)),
                (Step::FillId { fill: Fill::OfToken(token, id), .. }, None) => {
                    Some(Element::Id(number(id, element(token), lines)?))
                }
                (Step::FillId { ids, .. }, Some(element)) => Some(Element::Id(number(ids, element, lines)?)),
                (Step::Keep(condition), Some(element)) if number(condition, element, lines)? == 0 => None,
                (Step::FillToken(_) | Step::Keep(_), filled) => filled,
            };
            if was_empty && self.combined.zeroed.as_ref().is_some_and(|zeroed| zeroed.steps.len() == index + 1) {
                return Ok(Vec::new());
            }
        }
        filled.map_or(Ok(Vec::new()), |element| Ok(vec![number(&self.combined.ids, element, lines)?]))
    }
}

fn number(expr: &Expr, element: Element, lines: Lines) -> Result<i64, String> {
    expr.value(element, lines).ok_or_else(|| "numbers a token in a way that can't be followed".to_owned())
}

/// Returns every expression that is evaluated for tokens or ids.
fn expressions(combined: &Combined) -> Vec<&Expr> {
    let mut all = vec![&combined.ids, &combined.variable, &combined.row];
    for step in &combined.bags.steps {
        match step {
            Step::FillToken(_) => {}
            Step::FillId { ids, fill: Fill::Id(_) } => all.push(ids),
            Step::FillId { ids, fill: Fill::OfToken(_, id) } => all.extend([ids, id]),
            Step::Keep(condition) => all.push(condition),
        }
    }
    all
}
