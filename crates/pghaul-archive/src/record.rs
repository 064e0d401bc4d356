//! Records: what stands in the skippable frames of a piece.
//!
//! Invariants: a record is as long as its kind says, to the byte; its chain covers every byte of
//! it and of all records before; a record that was read is one that would be written so.

use pghaul_rows::{TableDigest, Tid};
use sha2::{Digest, Sha256};

use crate::FORMAT_VERSION;
use crate::layout::WireFormat;
use crate::name::{ArchiveId, FileName, Sha};

/// The magic numbers of the three kinds of records, little-endian in a piece.
pub const MAGICS: [u32; 3] = [0x184D_2A50, 0x184D_2A51, 0x184D_2A52];

const SIGNATURE: &[u8; 8] = b"PGHPIECE";

/// Payload of HEADER.
pub const HEADER_BYTES: usize = 8 + 2 + 16 + 4 + 1 + 1 + 4 + 4 + 6 + 32;
/// Payload of FRAME.
pub const FRAME_BYTES: usize = 8 + 16 + 4 + 4 + 32 + 7 + 32;
/// Payload of END.
pub const END_BYTES: usize = 8 + 8 + 16 + 8 + 7 + 32;
/// What stands before a payload: magic and length.
pub const PREFIX_BYTES: usize = 8;

/// A digest over all records so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain(pub Sha);

/// What a piece holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PieceKind {
    /// Rows of a table.
    Rows,
    /// Chunks of large objects.
    LargeObjects,
}

impl PieceKind {
    /// The file of a piece of this kind.
    pub fn file(self, number: u32) -> FileName {
        match self {
            Self::Rows => FileName::Rows(number),
            Self::LargeObjects => FileName::LargeObjects(number),
        }
    }
}

/// HEADER: which piece it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The archive.
    pub archive: ArchiveId,
    /// Its number.
    pub number: u32,
    /// What it holds.
    pub kind: PieceKind,
    /// Text or binary.
    pub format: WireFormat,
    /// The table's place in the contents; 0 for large objects.
    pub table: u32,
    /// The part, or the batch of large objects.
    pub part: u32,
    /// Rows from here on are in it.
    pub start: Tid,
}

impl Header {
    /// The piece's file.
    pub fn file(&self) -> FileName {
        self.kind.file(self.number)
    }

    /// The whole record, with the chain that it begins.
    pub fn write(&self) -> (Vec<u8>, Chain) {
        let mut payload = Vec::with_capacity(HEADER_BYTES);
        payload.extend_from_slice(SIGNATURE);
        payload.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        payload.extend_from_slice(&self.archive.0);
        payload.extend_from_slice(&self.number.to_be_bytes());
        payload.push(match self.kind {
            PieceKind::Rows => 0,
            PieceKind::LargeObjects => 1,
        });
        payload.push(match self.format {
            WireFormat::Text => 0,
            WireFormat::Binary => 1,
        });
        payload.extend_from_slice(&self.table.to_be_bytes());
        payload.extend_from_slice(&self.part.to_be_bytes());
        payload.extend_from_slice(&self.start.to_be_bytes());
        let chain = Chain(Sha::of(&payload));
        payload.extend_from_slice(&chain.0.0);
        (record(MAGICS[0], &payload), chain)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// What is wrong; a newer version by its number.
    pub(crate) fn read(payload: &[u8; HEADER_BYTES]) -> Result<(Self, Chain), NotAHeader> {
        let mut fields = Fields(payload);
        if fields.take::<8>() != *SIGNATURE {
            return Err(NotAHeader::Other("it is no header of a piece"));
        }
        let version = u16::from_be_bytes(fields.take());
        if version > FORMAT_VERSION {
            return Err(NotAHeader::Newer(version));
        }
        let header = Self {
            archive: ArchiveId(fields.take()),
            number: fields.u32(),
            kind: match fields.take::<1>() {
                [0] => PieceKind::Rows,
                [1] => PieceKind::LargeObjects,
                _ => return Err(NotAHeader::Other("an unknown kind of piece")),
            },
            format: match fields.take::<1>() {
                [0] => WireFormat::Text,
                [1] => WireFormat::Binary,
                _ => return Err(NotAHeader::Other("an unknown format of COPY")),
            },
            table: fields.u32(),
            part: fields.u32(),
            start: Tid::from_be_bytes(fields.take()),
        };
        let (again, chain) = header.write();
        if again[PREFIX_BYTES..] != payload[..] {
            return Err(NotAHeader::Other("its digest is another than the one noted"));
        }
        Ok((header, chain))
    }
}

/// Why a payload is no header.
pub(crate) enum NotAHeader {
    /// Of a newer version of the format.
    Newer(u16),
    /// Something else.
    Other(&'static str),
}

/// FRAME: what the frame behind it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRecord {
    /// Rows and their digest.
    pub digest: TableDigest,
    /// Bytes, uncompressed.
    pub length: u32,
    /// Bytes, compressed.
    pub compressed: u32,
    /// Of the compressed bytes.
    pub sha256: Sha,
    /// Where the row behind it lies.
    pub next: Option<Tid>,
}

impl FrameRecord {
    /// The whole record, and the chain with it.
    pub fn write(&self, chain: Chain) -> (Vec<u8>, Chain) {
        let mut payload = Vec::with_capacity(FRAME_BYTES);
        put_digest(&mut payload, self.digest);
        payload.extend_from_slice(&self.length.to_be_bytes());
        payload.extend_from_slice(&self.compressed.to_be_bytes());
        payload.extend_from_slice(&self.sha256.0);
        put_next(&mut payload, self.next);
        chained(MAGICS[1], payload, chain)
    }

    pub(crate) fn read(
        payload: &[u8; FRAME_BYTES],
        chain: Chain,
    ) -> Result<(Self, Chain), &'static str> {
        let mut fields = Fields(payload);
        let frame = Self {
            digest: fields.digest(),
            length: fields.u32(),
            compressed: fields.u32(),
            sha256: Sha(fields.take()),
            next: fields.next()?,
        };
        let (again, chain) = frame.write(chain);
        same(&again, payload)?;
        Ok((frame, chain))
    }
}

/// END: what the piece held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct End {
    /// Frames.
    pub frames: u64,
    /// Rows and their digest.
    pub digest: TableDigest,
    /// Bytes of the COPY stream.
    pub length: u64,
    /// Where the part's next piece starts; none: the part is done.
    pub next: Option<Tid>,
}

impl End {
    /// The whole record, and the chain with it.
    pub fn write(&self, chain: Chain) -> (Vec<u8>, Chain) {
        let mut payload = Vec::with_capacity(END_BYTES);
        payload.extend_from_slice(&self.frames.to_be_bytes());
        put_digest(&mut payload, self.digest);
        payload.extend_from_slice(&self.length.to_be_bytes());
        put_next(&mut payload, self.next);
        chained(MAGICS[2], payload, chain)
    }

    pub(crate) fn read(
        payload: &[u8; END_BYTES],
        chain: Chain,
    ) -> Result<(Self, Chain), &'static str> {
        let mut fields = Fields(payload);
        let end = Self {
            frames: fields.u64(),
            digest: fields.digest(),
            length: fields.u64(),
            next: fields.next()?,
        };
        let (again, chain) = end.write(chain);
        same(&again, payload)?;
        Ok((end, chain))
    }
}

fn same(again: &[u8], payload: &[u8]) -> Result<(), &'static str> {
    if again[PREFIX_BYTES..] == payload[..] {
        Ok(())
    } else {
        Err("its digest is another than the one noted")
    }
}

fn record(magic: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut record = Vec::with_capacity(PREFIX_BYTES + payload.len());
    record.extend_from_slice(&magic.to_le_bytes());
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(payload);
    record
}

fn chained(magic: u32, mut payload: Vec<u8>, chain: Chain) -> (Vec<u8>, Chain) {
    let mut hash = Sha256::new();
    hash.update(chain.0.0);
    hash.update(&payload);
    let chain = Chain(Sha(hash.finalize().into()));
    payload.extend_from_slice(&chain.0.0);
    (record(magic, &payload), chain)
}

fn put_digest(payload: &mut Vec<u8>, digest: TableDigest) {
    payload.extend_from_slice(&digest.rows.to_be_bytes());
    payload.extend_from_slice(&digest.lanes[0].to_be_bytes());
    payload.extend_from_slice(&digest.lanes[1].to_be_bytes());
}

fn put_next(payload: &mut Vec<u8>, next: Option<Tid>) {
    payload.push(u8::from(next.is_some()));
    payload.extend_from_slice(&next.map_or([0; 6], Tid::to_be_bytes));
}

/// Takes the fields of a payload one after the other; payloads are as long as their fields.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk::<N>() else { return [0; N] };
        self.0 = rest;
        *field
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    fn digest(&mut self) -> TableDigest {
        TableDigest { rows: self.u64(), lanes: [self.u64(), self.u64()] }
    }

    fn next(&mut self) -> Result<Option<Tid>, &'static str> {
        let [present] = self.take();
        let tid = self.take();
        match present {
            0 => Ok(None),
            1 => Ok(Some(Tid::from_be_bytes(tid))),
            _ => Err("neither a place nor none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_the_lengths_that_stand_in_the_format() {
        let header = Header {
            archive: ArchiveId([7; 16]),
            number: 1,
            kind: PieceKind::Rows,
            format: WireFormat::Binary,
            table: 3,
            part: 9,
            start: Tid { block: 8, offset: 2 },
        };
        let (bytes, chain) = header.write();
        assert_eq!(bytes.len(), PREFIX_BYTES + HEADER_BYTES);
        let frame = FrameRecord {
            digest: TableDigest { rows: 2, lanes: [1, u64::MAX] },
            length: 5,
            compressed: 6,
            sha256: Sha::of(b"x"),
            next: Some(Tid { block: 1, offset: 1 }),
        };
        let (bytes, after) = frame.write(chain);
        assert_eq!(bytes.len(), PREFIX_BYTES + FRAME_BYTES);
        let payload: &[u8; FRAME_BYTES] = bytes[PREFIX_BYTES..].try_into().unwrap();
        assert_eq!(FrameRecord::read(payload, chain), Ok((frame, after)));
        assert!(FrameRecord::read(payload, after).is_err());
        let end = End { frames: 1, length: 5, ..End::default() };
        let (bytes, last) = end.write(after);
        assert_eq!(bytes.len(), PREFIX_BYTES + END_BYTES);
        let payload: &[u8; END_BYTES] = bytes[PREFIX_BYTES..].try_into().unwrap();
        assert_eq!(End::read(payload, after), Ok((end, last)));
    }
}
