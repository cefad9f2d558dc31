//! Lines of a file, in bounded memory.

use std::io::{BufRead, ErrorKind, Result as IoResult};

/// The longest line that is read; a longer one is skipped to its end without keeping it.
pub(super) const LONGEST: usize = 1 << 20;

/// Splits a reader into lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    buffer: Vec<u8>,
}

/// One line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// As it should be.
    Text(&'a str),
    /// Not UTF-8.
    Bytes(&'a [u8]),
    /// Longer than [`LONGEST`].
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, buffer: Vec::new() }
    }

    /// The next line and its number, from 1.
    pub(super) fn next(&mut self) -> IoResult<Option<(u64, Line<'_>)>> {
        let Some(too_long) = self.fill()? else {
            return Ok(None);
        };
        self.number += 1;
        if too_long {
            return Ok(Some((self.number, Line::TooLong)));
        }
        let mut bytes = self.buffer.as_slice();
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if self.number == 1 {
            bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        }
        let line = std::str::from_utf8(bytes).map_or(Line::Bytes(bytes), Line::Text);
        Ok(Some((self.number, line)))
    }

    /// Reads one line into the buffer; answers whether it was too long, none at the end.
    fn fill(&mut self) -> IoResult<Option<bool>> {
        self.buffer.clear();
        let mut too_long = false;
        let mut begun = false;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(begun.then_some(too_long));
            }
            begun = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let chunk = &available[..end.unwrap_or(available.len())];
            too_long = too_long || self.buffer.len() + chunk.len() > LONGEST;
            if too_long {
                self.buffer = Vec::new();
            } else {
                self.buffer.extend_from_slice(chunk);
            }
            let used = chunk.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(too_long));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_lf_or_crlf_and_a_byte_order_mark_is_none_of_them() {
        let mut lines = Lines::new("\u{feff}a\r\n\nb".as_bytes());
        assert_eq!(lines.next().unwrap(), Some((1, Line::Text("a"))));
        assert_eq!(lines.next().unwrap(), Some((2, Line::Text(""))));
        assert_eq!(lines.next().unwrap(), Some((3, Line::Text("b"))));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_not_kept() {
        let long = [vec![b'x'; LONGEST + 1], b"\nshort\n\xff\n".to_vec()].concat();
        let mut lines = Lines::new(long.as_slice());
        assert_eq!(lines.next().unwrap(), Some((1, Line::TooLong)));
        assert_eq!(lines.buffer.capacity(), 0);
        assert_eq!(lines.next().unwrap(), Some((2, Line::Text("short"))));
        assert_eq!(lines.next().unwrap(), Some((3, Line::Bytes(b"\xff"))));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_line_of_the_longest_length_is_read() {
        let text = "x".repeat(LONGEST);
        assert_eq!(Lines::new(text.as_bytes()).next().unwrap(), Some((1, Line::Text(text.as_str()))));
    }
}
