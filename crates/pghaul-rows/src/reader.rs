//! Takes a COPY stream apart into rows, and makes the digest of each.
//!
//! A server sends each row as one message, but nothing here depends on it: messages may end
//! anywhere. A row that lies in one message is never copied; one that straddles messages is put
//! together first, so memory is bounded by the largest row (at most [`MAX_ROW_BYTES`]).
//!
//! Invariants: no panic and no unbounded allocation, whatever comes in; nothing is skipped in
//! silence; after an error every call gives that error again.

mod binary;
mod image;
mod straddling;
mod summing;
mod text;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::digest::{RowDigest, TableDigest};
use crate::error::{CopyError, CopyProblem};
use crate::layout::{CopyFormat, Layout, LayoutError};
use crate::tid::Tid;
use crate::tuple::{Inline, Row, RowRef, Tuple};
use image::{NoImage, ProjectingHasher, RowHasher};
use straddling::Straddling;
use summing::SummingHasher;

/// No server can send a longer row: its message has to fit a buffer below 1 GiB.
pub const MAX_ROW_BYTES: usize = 1 << 30;

/// Whether rows get digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digesting {
    /// Each row has the digest of its image.
    Sha256,
    /// The same digests, but only their sum is told, by [`RowReader::take_sum`]: faster, since
    /// several rows are hashed at once.
    Summed,
    /// No digests. Framing, field counts and escapes are checked all the same; what is inside of
    /// values is not.
    Off,
}

/// Reads the rows of one COPY stream.
///
/// Feed it messages, and take rows until there is `None`; when the stream has ended, call
/// [`RowReader::finish`].
#[derive(Debug)]
pub struct RowReader {
    layout: Arc<Layout>,
    hasher: Hasher,
    fields: text::FieldBuffer,
    stage: Stage,
    /// The bytes that come next, unless a row straddles: then those after its beginning.
    front: Bytes,
    /// `front` is known to hold no whole row.
    stalled: bool,
    straddling: Straddling,
    /// Messages after `front`.
    queue: VecDeque<Bytes>,
    /// Bytes of the stream before the row that comes next.
    offset: u64,
    /// The row that comes next, from 1.
    row: u64,
    failed: Option<CopyError>,
}

/// What is made of each row's image.
#[derive(Debug)]
enum Hasher {
    Nothing,
    Row(RowHasher),
    Sum(Box<SummingHasher>),
    Columns(Box<ProjectingHasher>),
}

impl Hasher {
    fn finish(&mut self) -> (Option<RowDigest>, Vec<RowDigest>) {
        match self {
            Self::Nothing => (None, Vec::new()),
            Self::Row(hasher) => (Some(hasher.finish()), Vec::new()),
            Self::Sum(hasher) => {
                hasher.finish();
                (None, Vec::new())
            }
            Self::Columns(hasher) => {
                let (row, projected) = hasher.finish();
                (Some(row), projected)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    /// In the header's extension area; so many bytes are left.
    Extension(u64),
    Rows,
    /// After the trailer.
    End,
}

/// Something wrong, and where: bytes after the beginning of the row (or the header).
#[derive(Debug)]
struct Fault {
    at: usize,
    problem: CopyProblem,
}

impl Fault {
    fn new(at: usize, problem: CopyProblem) -> Self {
        Self { at, problem }
    }
}

/// What a format's parser found at the beginning of some bytes.
#[derive(Debug)]
enum Found {
    /// No whole row yet.
    Incomplete,
    /// The trailer.
    Trailer { len: usize },
    /// A row.
    Row(Span),
}

/// A row within some bytes.
#[derive(Debug)]
struct Span {
    len: usize,
    ctid: Option<Tid>,
    head: Inline,
    /// Where the part of the tuple lies that is passed on as it is.
    body: std::ops::Range<usize>,
    tail: Inline,
}

impl RowReader {
    /// A reader of one stream. A layout that contradicts itself is an error of the first call.
    pub fn new(layout: Arc<Layout>, digesting: Digesting) -> Self {
        let hasher = match digesting {
            Digesting::Sha256 => Hasher::Row(RowHasher::default()),
            Digesting::Summed => Hasher::Sum(Box::default()),
            Digesting::Off => Hasher::Nothing,
        };
        let problem = layout.check().err();
        Self::with(layout, hasher, problem)
    }

    /// A reader that gives, besides the digest of each row, that of some of its columns: for each
    /// projection the digest of the image that these columns have alone, in the order of the
    /// layout. So a row is found by its key, and what differs in it by its columns.
    pub fn projecting(layout: Arc<Layout>, projections: &[Vec<usize>]) -> Self {
        let columns = layout.columns.len();
        let nothing = projections.iter().flatten().find(|column| **column >= columns);
        let problem = layout
            .check()
            .err()
            .or(nothing.map(|column| LayoutError::ProjectionOfNothing { column: *column }));
        let hasher = ProjectingHasher::new(columns, projections);
        Self::with(layout, Hasher::Columns(Box::new(hasher)), problem)
    }

    fn with(layout: Arc<Layout>, hasher: Hasher, problem: Option<LayoutError>) -> Self {
        let failed = problem.map(|layout| CopyError {
            row: 1,
            offset: 0,
            problem: CopyProblem::Layout(layout),
        });
        Self {
            hasher,
            fields: text::FieldBuffer::default(),
            stage: match layout.format {
                CopyFormat::Binary => Stage::Header,
                CopyFormat::Text => Stage::Rows,
            },
            layout,
            front: Bytes::new(),
            stalled: false,
            straddling: Straddling::new(MAX_ROW_BYTES),
            queue: VecDeque::new(),
            offset: 0,
            row: 1,
            failed,
        }
    }

    /// Adds the payload of one message. Take all rows before feeding the next: what was fed and
    /// not taken is held in memory.
    pub fn feed(&mut self, message: Bytes) -> Result<(), CopyError> {
        self.check_failed()?;
        if message.is_empty() {
            return Ok(());
        }
        if self.front.is_empty() {
            self.front = message;
            self.stalled = false;
        } else {
            self.queue.push_back(message);
        }
        Ok(())
    }

    /// Shows all rows that are there, each only while `each` looks at it: cheaper than
    /// [`RowReader::next_row`] where nothing of a row is kept. Ends when more has to be fed, or the
    /// stream has ended, or with the first error, be it of the stream or of `each`; after one of
    /// `each` the next call goes on with the next row.
    pub fn each_row<E: From<CopyError>>(
        &mut self,
        mut each: impl FnMut(RowRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_failed()?;
        loop {
            self.each_in_front(&mut each)?;
            // What is cut, and what is no row.
            let Some(row) = self.next_row()? else { return Ok(()) };
            each(RowRef::from(&row))?;
        }
    }

    /// Shows the rows that lie in the first message as a whole.
    fn each_in_front<E: From<CopyError>>(
        &mut self,
        each: &mut impl FnMut(RowRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.stage != Stage::Rows || self.straddling.is_begun() || self.stalled {
            return Ok(());
        }
        let mut front = std::mem::take(&mut self.front);
        let mut at = 0;
        let mut shown = Ok(());
        while at < front.len() && shown.is_ok() {
            let bytes = &front[at..];
            // An error is found again, and told, by who reads row by row.
            let Ok(Found::Row(span)) = self.parse(bytes) else { break };
            if span.len > self.straddling.limit() {
                break;
            }
            at += span.len;
            self.offset += span.len as u64;
            self.row += 1;
            let (digest, projected) = self.hasher.finish();
            let Span { ctid, head, body, tail, .. } = span;
            let body = &bytes[body];
            shown = each(RowRef { ctid, digest, projected: &projected, head, body, tail });
        }
        front.advance(at);
        self.front = front;
        shown
    }

    /// The next row; `None` when more has to be fed, or the stream has ended.
    pub fn next_row(&mut self) -> Result<Option<Row>, CopyError> {
        self.check_failed()?;
        let next = match self.stage {
            Stage::Rows => self.advance(),
            _ => self.advance_outside_rows(),
        };
        next.map_err(|fault| {
            let offset = self.offset + fault.at as u64;
            let error = CopyError { row: self.row, offset, problem: fault.problem };
            self.failed = Some(error.clone());
            error
        })
    }

    /// The stream has ended here. An error if it should not have: in the middle of a row, without
    /// the trailer of a binary stream, or with rows that were never taken.
    pub fn finish(mut self) -> Result<(), CopyError> {
        let problem = if self.next_row()?.is_some() {
            CopyProblem::Unread
        } else if self.straddling.is_begun() || !self.front.is_empty() {
            CopyProblem::Truncated
        } else {
            match (self.layout.format, self.stage) {
                (CopyFormat::Text, _) | (CopyFormat::Binary, Stage::End) => return Ok(()),
                (CopyFormat::Binary, Stage::Rows) => CopyProblem::NoTrailer,
                (CopyFormat::Binary, _) => CopyProblem::Truncated,
            }
        };
        Err(CopyError { row: self.row, offset: self.offset, problem })
    }

    /// Count and sums of the rows that were taken since this was asked last, with
    /// [`Digesting::Summed`]; else nothing.
    pub fn take_sum(&mut self) -> TableDigest {
        match &mut self.hasher {
            Hasher::Sum(hasher) => hasher.take(),
            Hasher::Nothing | Hasher::Row(_) | Hasher::Columns(_) => TableDigest::default(),
        }
    }

    /// How many rows were taken.
    pub fn rows(&self) -> u64 {
        self.row - 1
    }

    fn check_failed(&self) -> Result<(), CopyError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Header, extension area and what may follow the trailer; then rows.
    fn advance_outside_rows(&mut self) -> Result<Option<Row>, Fault> {
        loop {
            match self.stage {
                Stage::Header => {
                    let header = binary::HEADER_BYTES;
                    let Some(bytes) =
                        self.straddling.take(header, &mut self.front, &mut self.queue)
                    else {
                        return Ok(None);
                    };
                    self.stage = Stage::Extension(binary::check_header(&bytes)?);
                    self.offset += header as u64;
                }
                Stage::Extension(0) => {
                    self.stage = Stage::Rows;
                    return self.advance();
                }
                Stage::Extension(left) => {
                    if !self.refill() {
                        return Ok(None);
                    }
                    let here = self.front.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.front.advance(here);
                    self.offset += here as u64;
                    self.stage = Stage::Extension(left - here as u64);
                }
                Stage::Rows => return self.advance(),
                Stage::End => {
                    let more = self.refill();
                    return if more {
                        Err(Fault::new(0, CopyProblem::AfterTrailer))
                    } else {
                        Ok(None)
                    };
                }
            }
        }
    }

    fn advance(&mut self) -> Result<Option<Row>, Fault> {
        loop {
            if self.straddling.is_begun() {
                let Self { layout, straddling, front, queue, .. } = self;
                let whole = straddling.row(layout, front, queue)?;
                let Some(mut row) = whole else { return Ok(None) };
                return match self.parse(&row)? {
                    Found::Row(span) => Ok(Some(self.take_row(span, &mut row))),
                    Found::Trailer { len } => {
                        self.end(len);
                        self.advance_outside_rows()
                    }
                    // Never: it was framed whole. An error and not a loop, if it were so.
                    Found::Incomplete => Err(Fault::new(0, CopyProblem::Truncated)),
                };
            }
            if !self.refill() {
                return Ok(None);
            }
            if self.stalled {
                if self.queue.is_empty() {
                    return Ok(None);
                }
                self.stalled = false;
                self.straddling.begin();
                continue;
            }
            let mut front = std::mem::take(&mut self.front);
            match self.parse(&front)? {
                Found::Row(span) if span.len > self.straddling.limit() => {
                    return Err(Fault::new(0, CopyProblem::RowTooLong));
                }
                Found::Row(span) => {
                    let row = self.take_row(span, &mut front);
                    self.front = front;
                    return Ok(Some(row));
                }
                Found::Trailer { len } => {
                    front.advance(len);
                    self.front = front;
                    self.end(len);
                    return self.advance_outside_rows();
                }
                Found::Incomplete => {
                    self.front = front;
                    self.stalled = true;
                    if self.front.len() > self.straddling.limit() {
                        return Err(Fault::new(0, CopyProblem::RowTooLong));
                    }
                }
            }
        }
    }

    /// Makes `front` hold something, if there is anything.
    fn refill(&mut self) -> bool {
        if self.front.is_empty()
            && let Some(next) = self.queue.pop_front()
        {
            self.front = next;
            self.stalled = false;
        }
        !self.front.is_empty()
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<Found, Fault> {
        let Self { layout, hasher, fields, .. } = self;
        match (layout.format, hasher) {
            (CopyFormat::Binary, Hasher::Row(hasher)) => binary::row(layout, bytes, hasher),
            (CopyFormat::Binary, Hasher::Columns(hasher)) => {
                binary::row(layout, bytes, hasher.as_mut())
            }
            (CopyFormat::Binary, Hasher::Sum(hasher)) => {
                binary::row(layout, bytes, hasher.as_mut())
            }
            (CopyFormat::Binary, Hasher::Nothing) => binary::row(layout, bytes, &mut NoImage),
            (CopyFormat::Text, Hasher::Row(hasher)) => text::row(layout, bytes, fields, hasher),
            (CopyFormat::Text, Hasher::Columns(hasher)) => {
                text::row(layout, bytes, fields, hasher.as_mut())
            }
            (CopyFormat::Text, Hasher::Sum(hasher)) => {
                text::row(layout, bytes, fields, hasher.as_mut())
            }
            (CopyFormat::Text, Hasher::Nothing) => text::row(layout, bytes, fields, &mut NoImage),
        }
    }

    /// Takes the row at the beginning of `bytes` out of them.
    fn take_row(&mut self, span: Span, bytes: &mut Bytes) -> Row {
        let Span { len, ctid, head, body, tail } = span;
        // The last row of a message takes the message with it: no reference is counted.
        let mut row = if len == bytes.len() { std::mem::take(bytes) } else { bytes.split_to(len) };
        row.truncate(body.end);
        row.advance(body.start);
        self.offset += len as u64;
        self.row += 1;
        let (digest, projected) = self.hasher.finish();
        Row { ctid, digest, projected, tuple: Tuple { head, body: row, tail } }
    }

    fn end(&mut self, trailer: usize) {
        self.offset += trailer as u64;
        self.stage = Stage::End;
    }
}

#[cfg(test)]
mod tests;
