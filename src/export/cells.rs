//! Cells that stay what they are. A spreadsheet runs a text that begins like a formula, whoever wrote it: so a text that
//! does begins with an apostrophe here, which spreadsheets take for "this is text"
//! (<https://owasp.org/www-community/attacks/CSV_Injection>). Numbers and instants are ours and stay bare.

use std::borrow::Cow;

use crate::error::Fault;

/// Beginnings that spreadsheets take for formulas, the wide forms of East Asian input among them.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Marks at which programmes part cells and rows, beside the comma, inside of which a text is quoted.
const PARTS: [char; 4] = [';', '\t', '\r', '\n'];

/// Whether a spreadsheet would run what begins like this: blanks and quotes before it do not matter.
fn is_formula(part: &str) -> bool {
    part.trim_start_matches(|c: char| c == '"' || c.is_whitespace() && !PARTS.contains(&c))
        .starts_with(FORMULA)
}

/// Rows on their way into a file.
pub(super) struct Sheet(csv::Writer<Vec<u8>>);

impl Sheet {
    pub(super) fn new() -> Self {
        let mut builder = csv::WriterBuilder::new();
        Self(builder.terminator(csv::Terminator::CRLF).from_writer(Vec::new()))
    }

    pub(super) fn header(&mut self, names: &[&str]) -> Result<(), Fault> {
        Ok(self.0.write_record(names)?)
    }

    pub(super) fn row<const N: usize>(&mut self, cells: &[Cell<'_>; N]) -> Result<(), Fault> {
        Ok(self.0.write_record(cells.iter().map(|cell| cell.0.as_bytes()))?)
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, Fault> {
        self.0.into_inner().map_err(|_unwritten| Fault::internal("memory could not be written to"))
    }
}

/// One cell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cell<'a>(Cow<'a, str>);

impl<'a> Cell<'a> {
    /// Something that somebody wrote. A spreadsheet may part cells at other marks than commas, and then knows nothing of
    /// our quotes: what begins behind such a mark is looked at as well.
    pub(super) fn text(text: &'a str) -> Self {
        let mut safe = String::new();
        let mut rest = Some(text);
        while let Some(part) = rest {
            if is_formula(part) || (rest == Some(text) && part.starts_with(PARTS)) {
                safe.push('\'');
            }
            let end = part.find(PARTS).map(|at| at + 1);
            safe.push_str(&part[..end.unwrap_or(part.len())]);
            rest = end.map(|end| &part[end..]);
        }
        Self(Cow::Owned(safe))
    }

    /// The same, if there is something.
    pub(super) fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self(Cow::Borrowed("")), Self::text)
    }

    /// A number, an id or an instant of ours.
    pub(super) fn plain(value: &impl ToString) -> Self {
        Self(Cow::Owned(value.to_string()))
    }

    /// An instant in UTC; empty if there is none.
    pub(super) fn at(at: Option<entity::Instant>) -> Self {
        at.map_or(Self(Cow::Borrowed("")), |at| Self::plain(&at.format("%Y-%m-%dT%H:%M:%S%.fZ")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_a_formula_becomes_text() {
        for (text, cell) in [
            ("=HYPERLINK(\"http://evil.example\")", "'=HYPERLINK(\"http://evil.example\")"),
            ("+31 20 123 4567", "'+31 20 123 4567"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1+1", "'  =1+1"),
            ("\t=1", "'\t'=1"),
            ("\rx", "'\rx"),
            ("＝1", "'＝1"),
            ("x;=1+1", "x;'=1+1"),
            ("x; \"=1+1\";y", "x;' \"=1+1\";y"),
            ("one\n=1+1", "one\n'=1+1"),
            ("tea; coffee", "tea; coffee"),
            ("Joan = Jane", "Joan = Jane"),
            ("", ""),
        ] {
            assert_eq!(Cell::text(text).0, cell);
        }
        assert_eq!(Cell::plain(&-5).0, "-5");
    }

    #[test]
    fn separators_quotes_and_breaks_stay_inside_their_cell() {
        let mut sheet = Sheet::new();
        sheet.row(&[Cell::text("a,\"b\"\r\nc"), Cell::plain(&-1), Cell::at(None)]).unwrap();
        assert_eq!(sheet.finish().unwrap(), b"\"a,\"\"b\"\"\r\nc\",-1,\r\n");
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_formula_or_another_cell(text in "[-a=+@;\"' \t\r\n,＝]{0,12}|\\PC*") {
            let mut sheet = Sheet::new();
            sheet.row(&[Cell::text(&text), Cell::plain(&7)]).unwrap();
            let bytes = sheet.finish().unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
            let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(&rows[0][1], "7");
            let cell = &rows[0][0];
            prop_assert_eq!(cell.replace('\'', ""), text.replace('\'', ""));
            prop_assert!(!cell.split(PARTS).any(is_formula), "{}", cell);
        }
    }
}
