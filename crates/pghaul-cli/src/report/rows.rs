//! Rows that differ, on their way from the engine to the result.
//!
//! Invariants: they are written as they come, as JSON, and are not kept in memory, but for the first
//! of each table; what waits for the result is in a file without a name, beyond 256 KiB; the
//! result is the same as if they had been kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::Path;

use pghaul::name::{Ident, RelationName};
use pghaul::verify::TableDifferences;
use pghaul::verify::difference::Difference;
use pghaul::{Error, ErrorKind};
use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tempfile::SpooledTempFile;

use super::result_file::ResultFile;
use super::wire;
use crate::console::Results;

/// Rows that stand in a result for people, of each table.
pub const SHOWN: usize = 10;

/// Bytes of JSON that are kept in memory.
const KEPT: usize = 256 << 10;

/// The rows.
pub struct DifferentRows {
    results: Results,
    tables: BTreeMap<RelationName, OfTable>,
    waiting: RefCell<SpooledTempFile>,
    end: u64,
    out: Option<ResultFile>,
}

#[derive(Default)]
struct OfTable {
    key: Vec<Ident>,
    /// For people.
    first: Vec<Difference>,
    /// For programs: where the lines lie that wait.
    lines: Vec<Range<u64>>,
}

/// A line of `--out`.
#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    schema: &'a str,
    table: &'a str,
    #[serde(flatten)]
    row: wire::RowDifference<'a>,
}

impl DifferentRows {
    /// None yet. What waits does so in `folder`; all of them go to the file `out`, too.
    ///
    /// # Errors
    /// As [`ResultFile::create`].
    pub fn new(results: Results, folder: &Path, out: Option<&Path>) -> Result<Self, Error> {
        Ok(Self {
            results,
            tables: BTreeMap::new(),
            waiting: RefCell::new(SpooledTempFile::new_in(KEPT, folder)),
            end: 0,
            out: out.map(ResultFile::create).transpose()?,
        })
    }

    /// Takes some.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] when they cannot be written.
    pub fn take(&mut self, some: TableDifferences) -> Result<(), Error> {
        let TableDifferences { table: name, key, rows, .. } = some;
        if let Some(out) = &mut self.out {
            let (schema, table) = (name.schema.as_str(), name.name.as_str());
            for row in &rows {
                let line = Line { v: 1, schema, table, row: wire::difference(&key, row) };
                out.write_json(&line)?;
                out.write("\n")?;
            }
        }
        let mut lines = String::new();
        if self.results == Results::Json {
            for row in &rows {
                let line = serde_json::to_string(&wire::difference(&key, row));
                lines.push_str(&line.map_err(unwritable)?);
                lines.push('\n');
            }
        }
        let table = self.tables.entry(name).or_default();
        if self.results == Results::Text {
            let room = SHOWN - table.first.len();
            table.first.extend(rows.into_iter().take(room));
        }
        table.key = key;
        if !lines.is_empty() {
            self.waiting.get_mut().write_all(lines.as_bytes()).map_err(unwritable)?;
            let begin = self.end;
            self.end += lines.len() as u64;
            match table.lines.last_mut() {
                Some(last) if last.end == begin => last.end = self.end,
                _ => table.lines.push(begin..self.end),
            }
        }
        Ok(())
    }

    /// All have come: `--out` gets its name.
    ///
    /// # Errors
    /// As [`ResultFile::publish`].
    pub fn publish(&mut self) -> Result<(), Error> {
        self.out.as_mut().map_or(Ok(()), ResultFile::publish)
    }

    /// The first of a table, for people, with the columns of their key.
    pub fn first(&self, table: &RelationName) -> impl Iterator<Item = (&[Ident], &Difference)> {
        let of_table = self.tables.get(table).into_iter();
        of_table.flat_map(|table| table.first.iter().map(|row| (table.key.as_slice(), row)))
    }

    /// All of a table, for programs.
    pub fn all(&self, table: &RelationName) -> Rows<'_> {
        let lines = self.tables.get(table).map_or(&[][..], |table| &table.lines);
        Rows { waiting: &self.waiting, lines }
    }
}

fn unwritable(cause: impl Into<std::io::Error>) -> Error {
    Error::new(ErrorKind::LocalIo, "cannot keep the rows that differ in a temporary file")
        .with_hint("make room there, name another folder with --spill-dir, or name fewer rows with --max-differences")
        .caused_by(cause.into())
}

/// The rows of one table, as a sequence in JSON.
pub struct Rows<'a> {
    waiting: &'a RefCell<SpooledTempFile>,
    lines: &'a [Range<u64>],
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut file = self.waiting.try_borrow_mut().map_err(S::Error::custom)?;
        let mut all = serializer.serialize_seq(None)?;
        let mut line = String::new();
        for range in self.lines {
            file.seek(SeekFrom::Start(range.start)).map_err(S::Error::custom)?;
            let mut lines = BufReader::new((&mut *file).take(range.end - range.start));
            loop {
                line.clear();
                if lines.read_line(&mut line).map_err(S::Error::custom)? == 0 {
                    break;
                }
                let row: &RawValue = serde_json::from_str(&line).map_err(S::Error::custom)?;
                all.serialize_element(row)?;
            }
        }
        all.end()
    }
}
