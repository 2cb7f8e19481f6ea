//! Claims in plain English.

use emberline_base::number::grouped;

use super::Claim;
use crate::answer::{Answer, Level, Outlook, Pair, Reason};
use crate::study::{Better, Noun};

/// Begins the words of a claim with the numbers of labels that it is said of, if there are any: "With 200 and 50 labels, the best ...".
pub(super) fn with_labels(labels: &[usize], claim: &Claim, words: &str) -> String {
    let Some(opening) = opening(labels) else { return words.to_owned() };
    match claim {
        // It begins with the label of a setting.
        Claim::NoAnswer { reason: Reason::OneSetting } => format!("{opening}{words}"),
        _ => format!("{opening}{}", uncapitalised(words)),
    }
}

/// Returns "With 1,000, 200 and 50 labels, ".
pub(crate) fn opening(labels: &[usize]) -> Option<String> {
    let shown: Vec<String> = labels.iter().map(|&labels| grouped(labels as u64)).collect();
    let (last, others) = shown.split_last()?;
    let others = if others.is_empty() { String::new() } else { others.join(", ") + " and " };
    let labels = if labels == [1] { "label" } else { "labels" };
    Some(format!("With {others}{last} {labels}, "))
}

/// Begins a sentence with a small letter.
pub(crate) fn uncapitalised(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

/// A best group of all settings is named one by one if there are at most so many.
const MOST_NAMES: usize = 4;

/// Returns the words of a claim.
pub(super) fn words(answer: &Answer, claim: &Claim) -> String {
    let label = |setting: usize| answer.settings.get(setting).map_or("", |setting| setting.label.as_str());
    match claim {
        Claim::NoAnswer { reason } => no_answer(answer, *reason),
        Claim::SoleBest { setting } => sole_best(answer, label(*setting)),
        Claim::BestGroup { settings } => best_group(answer, &settings.iter().map(|&s| label(s)).collect::<Vec<_>>()),
        Claim::Better { better, worse, pair } => {
            better_than(answer, label(*better), label(*worse), &answer.pairs[*pair])
        }
        Claim::NotToldApart { a, b, pair } => {
            let subject = format!("{} {} and {} are not told apart", capital(noun(answer)), label(*a), label(*b));
            let (metric, estimate) = (&answer.metric, estimate(answer, &answer.pairs[*pair]));
            format!("{subject}: the difference of {metric} in favour of {} is {estimate}.", label(*a))
        }
        Claim::HeadScoresBetter { better, worse, pair } => {
            heads(answer, label(*better), label(*worse), &answer.pairs[*pair])
        }
        Claim::HeadsNotToldApart { a, b, pair } => format!(
            "On new texts like these, either of the heads {} and {} may score better: the difference of {} in favour of \
             the first is {}.",
            label(*a),
            label(*b),
            answer.metric,
            estimate(answer, &answer.pairs[*pair])
        ),
        Claim::BestHeads { settings } => {
            let names: Vec<&str> = settings.iter().map(|&setting| label(setting)).collect();
            match names.as_slice() {
                [only] => format!("On new texts like these, the best of these heads is {only}."),
                several => {
                    format!("On new texts like these, the best of these heads is one of {{{}}}.", several.join(", "))
                }
            }
        }
        Claim::ChosenOn { setting, validation: true } => {
            format!(
                "Head {} was chosen on validation rows; differences from it are those on test rows.",
                label(*setting)
            )
        }
        Claim::ChosenOn { setting, validation: false } => {
            format!("Head {} was chosen on these rows, which flatters it.", label(*setting))
        }
        Claim::EmbeddingsNotAnswered => not_answered(answer),
        Claim::Smallest { setting } => smallest(answer, label(*setting)),
        Claim::NoSmallest => no_smallest(answer),
        Claim::Detectable => detectable(answer),
        Claim::Outlook => answer.outlook.as_ref().map_or_else(String::new, |outlook| what_decides(answer, outlook)),
        Claim::Variance => variance(answer),
    }
}

fn no_answer(answer: &Answer, reason: Reason) -> String {
    match reason {
        Reason::NoScores => format!("No {} has a score, so there is no answer.", noun(answer)),
        Reason::OneSetting => {
            let label = answer.settings.first().map_or("", |setting| setting.label.as_str());
            format!("{label} is the only {} with a score, so there is nothing to compare.", noun(answer))
        }
        Reason::DifferentRows => {
            "Nothing is claimed: the settings were scored on different rows, which can't be compared.".to_owned()
        }
        Reason::NoPredictions => not_answered(answer),
        Reason::Undefined => format!(
            "Nothing is claimed: {} is not defined on many draws of the evaluated rows. Evaluate more rows of the rare classes.",
            answer.metric
        ),
    }
}

fn not_answered(answer: &Answer) -> String {
    format!("Which {} is better for this task is not answered; add `[data.split] repeats = 5`.", noun(answer))
}

fn sole_best(answer: &Answer, label: &str) -> String {
    let others = match answer.settings.len() {
        2 => "the other".to_owned(),
        several => format!("each of the {} others", several - 1),
    };
    let splits = answer.replicates.splits;
    format!("The best {} for this task is {label}: it is told apart from {others}, over {splits} splits.", noun(answer))
}

fn best_group(answer: &Answer, labels: &[&str]) -> String {
    let (noun, splits) = (noun(answer), answer.replicates.splits);
    // Names say nothing if there are no others.
    if labels.len() == answer.settings.len() && labels.len() > MOST_NAMES {
        return format!(
            "The best group is all {} {noun}s: none is told apart from that with the best mean, over {splits} splits.",
            labels.len()
        );
    }
    let names = labels.join(", ");
    format!("The best group is {{{names}}}: the best {noun} is one of these, and {splits} splits don't tell which.")
}

fn better_than(answer: &Answer, better: &str, worse: &str, pair: &Pair) -> String {
    let (direction, holm) = (direction(answer), holm(answer));
    format!(
        "{} {better} is better than {worse} for this task: its {} is {direction} by {} (p {}{holm}).",
        capital(noun(answer)),
        answer.metric,
        estimate(answer, pair),
        probability(pair.p_holm),
    )
}

fn heads(answer: &Answer, better: &str, worse: &str, pair: &Pair) -> String {
    let more = if answer.better == Better::Higher { "more" } else { "less" };
    format!(
        "On new texts like these, head {better} scores {} {more} than head {worse} ({}); another draw of training rows may turn \
         this over.",
        estimate(answer, pair),
        answer.metric,
    )
}

fn smallest(answer: &Answer, label: &str) -> String {
    let margin = answer.margin.map_or_else(String::new, |margin| format!("{margin}"));
    let least = answer.good_enough.iter().rfind(|step| step.accepted).and_then(|step| step.supported_margin);
    let least =
        least.map_or_else(String::new, |least| format!(" The data support this from a margin of {} on.", up(least)));
    format!("The smallest that is good enough is {label}: it is not worse than any other by {margin} or more.{least}")
}

/// Without an accepted setting: what margin would accept the first of the sequence, and what the smallest setting.
fn no_smallest(answer: &Answer) -> String {
    let opening = match answer.margin {
        Some(margin) => format!("No setting is shown to be good enough with a margin of {margin}."),
        None => "No margin was asked for (`[decide] margin`).".to_owned(),
    };
    let label = |step: &crate::answer::GoodEnough| {
        let found = answer.settings.iter().find(|setting| setting.setting == step.setting);
        found.map_or(String::new(), |setting| setting.label.clone())
    };
    let ends = [answer.good_enough.first(), answer.good_enough.last()];
    let supported: Vec<String> = ends
        .into_iter()
        .flatten()
        .filter_map(|step| Some(format!("{} from {} on", label(step), up(step.supported_margin?))))
        .collect();
    match supported.as_slice() {
        [largest, smallest] => format!(
            "{opening} The smallest margins that the data support: {largest} (the largest setting), {smallest} (the smallest)."
        ),
        _ => opening,
    }
}

fn detectable(answer: &Answer) -> String {
    let value = answer.smallest_detectable.unwrap_or(f64::NAN);
    let what = match answer.level {
        Level::Heads => "These rows",
        Level::Embeddings | Level::None => "These splits",
    };
    format!("{what} find a difference of {} in four cases of five; a smaller one is easily missed.", up(value))
}

fn what_decides(answer: &Answer, outlook: &Outlook) -> String {
    let rival = answer.settings.iter().find(|setting| Some(&setting.setting) == outlook.rival.as_ref());
    let leader = answer.settings.iter().find(|setting| Some(&setting.setting) == answer.leader.as_ref());
    let (Some(rival), Some(leader)) = (rival, leader) else { return String::new() };
    let opening = format!("If {} leads {} by what is seen here, ", leader.label, rival.label);
    let rows = match outlook.rows {
        Some(rows) => format!("about {} labelled rows would too", grouped(rows)),
        None => "more rows with so few splits would not".to_owned(),
    };
    match (outlook.splits, outlook.seeds) {
        (Some(splits), Some(seeds)) => {
            format!("{opening}about {splits} splits or {seeds} seeds per split would tell the two apart; {rows}.")
        }
        (Some(splits), None) => format!("{opening}about {splits} splits would tell the two apart; {rows}."),
        (None, Some(seeds)) => {
            format!(
                "{opening}{seeds} seeds per split would tell the two apart, which more splits alone never do; {rows}."
            )
        }
        (None, None) => {
            let rows = rows.trim_end_matches(" too");
            format!("{opening}no number of splits of these rows tells the two apart; {rows}.")
        }
    }
}

fn variance(answer: &Answer) -> String {
    let parts = answer.variance.unwrap_or_default();
    let named = [
        (parts.setting, "between settings"),
        (parts.split, "between splits"),
        (parts.setting_by_split, "between splits in how far the settings lie apart"),
        (parts.seed, "between seeds"),
        (parts.rows, "between draws of the evaluated rows alone"),
    ];
    let named: Vec<String> =
        named.iter().filter_map(|(part, name)| part.map(|part| format!("{part:.4} {name}"))).collect();
    format!("Standard deviation of {}: {}.", answer.metric, named.join(", "))
}

/// `0.012 [0.003, 0.021]`: an advantage of the better of the two, positive whichever value of the metric is better.
fn estimate(answer: &Answer, pair: &Pair) -> String {
    let is_lead = answer.better.oriented(pair.difference) >= 0.0;
    let sign = if is_lead == (answer.better == Better::Higher) { 1.0 } else { -1.0 };
    let (one, other) = (sign * pair.low, sign * pair.high);
    let digits = decimals((pair.high - pair.low) / 2.0, [one, other]);
    let shown = |value: f64| fixed(value, digits);
    format!("{} [{}, {}]", shown(sign * pair.difference), shown(one.min(other)), shown(one.max(other)))
}

/// As many decimals as show the half-width with two digits and no bound as zero that isn't: at least 3, at most 9.
fn decimals(half_width: f64, bounds: [f64; 2]) -> usize {
    let needs = |value: f64, digits: f64| if value == 0.0 { 3.0 } else { digits - 1.0 - value.abs().log10().floor() };
    let needed = bounds.iter().map(|&bound| needs(bound, 1.0)).fold(needs(half_width, 2.0), f64::max);
    needed.clamp(3.0, 9.0) as usize
}

/// A number without the sign of a zero.
fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) {
        format!("{:.digits$}", 0.0)
    } else {
        text
    }
}

/// A number with two digits, rounded up: what is told of it still holds.
fn up(value: f64) -> String {
    if !(value.is_finite() && value > 0.0) {
        return format!("{value}");
    }
    let digits = (1.0 - value.log10().floor()).clamp(0.0, 9.0);
    let unit = 10f64.powf(digits);
    format!("{:.*}", digits as usize, (value * unit).ceil() / unit)
}

fn probability(p: f64) -> String {
    if p < 0.001 { "below 0.001".to_owned() } else { format!("{p:.3}") }
}

fn holm(answer: &Answer) -> String {
    match answer.comparisons {
        0 | 1 => String::new(),
        several => format!(", adjusted for {several} comparisons"),
    }
}

fn direction(answer: &Answer) -> &'static str {
    match answer.better {
        Better::Higher => "higher",
        Better::Lower => "lower",
    }
}

fn noun(answer: &Answer) -> &'static str {
    match answer.noun {
        Noun::Embedding => "embedding",
        Noun::Setting => "setting",
    }
}

fn capital(noun: &str) -> String {
    noun.get(..1).map_or(String::new(), |first| first.to_uppercase()) + noun.get(1..).unwrap_or("")
}
