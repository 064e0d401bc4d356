//! The binary format (Postgres manual, COPY, "Binary Format").

use super::image::ImageSink;
use super::{Fault, Found, MAX_ROW_BYTES, Span};
use crate::error::CopyProblem;
use crate::layout::Layout;
use crate::shape::{Raw, Shape, canonicalize};
use crate::tid::Tid;
use crate::tuple::Inline;
use crate::writer::BINARY_HEADER;

/// Signature, flags, length of the extension area.
pub(super) const HEADER_BYTES: usize = BINARY_HEADER.len();

const SIGNATURE_BYTES: usize = 11;

/// The flag of streams that carry OIDs; the sixteen bits from here up are critical.
const OIDS_FLAG: u32 = 1 << 16;

/// Checks the first [`HEADER_BYTES`]; gives the length of the extension area that follows.
pub(super) fn check_header(bytes: &[u8]) -> Result<u64, Fault> {
    if bytes.get(..SIGNATURE_BYTES) != BINARY_HEADER.get(..SIGNATURE_BYTES) {
        return Err(Fault::new(0, CopyProblem::Signature));
    }
    let flags = u32::from_be_bytes(word(bytes, 11).unwrap_or_default());
    if flags & OIDS_FLAG != 0 {
        return Err(Fault::new(11, CopyProblem::Oids));
    }
    if flags >= OIDS_FLAG {
        return Err(Fault::new(11, CopyProblem::Flags { flags }));
    }
    let length = i32::from_be_bytes(word(bytes, 15).unwrap_or_default());
    u64::try_from(length).map_err(|_| Fault::new(15, CopyProblem::HeaderExtension { length }))
}

/// What stands where a field's length is expected.
pub(super) enum FieldLength {
    /// It is not there yet.
    Missing,
    Null,
    Bytes(usize),
    Impossible(i32),
}

/// The length of the field whose length word is at `at`.
pub(super) fn field_length(bytes: &[u8], at: usize) -> FieldLength {
    let Some(word) = word(bytes, at) else { return FieldLength::Missing };
    let length = i32::from_be_bytes(word);
    match usize::try_from(length) {
        Ok(length) if length < MAX_ROW_BYTES => FieldLength::Bytes(length),
        Err(_) if length == -1 => FieldLength::Null,
        _ => FieldLength::Impossible(length),
    }
}

/// The count of fields at the beginning of a row; a trailer's is -1.
pub(super) fn field_count(bytes: &[u8]) -> Option<i16> {
    bytes.first_chunk().copied().map(i16::from_be_bytes)
}

/// The row or trailer at the beginning of `bytes`.
pub(super) fn row(
    layout: &Layout,
    bytes: &[u8],
    image: &mut impl ImageSink,
) -> Result<Found, Fault> {
    let count = match field_count(bytes) {
        None => return Ok(Found::Incomplete),
        Some(-1) => return Ok(Found::Trailer { len: 2 }),
        Some(count) => count,
    };
    let expected = layout.stream_fields();
    if usize::try_from(count) != Ok(expected) {
        let problem = CopyProblem::FieldCount { expected, found: count.into() };
        return Err(Fault::new(0, problem));
    }
    let mut at = 2;
    let mut body_start = 0;
    let mut head = Inline::EMPTY;
    let mut ctid = None;
    if layout.with_ctid {
        match field_length(bytes, at) {
            FieldLength::Missing => return Ok(Found::Incomplete),
            FieldLength::Bytes(6) => {}
            _ => return Err(Fault::new(at, CopyProblem::Ctid)),
        }
        let Some(tid) = bytes.get(6..).and_then(<[u8]>::first_chunk) else {
            return Ok(Found::Incomplete);
        };
        ctid = Some(Tid::from_be_bytes(*tid));
        at = 12;
        body_start = 12;
        head = Inline::two((count - 1).to_be_bytes());
    }
    image.begin(layout.columns.len());
    for (index, column) in layout.columns.iter().enumerate() {
        let column_number = index + 1;
        let value_at = at + 4;
        match field_length(bytes, at) {
            FieldLength::Missing => return Ok(Found::Incomplete),
            FieldLength::Null => {
                image.null(column.image_type);
                at = value_at;
            }
            FieldLength::Bytes(length) => {
                let end = value_at + length;
                let Some(value) = bytes.get(value_at..end) else { return Ok(Found::Incomplete) };
                image.length(column.image_type, length);
                if column.shape == Shape::Plain {
                    image.value(value);
                } else if image.is_wanted() {
                    canonicalize::<Raw>(&column.shape, value, |run| image.value(run)).map_err(
                        |source| {
                            let at = value_at + source.offset;
                            Fault::new(at, CopyProblem::Value { column: column_number, source })
                        },
                    )?;
                }
                at = end;
            }
            FieldLength::Impossible(length) => {
                let problem = CopyProblem::FieldLength { column: column_number, length };
                return Err(Fault::new(at, problem));
            }
        }
    }
    Ok(Found::Row(Span { len: at, ctid, head, body: body_start..at, tail: Inline::EMPTY }))
}

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}
