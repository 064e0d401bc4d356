//! The image of a row, and its digest.
//!
//! `int32 ncols`, then for each column `uint32 type`, `int32 len` (-1 for NULL) and the bytes, all
//! big-endian: what `record_send(ROW(…))` gives. It is never put together as a whole.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::digest::RowDigest;

/// Where the parts of an image go.
pub(super) trait ImageSink {
    /// Does anybody look at it? If not, values need not be looked at either.
    fn is_wanted(&self) -> bool;

    /// A new row, whatever became of the last one.
    fn begin(&mut self, columns: usize);

    /// Bytes of the image.
    fn put(&mut self, bytes: &[u8]);

    /// A column that is NULL.
    #[inline]
    fn null(&mut self, image_type: u32) {
        self.put(&head(image_type, u32::MAX));
    }

    /// Type and length of a column that is not. Rows are below 1 GiB, and so is the length.
    #[inline]
    fn length(&mut self, image_type: u32, length: usize) {
        self.put(&head(image_type, u32::try_from(length).unwrap_or(u32::MAX)));
    }

    /// Bytes of a column.
    #[inline]
    fn value(&mut self, bytes: &[u8]) {
        self.put(bytes);
    }
}

fn head(image_type: u32, length: u32) -> [u8; 8] {
    (u64::from(image_type) << 32 | u64::from(length)).to_be_bytes()
}

/// No image.
pub(super) struct NoImage;

impl ImageSink for NoImage {
    fn is_wanted(&self) -> bool {
        false
    }

    fn begin(&mut self, _: usize) {}

    fn put(&mut self, _: &[u8]) {}
}

/// Images up to this size are put together and hashed at once, larger ones piece by piece.
const SCRATCH_BYTES: usize = 4096;

/// SHA-256 hashes blocks of this many bytes.
const BLOCK_BYTES: usize = 64;

/// Makes the digests of rows, one after another.
pub(crate) struct RowHasher {
    /// The first `filled` bytes; behind them is room for the padding.
    scratch: Box<[u8; SCRATCH_BYTES + BLOCK_BYTES]>,
    filled: usize,
    sha: Sha256,
    /// Something went to `sha` already.
    large: bool,
}

impl Default for RowHasher {
    fn default() -> Self {
        let scratch = Box::new([0; SCRATCH_BYTES + BLOCK_BYTES]);
        Self { scratch, filled: 0, sha: Sha256::new(), large: false }
    }
}

impl ImageSink for RowHasher {
    fn is_wanted(&self) -> bool {
        true
    }

    fn begin(&mut self, columns: usize) {
        self.filled = 0;
        if self.large {
            self.sha.reset();
            self.large = false;
        }
        self.put(&u32::try_from(columns).unwrap_or(u32::MAX).to_be_bytes());
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        if end > SCRATCH_BYTES {
            self.put_large(bytes);
        } else if let Some(room) = self.scratch.get_mut(self.filled..end) {
            room.copy_from_slice(bytes);
            self.filled = end;
        }
    }
}

impl RowHasher {
    #[cold]
    fn put_large(&mut self, bytes: &[u8]) {
        self.large = true;
        self.sha.update(&self.scratch[..self.filled]);
        self.filled = 0;
        if bytes.len() < SCRATCH_BYTES {
            self.scratch[..bytes.len()].copy_from_slice(bytes);
            self.filled = bytes.len();
        } else {
            self.sha.update(bytes);
        }
    }

    /// The digest of the image since `begin`.
    pub(crate) fn finish(&mut self) -> RowDigest {
        let scratch = &self.scratch[..self.filled];
        let hash = if self.large {
            self.large = false;
            self.sha.update(scratch);
            self.sha.finalize_reset()
        } else {
            Sha256::digest(scratch)
        };
        RowDigest::from_be_bytes(hash.first_chunk().copied().unwrap_or_default())
    }

    /// Whether the image does not lie here as a whole.
    pub(super) fn is_large(&self) -> bool {
        self.large
    }

    /// The blocks of an image that is not large, with the padding (FIPS 180-4, 5.1.1): one bit,
    /// zeros, and the number of bits in 64.
    pub(super) fn padded(&mut self) -> &[[u8; BLOCK_BYTES]] {
        let blocks = (self.filled + 1 + 8).div_ceil(BLOCK_BYTES);
        let bits = (self.filled as u64 * 8).to_be_bytes();
        let (blocks, _) = {
            let padding = &mut self.scratch[self.filled..blocks * BLOCK_BYTES];
            padding.fill(0);
            if let Some(first) = padding.first_mut() {
                *first = 0x80;
            }
            if let Some(last) = padding.last_chunk_mut() {
                *last = bits;
            }
            self.scratch[..blocks * BLOCK_BYTES].as_chunks()
        };
        blocks
    }
}

/// Makes the digest of each row and of some of its columns: of a key, or of each column alone.
pub(super) struct ProjectingHasher {
    whole: RowHasher,
    /// One for each projection, with its number of columns.
    projections: Vec<(usize, RowHasher)>,
    /// The projections that a column is part of.
    by_column: Vec<Vec<usize>>,
    /// The column that comes next.
    next: usize,
}

impl ProjectingHasher {
    /// `projections` name columns that exist.
    pub(super) fn new(columns: usize, projections: &[Vec<usize>]) -> Self {
        let parts = |column| {
            (0..projections.len()).filter(|at| projections[*at].contains(&column)).collect()
        };
        Self {
            whole: RowHasher::default(),
            projections: projections
                .iter()
                .map(|columns| (columns.len(), RowHasher::default()))
                .collect(),
            by_column: (0..columns).map(parts).collect(),
            next: 0,
        }
    }

    /// The digest of the row, and of the projections.
    pub(super) fn finish(&mut self) -> (RowDigest, Vec<RowDigest>) {
        let projected = self.projections.iter_mut().map(|(_, hasher)| hasher.finish()).collect();
        (self.whole.finish(), projected)
    }

    /// Does it to the row's hasher and to those of the column that is being read.
    fn each(&mut self, act: impl Fn(&mut RowHasher)) {
        act(&mut self.whole);
        let column = self.next.saturating_sub(1);
        for at in self.by_column.get(column).into_iter().flatten() {
            act(&mut self.projections[*at].1);
        }
    }
}

impl ImageSink for ProjectingHasher {
    fn is_wanted(&self) -> bool {
        true
    }

    fn begin(&mut self, columns: usize) {
        self.next = 0;
        self.whole.begin(columns);
        for (columns, hasher) in &mut self.projections {
            hasher.begin(*columns);
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.each(|hasher| hasher.put(bytes));
    }

    fn null(&mut self, image_type: u32) {
        self.next += 1;
        self.each(|hasher| hasher.null(image_type));
    }

    fn length(&mut self, image_type: u32, length: usize) {
        self.next += 1;
        self.each(|hasher| hasher.length(image_type, length));
    }
}

impl fmt::Debug for ProjectingHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectingHasher").finish_non_exhaustive()
    }
}

impl fmt::Debug for RowHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowHasher").finish_non_exhaustive()
    }
}
