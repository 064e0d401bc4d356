//! How the columns of a table's rows are framed and digested, as documents hold it.
//!
//! Invariant: converts to and from [`pghaul_rows::Layout`] without loss, but for the ctid and the
//! hidden fields, which only a server's stream has.

use pghaul_rows::ImageKind;
use pghaul_rows::layout::{Column, CopyFormat, Hidden, Layout};
use pghaul_rows::shape::{Geometry, Shape};
use serde::{Deserialize, Serialize};

/// [`CopyFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireFormat {
    /// COPY text.
    Text,
    /// COPY binary.
    Binary,
}

impl From<CopyFormat> for WireFormat {
    fn from(format: CopyFormat) -> Self {
        match format {
            CopyFormat::Text => Self::Text,
            CopyFormat::Binary => Self::Binary,
        }
    }
}

impl From<WireFormat> for CopyFormat {
    fn from(format: WireFormat) -> Self {
        match format {
            WireFormat::Text => Self::Text,
            WireFormat::Binary => Self::Binary,
        }
    }
}

/// [`Shape`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireShape {
    /// Taken as it is.
    Plain,
    /// `float4`.
    Float4,
    /// `float8`.
    Float8,
    /// An array.
    Array(Box<WireShape>),
    /// A range.
    Range(Box<WireShape>),
    /// A multirange.
    Multirange(Box<WireShape>),
    /// A composite.
    Record(Vec<WireShape>),
    /// `point`.
    Point,
    /// `line`.
    Line,
    /// `lseg`.
    LineSegment,
    /// `box`.
    Box,
    /// `path`.
    Path,
    /// `polygon`.
    Polygon,
    /// `circle`.
    Circle,
    /// `cube`.
    Cube,
}

impl From<&Shape> for WireShape {
    fn from(shape: &Shape) -> Self {
        let boxed = |inner: &Shape| Box::new(Self::from(inner));
        match shape {
            Shape::Plain => Self::Plain,
            Shape::Float4 => Self::Float4,
            Shape::Float8 => Self::Float8,
            Shape::Array(inner) => Self::Array(boxed(inner)),
            Shape::Range(inner) => Self::Range(boxed(inner)),
            Shape::Multirange(inner) => Self::Multirange(boxed(inner)),
            Shape::Record(fields) => Self::Record(fields.iter().map(Self::from).collect()),
            Shape::Geometry(Geometry::Point) => Self::Point,
            Shape::Geometry(Geometry::Line) => Self::Line,
            Shape::Geometry(Geometry::LineSegment) => Self::LineSegment,
            Shape::Geometry(Geometry::Box) => Self::Box,
            Shape::Geometry(Geometry::Path) => Self::Path,
            Shape::Geometry(Geometry::Polygon) => Self::Polygon,
            Shape::Geometry(Geometry::Circle) => Self::Circle,
            Shape::Geometry(Geometry::Cube) => Self::Cube,
        }
    }
}

impl From<&WireShape> for Shape {
    fn from(shape: &WireShape) -> Self {
        let boxed = |inner: &WireShape| Box::new(Self::from(inner));
        match shape {
            WireShape::Plain => Self::Plain,
            WireShape::Float4 => Self::Float4,
            WireShape::Float8 => Self::Float8,
            WireShape::Array(inner) => Self::Array(boxed(inner)),
            WireShape::Range(inner) => Self::Range(boxed(inner)),
            WireShape::Multirange(inner) => Self::Multirange(boxed(inner)),
            WireShape::Record(fields) => Self::Record(fields.iter().map(Self::from).collect()),
            WireShape::Point => Self::Geometry(Geometry::Point),
            WireShape::Line => Self::Geometry(Geometry::Line),
            WireShape::LineSegment => Self::Geometry(Geometry::LineSegment),
            WireShape::Box => Self::Geometry(Geometry::Box),
            WireShape::Path => Self::Geometry(Geometry::Path),
            WireShape::Polygon => Self::Geometry(Geometry::Polygon),
            WireShape::Circle => Self::Geometry(Geometry::Circle),
            WireShape::Cube => Self::Geometry(Geometry::Cube),
        }
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireColumn {
    /// Its name.
    pub name: String,
    /// The OID that stands for its type in a binary image.
    pub image_type: u32,
    /// How its binary value is made canonical.
    pub shape: WireShape,
}

/// A field that a server adds to its stream for the image only; not in the pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireHidden {
    /// Which column it stands for, from 0.
    pub column: u32,
    /// How the value behind its hex digits is made canonical.
    pub shape: WireShape,
    /// The expression that gives it.
    pub expression: String,
}

/// The layout of the pieces of a table: no ctid, nothing hidden.
pub fn of_pieces(format: WireFormat, columns: &[WireColumn]) -> Layout {
    let columns = columns
        .iter()
        .map(|column| Column { image_type: column.image_type, shape: (&column.shape).into() })
        .collect();
    Layout { format: format.into(), with_ctid: false, columns, hidden: Vec::new() }
}

/// The layout of the stream of a server that holds these rows.
pub fn of_server(format: WireFormat, columns: &[WireColumn], hidden: &[WireHidden]) -> Layout {
    let hidden = hidden
        .iter()
        .map(|field| Hidden {
            column: usize::try_from(field.column).unwrap_or(usize::MAX),
            shape: (&field.shape).into(),
        })
        .collect();
    Layout { hidden, ..of_pieces(format, columns) }
}

/// The kind of image of such a layout.
pub fn image_kind(format: WireFormat) -> ImageKind {
    match format {
        WireFormat::Text => ImageKind::Text,
        WireFormat::Binary => ImageKind::Binary,
    }
}
