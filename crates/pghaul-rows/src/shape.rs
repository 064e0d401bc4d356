//! How the binary value of a column is made canonical, so that equal values have equal images
//! wherever they come from.
//!
//! A value is what the type's send function gives, with two changes, at any depth:
//! - every NaN becomes the one that `'NaN'::float8` makes: Postgres keeps the sign and the payload
//!   of a NaN, text input does not;
//! - an OID inside a value (the element type of an array, the field types of a record) that is not
//!   the same in every database becomes [`STAND_IN_TYPE`]; see [`stable_type`].
//!
//! Invariants: the length stays; a value that is not what its shape says is an error and never a
//! panic; every length is checked against what is there before it is used; recursion is as deep
//! as the shape, whatever the data says.

mod canonical;
mod notation;

pub(crate) use canonical::canonicalize;
pub(crate) use notation::{Hex, Raw};

/// How a binary value is built, as far as making it canonical needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Taken as it is: types without floats and without OIDs inside. Also arrays, ranges and
    /// records of such types, if their element or field types are [stable](stable_type).
    Plain,
    /// `float4`: four bytes.
    Float4,
    /// `float8`: eight bytes.
    Float8,
    /// An array of any number of dimensions, its elements of this shape.
    Array(Box<Shape>),
    /// A range over a subtype of this shape.
    Range(Box<Shape>),
    /// A multirange over a subtype of this shape.
    Multirange(Box<Shape>),
    /// A composite, by its fields in the order of `attnum`, dropped ones left out.
    Record(Vec<Shape>),
    /// A geometric type.
    Geometry(Geometry),
}

/// The geometric types (Postgres manual, 8.8), and `cube`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Geometry {
    /// Two float8.
    Point,
    /// Three float8.
    Line,
    /// Two points.
    LineSegment,
    /// Two points.
    Box,
    /// A byte (closed or not), a count, points.
    Path,
    /// A count, points.
    Polygon,
    /// A point and a radius.
    Circle,
    /// The extension `cube`: a word with the number of dimensions and, in its top bit, whether it
    /// is a point; then one or two corners. Has a send function from Postgres 14 on.
    Cube,
}

impl Shape {
    /// Is there a float in it, at any depth? Then no setting makes its text the same before and
    /// after Postgres 12.
    pub fn contains_float(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Float4 | Self::Float8 | Self::Geometry(_) => true,
            Self::Array(inner) | Self::Range(inner) | Self::Multirange(inner) => {
                inner.contains_float()
            }
            Self::Record(fields) => fields.iter().any(Self::contains_float),
        }
    }
}

/// The OID in canonical values instead of one that is not [stable](stable_type): that of `text`,
/// so that a server gives the same for enums when they are cast to text.
pub const STAND_IN_TYPE: u32 = 25;

/// The type's OID if it is the same in every database, else [`STAND_IN_TYPE`]. OIDs below 10000
/// are assigned by hand in Postgres's sources and never change; all others are given out by
/// `initdb` or later (Postgres manual, "System Catalog Initial Data", OID assignment).
pub const fn stable_type(oid: u32) -> u32 {
    if oid < 10_000 { oid } else { STAND_IN_TYPE }
}

/// A value that is not what its shape says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of the value: {problem}")]
pub struct ShapeError {
    /// Where, in bytes of the binary value.
    pub offset: usize,
    /// Why.
    pub problem: ShapeProblem,
}

/// Why a value is not what its shape says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeProblem {
    /// It is too short.
    #[error("it ends too early")]
    TooShort,
    /// It goes on after its end.
    #[error("there is more than the type holds")]
    TooLong,
    /// A negative length or count.
    #[error("a negative length")]
    NegativeLength,
    /// More than 6 dimensions, or a negative number of them.
    #[error("an impossible number of dimensions")]
    Dimensions,
    /// Flags that the type does not have.
    #[error("unknown flags")]
    Flags,
    /// A bound of a range or a range of a multirange is NULL.
    #[error("a NULL where none can be")]
    Null,
    /// Another number of fields than the composite type has.
    #[error("another number of fields than the type has")]
    FieldCount,
    /// A hidden field that is not lower-case hex.
    #[error("not lower-case hex")]
    NotHex,
}
