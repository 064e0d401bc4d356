//! What a COPY stream holds: its format, its columns, and the fields that only pghaul sees.
//!
//! The select list behind a stream is, in this order: the row's `ctid` if [`Layout::with_ctid`],
//! one field for each of [`Layout::columns`], one for each of [`Layout::hidden`]. The ctid and the
//! hidden fields are taken out of what is passed on.

use crate::digest::ImageKind;
use crate::shape::Shape;

/// The format of a COPY stream (Postgres manual, COPY, "File Formats").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyFormat {
    /// `FORMAT text` with its default delimiter and null string, in UTF-8 (or any encoding where
    /// no byte of a longer character is an ASCII one).
    Text,
    /// `FORMAT binary`.
    Binary,
}

/// A column of the stream that is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The OID that stands for the column's type in a binary image: its own if it is the same in
    /// every database, else a stand-in on which both ends agree (see
    /// [`stable_type`](crate::shape::stable_type)). Not used in a text image, where each column
    /// is of type text.
    pub image_type: u32,
    /// How the binary value is made canonical. Not used in a text image.
    pub shape: Shape,
}

/// A field at the end of a text stream: `encode(<send function>(c), 'hex')` of a visible column
/// that contains a float. In the image it stands in the column's place, made canonical, since the
/// text of floats is not the same before and after Postgres 12.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Which of [`Layout::columns`], from 0.
    pub column: usize,
    /// How the value behind the hex digits is made canonical.
    pub shape: Shape,
}

/// The layout of a COPY stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Text or binary.
    pub format: CopyFormat,
    /// The first field of each row is its ctid.
    pub with_ctid: bool,
    /// What is passed on, in the order of the stream.
    pub columns: Vec<Column>,
    /// Fields for the image only, at the end; only in text.
    pub hidden: Vec<Hidden>,
}

impl Layout {
    /// The kind of image that this stream's rows have.
    pub fn image_kind(&self) -> ImageKind {
        match self.format {
            CopyFormat::Text => ImageKind::Text,
            CopyFormat::Binary => ImageKind::Binary,
        }
    }

    /// How many fields a row has in the stream.
    pub fn stream_fields(&self) -> usize {
        usize::from(self.with_ctid) + self.columns.len() + self.hidden.len()
    }

    /// Does it contradict itself?
    pub fn check(&self) -> Result<(), LayoutError> {
        let fields = self.stream_fields();
        if i16::try_from(fields).is_err() {
            return Err(LayoutError::TooManyFields { fields });
        }
        if self.format == CopyFormat::Binary && !self.hidden.is_empty() {
            return Err(LayoutError::HiddenInBinary);
        }
        for (at, hidden) in self.hidden.iter().enumerate() {
            let column = hidden.column;
            if column >= self.columns.len() {
                return Err(LayoutError::HiddenOfNothing { column });
            }
            if self.hidden[..at].iter().any(|other| other.column == column) {
                return Err(LayoutError::HiddenTwice { column });
            }
        }
        Ok(())
    }
}

/// A layout that contradicts itself: a bug of whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A binary row counts its fields in 16 bits with sign.
    #[error("{fields} fields are more than a COPY can have")]
    TooManyFields {
        /// How many there are.
        fields: usize,
    },
    /// A binary stream needs no hidden fields: its floats are exact as they are.
    #[error("hidden fields in a binary stream")]
    HiddenInBinary,
    /// The column does not exist.
    #[error("a hidden field for column {column}, which does not exist")]
    HiddenOfNothing {
        /// The column, from 0.
        column: usize,
    },
    /// A projection onto a column that does not exist.
    #[error("a projection onto column {column}, which does not exist")]
    ProjectionOfNothing {
        /// The column, from 0.
        column: usize,
    },
    /// Two hidden fields for one column.
    #[error("two hidden fields for column {column}")]
    HiddenTwice {
        /// The column, from 0.
        column: usize,
    },
}
