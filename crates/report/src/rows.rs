//! `inputs/<digest>.rows`: the rows of a validation or test split, so that predictions can be matched with them years later.
//! All cells with the same split share one file. The layout is that of [`array_file`].
//!
//! | array | type and shape | content |
//! |---|---|---|
//! | `file` | U32 `[rows]` | the row's file, as an index into `files` |
//! | `number` | U32 `[rows]` | the line in which the row begins, or its number in a file without lines; counted from 1 |
//! | `text_digest` | U8 `[rows, 16]` | the first bytes of the SHA-256 of the normalised text: equal for duplicate texts |
//! | `class`, `class_end` | U32 `[labels]`, `[rows]` | the classes of row `i` are `class[class_end[i - 1]..class_end[i]]`; 4294967295 is a label that no training row has |
//! | `group_digest` | U8 `[rows, 16]` | the first bytes of the SHA-256 of the row's group, zeros for none; absent without `data.group` |
//! | `length` | U32 `[rows]` | the length of the text in characters |
//! | `text`, `text_end` | U8 `[bytes]`, U32 `[rows]` | the first 300 characters of the text in UTF-8, ending at `text_end[i]`; absent with `[report] texts = false` |
//!
//! | metadata | content |
//! |---|---|
//! | `format`, `version` | `emberline rows`, `1` |
//! | `sha256` | the digest of the file, see [`array_file`] |
//! | `files` | the files as the pipeline names them, a JSON list |
//! | `classes` | the names of the classes, a JSON list |

use emberline_base::array_file::{self, Array, ElementType};
use emberline_base::{OutOfMemory, sha256_prefix};

use crate::stored::StoredFormat;

const FORMAT: StoredFormat =
    StoredFormat { name: "emberline rows", version: "1", holds: "rows", cure: "run the pipeline again to recreate it" };

/// Maximum number of characters of a text that are stored.
const MAX_TEXT_CHARS: usize = 300;

/// A row to store.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The path of the row's file, as the pipeline gives it.
    pub file: &'a str,
    /// The line in which the row begins, or its number in a file without lines; counted from 1.
    pub number: u64,
    /// The text.
    pub text: &'a str,
    /// The normalised text, by which duplicates are found.
    pub normalised: &'a [u8],
    /// The classes of the row, as indices into the names of all classes.
    pub classes: &'a [u32],
    /// The group of the row, if the data have groups.
    pub group: Option<&'a str>,
}

/// The rows of a split, column by column.
#[derive(Clone, Debug, Default)]
pub struct RowTable {
    files: Vec<String>,
    file: Vec<u32>,
    number: Vec<u32>,
    text_digest: Vec<u8>,
    class: Vec<u32>,
    class_end: Vec<u32>,
    group_digest: Vec<u8>,
    has_groups: bool,
    length: Vec<u32>,
    text: Vec<u8>,
    text_end: Vec<u32>,
}

impl RowTable {
    /// Appends a row.
    pub fn push(&mut self, row: &Row<'_>) {
        let known = self.files.iter().rposition(|file| file == row.file);
        let file = known.unwrap_or_else(|| {
            self.files.push(row.file.to_owned());
            self.files.len() - 1
        });
        self.file.push(file as u32);
        self.number.push(u32::try_from(row.number).unwrap_or(u32::MAX));
        self.text_digest.extend(sha256_prefix(row.normalised));
        self.class.extend(row.classes);
        self.class_end.push(self.class.len() as u32);
        self.has_groups |= row.group.is_some();
        self.group_digest.extend(row.group.map_or([0; 16], |group| sha256_prefix(group.as_bytes())));
        self.length.push(u32::try_from(row.text.chars().count()).unwrap_or(u32::MAX));
        let end = row.text.char_indices().nth(MAX_TEXT_CHARS).map_or(row.text.len(), |(at, _)| at);
        self.text.extend(&row.text.as_bytes()[..end]);
        self.text_end.push(self.text.len() as u32);
    }

    /// Returns the bytes of the file. `classes`: the names of all classes; `texts`: whether the texts are stored.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn to_bytes(&self, classes: &[String], texts: bool) -> Result<Vec<u8>, OutOfMemory> {
        let rows = self.file.len();
        let mut metadata = FORMAT.metadata();
        metadata.extend([("files".to_owned(), list(&self.files)), ("classes".to_owned(), list(classes))]);
        let numbers = |name: &str, values: &[u32]| Array {
            name: name.to_owned(),
            element: ElementType::U32,
            shape: vec![values.len()],
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into(),
        };
        let bytes = |name: &str, shape: Vec<usize>, bytes: &'_ [u8]| Array {
            name: name.to_owned(),
            element: ElementType::U8,
            shape,
            bytes: bytes.to_vec().into(),
        };
        let mut arrays = vec![
            numbers("file", &self.file),
            numbers("number", &self.number),
            numbers("class", &self.class),
            numbers("class_end", &self.class_end),
            numbers("length", &self.length),
            bytes("text_digest", vec![rows, 16], &self.text_digest),
        ];
        if self.has_groups {
            arrays.push(bytes("group_digest", vec![rows, 16], &self.group_digest));
        }
        if texts {
            arrays.push(numbers("text_end", &self.text_end));
            arrays.push(bytes("text", vec![self.text.len()], &self.text));
        }
        array_file::to_bytes(&metadata, arrays)
    }
}

/// The location of a row in the data files, and the beginning of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowLocation {
    /// The path of the row's file, as the pipeline gives it.
    pub file: String,
    /// The line in which the row begins, or its number in a file without lines; counted from 1.
    pub number: u32,
    /// The first 300 characters of the text; `None` if texts weren't stored.
    pub text: Option<String>,
}

/// Parses a file and returns the locations of its rows, in the order of the split.
///
/// # Errors
/// What is wrong with the file, as a phrase that follows its path.
pub fn read_locations(bytes: &[u8]) -> Result<Vec<RowLocation>, String> {
    let stored = FORMAT.open(bytes)?;
    let damaged = || stored.damaged();
    let integers = |name: &str| stored.integers(name)?.ok_or_else(damaged);
    let files: Vec<String> = serde_json::from_str(stored.entry("files")?).map_err(|_| damaged())?;
    let (of_file, number) = (integers("file")?, integers("number")?);
    let texts = stored.integers("text_end")?.zip(stored.bytes("text")?);
    let text = |row: usize| {
        let Some((ends, texts)) = &texts else { return Ok(None) };
        let begin = row.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied());
        let span = begin.zip(ends.get(row)).ok_or_else(damaged)?;
        let bytes = texts.get(span.0 as usize..*span.1 as usize).ok_or_else(damaged)?;
        Ok::<_, String>(Some(String::from_utf8_lossy(bytes).into_owned()))
    };
    let place = |(row, (&file, &number)): (usize, (&u32, &u32))| {
        let file = files.get(file as usize).cloned().ok_or_else(damaged)?;
        Ok(RowLocation { file, number, text: text(row)? })
    };
    of_file.iter().zip(&number).enumerate().map(place).collect()
}

/// What evaluating predictions needs of each row, in the order of the split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowTargets {
    /// A key per row: equal for rows of one group, or, without groups, for duplicate texts.
    pub keys: Vec<[u8; 16]>,
    /// The classes of each row, as indices into the names of all classes; a label that no training row has is [`u32::MAX`].
    pub classes: Vec<Vec<u32>>,
}

/// Parses a file and returns the targets of its rows.
///
/// # Errors
/// What is wrong with the file, as a phrase that follows its path.
pub fn read_targets(bytes: &[u8]) -> Result<RowTargets, String> {
    let stored = FORMAT.open(bytes)?;
    let damaged = || stored.damaged();
    let (class, ends) =
        (stored.integers("class")?.ok_or_else(damaged)?, stored.integers("class_end")?.ok_or_else(damaged)?);
    let texts = digests(stored.bytes("text_digest")?.ok_or_else(damaged)?);
    let groups = stored.bytes("group_digest")?.map(digests);
    if texts.len() != ends.len() || groups.as_ref().is_some_and(|groups| groups.len() != ends.len()) {
        return Err(damaged());
    }
    let key = |(row, text): (usize, &[u8; 16])| match &groups {
        // A row without a group is a group of its own text.
        Some(groups) if groups[row] != [0; 16] => groups[row],
        Some(_) | None => *text,
    };
    let begins = std::iter::once(0).chain(ends.iter().copied());
    let classes = begins.zip(&ends).map(|(begin, &end)| class.get(begin as usize..end as usize).map(<[u32]>::to_vec));
    let classes = classes.collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
    Ok(RowTargets { keys: texts.iter().enumerate().map(key).collect(), classes })
}

/// What divides rows into slices, in the order of the split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowFacts {
    /// The length of each text in characters.
    pub lengths: Vec<u32>,
    /// The digest of each row's group, zeros for a row without one; `None` if the data have no groups.
    pub groups: Option<Vec<[u8; 16]>>,
}

/// Parses a file and returns the facts about its rows.
///
/// # Errors
/// What is wrong with the file, as a phrase that follows its path.
pub fn read_facts(bytes: &[u8]) -> Result<RowFacts, String> {
    let stored = FORMAT.open(bytes)?;
    let lengths = stored.integers("length")?.ok_or_else(|| stored.damaged())?;
    let groups = stored.bytes("group_digest")?.map(digests);
    if groups.as_ref().is_some_and(|groups| groups.len() != lengths.len()) {
        return Err(stored.damaged());
    }
    Ok(RowFacts { lengths, groups })
}

fn digests(bytes: &[u8]) -> Vec<[u8; 16]> {
    bytes.chunks_exact(16).map(|digest| digest.try_into().expect("16 bytes")).collect()
}

fn list(names: &[String]) -> String {
    serde_json::to_string(names).expect("strings are JSON")
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;

    fn table(group: Option<&str>) -> RowTable {
        let mut table = RowTable::default();
        let long = "é".repeat(MAX_TEXT_CHARS + 1);
        for (number, text) in [(2, "a text"), (7, ""), (3, long.as_str())] {
            let file = if number == 3 { "b.csv" } else { "a.csv" };
            table.push(&Row { file, number, text, normalised: text.as_bytes(), classes: &[1], group });
        }
        table
    }

    #[test]
    fn rows_are_found_again_and_texts_clipped() {
        let classes = ["no".to_owned(), "yes".to_owned()];
        let found = read_locations(&table(None).to_bytes(&classes, true).expect("memory")).expect("whole");
        let shown: Vec<(&str, u32)> = found.iter().map(|row| (row.file.as_str(), row.number)).collect();
        assert_eq!(shown, [("a.csv", 2), ("a.csv", 7), ("b.csv", 3)]);
        assert_eq!(found[0].text.as_deref(), Some("a text"));
        assert_eq!(found[2].text.as_ref().map(|text| text.chars().count()), Some(MAX_TEXT_CHARS));
        let without = table(None).to_bytes(&classes, false).expect("memory");
        assert!(read_locations(&without).expect("whole").iter().all(|row| row.text.is_none()));
        assert!(!without.windows(6).any(|bytes| bytes == b"a text"));
    }

    #[test]
    fn groups_are_kept_as_digests() {
        let bytes = table(Some("author")).to_bytes(&[], true).expect("memory");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        assert_eq!(file.tensor("group_digest").expect("groups").shape(), [3, 16]);
        assert!(!bytes.windows(6).any(|bytes| bytes == b"author"));
    }

    #[test]
    fn facts_are_lengths_and_groups() {
        let facts = |group| read_facts(&table(group).to_bytes(&[], false).expect("memory")).expect("whole");
        assert_eq!(facts(None), RowFacts { lengths: vec![6, 0, MAX_TEXT_CHARS as u32 + 1], groups: None });
        assert_eq!(facts(Some("author")).groups.map(|groups| groups.len()), Some(3));
    }

    #[test]
    fn targets_are_keyed_by_group_or_by_text() {
        let classes = ["no".to_owned(), "yes".to_owned()];
        let read = |group| read_targets(&table(group).to_bytes(&classes, true).expect("memory")).expect("whole");
        let (of_texts, of_groups) = (read(None), read(Some("author")));
        assert_eq!(of_texts.classes, vec![vec![1]; 3]);
        assert!(of_texts.keys[0] != of_texts.keys[1] && of_texts.keys[1] != of_texts.keys[2]);
        assert_eq!(of_groups.keys, vec![of_groups.keys[0]; 3]);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let bytes = table(Some("g")).to_bytes(&["a".to_owned()], true).expect("memory");
        for at in (0..bytes.len()).step_by(7) {
            assert!(read_locations(&bytes[..at]).is_err(), "cut at {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(read_locations(&damaged).is_err(), "flipped at {at}");
        }
    }
}
