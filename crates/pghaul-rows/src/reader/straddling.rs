//! Puts together what lies in more than one message.
//!
//! Invariants: each byte is looked at a bounded number of times, however small the messages are;
//! no byte beyond the row is taken; memory grows with what came in, not with what a length claims.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::Fault;
use super::binary::{self, FieldLength};
use crate::error::CopyProblem;
use crate::layout::{CopyFormat, Layout};

/// A row (or header) of which not all is there yet.
#[derive(Debug)]
pub(super) struct Straddling {
    /// No row may be longer.
    limit: usize,
    bytes: Vec<u8>,
    begun: bool,
    progress: Progress,
}

/// How far the end of a binary row is known.
#[derive(Debug, Default)]
struct Progress {
    /// Fields whose length is not known yet; `None` before the count of fields is.
    fields_left: Option<usize>,
    /// All before this byte is of the row.
    known: usize,
}

impl Straddling {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, bytes: Vec::new(), begun: false, progress: Progress::default() }
    }

    /// The longest row there may be.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    /// From now on the row that comes next is put together here.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    /// The next `len` bytes, if they are all there.
    pub(super) fn take(
        &mut self,
        len: usize,
        front: &mut Bytes,
        queue: &mut VecDeque<Bytes>,
    ) -> Option<Bytes> {
        self.begun = true;
        self.fill(len, front, queue).then(|| self.done())
    }

    /// The next row, or a trailer, if all of it is there.
    pub(super) fn row(
        &mut self,
        layout: &Layout,
        front: &mut Bytes,
        queue: &mut VecDeque<Bytes>,
    ) -> Result<Option<Bytes>, Fault> {
        match layout.format {
            CopyFormat::Text => self.line(front, queue),
            CopyFormat::Binary => self.binary_row(layout.stream_fields(), front, queue),
        }
    }

    fn line(
        &mut self,
        front: &mut Bytes,
        queue: &mut VecDeque<Bytes>,
    ) -> Result<Option<Bytes>, Fault> {
        while next_message(front, queue) {
            let newline = memchr::memchr(b'\n', front);
            let here = newline.map_or(front.len(), |at| at + 1);
            if self.bytes.len() + here > self.limit {
                return Err(Fault::new(0, CopyProblem::RowTooLong));
            }
            self.bytes.extend_from_slice(&front[..here]);
            front.advance(here);
            if newline.is_some() {
                return Ok(Some(self.done()));
            }
        }
        Ok(None)
    }

    fn binary_row(
        &mut self,
        expected_fields: usize,
        front: &mut Bytes,
        queue: &mut VecDeque<Bytes>,
    ) -> Result<Option<Bytes>, Fault> {
        loop {
            let Progress { fields_left, mut known } = self.progress;
            if known > self.limit {
                return Err(Fault::new(0, CopyProblem::RowTooLong));
            }
            let needed = known
                + match fields_left {
                    None => 2,
                    Some(0) => 0,
                    Some(_) => 4,
                };
            if !self.fill(needed, front, queue) {
                return Ok(None);
            }
            // What cannot be goes to the parser as it is: one place judges.
            let fields_left = match fields_left {
                Some(0) => return Ok(Some(self.done())),
                None => match binary::field_count(&self.bytes).map(usize::try_from) {
                    Some(Ok(count)) if count == expected_fields => count,
                    _ => return Ok(Some(self.done())),
                },
                Some(fields) => {
                    known = needed
                        + match binary::field_length(&self.bytes, known) {
                            FieldLength::Bytes(length) => length,
                            FieldLength::Null => 0,
                            _ => return Ok(Some(self.done())),
                        };
                    fields - 1
                }
            };
            self.progress = Progress { fields_left: Some(fields_left), known: known.max(needed) };
        }
    }

    /// Takes bytes until there are `len` of them.
    fn fill(&mut self, len: usize, front: &mut Bytes, queue: &mut VecDeque<Bytes>) -> bool {
        while self.bytes.len() < len && next_message(front, queue) {
            let here = front.len().min(len - self.bytes.len());
            self.bytes.extend_from_slice(&front[..here]);
            front.advance(here);
        }
        self.bytes.len() >= len
    }

    fn done(&mut self) -> Bytes {
        std::mem::replace(self, Self::new(self.limit)).bytes.into()
    }
}

/// Makes `front` hold something, if there is anything.
fn next_message(front: &mut Bytes, queue: &mut VecDeque<Bytes>) -> bool {
    if front.is_empty()
        && let Some(next) = queue.pop_front()
    {
        *front = next;
    }
    !front.is_empty()
}
