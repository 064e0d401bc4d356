//! Reads header and table of contents of a `pg_dump` archive in the custom format.
//!
//! The format is the one that pg_dump 9.6 to 18 write (archive versions 1.13 to 1.16): the magic,
//! a header, then all entries, one after the other. Integers are a sign byte and `int_size` bytes,
//! least significant first; strings a length and bytes, where a negative length means no string.
//!
//! Invariants: no length is believed before the bytes are there, so no input makes this allocate
//! more than a small multiple of its size; what is read is UTF-8 with standard string literals.

use super::entry::{DumpId, Entry, Kind, Section};

const MAGIC: &[u8; 5] = b"PGDMP";
const CUSTOM_FORMAT: u8 = 1;
/// No entry takes less: three integers, two OIDs, ten strings, the end of the dependencies.
const SMALLEST_ENTRY: usize = 32;

/// A table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toc {
    /// The version of the archive's format: major, minor, revision.
    pub archive_version: (u8, u8, u8),
    /// The name of the database that was dumped.
    pub database: String,
    /// The version of the server that was dumped, as it says itself.
    pub server_version: String,
    /// The version of the `pg_dump` that wrote the archive.
    pub pg_dump_version: String,
    /// The entries in the archive's order.
    pub entries: Vec<Entry>,
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TocError {
    /// It does not begin like one.
    #[error("not an archive of pg_dump in the custom format")]
    NotAnArchive,
    /// Of a format before 1.13: its statements rely on a search path (CVE-2018-1058).
    #[error("archive format {0}.{1} is too old: this pg_dump lacks the mend of CVE-2018-1058")]
    TooOld(u8, u8),
    /// Of a format after 1.16.
    #[error("archive format {0}.{1} is newer than any that pghaul knows (1.16)")]
    TooNew(u8, u8),
    /// It ends too early.
    #[error("the archive ends at byte {offset}, where {needed} more bytes are needed")]
    Truncated {
        /// Where the missing bytes should begin.
        offset: usize,
        /// How many bytes should be there.
        needed: usize,
    },
    /// A value that cannot be.
    #[error("impossible {what} before byte {offset} of the archive")]
    Impossible {
        /// What was read.
        what: &'static str,
        /// Where reading had come to.
        offset: usize,
    },
    /// A text that is not UTF-8: the source's encoding is `SQL_ASCII`, so nothing checked it.
    #[error("the text before byte {offset} of the archive is not UTF-8, in {place}")]
    NotUtf8 {
        /// Where reading had come to.
        offset: usize,
        /// Which entry it is in, as far as it was read.
        place: String,
    },
    /// The archive was not made with the settings that pghaul gives `pg_dump`.
    #[error("the archive was made with another {0} than pghaul asks for")]
    Setting(&'static str),
}

impl Toc {
    /// Reads a whole archive, or its beginning up to the end of the table of contents.
    ///
    /// # Errors
    /// [`TocError`]; nothing of an archive that cannot be read to its last entry is returned.
    pub fn read(bytes: &[u8]) -> Result<Self, TocError> {
        let mut reader = Reader { bytes, at: 0, int_size: 4, place: "the header".to_owned() };
        if reader.take(MAGIC.len()).ok() != Some(MAGIC.as_slice()) {
            return Err(TocError::NotAnArchive);
        }
        let version = (reader.byte()?, reader.byte()?, reader.byte()?);
        match (version.0, version.1) {
            (1, 13..=16) => {}
            (major, minor) if (major, minor) < (1, 13) => {
                return Err(TocError::TooOld(major, minor));
            }
            (major, minor) => return Err(TocError::TooNew(major, minor)),
        }
        reader.int_size = usize::from(reader.byte()?);
        let offset_size = usize::from(reader.byte()?);
        if !(1..=8).contains(&reader.int_size) || !(1..=8).contains(&offset_size) {
            return Err(reader.impossible("size of integers"));
        }
        if reader.byte()? != CUSTOM_FORMAT {
            return Err(TocError::NotAnArchive);
        }
        if version.1 >= 15 {
            reader.byte()?; // the compression's algorithm
        } else {
            reader.int()?; // the compression's level
        }
        for _ in 0..7 {
            reader.int()?; // when it was made
        }
        let database = reader.text()?.unwrap_or_default();
        let server_version = reader.text()?.unwrap_or_default();
        let pg_dump_version = reader.text()?.unwrap_or_default();

        let count =
            usize::try_from(reader.int()?).map_err(|_| reader.impossible("number of entries"))?;
        let mut entries = Vec::with_capacity(count.min(reader.left() / SMALLEST_ENTRY));
        for number in 1..=count {
            reader.place = format!("entry {number}");
            entries.extend(reader.entry(version.1, offset_size)?);
        }
        let toc =
            Self { archive_version: version, database, server_version, pg_dump_version, entries };
        toc.check_settings()?;
        Ok(toc)
    }

    /// Everything that reads the statements relies on these two.
    fn check_settings(&self) -> Result<(), TocError> {
        let is = |kind: Kind, defn: &str| {
            self.entries.iter().any(|entry| entry.kind == kind && entry.defn.trim_end() == defn)
        };
        if !is(Kind::Encoding, "SET client_encoding = 'UTF8';") {
            return Err(TocError::Setting("client_encoding"));
        }
        if !is(Kind::StdStrings, "SET standard_conforming_strings = 'on';") {
            return Err(TocError::Setting("standard_conforming_strings"));
        }
        Ok(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    int_size: usize,
    place: String,
}

impl<'a> Reader<'a> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn impossible(&self, what: &'static str) -> TocError {
        TocError::Impossible { what, offset: self.at }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], TocError> {
        let taken = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.get(..count))
            .ok_or(TocError::Truncated { offset: self.at, needed: count })?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, TocError> {
        self.take(1).map(|taken| taken[0])
    }

    fn int(&mut self) -> Result<i32, TocError> {
        let negative = match self.byte()? {
            0 => false,
            1 => true,
            _ => return Err(self.impossible("sign of an integer")),
        };
        let mut little_endian = [0; 8];
        little_endian[..self.int_size].copy_from_slice(self.take(self.int_size)?);
        let value = i32::try_from(u64::from_le_bytes(little_endian))
            .map_err(|_| self.impossible("integer"))?;
        Ok(if negative { -value } else { value })
    }

    fn raw(&mut self) -> Result<Option<&'a [u8]>, TocError> {
        let Ok(length) = usize::try_from(self.int()?) else { return Ok(None) };
        self.take(length).map(Some)
    }

    fn text(&mut self) -> Result<Option<String>, TocError> {
        let Some(taken) = self.raw()? else { return Ok(None) };
        match std::str::from_utf8(taken) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(TocError::NotUtf8 { offset: self.at, place: self.place.clone() }),
        }
    }

    fn number<N: std::str::FromStr>(&mut self, what: &'static str) -> Result<N, TocError> {
        self.text()?.and_then(|text| text.parse().ok()).ok_or_else(|| self.impossible(what))
    }

    /// None for statistics that are no text: the common values of a `"char"` above 127 are single
    /// bytes there, which no encoding knows. Without them the table is analyzed.
    fn entry(&mut self, minor: u8, offset_size: usize) -> Result<Option<Entry>, TocError> {
        let dump_id = DumpId(self.int()?);
        if dump_id.0 <= 0 {
            return Err(self.impossible("entry number"));
        }
        self.int()?; // whether there are rows of it in the archive
        let table_oid = self.number("OID")?;
        let oid = self.number("OID")?;
        let tag = self.text()?.unwrap_or_default();
        let kind = Kind::from_name(&self.text()?.unwrap_or_default());
        self.place = format!("{kind} {tag}");
        let section = match self.int()? {
            1 => Section::None,
            2 => Section::PreData,
            3 => Section::Data,
            4 => Section::PostData,
            _ => return Err(self.impossible("section")),
        };
        let defn = if kind == Kind::StatisticsData {
            self.raw()?.map(|taken| String::from_utf8(taken.to_vec()).ok())
        } else {
            self.text()?.map(Some)
        };
        let drop_stmt = self.text()?;
        let copy_stmt = self.text()?;
        let namespace = self.text()?;
        let tablespace = self.text()?;
        let table_am = if minor >= 14 { self.text()? } else { None };
        let relkind = if minor >= 16 { self.relkind()? } else { None };
        let owner = self.text()?;
        let with_oids = self.text()?.as_deref() == Some("true");
        let mut dependencies = Vec::new();
        while let Some(text) = self.text()? {
            let id = text.parse().map_err(|_| self.impossible("dependency"))?;
            dependencies.push(DumpId(id));
        }
        self.take(1 + offset_size)?; // where the rows of it are in the archive
        let Some(defn) = defn.unwrap_or_else(|| Some(String::new())) else { return Ok(None) };
        Ok(Some(Entry {
            dump_id,
            table_oid,
            oid,
            tag,
            kind,
            section,
            defn,
            drop_stmt,
            copy_stmt,
            namespace,
            tablespace,
            table_am,
            relkind,
            owner,
            with_oids,
            dependencies,
        }))
    }

    fn relkind(&mut self) -> Result<Option<char>, TocError> {
        let code = u8::try_from(self.int()?).map_err(|_| self.impossible("kind of relation"))?;
        Ok((code != 0).then_some(char::from(code)))
    }
}

#[cfg(test)]
mod tests;
