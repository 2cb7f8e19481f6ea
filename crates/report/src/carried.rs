//! The files that `report.html` carries: the summary, the pipeline, the lock and the predictions of the chosen model, byte for byte.
//!
//! Input and output: [`CarriedFile`]s. In the page they are a data block, a `<script>` of a type that no browser runs:
//!
//! ```text
//! {"format":"emberline files","version":1,"files":[{"name":"summary.json","bytes":8192,"sha256":"...","data":"..."}]}
//! ```
//! `data` is the file as a zlib stream (RFC 1950) in base64 (RFC 4648, section 4). A page may come from anyone, so reading checks the
//! names, the sizes and the digests, and never unpacks more than [`MAX_BYTES`] of a file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use emberline_base::file::sha256;
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde::{Deserialize, Serialize};

/// The beginning of the block in a page.
pub(crate) const BLOCK: &str = "<script type=\"application/x-emberline-files\" id=\"files\">";

/// The end of the block.
pub(crate) const BLOCK_END: &str = "</script>";

/// The end of the title of every page of this program.
pub(crate) const TITLE_END: &str = "Emberline report</title>";

/// The end of every page.
const PAGE_END: &str = "</html>";

/// What is wrong with a page of which the end is missing.
const CUT_OFF: &str =
    "ends too early: only the beginning of the page is there, and the files come after it; copy the whole page again";

/// The name of the format.
const FORMAT: &str = "emberline files";

/// The version of the format.
const VERSION: u32 = 1;

/// The level of compression, from 0 to 10.
const LEVEL: u8 = 8;

/// Maximum number of bytes of a file that is read from a page: 1 GiB.
const MAX_BYTES: usize = 1 << 30;

/// A file that a report carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedFile {
    /// The name of the file, without a folder.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Block {
    format: String,
    version: u32,
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    bytes: usize,
    sha256: String,
    data: String,
}

impl CarriedFile {
    /// Creates a file from its name and content.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }

    /// Creates a file with the name `name`, or, if that isn't a plain file name on every system, with the name `plain`.
    pub fn named(name: &str, plain: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(if is_plain_name(name) { name } else { plain }, bytes)
    }

    /// Returns the number of bytes that the file takes in a page.
    pub(crate) fn packed_size(&self) -> usize {
        compress_to_vec_zlib(&self.bytes, LEVEL).len().div_ceil(3) * 4
    }
}

/// Returns the data block of a page with these files.
pub(crate) fn block(files: &[CarriedFile]) -> String {
    let entry = |file: &CarriedFile| Entry {
        name: file.name.clone(),
        bytes: file.bytes.len(),
        sha256: sha256(&file.bytes),
        data: BASE64.encode(compress_to_vec_zlib(&file.bytes, LEVEL)),
    };
    let block = Block { format: FORMAT.to_owned(), version: VERSION, files: files.iter().map(entry).collect() };
    let json = serde_json::to_string(&block).unwrap_or_default();
    // A name could hold `</script>`; in JSON, `<` may be written as an escape.
    format!("{BLOCK}{}{BLOCK_END}\n", json.replace('<', "\\u003c"))
}

/// Returns the files that a page carries, in the order of the page.
///
/// # Errors
/// What is wrong with the page, as a phrase that follows its path.
pub fn read_carried(page: &str) -> Result<Vec<CarriedFile>, String> {
    let none = || match page.contains(TITLE_END) && !page.trim_end().ends_with(PAGE_END) {
        true => CUT_OFF,
        false => "carries no files: it isn't a report.html of this program, or it was written by an earlier version",
    };
    let (_, rest) = page.split_once(BLOCK).ok_or_else(none)?;
    let (json, _) = rest.split_once(BLOCK_END).ok_or(CUT_OFF)?;
    let block: Block = serde_json::from_str(json).map_err(|_| "holds damaged files; copy it again".to_owned())?;
    if block.format != FORMAT || block.version != VERSION {
        let Block { format, version, .. } = block;
        return Err(format!(
            "carries `{format}` of version {version}, but this program reads `{FORMAT}` of version {VERSION}; use a newer emberline"
        ));
    }
    block.files.into_iter().map(read_entry).collect()
}

fn read_entry(entry: Entry) -> Result<CarriedFile, String> {
    let Entry { name, bytes: size, sha256: digest, data } = entry;
    if !is_plain_name(&name) {
        return Err(format!("carries a file named {name:?}, which is no plain file name; don't trust this page"));
    }
    let damaged = || format!("carries {name}, but not as it was written; copy the page again");
    let packed = BASE64.decode(data).map_err(|_| damaged())?;
    let bytes = decompress_to_vec_zlib_with_limit(&packed, size.min(MAX_BYTES)).map_err(|_| damaged())?;
    if bytes.len() != size || sha256(&bytes) != digest {
        return Err(damaged());
    }
    Ok(CarriedFile { name, bytes })
}

/// Returns whether a name is that of a file in the present folder, on every operating system, and not a hidden one.
fn is_plain_name(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | ' ' | '+' | '(' | ')');
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['.', ' ', '-'])
        && !name.ends_with(['.', ' '])
        && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<CarriedFile> {
        let text = "name = \"</script>\"\r\n".repeat(500);
        vec![CarriedFile::new("summary.json", "{}\n"), CarriedFile::new("p.toml", text), CarriedFile::new("empty", "")]
    }

    fn page(block: &str) -> String {
        format!("<!doctype html><title>&lt;script</title>{block}<script>x</script>")
    }

    #[test]
    fn files_come_back_byte_for_byte() {
        let block = block(&files());
        assert_eq!(block.matches("</script>").count(), 1);
        assert_eq!(read_carried(&page(&block)), Ok(files()));
        assert!(block.len() < 2_000, "{}", block.len());
    }

    #[test]
    fn sizes_are_those_of_the_page() {
        for file in files() {
            let json = block(std::slice::from_ref(&file));
            let data = json.split("\"data\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("data");
            assert_eq!(data.len(), file.packed_size());
        }
    }

    #[test]
    fn pages_that_were_changed_are_refused() {
        let whole = block(&files());
        let refused = |block: &str| read_carried(&page(block)).expect_err("refused");
        assert!(refused("").contains("carries no files"));
        assert!(read_carried(whole.split_at(whole.len() / 2).0).is_err_and(|why| why.contains("ends too early")));
        let page = format!("<!doctype html><title>p – {TITLE_END}<main>");
        assert!(read_carried(&page).is_err_and(|why| why.contains("ends too early")));
        assert!(read_carried(&format!("{page}</html>\n")).is_err_and(|why| why.contains("carries no files")));
        assert!(refused(whole.trim_end().trim_end_matches(BLOCK_END).trim_end_matches('}')).contains("damaged"));
        assert!(refused(&whole.replace("\"bytes\":3", "\"bytes\":2")).contains("not as it was written"));
        assert!(refused(&whole.replace("\"sha256\":\"", "\"sha256\":\"0")).contains("not as it was written"));
        assert!(refused(&whole.replace("\"version\":1", "\"version\":9")).contains("of version 9"));
        for name in ["../p.toml", "/etc/passwd", "a/b", "..", ".bashrc", "a\\\\b", "c:x", "", "-x"] {
            let message = refused(&whole.replace("\"name\":\"p.toml\"", &format!("\"name\":\"{name}\"")));
            assert!(message.contains("no plain file name"), "{name}: {message}");
        }
    }

    #[test]
    fn names_that_would_be_refused_are_replaced() {
        let named = |name| CarriedFile::named(name, "pipeline.toml", "").name;
        assert_eq!([named("größe 2.toml"), named("a:b.toml")], ["größe 2.toml", "pipeline.toml"]);
    }

    /// A small page must not unpack to more than it says.
    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = block(&[CarriedFile::new("bomb", vec![0; 1 << 20])]);
        let message = read_carried(&page(&bomb.replace("\"bytes\":1048576", "\"bytes\":10"))).expect_err("refused");
        assert!(message.contains("not as it was written"), "{message}");
    }
}
