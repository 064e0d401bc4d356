//! Holds the rows of a piece against what its records say of them.
//!
//! Invariant: rows are counted in every frame, and digested where the archive holds all that
//! their image is made of.

use std::sync::Arc;

use pghaul_rows::layout::{Column, CopyFormat, Layout};
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::shape::Shape;
use pghaul_rows::tuple::Row;

use crate::contents::Table;
use crate::error::{ArchiveError, Problem};
use crate::layout::of_pieces;
use crate::piece::Frame;

/// Checks the rows of one piece, frame by frame.
#[derive(Debug)]
pub struct RowCheck {
    reader: RowReader,
    /// How many of its rows were counted.
    counted: u64,
    digests: Digesting,
    file: String,
}

impl RowCheck {
    /// For a piece of this table; `file` is for messages.
    pub fn of_table(table: &Table, file: &str) -> Self {
        let digests = if table.hidden.is_empty() { Digesting::Summed } else { Digesting::Off };
        Self::new(of_pieces(table.format, &table.columns), digests, file)
    }

    /// For a piece with chunks of large objects.
    pub fn of_large_objects(file: &str) -> Self {
        Self::new(large_object_layout(), Digesting::Summed, file)
    }

    fn new(layout: Layout, digests: Digesting, file: &str) -> Self {
        let reader = RowReader::new(Arc::new(layout), digests);
        Self { reader, counted: 0, digests, file: file.to_owned() }
    }

    /// Takes a frame and gives each of its rows to `each`.
    ///
    /// # Errors
    /// [`Problem::Copy`] and [`Problem::Rows`].
    pub fn frame(&mut self, frame: Frame, mut each: impl FnMut(&Row)) -> Result<(), ArchiveError> {
        let broken = |error| broken(&self.file, error);
        self.reader.feed(frame.bytes.into()).map_err(broken)?;
        while let Some(row) = self.reader.next_row().map_err(broken)? {
            each(&row);
        }
        let rows = self.reader.rows() - std::mem::replace(&mut self.counted, self.reader.rows());
        let same = match self.digests {
            Digesting::Off => rows == frame.digest.rows,
            Digesting::Summed | Digesting::Sha256 => self.reader.take_sum() == frame.digest,
        };
        if same {
            return Ok(());
        }
        Err(ArchiveError::damaged(&self.file, Problem::Rows { frame: frame.number }))
    }

    /// The piece has ended here.
    ///
    /// # Errors
    /// [`Problem::Copy`] for a stream that should go on.
    pub fn finish(self) -> Result<(), ArchiveError> {
        self.reader.finish().map_err(|error| broken(&self.file, error))
    }
}

fn broken(file: &str, error: pghaul_rows::CopyError) -> ArchiveError {
    ArchiveError::damaged(file, Problem::Copy(error))
}

/// The columns of a piece with large objects: OID, offset, data.
pub fn large_object_layout() -> Layout {
    let column = |image_type| Column { image_type, shape: Shape::Plain };
    Layout {
        format: CopyFormat::Binary,
        with_ctid: false,
        columns: vec![column(26), column(20), column(17)],
        hidden: Vec::new(),
    }
}

/// A chunk of a large object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The object.
    pub oid: u32,
    /// Where the data belong in it.
    pub offset: i64,
    /// The data.
    pub data: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// From the bytes of a binary tuple.
    pub fn of_tuple(tuple: &'a [u8]) -> Option<Self> {
        let (count, rest) = tuple.split_first_chunk::<2>()?;
        if i16::from_be_bytes(*count) != 3 {
            return None;
        }
        let (oid, rest) = field(rest)?;
        let (offset, rest) = field(rest)?;
        let (data, rest) = field(rest)?;
        rest.is_empty().then_some(())?;
        Some(Self {
            oid: u32::from_be_bytes(oid.try_into().ok()?),
            offset: i64::from_be_bytes(offset.try_into().ok()?),
            data,
        })
    }

    /// As a binary tuple.
    pub fn to_tuple(self) -> Vec<u8> {
        let mut tuple = Vec::with_capacity(2 + 12 + 12 + self.data.len());
        tuple.extend_from_slice(&3_i16.to_be_bytes());
        for field in [&self.oid.to_be_bytes()[..], &self.offset.to_be_bytes()[..], self.data] {
            let length = i32::try_from(field.len()).unwrap_or(i32::MAX);
            tuple.extend_from_slice(&length.to_be_bytes());
            tuple.extend_from_slice(field);
        }
        tuple
    }
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)
}
