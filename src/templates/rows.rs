//! Rows of a CSV or JSON Lines file; each request uses the next one.
//!
//! The file is kept as bytes with an index of its rows, and a row is parsed again when a request needs it. That takes far less memory than
//! parsed values would.

use std::ops::Range;

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

/// Maximum size of a file, in bytes.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

/// Maximum columns of a row.
const MAX_COLUMNS: usize = 1_000;

/// Format of a file of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowFormat {
    /// Comma-separated values (RFC 4180); the first line has the column names.
    Csv,
    /// One JSON object per line.
    JsonLines,
}

impl RowFormat {
    /// Returns the format for a file's extension: `.csv`, `.jsonl` or `.ndjson`.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let ending = path.rsplit('.').next()?.to_ascii_lowercase();
        match ending.as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// A row cannot be parsed again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error("a row of the file cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a row of the file cannot be read: {0}")]
    Csv(#[from] csv::Error),
}

/// A file of rows, all of which have been parsed once.
#[derive(Debug)]
pub(crate) struct Rows {
    content: Vec<u8>,
    /// Column names; `None` for JSON Lines.
    columns: Option<StringRecord>,
    places: Vec<Range<usize>>,
}

impl Rows {
    /// Reads the content of a file. Errors name the line.
    pub(crate) fn read(content: Vec<u8>, format: RowFormat) -> Result<Self, String> {
        let rows = match format {
            RowFormat::Csv => Self::csv(content)?,
            RowFormat::JsonLines => Self::json_lines(content)?,
        };
        if rows.places.is_empty() { Err("has no rows".to_owned()) } else { Ok(rows) }
    }

    fn csv(content: Vec<u8>) -> Result<Self, String> {
        // Spreadsheet programs write a byte order mark.
        let start = if content.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut reader = ReaderBuilder::new().from_reader(&content[start..]);
        let columns = reader.headers().map_err(|error| error.to_string())?.clone();
        if columns.len() > MAX_COLUMNS {
            return Err(format!("has {} columns, at most {MAX_COLUMNS} are allowed", columns.len()));
        }
        let mut places: Vec<Range<usize>> = Vec::new();
        let mut record = StringRecord::new();
        let position = |reader: &csv::Reader<&[u8]>| start + reader.position().byte() as usize;
        let mut from = position(&reader);
        while reader.read_record(&mut record).map_err(|error| error.to_string())? {
            let to = position(&reader);
            places.push(from..to);
            from = to;
        }
        Ok(Self { columns: Some(columns), places, content })
    }

    fn json_lines(content: Vec<u8>) -> Result<Self, String> {
        let mut places = Vec::new();
        let mut from = 0;
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let place = from..from + line.len();
            from = place.end + 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Value>(line) {
                Ok(Value::Object(_)) => places.push(place),
                Ok(_) => return Err(format!("line {} is not a JSON object", index + 1)),
                Err(error) => return Err(format!("line {} is not JSON: {error}", index + 1)),
            }
        }
        Ok(Self { columns: None, places, content })
    }

    /// Returns the fields of the row for request `number`, from 0; the rows start over after the last one. CSV fields are strings.
    pub(crate) fn row(&self, number: u64) -> Result<Value, RowError> {
        let index = number.checked_rem(self.places.len() as u64).unwrap_or(0);
        let place = self.places.get(index as usize).cloned().unwrap_or(0..0);
        let row = &self.content[place];
        let Some(columns) = &self.columns else { return Ok(serde_json::from_slice(row)?) };
        let mut record = StringRecord::new();
        ReaderBuilder::new().has_headers(false).from_reader(row).read_record(&mut record)?;
        let fields = columns.iter().zip(record.iter());
        Ok(Value::Object(fields.map(|(name, field)| (name.to_owned(), field.into())).collect::<Map<_, _>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn csv(text: &str) -> Result<Rows, String> {
        Rows::read(text.as_bytes().to_vec(), RowFormat::Csv)
    }

    #[test]
    fn rows_start_over_after_the_last_one() {
        let rows = csv("\u{feff}name,age\nAnn,7\n\"Bob, \"\"B\"\"\nJr\",8\n\n").unwrap();
        let row = |number| rows.row(number).unwrap();
        assert_eq!(row(0), json!({"name": "Ann", "age": "7"}));
        assert_eq!(row(1), json!({"name": "Bob, \"B\"\nJr", "age": "8"}));
        assert_eq!(row(2), row(0));
        assert_eq!(row(u64::MAX), row(1));
        let rows = Rows::read(b"{\"a\": [1]}\r\n\n{\"a\": 2}".to_vec(), RowFormat::JsonLines).unwrap();
        assert_eq!((rows.row(0).unwrap(), rows.row(3).unwrap()), (json!({"a": [1]}), json!({"a": 2})));
    }

    #[test]
    fn a_row_that_cannot_be_parsed_again_is_an_error() {
        for (format, text) in [(RowFormat::JsonLines, "{\"a\": 1}"), (RowFormat::Csv, "a\nb\n")] {
            let mut rows = Rows::read(text.as_bytes().to_vec(), format).unwrap();
            rows.content.fill(0xff);
            let error = rows.row(0).unwrap_err().to_string();
            assert!(error.starts_with("a row of the file cannot be read: "), "{error}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        for (result, expected) in [
            (csv("a,b\n1,2\n3\n").err(), "line: 3"),
            (csv("a,b\n").err(), "has no rows"),
            (csv("").err(), "has no rows"),
            (Rows::read(b"{}\n[]".to_vec(), RowFormat::JsonLines).err(), "line 2 is not a JSON object"),
            (Rows::read(b"{".to_vec(), RowFormat::JsonLines).err(), "line 1 is not JSON"),
            (csv(&",".repeat(2_000)).err(), "at most 1000"),
        ] {
            let error = result.unwrap();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(RowFormat::of("a/b.CSV"), Some(RowFormat::Csv));
        assert_eq!((RowFormat::of("x.ndjson"), RowFormat::of("csv.txt")), (Some(RowFormat::JsonLines), None));
    }
}
