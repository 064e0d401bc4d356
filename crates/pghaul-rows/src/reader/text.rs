//! The text format (Postgres manual, COPY, "Text Format").

use super::image::ImageSink;
use super::{Fault, Found, Span};
use crate::error::CopyProblem;
use crate::layout::{Hidden, Layout};
use crate::shape::{Hex, STAND_IN_TYPE, canonicalize};
use crate::tid::Tid;
use crate::tuple::Inline;

/// Each column of a text image is of type `text`.
const TEXT: u32 = STAND_IN_TYPE;

/// Where the fields of a row lie, and for each hidden field of the layout its place; kept between
/// rows so that none of them allocates.
#[derive(Debug, Default)]
pub(super) struct FieldBuffer(Vec<Field>);

/// A field within its line.
#[derive(Debug, Clone, Copy)]
struct Field {
    start: usize,
    end: usize,
    /// Escape sequences; each stands for one byte.
    escapes: usize,
    null: bool,
}

impl Field {
    /// A field that begins here.
    fn at(start: usize) -> Self {
        Self { start, end: start, escapes: 0, null: false }
    }
}

/// The row at the beginning of `bytes`.
pub(super) fn row(
    layout: &Layout,
    bytes: &[u8],
    fields: &mut FieldBuffer,
    image: &mut impl ImageSink,
) -> Result<Found, Fault> {
    let Some(newline) = memchr::memchr(b'\n', bytes) else { return Ok(Found::Incomplete) };
    let line = &bytes[..newline];
    split(layout, line, &mut fields.0)?;
    let mut columns = fields.0.as_slice();
    let mut ctid = None;
    let mut body = 0..newline + 1;
    if let (true, Some((first, others))) = (layout.with_ctid, columns.split_first()) {
        let text = &line[first.start..first.end];
        ctid = Some(Tid::from_text(text).ok_or_else(|| Fault::new(0, CopyProblem::Ctid))?);
        columns = others;
        // Without visible columns, what is left is the newline.
        body.start = columns.first().map_or(newline, |next| next.start);
    }
    let (visible, hidden) = columns.split_at(layout.columns.len());
    let mut tail = Inline::EMPTY;
    if let (Some(last), false) = (visible.last(), hidden.is_empty()) {
        body.end = last.end;
        tail = Inline::NEWLINE;
    }
    if image.is_wanted() {
        image.begin(visible.len());
        for (index, field) in visible.iter().enumerate() {
            match layout.hidden.iter().position(|hidden| hidden.column == index) {
                Some(at) => {
                    hidden_value(&layout.hidden[at], line, *field, hidden[at], image)?;
                }
                None => value(line, *field, image),
            }
        }
    }
    Ok(Found::Row(Span { len: newline + 1, ctid, head: Inline::EMPTY, body, tail }))
}

/// Finds the fields of a line and checks its escapes.
fn split(layout: &Layout, line: &[u8], fields: &mut Vec<Field>) -> Result<(), Fault> {
    let expected = layout.stream_fields();
    let count = |found: usize| {
        let found = i64::try_from(found).unwrap_or(i64::MAX);
        Err(Fault::new(0, CopyProblem::FieldCount { expected, found }))
    };
    fields.clear();
    if expected == 0 {
        return if line.is_empty() { Ok(()) } else { count(1) };
    }
    let mut field = Field::at(0);
    let mut escaped = usize::MAX;
    for at in memchr::memchr3_iter(b'\t', b'\\', b'\r', line) {
        if at == escaped {
            continue;
        }
        match (line[at], line.get(at + 1)) {
            (b'\t', _) => {
                fields.push(Field { end: at, ..field });
                field = Field::at(at + 1);
                // Garbage can have a tab in each byte: no need to find them all.
                if fields.len() == expected {
                    return count(expected + 1);
                }
            }
            (b'\r', _) => return Err(Fault::new(at, CopyProblem::CarriageReturn)),
            (_, Some(b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\')) => {
                field.escapes += 1;
                escaped = at + 1;
            }
            (_, Some(b'N'))
                if at == field.start && matches!(line.get(at + 2), None | Some(b'\t')) =>
            {
                field.null = true;
            }
            _ => {
                let column = fields.len() + 1 - usize::from(layout.with_ctid);
                return Err(Fault::new(at, CopyProblem::Escape { column }));
            }
        }
    }
    fields.push(Field { end: line.len(), ..field });
    if fields.len() == expected { Ok(()) } else { count(fields.len()) }
}

/// The unescaped text of a field.
fn value(line: &[u8], field: Field, image: &mut impl ImageSink) {
    if field.null {
        return image.null(TEXT);
    }
    let mut text = &line[field.start..field.end];
    image.length(TEXT, text.len() - field.escapes);
    if field.escapes > 0 {
        while let Some(at) = memchr::memchr(b'\\', text) {
            image.value(&text[..at]);
            let escaped = text.get(at + 1).copied().unwrap_or_default();
            image.value(&[unescape(escaped)]);
            text = text.get(at + 2..).unwrap_or_default();
        }
    }
    image.value(text);
}

fn unescape(letter: u8) -> u8 {
    match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        other => other,
    }
}

/// The canonical hex of a hidden field, in place of the text of its column.
fn hidden_value(
    layout: &Hidden,
    line: &[u8],
    visible: Field,
    hidden: Field,
    image: &mut impl ImageSink,
) -> Result<(), Fault> {
    let column = layout.column + 1;
    if visible.null != hidden.null {
        return Err(Fault::new(hidden.start, CopyProblem::HiddenNull { column }));
    }
    if hidden.null {
        image.null(TEXT);
        return Ok(());
    }
    let hex = &line[hidden.start..hidden.end];
    image.length(TEXT, hex.len());
    canonicalize::<Hex>(&layout.shape, hex, |run| image.value(run)).map_err(|source| {
        let at = hidden.start + 2 * source.offset;
        Fault::new(at, CopyProblem::Value { column, source })
    })
}
