//! Puts tuples together to a COPY stream in messages of a good size.
//!
//! A message for each row costs more than twice the time of the whole copy; messages from
//! [`MESSAGE_BYTES`] on cost nothing that can be measured.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::layout::CopyFormat;
use crate::tuple::Tuple;

/// Each message but the last has at least this many bytes.
pub const MESSAGE_BYTES: usize = 128 << 10;

/// No message has more than this many bytes.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// From this size on, a slice is passed on and not copied.
const LARGE_BYTES: usize = 64 << 10;

/// The signature, no flags, no extension area (Postgres manual, COPY, "Binary Format").
pub const BINARY_HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The trailer of a binary stream.
pub const BINARY_TRAILER: [u8; 2] = [0xff, 0xff];

/// Makes a COPY stream out of tuples: header, tuples, trailer.
///
/// Memory: what was pushed and not taken, and 192 KiB. Large tuples are slices of what came in.
#[derive(Debug)]
pub struct CopyWriter {
    format: CopyFormat,
    buffer: Vec<u8>,
    ready: VecDeque<Bytes>,
    bytes_written: u64,
}

impl CopyWriter {
    /// An empty stream of this format.
    pub fn new(format: CopyFormat) -> Self {
        let mut writer =
            Self { format, buffer: Vec::new(), ready: VecDeque::new(), bytes_written: 0 };
        if format == CopyFormat::Binary {
            writer.copy(BINARY_HEADER);
        }
        writer
    }

    /// Adds a tuple, which has to be of the stream's format. Take the messages that are ready
    /// afterwards.
    pub fn push(&mut self, tuple: &Tuple) {
        self.copy(tuple.head.as_slice());
        if tuple.body.len() < LARGE_BYTES {
            self.copy(&tuple.body);
        } else {
            self.pass_on(tuple.body.clone());
        }
        self.copy(tuple.tail.as_slice());
    }

    /// The next message that is ready: at least [`MESSAGE_BYTES`] and at most
    /// [`MAX_MESSAGE_BYTES`].
    pub fn take_message(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// Bytes of the stream so far: header and tuples, without the trailer.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// Ends the stream: the messages that are left, the last one of any size. None at all only
    /// for a text stream whose messages were all taken.
    pub fn finish(mut self) -> Vec<Bytes> {
        if self.format == CopyFormat::Binary {
            self.copy(&BINARY_TRAILER);
        }
        self.flush();
        self.ready.into()
    }

    /// Copies a slice shorter than [`LARGE_BYTES`].
    fn copy(&mut self, bytes: &[u8]) {
        self.bytes_written += bytes.len() as u64;
        if self.buffer.is_empty() {
            self.buffer.reserve(MESSAGE_BYTES + LARGE_BYTES);
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= MESSAGE_BYTES {
            self.flush();
        }
    }

    /// Fills up the message that was begun, then passes slices on.
    fn pass_on(&mut self, mut bytes: Bytes) {
        while !self.buffer.is_empty() && !bytes.is_empty() {
            let missing = MESSAGE_BYTES - self.buffer.len();
            let piece = missing.min(LARGE_BYTES - 1).min(bytes.len());
            self.copy(&bytes.split_to(piece));
        }
        while bytes.len() >= MESSAGE_BYTES {
            let slice = bytes.split_to(bytes.len().min(MAX_MESSAGE_BYTES));
            self.bytes_written += slice.len() as u64;
            self.ready.push_back(slice);
        }
        for piece in bytes.chunks(LARGE_BYTES - 1) {
            self.copy(piece);
        }
    }

    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.ready.push_back(std::mem::take(&mut self.buffer).into());
        }
    }
}
