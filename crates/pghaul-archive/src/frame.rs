//! Puts rows together to frames of a COPY stream.
//!
//! Invariants: a frame has at most [`FRAME_BYTES`] bytes or one row, rows do not straddle frames,
//! the first frame of a binary stream has its header and the last one its trailer.

use pghaul_rows::writer::{BINARY_HEADER, BINARY_TRAILER};
use pghaul_rows::{TableDigest, Tid, tuple::Row};

use crate::layout::WireFormat;

/// The most bytes of a frame with more than one row.
pub const FRAME_BYTES: usize = 4 << 20;

/// The most bytes of a frame with one row.
pub const ROW_FRAME_BYTES: usize = (1 << 30) + 64;

/// Bytes of a COPY stream, ready to be compressed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawFrame {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The rows in them.
    pub digest: TableDigest,
    /// Where the row behind it lies, where that is known.
    pub next: Option<Tid>,
}

/// Makes frames of the rows of one piece.
#[derive(Debug)]
pub struct FrameBuilder {
    format: WireFormat,
    frame_bytes: usize,
    frame: RawFrame,
    spare: Vec<u8>,
    piece: TableDigest,
    length: u64,
}

impl FrameBuilder {
    /// For a new COPY stream.
    pub fn new(format: WireFormat) -> Self {
        let mut frame = RawFrame::default();
        if format == WireFormat::Binary {
            frame.bytes.extend_from_slice(BINARY_HEADER);
        }
        let (spare, piece) = (Vec::new(), TableDigest::default());
        Self { format, frame_bytes: FRAME_BYTES, frame, spare, piece, length: 0 }
    }

    /// The same with smaller frames.
    #[must_use]
    pub fn with_frames_of(self, bytes: usize) -> Self {
        Self { frame_bytes: bytes.min(FRAME_BYTES), ..self }
    }

    /// Adds a row. Gives the frame before it, if it is full.
    pub fn push(&mut self, row: &Row) -> Option<RawFrame> {
        let full = self.full_before(row);
        self.add(row);
        full
    }

    /// The frame so far, if this row does not fit any more.
    pub fn full_before(&mut self, row: &Row) -> Option<RawFrame> {
        let needed = self.frame.bytes.len() + row.tuple.len() + BINARY_TRAILER.len();
        (needed > self.frame_bytes && self.frame.digest.rows > 0).then(|| {
            let mut full = std::mem::take(&mut self.frame);
            full.next = row.ctid;
            full
        })
    }

    /// Gives the memory of a frame back that nobody needs any more.
    pub fn recycle(&mut self, mut bytes: Vec<u8>) {
        // One long row does not make all that follow cost as much.
        if bytes.capacity() <= FRAME_BYTES {
            bytes.clear();
            self.spare = bytes;
        }
    }

    /// Adds a row for which [`FrameBuilder::full_before`] was asked.
    pub fn add(&mut self, row: &Row) {
        if self.frame.bytes.capacity() == 0 && self.piece.rows > 0 {
            // A table that fills one frame will fill more.
            self.frame.bytes = std::mem::take(&mut self.spare);
            self.frame.bytes.reserve_exact(self.frame_bytes);
        }
        for slice in row.tuple.parts() {
            self.frame.bytes.extend_from_slice(slice);
        }
        let one = TableDigest { rows: 1, lanes: row.digest.map_or([0; 2], |digest| digest.0) };
        self.frame.digest.add(one);
        self.piece.add(one);
        self.length += row.tuple.len() as u64;
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.piece.rows
    }

    /// Bytes of rows so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The last frame, with the trailer of the stream. `next`: where the part's next piece starts.
    pub fn finish(mut self, next: Option<Tid>) -> RawFrame {
        if self.format == WireFormat::Binary {
            self.frame.bytes.extend_from_slice(&BINARY_TRAILER);
        }
        self.frame.next = next;
        self.frame
    }
}

/// The frame that closes a piece whose writer was interrupted: no rows, only the trailer.
pub fn closing(format: WireFormat, next: Option<Tid>) -> RawFrame {
    let bytes = match format {
        WireFormat::Text => Vec::new(),
        WireFormat::Binary => BINARY_TRAILER.to_vec(),
    };
    RawFrame { bytes, digest: TableDigest::default(), next }
}
