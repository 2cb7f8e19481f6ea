//! Chooses the text column and the label column or columns by what the columns hold and what they are called.

use std::collections::HashSet;
use std::path::Path;

use emberline_base::number::grouped;

use super::Given;
use super::profile::Profile;
use crate::error::Error;
use crate::format::missing_column;
use crate::header_rows::TEXT_NAMES;
use crate::missing::trimmed;
use crate::settings::Column;
use crate::warnings::COLUMN_NAMES;

/// Maximum number of classes of a guessed label column.
const MAX_CLASSES: usize = 1_000;

/// Names of label columns beside those that warnings know.
const OTHER_LABEL_NAMES: [&str; 12] = [
    "emotion",
    "emotions",
    "gold",
    "annotation",
    "outcome",
    "verdict",
    "toxic",
    "spam",
    "polarity",
    "kind",
    "type",
    "cat",
];

/// Parts of the names of columns that have few values but are rarely what is to be predicted.
const OTHER_NAMES: [&str; 20] = [
    "id", "ids", "index", "idx", "count", "length", "len", "date", "time", "year", "month", "day", "split", "fold",
    "user", "author", "lang", "language", "source", "url",
];

/// Separators between the labels of one field.
const SEPARATORS: [&str; 4] = ["|", ";", ",", " "];

/// A chosen column.
#[derive(Debug)]
pub(super) struct Named {
    /// Its place in a row.
    pub(super) at: usize,
    /// Why it was chosen.
    pub(super) why: String,
}

impl Named {
    fn new(at: usize, why: String) -> Self {
        Self { at, why }
    }
}

/// The chosen label column or columns.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) named: Named,
    /// The columns of 0 and 1 that are a class each; empty if there is one label column.
    pub(super) several: Vec<usize>,
    pub(super) separator: Option<Separator>,
    /// The labels in the sampled rows.
    pub(super) classes: Vec<String>,
}

/// The separator between the labels of one field.
#[derive(Debug)]
pub(super) struct Separator {
    pub(super) value: &'static str,
    pub(super) why: String,
}

/// What a column holds, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSummary {
    /// Its name, or its number.
    pub name: String,
    /// Such as `2 different values` or `different texts, 11 words on average`.
    pub holds: String,
}

impl ColumnSummary {
    pub(super) fn of(profile: &Profile, rows: usize) -> Self {
        let missing = rows - profile.values.min(rows);
        let mut holds = match profile.distinct() {
            0 => "nothing that can be a text or a label".to_owned(),
            1 => "one value in all rows".to_owned(),
            distinct if distinct == profile.values => "a different value in every row".to_owned(),
            distinct => format!("{} different values", grouped(distinct as u64)),
        };
        if profile.lists > 0 {
            holds = format!("lists of {}", holds);
        } else if profile.mean_words() >= 1.5 {
            holds += &format!(", {:.1} words on average", profile.mean_words());
        } else if profile.numbers == profile.values && profile.values > 0 {
            holds += ", all numbers";
        }
        if missing > 0 && profile.distinct() > 0 {
            holds += &format!(", missing in {} of {} rows", grouped(missing as u64), grouped(rows as u64));
        }
        Self { name: profile.name.clone(), holds }
    }
}

/// Chooses the text column.
pub(super) fn text_column(path: &Path, profiles: &[Profile], given: &Given) -> Result<Named, Error> {
    if let Some(column) = &given.text {
        return Ok(Named::new(position(path, profiles, column)?, "as asked for".to_owned()));
    }
    let is_label = |profile: &Profile| given.label.as_ref().is_some_and(|label| *label == profile.column);
    let scored = profiles.iter().filter(|profile| !is_label(profile)).filter_map(|p| Some((text_score(p)?, p)));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, profile)| profile);
    let Some(profile) = best else { return Err(no_column(path, profiles, "texts")) };
    let by_name = if has_name(profile, &TEXT_NAMES) { "its name; " } else { "" };
    let why = match profile.mean_words() {
        words if words >= 1.5 => format!("{by_name}{words:.1} words on average"),
        _ => format!("{by_name}{:.0} characters on average", profile.mean_characters()),
    };
    Ok(Named::new(profile.at, why))
}

/// Returns how much a column looks like texts; `None` if it can't hold them.
fn text_score(profile: &Profile) -> Option<f64> {
    let is_named = has_name(profile, &TEXT_NAMES);
    let words = profile.mean_words();
    let is_lettered = profile.share(profile.lettered) >= 0.5 && profile.share(profile.numbers) < 0.5;
    let is_text = profile.values > 0 && profile.lists == 0 && profile.others == 0 && profile.texts == profile.values;
    if !is_text || !is_lettered || profile.distinct() < 2 {
        return None;
    }
    let is_varied = profile.share(profile.distinct()) > 0.3;
    let is_code = profile.counts.keys().take(50).all(|value| is_code(value));
    // Languages without spaces have long texts of one word.
    let is_long = profile.mean_characters() >= 6.0 && is_varied && !is_code;
    let may_be = is_named || (words >= 1.5 && profile.distinct() > 2) || is_long;
    let length = words.max(profile.mean_characters() / 6.0).min(60.0);
    let name = if is_named { 25.0 } else { 0.0 };
    (may_be && (is_named || !is_code)).then_some(length + name + 10.0 * profile.share(profile.distinct()))
}

/// Whether a value is an identifier, an address or a date rather than words.
fn is_code(value: &str) -> bool {
    let has_digit = value.bytes().any(|byte| byte.is_ascii_digit());
    let is_one_word = !value.contains(char::is_whitespace);
    value.starts_with("http://") || value.starts_with("https://") || (is_one_word && has_digit && value.is_ascii())
}

/// Chooses the label column, or the columns of 0 and 1.
pub(super) fn label_column(path: &Path, profiles: &[Profile], (text, given): (usize, &Given)) -> Result<Label, Error> {
    if let Some(column) = &given.label {
        let profile = &profiles[position(path, profiles, column)?];
        if profile.at == text {
            let (first, second) = (profiles[text].column.to_string(), column.to_string());
            return Err(Error::SameColumn { path: path.to_owned(), first, second });
        }
        return Ok(one_column(profile, "as asked for".to_owned()));
    }
    let others = || profiles.iter().filter(|profile| profile.at != text);
    let scored = others().filter_map(|profile| Some((label_score(profile, profiles.len())?, profile)));
    let best = scored.max_by(|(a, p), (b, q)| a.total_cmp(b).then(p.at.cmp(&q.at)));
    let flags: Vec<&Profile> = others().filter(|profile| profile.is_flag()).collect();
    let is_named = best.is_some_and(|(_, profile)| has_label_name(profile));
    // A column of 0 and 1 with a name such as `toxic` is one of several classes, unless it is called `label` or the like.
    let stands_alone = best.is_some_and(|(_, best)| has_name(best, &COLUMN_NAMES) || (is_named && !best.is_flag()));
    if flags.len() > 1 && !stands_alone {
        return Ok(flag_columns(&flags));
    }
    let Some((_, profile)) = best else { return Err(no_column(path, profiles, "labels")) };
    let name = if is_named { "its name; " } else { "" };
    let count = grouped(profile.distinct() as u64);
    let what = if profile.lists > 0 { "lists of" } else { "it holds" };
    Ok(one_column(profile, format!("{name}{what} {count} different values")))
}

fn one_column(profile: &Profile, why: String) -> Label {
    let separator = separator(profile);
    let mut classes: HashSet<&str> = profile.counts.keys().map(String::as_str).collect();
    if let Some(separator) = &separator {
        let parts = profile.counts.keys().flat_map(|value| value.split(separator.value));
        classes = parts.map(trimmed).filter(|part| !part.is_empty()).collect();
    }
    let classes = classes.into_iter().map(str::to_owned).collect();
    Label { named: Named::new(profile.at, why), several: Vec::new(), separator, classes }
}

fn flag_columns(flags: &[&Profile]) -> Label {
    let several: Vec<usize> = flags.iter().map(|profile| profile.at).collect();
    let classes = flags.iter().map(|profile| profile.name.clone()).collect();
    let why = format!("{} columns hold only 0 and 1, and each is taken for a class", flags.len());
    Label { named: Named::new(several[0], why), several, separator: None, classes }
}

/// Returns how much a column looks like labels; `None` if it can't hold them.
fn label_score(profile: &Profile, columns: usize) -> Option<f64> {
    let distinct = separator(profile).map_or(profile.distinct(), |separator| parts(profile, separator.value).len());
    let is_few = (2..=MAX_CLASSES).contains(&distinct) && 2 * distinct <= profile.values.max(4);
    let are_fractions = |value: &String| value.contains('.') && value.parse::<f64>().is_ok_and(|n| n.fract() != 0.0);
    let is_measured = distinct > 10 && profile.counts.keys().any(are_fractions);
    let is_long = profile.mean_words() > 8.0 || profile.mean_characters() > 80.0;
    if profile.others > 0 || !is_few || is_measured || is_long {
        return None;
    }
    let parts = profile.name_parts();
    let mut score = if has_label_name(profile) { 40.0 } else { 0.0 };
    score += if COLUMN_NAMES.contains(&profile.name.to_lowercase().as_str()) { 10.0 } else { 0.0 };
    score += if parts.first().is_some_and(|part| part == "is" || part == "has") { 10.0 } else { 0.0 };
    score -= if parts.iter().any(|part| OTHER_NAMES.contains(&part.as_str())) { 20.0 } else { 0.0 };
    score += if profile.share(profile.lettered) > 0.5 || profile.lists > 0 { 5.0 } else { 0.0 };
    score += if distinct <= 20 { 4.0 } else { 0.0 };
    // The label is more often the last column than another one.
    score += if profile.at + 1 == columns { 2.0 } else { 0.0 };
    Some(score)
}

/// Returns the separator of a column's labels, if its values are combinations of fewer labels.
fn separator(profile: &Profile) -> Option<Separator> {
    if profile.lists > 0 || profile.distinct() < 3 {
        return None;
    }
    SEPARATORS.into_iter().find_map(|value| {
        let combined: usize = profile.counts.iter().filter(|(text, _)| text.contains(value)).map(|(_, n)| n).sum();
        let parts = parts(profile, value);
        let is_short = parts.iter().all(|part| !part.is_empty() && part.chars().count() <= 40);
        let stand_alone = parts.iter().all(|part| profile.counts.contains_key(*part));
        // Parts of a phrase differ more than labels do. With a space, every label must stand by itself in some row.
        let are_fewer = (10 * parts.len() <= 7 * profile.distinct() && value != " ")
            || (parts.len() < profile.distinct() && stand_alone);
        let is_separator = 100 * combined >= profile.values && combined > 0 && is_short && parts.len() > 1 && are_fewer;
        let why =
            format!("{} of {} rows have several labels", grouped(combined as u64), grouped(profile.values as u64));
        is_separator.then_some(Separator { value, why })
    })
}

fn parts<'p>(profile: &'p Profile, separator: &str) -> HashSet<&'p str> {
    profile.counts.keys().flat_map(|value| value.split(separator)).map(trimmed).collect()
}

fn has_name(profile: &Profile, names: &[&str]) -> bool {
    profile.name_parts().iter().any(|part| names.contains(&part.as_str()))
}

fn has_label_name(profile: &Profile) -> bool {
    has_name(profile, &COLUMN_NAMES) || has_name(profile, &OTHER_LABEL_NAMES)
}

fn position(path: &Path, profiles: &[Profile], column: &Column) -> Result<usize, Error> {
    let found = match column {
        Column::Name(name) => profiles.iter().position(|profile| profile.name == *name),
        Column::Number(number) => (*number as usize).checked_sub(1).filter(|&at| at < profiles.len()),
    };
    let names: Vec<String> = profiles.iter().map(|profile| profile.name.clone()).collect();
    found.ok_or_else(|| missing_column(path, column, &names))
}

fn no_column(path: &Path, profiles: &[Profile], what: &'static str) -> Error {
    let rows = profiles.iter().map(|profile| profile.values).max().unwrap_or(0);
    let each = profiles.iter().map(|profile| ColumnSummary::of(profile, rows));
    let columns = each.map(|column| format!("`{}` holds {}", column.name, column.holds)).collect();
    Error::NothingLooksLike { path: path.to_owned(), what, columns }
}
