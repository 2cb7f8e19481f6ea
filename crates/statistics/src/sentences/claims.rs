//! What an answer allows to be claimed, in the order of importance.

use super::Claim;
use crate::answer::{Answer, Level, Pair};
use crate::study::{ScoredRows, Setting};

/// More pairs than this are left to the table.
const MOST_PAIRS: usize = 3;

/// Returns the claims of an answer.
pub(super) fn claims(answer: &Answer) -> Vec<Claim> {
    let verdict = match (answer.level, answer.reason) {
        (Level::None, reason) => reason.map(|reason| Claim::NoAnswer { reason }).into_iter().collect(),
        (Level::Embeddings, _) => of_embeddings(answer),
        (Level::Heads, _) => of_heads(answer),
    };
    verdict.into_iter().chain(smallest(answer)).chain(limits(answer)).collect()
}

fn of_embeddings(answer: &Answer) -> Vec<Claim> {
    let group = positions(answer, &answer.best_group);
    let first = match group.as_slice() {
        &[setting] => Claim::SoleBest { setting },
        _ => Claim::BestGroup { settings: group },
    };
    std::iter::once(first).chain(pairs(answer, false)).collect()
}

fn of_heads(answer: &Answer) -> Vec<Claim> {
    let has_validation = answer.settings.iter().all(|setting| setting.validation_mean.is_some());
    let validation = answer.scored == ScoredRows::Test && has_validation;
    let mut claims = Vec::new();
    if answer.settings.len() > 2 {
        claims.push(Claim::BestHeads { settings: positions(answer, &answer.best_group) });
    }
    claims.extend(pairs(answer, true));
    let leader = answer.leader.as_ref().and_then(|leader| position(answer, leader));
    claims.extend(leader.map(|setting| Claim::ChosenOn { setting, validation }));
    claims.push(Claim::EmbeddingsNotAnswered);
    claims
}

/// The leader against those that are closest to it.
fn pairs(answer: &Answer, heads: bool) -> Vec<Claim> {
    let shown = answer.pairs.iter().enumerate().take(MOST_PAIRS);
    shown.filter_map(|(index, pair)| of_pair(answer, index, pair, heads)).collect()
}

fn of_pair(answer: &Answer, index: usize, pair: &Pair, heads: bool) -> Option<Claim> {
    let (a, b) = (position(answer, &pair.a)?, position(answer, &pair.b)?);
    let (first, second) = if answer.better.oriented(pair.difference) >= 0.0 { (a, b) } else { (b, a) };
    Some(match (heads, pair.told_apart) {
        (false, true) => Claim::Better { better: first, worse: second, pair: index },
        (false, false) => Claim::NotToldApart { a: first, b: second, pair: index },
        (true, true) => Claim::HeadScoresBetter { better: first, worse: second, pair: index },
        (true, false) => Claim::HeadsNotToldApart { a: first, b: second, pair: index },
    })
}

fn smallest(answer: &Answer) -> Option<Claim> {
    let found = answer.chosen_smallest.as_ref().and_then(|setting| position(answer, setting));
    match found {
        Some(setting) => Some(Claim::Smallest { setting }),
        None => (!answer.good_enough.is_empty()).then_some(Claim::NoSmallest),
    }
}

fn limits(answer: &Answer) -> Vec<Claim> {
    let is_open = answer.outlook.as_ref().is_some_and(|outlook| outlook.rival.is_some());
    let candidates = [
        (answer.smallest_detectable.is_some() && answer.level != Level::None, Claim::Detectable),
        (is_open && answer.level == Level::Embeddings, Claim::Outlook),
        (answer.variance.is_some_and(|parts| parts.split.or(parts.seed).or(parts.rows).is_some()), Claim::Variance),
    ];
    candidates.into_iter().filter_map(|(is_known, claim)| is_known.then_some(claim)).collect()
}

fn position(answer: &Answer, setting: &Setting) -> Option<usize> {
    answer.settings.iter().position(|known| known.setting == *setting)
}

fn positions(answer: &Answer, settings: &[Setting]) -> Vec<usize> {
    settings.iter().filter_map(|setting| position(answer, setting)).collect()
}
