//! CSV and TSV against the `csv` crate and against awkward files.

use std::io::{Read, Write};
use std::path::PathBuf;

use emberline_base::Substream;

use super::*;
use crate::format::buffer::CHUNK;
use crate::format::read_stream;
use crate::settings::Column;

type Table = Vec<(u64, Vec<String>)>;

/// Gives a byte at a time, as the slowest stream does.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = into.len().min(self.0.len()).min(1 + self.0.len() % 3);
        (&mut &mut into[..]).write_all(&self.0[..count])?;
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// All of columns 1 to `width`, with their lines.
fn table(content: &[u8], format: Format, header: bool, width: u32) -> Result<Table, Error> {
    let columns: Vec<Column> = (1..=width).map(Column::Number).collect();
    let path = PathBuf::from("a.csv");
    let request = Request {
        path: &path,
        columns: &columns,
        header: Some(header),
        delimiter: None,
        originals: false,
        needs_text: false,
    };
    let mut rows = Table::new();
    let mut sink = |row: Row<'_>| {
        rows.push((row.number, row.fields.iter().cloned().map(owned).collect()));
        Ok(())
    };
    read_stream(&request, format, &mut Trickle(content), &mut sink)?;
    Ok(rows)
}

fn owned(field: Field<'_>) -> String {
    match field {
        Field::Text(text) => text.into_owned(),
        other => panic!("{other:?}"),
    }
}

fn rows(expected: &[(u64, &[&str])]) -> Table {
    expected.iter().map(|(line, fields)| (*line, fields.iter().map(|&f| f.to_owned()).collect())).collect()
}

#[test]
fn a_first_line_may_name_the_delimiter() {
    let expected = rows(&[(3, &["a,b", "1"]), (4, &["c", "2"])]);
    for content in ["sep=;\ntext;label\na,b;1\nc;2\n", "\u{feff}sep=;\r\ntext;label\r\na,b;1\r\nc;2\r\n"] {
        assert_eq!(table(content.as_bytes(), Format::Csv, true, 2).expect("rows"), expected);
    }
    // In TSV, and after the first line, it is like any other line.
    let tabs = table(b"sep=;\t1\na\t2\n", Format::Tsv, false, 2).expect("rows");
    assert_eq!(tabs, rows(&[(1, &["sep=;", "1"]), (2, &["a", "2"])]));
}

#[test]
fn quotes_line_ends_and_delimiters_in_fields() {
    let content = b"\xEF\xBB\xBFtext,label\r\n\"a, \"\"b\"\"\",1\r\n\r\n\"two\nlines\",0\r\r\n5\" disk,\"\"\r\n\"\",2";
    let read = table(content, Format::Csv, true, 2).expect("well-formed");
    assert_eq!(
        read,
        rows(&[(2, &["a, \"b\"", "1"]), (4, &["two\nlines", "0"]), (6, &["5\" disk", ""]), (7, &["", "2"])])
    );
}

#[test]
fn old_macintosh_line_ends() {
    let read = table(b"a,1\rb,2\r\rc,3\r", Format::Csv, false, 2).expect("well-formed");
    assert_eq!(read, rows(&[(1, &["a", "1"]), (2, &["b", "2"]), (4, &["c", "3"])]));
}

#[test]
fn quotes_are_ordinary_in_tsv() {
    let read = table(b"\"so\t1\nsaid \"\"he\"\"\t0\n", Format::Tsv, false, 2).expect("well-formed");
    assert_eq!(read, rows(&[(1, &["\"so", "1"]), (2, &["said \"\"he\"\"", "0"])]));
}

#[test]
fn a_blank_line_is_a_row_where_there_is_one_column() {
    let content = b"\n\r\ntext\na\n\n \n\"\"\n\xEF\xBB\xBF\nb\n\n";
    let below = [(4, &["a"][..]), (5, &[""]), (6, &[" "]), (7, &[""]), (8, &[""]), (9, &["b"]), (10, &[""])];
    assert_eq!(table(content, Format::Csv, true, 1).expect("well-formed"), rows(&below));
    let all = [(1, &[""][..]), (2, &[""]), (3, &["text"])];
    assert_eq!(table(content, Format::Csv, false, 1).expect("well-formed")[..3], rows(&all));
    assert_eq!(table(b"a\n\nb", Format::Tsv, false, 1).expect("well-formed").len(), 3);
    assert_eq!(table(b"a,1\n\nb,2\n\n", Format::Csv, false, 2).expect("well-formed").len(), 2);
    assert_eq!(table(b"text\n\n", Format::Csv, true, 1).expect("an empty text"), rows(&[(2, &[""])]));
    assert!(matches!(table(b"\n\n", Format::Csv, false, 1), Err(Error::Empty { .. })), "no row tells the columns");
}

/// What is read at once ends anywhere in a row.
#[test]
fn rows_across_the_end_of_a_window() {
    let content = "\"a, \"\"b\"\"\nc\",1\r\r\nd\u{e9},2\r\n\"\",3\n\n4\",\"5\"\n".as_bytes();
    let expected = table(content, Format::Csv, false, 2).expect("well-formed");
    assert_eq!(expected.len(), 4);
    for cut in 0..=content.len() {
        let mut long = vec![b'x'; CHUNK - cut - 3];
        long.extend_from_slice(b",0\n");
        long.extend_from_slice(content);
        let read = table(&long, Format::Csv, false, 2).expect("well-formed");
        assert_eq!((read[0].0, read[0].1[0].len(), read[0].1[1].as_str()), (1, CHUNK - cut - 3, "0"));
        let later = expected.iter().map(|(line, fields)| (line + 1, fields.clone()));
        assert_eq!(read[1..], later.collect::<Vec<_>>(), "{cut}");
    }
}

#[test]
fn what_is_not_utf8_is_a_fault_only_where_it_is_wanted() {
    let content = b"\xEF,a\n\xE9,\"\"\"\"\n";
    let columns = [Column::Number(2)];
    let path = PathBuf::from("a.csv");
    let request = Request {
        path: &path,
        columns: &columns,
        header: Some(false),
        delimiter: None,
        originals: false,
        needs_text: false,
    };
    let mut rows = Vec::new();
    let mut sink = |row: Row<'_>| {
        rows.push(row.fields.iter().cloned().map(owned).collect::<Vec<_>>());
        Ok(())
    };
    read_stream(&request, Format::Csv, &mut Trickle(content), &mut sink).expect("the other column");
    assert_eq!(rows, [["a"], ["\""]]);
    let error = table(content, Format::Csv, false, 2).expect_err("a fault").to_string();
    assert!(error.starts_with("a.csv, line 1: byte 0xEF (number 1 of the file)"), "{error}");
}

#[test]
fn faults_name_their_line() {
    let fault = |content: &[u8]| table(content, Format::Csv, true, 2).expect_err("a fault").to_string();
    let wide = fault(b"text,label\na,1\nb, c,0\n");
    assert!(wide.starts_with("a.csv, line 3: 3 fields where the first row has 2; put double quotes"), "{wide}");
    let short = fault(b"text,label\na,1\nb");
    assert!(short.starts_with("a.csv, line 3: 1 field where the first row has 2; the row is cut off"), "{short}");
    let open = fault(b"text,label\na,1\n\n\"b\nc,0\nd,1\n");
    assert!(open.starts_with("a.csv, line 4: the quote that opens here is never closed"), "{open}");
    let after = fault(b"text,label\na,1\n\"b\nc,0\n\"d\",1\n");
    assert!(
        after.starts_with("a.csv, line 5: text follows the closing quote of a field that opens in line 3"),
        "{after}"
    );
    let latin = fault(b"text,label\na,1\n\"b\nna\xEFve\",0\n");
    assert!(latin.starts_with("a.csv, line 4: byte 0xEF (number 21 of the file) is not UTF-8"), "{latin}");
    let wide = fault(b"\xFF\xFEt\0e\0");
    assert!(wide.contains("iconv -f UTF-16"), "{wide}");
}

#[test]
fn nothing_and_a_header_alone_are_faults() {
    let of = |content: &[u8], header| table(content, Format::Csv, header, 2).expect_err("a fault");
    assert!(matches!(of(b"", false), Error::Empty { .. }));
    assert!(matches!(of(b"\xEF\xBB\xBF", true), Error::Empty { .. }));
    assert!(matches!(of(b"\n\r\n\n", true), Error::Empty { .. }));
    assert!(matches!(of(b"text,label", true), Error::NoRows { header: true, .. }));
    assert!(matches!(of(b"text,label\r\n\r\n", true), Error::NoRows { header: true, .. }));
}

/// Random tables of awkward fields, written by the `csv` crate, come back as they were.
#[test]
fn whatever_the_csv_crate_writes_is_read_back() {
    let mut random = Substream::new(1, "tables");
    let pieces = ["\"", ",", "\n", "\r", "\r\n", "a", " ", "é", "\"\"", "text", "\t", ""];
    for _ in 0..500 {
        let width = 1 + random.below(4);
        let mut fields = || (0..random.below(6)).map(|_| pieces[random.below(pieces.len())]).collect::<String>();
        let wanted: Vec<Vec<String>> = (0..6).map(|_| (0..width).map(|_| fields()).collect()).collect();
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        for row in &wanted {
            writer.write_record(row).expect("written");
        }
        let content = writer.into_inner().expect("flushed");
        let read = table(&content, Format::Csv, false, width as u32).expect("well-formed");
        assert_eq!(read.into_iter().map(|(_, fields)| fields).collect::<Vec<_>>(), wanted, "{content:?}");
    }
}

/// Random bytes: never a panic, and where this reader accepts, the `csv` crate reads the same.
#[test]
fn what_is_accepted_is_what_the_csv_crate_reads() {
    let mut random = Substream::new(2, "bytes");
    let mut accepted = 0;
    for _ in 0..20_000 {
        let content: Vec<u8> = (0..random.below(16)).map(|_| b"\",\n\rab"[random.below(6)]).collect();
        let mut oracle = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(content.as_slice());
        let records: Vec<csv::StringRecord> = oracle.records().collect::<Result<_, _>>().expect("ASCII");
        let Some(width) = records.first().map(csv::StringRecord::len) else { continue };
        if let Ok(read) = table(&content, Format::Csv, false, width as u32) {
            accepted += 1;
            // Of one column, the crate drops blank lines.
            let counts = |fields: &Vec<String>| width > 1 || !fields[0].is_empty();
            let read: Vec<Vec<String>> = read.into_iter().map(|(_, fields)| fields).filter(counts).collect();
            let wanted = records.iter().map(|r| r.iter().map(str::to_owned).collect());
            let wanted: Vec<Vec<String>> = wanted.filter(counts).collect();
            assert_eq!(read, wanted, "{:?}", String::from_utf8_lossy(&content));
        }
    }
    assert!(accepted > 1000, "{accepted}");
}
