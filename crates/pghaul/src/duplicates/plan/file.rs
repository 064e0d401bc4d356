//! The plan's file: JSON lines, each an object that begins with the name of what it is.
//!
//! | line | what it says |
//! |---|---|
//! | `plan` | the format, who made it, of which database, by which rules |
//! | `table` | a table that is touched, as it was: columns, types, kind of digest, indexes with duplicates |
//! | `group` | rows that are one: which stays and why, what happens to the others |
//! | `change` | a row that refers to others, and its new values |
//! | `recount` | a row whose numbers are counted anew at the end |
//! | `linked` | groups that are done together or not at all |
//! | `question` | a group that is left alone until it is answered |
//! | `counts` | how many of each; the last line |
//!
//! A row is named by ctid and digest; a value is its text, as COPY writes it, or null. Lines may be
//! taken out by hand, a group with all changes that name it. The file holds values of rows.
//!
//! Invariants: written and read line by line; the same data gives the same bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duplicates::counts::CountLine;
use crate::error::{Error, ErrorKind};
use crate::state::DatabaseIdentity;

/// The version of the format.
pub const FORMAT: u32 = 1;

/// New values of columns, as text.
pub type Values = BTreeMap<String, Option<String>>;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format.
    pub plan: u32,
    /// Which pghaul made it.
    pub made_by: String,
    /// For which database.
    pub database: DatabaseIdentity,
    /// The name of the rules.
    pub rules: String,
}

/// A table that is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableLine {
    /// How the other lines call it.
    pub table: String,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns and their types, in order.
    pub columns: Vec<(String, String)>,
    /// The kind of its rows' digests.
    pub digest: String,
    /// The indexes that have duplicates: those that are there are rebuilt once these are out of the
    /// way.
    pub rebuild: Vec<(String, String)>,
    /// Columns that others refer to by a foreign key.
    pub referenced: Vec<String>,
    /// A foreign key to it follows updates of the key.
    pub follows_updates: bool,
    /// Columns that refer to it without a foreign key.
    pub referred_by: Vec<ReferenceLine>,
    /// Its columns that are counted anew, in the rows of the `recount` lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<CountLine>,
}

/// A column that refers to a table without a foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceLine {
    /// The schema of the table that refers.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Its column.
    pub column: String,
    /// The column referred to.
    pub to: String,
    /// The column is an array of what it refers to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub array: bool,
    /// Only where this column has this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<(String, String)>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowLine {
    /// Where it was.
    pub ctid: String,
    /// Its digest.
    pub digest: String,
    /// Its primary key, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The row that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptLine {
    /// Which.
    pub row: RowLine,
    /// Why.
    pub because: String,
    /// What it takes in from the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: Values,
}

/// A row that does not stay as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherLine {
    /// Which.
    pub row: RowLine,
    /// What becomes of it.
    pub then: Then,
    /// `change`: its new values. `release`: what it has until it is deleted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: Values,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It stays, with other values.
    Change,
    /// It is deleted first of all, since nothing can refer to it.
    Delete,
    /// It gives up the keys it shares, and is deleted once nothing refers to it any more.
    Release,
    /// It is deleted once nothing refers to it any more; it shares no key of a damaged index.
    DeleteLast,
    /// It can give up none of its keys: what refers to it is changed before anything else, then it
    /// is deleted.
    MoveFirst,
    /// It shares the very key by which others are referred to: deleted while foreign keys do not
    /// act where we may say so, else as `release`. Where it has no new values, it can give up none of
    /// its keys, and only the first will do.
    Twin,
}

/// Rows that are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupLine {
    /// Its number.
    pub group: u32,
    /// The table.
    pub table: String,
    /// What they have in common.
    pub by: Vec<String>,
    /// The row that stays; none where all go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<KeptLine>,
    /// The others.
    pub others: Vec<OtherLine>,
}

/// A row that refers to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeLine {
    /// Its table.
    pub change: String,
    /// Which.
    pub row: RowLine,
    /// Its new values.
    pub set: Values,
    /// For which groups.
    pub groups: Vec<u32>,
    /// Before anything else: what it refers to is deleted before the indexes are rebuilt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
}

/// A row whose numbers are counted anew, once all rows are where they belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecountLine {
    /// Its table.
    pub recount: String,
    /// Which.
    pub row: RowLine,
}

/// Groups that are done together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkedLine {
    /// Their numbers.
    pub linked: Vec<u32>,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionLine {
    /// Its name, for the answers file.
    pub question: String,
    /// The table.
    pub table: String,
    /// What the rows have in common.
    pub by: Vec<String>,
    /// Why it is asked.
    pub because: String,
    /// The rows.
    pub rows: Vec<RowLine>,
}

/// How many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Groups that will be repaired, those of children that collide included.
    pub groups: u64,
    /// Groups that came about by merging only.
    pub collisions: u64,
    /// Rows that are deleted.
    pub deleted: u64,
    /// Rows that change.
    pub changed: u64,
    /// Rows whose numbers are counted anew.
    #[serde(default)]
    pub recounted: u64,
    /// Open questions.
    pub questions: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountsLine {
    counts: Counts,
}

/// Any line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The first.
    Header(Header),
    /// A table.
    Table(TableLine),
    /// A group.
    Group(GroupLine),
    /// A change.
    Change(ChangeLine),
    /// A row that is counted anew.
    Recount(RecountLine),
    /// Groups that belong together.
    Linked(LinkedLine),
    /// A question.
    Question(QuestionLine),
    /// The last.
    Counts(Counts),
}

/// Writes a plan: under a temporary name until it is whole.
pub struct PlanWriter {
    path: PathBuf,
    file: BufWriter<tempfile::NamedTempFile>,
}

impl PlanWriter {
    /// Begins one. Only its owner may read it.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`].
    pub fn create(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".pghaul-plan")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(|error| local(path, "write", error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Writes a line.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`].
    pub fn line(&mut self, line: &Line) -> Result<(), Error> {
        let text = match line {
            Line::Header(line) => serde_json::to_string(line),
            Line::Table(line) => serde_json::to_string(line),
            Line::Group(line) => serde_json::to_string(line),
            Line::Change(line) => serde_json::to_string(line),
            Line::Recount(line) => serde_json::to_string(line),
            Line::Linked(line) => serde_json::to_string(line),
            Line::Question(line) => serde_json::to_string(line),
            Line::Counts(counts) => serde_json::to_string(&CountsLine { counts: counts.clone() }),
        };
        let text = text.map_err(|error| {
            Error::new(ErrorKind::Bug, "cannot write a line of the plan as JSON").caused_by(error)
        })?;
        writeln!(self.file, "{text}").map_err(|error| local(&self.path, "write", error))
    }

    /// Ends it, and gives it its name.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`].
    pub fn finish(self) -> Result<(), Error> {
        let path = self.path;
        let file =
            self.file.into_inner().map_err(|error| local(&path, "write", error.into_error()))?;
        file.as_file().sync_all().map_err(|error| local(&path, "write", error))?;
        file.persist(&path).map_err(|error| local(&path, "write", error.error))?;
        Ok(())
    }
}

fn local(path: &Path, doing: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::LocalIo, format!("cannot {doing} the plan {}", path.display()))
        .caused_by(error)
}

/// Reads a plan line by line.
pub struct PlanReader {
    path: PathBuf,
    file: BufReader<File>,
    number: u64,
    offset: u64,
    ended: bool,
}

impl PlanReader {
    /// Opens one.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|error| local(path, "read", error))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::new(file),
            number: 0,
            offset: 0,
            ended: false,
        })
    }

    /// Goes on behind a line that was read before: its number, and where the next one begins.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`].
    pub fn seek(&mut self, number: u64, offset: u64) -> Result<(), Error> {
        self.file
            .seek(SeekFrom::Start(offset))
            .map_err(|error| local(&self.path, "read", error))?;
        (self.number, self.offset, self.ended) = (number, offset, false);
        Ok(())
    }

    /// Where the next line begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of the line that was read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line; none after the last.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is no line of a plan, or a plan that ends early.
    pub fn next_line(&mut self) -> Result<Option<Line>, Error> {
        let mut text = String::new();
        let read =
            self.file.read_line(&mut text).map_err(|error| local(&self.path, "read", error))?;
        if read == 0 {
            return if self.ended {
                Ok(None)
            } else {
                Err(self.wrong("it ends before its last line, `counts`"))
            };
        }
        self.number += 1;
        self.offset += read as u64;
        if self.ended {
            return Err(self.wrong("something stands after `counts`"));
        }
        let line = self.parse(&text)?;
        match &line {
            Line::Counts(_) => self.ended = true,
            Line::Header(header) if header.plan != FORMAT => {
                return Err(self
                    .wrong(&format!("its format is {}, this pghaul reads {FORMAT}", header.plan)));
            }
            Line::Header(_) if self.number != 1 => {
                return Err(self.wrong("a second header"));
            }
            Line::Header(_) => {}
            _ if self.number == 1 => return Err(self.wrong("it does not begin with `plan`")),
            _ => {}
        }
        Ok(Some(line))
    }

    fn parse(&self, text: &str) -> Result<Line, Error> {
        fn of<T: serde::de::DeserializeOwned>(
            value: Value,
            wrap: impl FnOnce(T) -> Line,
        ) -> Result<Line, serde_json::Error> {
            serde_json::from_value(value).map(wrap)
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| self.wrong(&error.to_string()))?;
        let has = |key: &str| value.get(key).is_some();
        let line = match () {
            () if has("plan") => of(value, Line::Header),
            () if has("columns") => of(value, Line::Table),
            () if has("group") => of(value, Line::Group),
            () if has("change") => of(value, Line::Change),
            () if has("recount") => of(value, Line::Recount),
            () if has("linked") => of(value, Line::Linked),
            () if has("question") => of(value, Line::Question),
            () if has("counts") => of(value, |line: CountsLine| Line::Counts(line.counts)),
            () => return Err(self.wrong("no line of a plan begins like this")),
        };
        line.map_err(|error| self.wrong(&error.to_string()))
    }

    /// An error about the line that was read last.
    pub fn wrong(&self, why: &str) -> Error {
        Error::new(
            ErrorKind::Usage,
            format!("cannot use the plan {}, line {}: {why}", self.path.display(), self.number),
        )
        .with_hint("make it again with `pghaul duplicates plan`")
    }
}
