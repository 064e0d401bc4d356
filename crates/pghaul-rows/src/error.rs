//! What can be wrong with a COPY stream.
//!
//! Invariant: no message shows a byte of a row's values.

use crate::layout::LayoutError;
use crate::shape::ShapeError;

/// A COPY stream that is not what its layout says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("COPY stream, row {row}, byte {offset}")]
pub struct CopyError {
    /// The row in which it was seen, from 1; the header belongs to row 1.
    pub row: u64,
    /// Where in the stream it was seen: bytes from the stream's first one.
    pub offset: u64,
    /// What is wrong.
    #[source]
    pub problem: CopyProblem,
}

/// What is wrong with a COPY stream. Columns count from 1, in the order of the stream, without
/// the ctid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyProblem {
    /// The layout contradicts itself; seen at the first call.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Not the eleven bytes that open a binary COPY.
    #[error("this is not a binary COPY: the signature is missing")]
    Signature,
    /// Bit 16 of the flags: each row would be preceded by its OID (servers before 12).
    #[error("the stream carries the rows' OIDs, which was not asked for")]
    Oids,
    /// Critical flags that no known version of Postgres sets.
    #[error("unknown critical flags in the header: {flags:#010x}")]
    Flags {
        /// All flags of the header.
        flags: u32,
    },
    /// The length of the header's extension area is negative.
    #[error("the header's extension area has the length {length}")]
    HeaderExtension {
        /// The length as found.
        length: i32,
    },
    /// Another number of fields than the layout has.
    #[error("{found} fields where {expected} are expected")]
    FieldCount {
        /// Fields of the layout: ctid, visible and hidden ones.
        expected: usize,
        /// Fields of the row. In text, where one wrong byte can make many, counting may stop
        /// early.
        found: i64,
    },
    /// A field's length is negative (and not NULL's -1) or above what Postgres can send.
    #[error("column {column} has the impossible length {length}")]
    FieldLength {
        /// The column; 0 is the ctid.
        column: usize,
        /// The length as found.
        length: i32,
    },
    /// A row above [`MAX_ROW_BYTES`](crate::reader::MAX_ROW_BYTES).
    #[error("the row is longer than a server can send")]
    RowTooLong,
    /// The first field is not a ctid.
    #[error("the first field is not a ctid")]
    Ctid,
    /// A backslash sequence that `COPY TO` does not make.
    #[error("unknown escape sequence in the text of column {column}")]
    Escape {
        /// The column; 0 is the ctid. Hidden columns count on after the visible ones.
        column: usize,
    },
    /// A carriage return that is not escaped, as `COPY TO` would have done.
    #[error("a carriage return that is not escaped")]
    CarriageReturn,
    /// A value is NULL and its hidden image is not, or the other way round.
    #[error("column {column} and its hidden image disagree on NULL")]
    HiddenNull {
        /// The visible column.
        column: usize,
    },
    /// A value does not parse as its shape says.
    #[error("column {column} is not what its type says")]
    Value {
        /// The column; for a hidden field, the visible column that it stands for.
        column: usize,
        /// Where and why.
        source: ShapeError,
    },
    /// Bytes after the trailer of a binary stream.
    #[error("the stream goes on after its trailer")]
    AfterTrailer,
    /// The stream ended inside the header or a row.
    #[error("the stream ends in the middle of a row")]
    Truncated,
    /// A binary stream ended between two rows, without its trailer.
    #[error("the stream ends without its trailer")]
    NoTrailer,
    /// [`finish`](crate::RowReader::finish) was called before all rows were taken.
    #[error("rows of the stream were left unread")]
    Unread,
}
