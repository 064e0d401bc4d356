//! Writes and reads pieces.
//!
//! Invariants: a reader gives a frame only after its record fitted the chain, its compressed bytes
//! their digest, and what they decompress to its length; it allocates no more than what is really
//! there, and than the bounds of the format; after an error nothing more is given.

use std::io::{Read, Write};

use pghaul_rows::TableDigest;
use sha2::{Digest as _, Sha256};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, compress_bound, get_frame_content_size};

use crate::error::{ArchiveError, Problem};
use crate::frame::{FRAME_BYTES, ROW_FRAME_BYTES, RawFrame};
use crate::name::Sha;
use crate::record::{
    Chain, END_BYTES, End, FRAME_BYTES as FRAME_RECORD, FrameRecord, HEADER_BYTES, Header, MAGICS,
    NotAHeader, PREFIX_BYTES,
};

/// The level of compression where none is asked for.
pub const DEFAULT_LEVEL: i32 = 3;

/// The levels that can be asked for. Higher ones would need more memory than a restore has.
pub const LEVELS: std::ops::RangeInclusive<i32> = 1..=19;

/// Writes one piece.
pub struct PieceWriter<W> {
    output: W,
    file: String,
    compressor: Compressor<'static>,
    chain: Chain,
    end: End,
    bytes: u64,
}

/// A piece that was written or read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// What it held.
    pub end: End,
    /// Its size.
    pub bytes: u64,
    /// Its last chain.
    pub chain: Sha,
}

impl<W: Write> PieceWriter<W> {
    /// Begins a piece.
    ///
    /// # Errors
    /// What the storage said. So for all that writes.
    pub fn begin(output: W, header: &Header, level: i32) -> Result<Self, ArchiveError> {
        let (record, chain) = header.write();
        let mut writer = Self::at(output, header, level, (chain, End::default(), 0))?;
        writer.put(&record)?;
        Ok(writer)
    }

    /// Goes on with a piece whose writer was interrupted, behind the last whole frame.
    ///
    /// # Errors
    /// As [`PieceWriter::begin`].
    pub fn go_on(
        output: W,
        header: &Header,
        level: i32,
        behind: &Whole,
    ) -> Result<Self, ArchiveError> {
        Self::at(output, header, level, (behind.chain, behind.end, behind.bytes))
    }

    fn at(
        output: W,
        header: &Header,
        level: i32,
        (chain, end, bytes): (Chain, End, u64),
    ) -> Result<Self, ArchiveError> {
        let file = header.file().to_string();
        let no_memory = |error| ArchiveError::io("set up the compression of", &file, error);
        let mut compressor = Compressor::new(level).map_err(no_memory)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true)).map_err(no_memory)?;
        Ok(Self { output, file, compressor, chain, end, bytes })
    }

    /// Compresses a frame and writes it.
    ///
    /// # Errors
    /// As [`PieceWriter::begin`].
    pub fn write(&mut self, frame: &RawFrame) -> Result<(), ArchiveError> {
        let compressed = self
            .compressor
            .compress(&frame.bytes)
            .map_err(|error| ArchiveError::io("compress", &self.file, error))?;
        let record = FrameRecord {
            digest: frame.digest,
            length: self.length_of("a frame", frame.bytes.len())?,
            compressed: self.length_of("a frame", compressed.len())?,
            sha256: Sha::of(&compressed),
            next: frame.next,
        };
        let (bytes, chain) = record.write(self.chain);
        self.chain = chain;
        self.end.frames += 1;
        self.end.digest.add(frame.digest);
        self.end.length += u64::from(record.length);
        self.put(&bytes)?;
        self.put(&compressed)
    }

    fn length_of(&self, what: &'static str, length: usize) -> Result<u32, ArchiveError> {
        u32::try_from(length).map_err(|_| {
            let (found, most) = (length as u64, ROW_FRAME_BYTES as u64);
            ArchiveError::damaged(&self.file, Problem::Length { what, found, most })
        })
    }

    /// Ends the piece; gives the output, which still has to be made durable.
    ///
    /// # Errors
    /// As [`PieceWriter::begin`].
    pub fn finish(mut self, next: Option<pghaul_rows::Tid>) -> Result<(W, Summary), ArchiveError> {
        self.end.next = next;
        let (record, chain) = self.end.write(self.chain);
        self.put(&record)?;
        Ok((self.output, Summary { end: self.end, bytes: self.bytes, chain: chain.0 }))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.bytes += bytes.len() as u64;
        self.output.write_all(bytes).map_err(|error| ArchiveError::io("write", &self.file, error))
    }
}

/// How much is done with each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Digests are checked and the frame is decompressed.
    Decompress,
    /// Digests of the compressed bytes are checked; frames have no bytes.
    HashOnly,
}

/// A frame whose digest was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes of the COPY stream.
    pub bytes: Vec<u8>,
    /// The rows in them, as its record says.
    pub digest: TableDigest,
    /// Its place in the piece, from 1.
    pub number: u64,
}

/// Where a piece that was interrupted is whole.
#[derive(Debug, Clone, Copy)]
pub struct Whole {
    chain: Chain,
    end: End,
    /// Bytes up to there.
    pub bytes: u64,
    /// Where the row behind it lies, if there is a frame before it and it says so.
    pub next: Option<pghaul_rows::Tid>,
}

impl Whole {
    /// Frames up to there.
    pub fn frames(&self) -> u64 {
        self.end.frames
    }
}

/// Reads one piece.
pub struct PieceReader<R> {
    input: R,
    file: String,
    depth: Depth,
    decompressor: Decompressor<'static>,
    chain: Chain,
    seen: End,
    next: Option<pghaul_rows::Tid>,
    records: u64,
    bytes: u64,
    stage: Stage,
    compressed: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Frames,
    Ended(End),
    Failed,
}

impl<R: Read> PieceReader<R> {
    /// Reads the header. `file` is for messages.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] for anything that is not what a writer writes; what the storage
    /// said. So for all that reads.
    pub fn open(mut input: R, file: &str, depth: Depth) -> Result<(Header, Self), ArchiveError> {
        let damaged = |problem| ArchiveError::damaged(file, problem);
        let mut prefix = [0; PREFIX_BYTES];
        fill(&mut input, &mut prefix, file)?;
        if kind_of(prefix) != Some((0, HEADER_BYTES)) {
            return Err(damaged(Problem::NotAnArchive));
        }
        let mut payload = [0; HEADER_BYTES];
        fill(&mut input, &mut payload, file)?;
        let (header, chain) = Header::read(&payload).map_err(|why| match why {
            NotAHeader::Newer(version) => damaged(Problem::NewerVersion {
                found: version.into(),
                known: crate::FORMAT_VERSION,
            }),
            NotAHeader::Other(what) => damaged(Problem::Record { record: 0, what }),
        })?;
        let decompressor = Decompressor::new()
            .map_err(|error| ArchiveError::io("set up the decompression of", file, error))?;
        let reader = Self {
            input,
            file: file.to_owned(),
            depth,
            decompressor,
            chain,
            seen: End::default(),
            next: None,
            records: 1,
            bytes: (PREFIX_BYTES + HEADER_BYTES) as u64,
            stage: Stage::Frames,
            compressed: Vec::new(),
        };
        Ok((header, reader))
    }

    /// The next frame; none when the piece has ended as it should.
    ///
    /// # Errors
    /// As [`PieceReader::open`]; after an error, that there was one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, ArchiveError> {
        match self.stage {
            Stage::Ended(_) => return Ok(None),
            Stage::Failed => return Err(self.record("a record before it is damaged")),
            Stage::Frames => {}
        }
        self.stage = Stage::Failed;
        let mut prefix = [0; PREFIX_BYTES];
        fill(&mut self.input, &mut prefix, &self.file)?;
        let frame = match kind_of(prefix) {
            Some((1, FRAME_RECORD)) => Some(self.frame()?),
            Some((2, END_BYTES)) => {
                self.end()?;
                return Ok(None);
            }
            _ => return Err(self.record("it is no record of the format")),
        };
        self.stage = Stage::Frames;
        Ok(frame)
    }

    /// What the whole piece held, once [`PieceReader::next_frame`] gave none.
    pub fn summary(&self) -> Option<Summary> {
        match self.stage {
            Stage::Ended(end) => Some(Summary { end, bytes: self.bytes, chain: self.chain.0 }),
            Stage::Frames | Stage::Failed => None,
        }
    }

    /// Where it is whole: behind the last frame that was given.
    pub fn whole(&self) -> Whole {
        Whole { chain: self.chain, end: self.seen, bytes: self.bytes, next: self.next }
    }

    fn frame(&mut self) -> Result<Frame, ArchiveError> {
        let mut payload = [0; FRAME_RECORD];
        fill(&mut self.input, &mut payload, &self.file)?;
        let (record, chain) =
            FrameRecord::read(&payload, self.chain).map_err(|what| self.record(what))?;
        let number = self.seen.frames + 1;
        let broken =
            |what| ArchiveError::damaged(&self.file, Problem::Frame { frame: number, what });
        let length = usize::try_from(record.length).map_err(|_| broken("an impossible length"))?;
        let most = if record.digest.rows > 1 { FRAME_BYTES } else { ROW_FRAME_BYTES };
        self.bound("a frame", u64::from(record.length), most)?;
        self.bound("a compressed frame", u64::from(record.compressed), compress_bound(length))?;
        // As much as there is, and no more than it should be: a length that lies costs nothing.
        self.compressed.clear();
        let taken = (&mut self.input)
            .take(u64::from(record.compressed))
            .read_to_end(&mut self.compressed)
            .map_err(|error| ArchiveError::io("read", &self.file, error))?;
        if taken as u64 != u64::from(record.compressed) {
            return Err(ArchiveError::damaged(&self.file, Problem::Truncated));
        }
        if Sha(Sha256::digest(&self.compressed).into()) != record.sha256 {
            return Err(broken("its digest is another than the one noted"));
        }
        let bytes = match self.depth {
            Depth::HashOnly => Vec::new(),
            Depth::Decompress => {
                // What it says of itself has to be what the record says, before anything is
                // allocated for it.
                let said = get_frame_content_size(&self.compressed).ok().flatten();
                if said != Some(u64::from(record.length)) {
                    return Err(broken("it is not as long as its record says"));
                }
                let bytes = self
                    .decompressor
                    .decompress(&self.compressed, length)
                    .map_err(|_| broken("it does not decompress"))?;
                if bytes.len() != length {
                    return Err(broken("it is not as long as its record says"));
                }
                bytes
            }
        };
        self.chain = chain;
        self.records += 1;
        self.seen.frames = number;
        self.seen.digest.add(record.digest);
        self.seen.length = self.seen.length.saturating_add(record.length.into());
        self.next = record.next;
        self.bytes += (PREFIX_BYTES + FRAME_RECORD + taken) as u64;
        Ok(Frame { bytes, digest: record.digest, number })
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        let mut payload = [0; END_BYTES];
        fill(&mut self.input, &mut payload, &self.file)?;
        let (end, chain) = End::read(&payload, self.chain).map_err(|what| self.record(what))?;
        if (End { next: end.next, ..self.seen }) != end || end.frames == 0 {
            return Err(self.record("it does not add up"));
        }
        let mut one = [0];
        let more = self
            .input
            .read(&mut one)
            .map_err(|error| ArchiveError::io("read", &self.file, error))?;
        if more > 0 {
            return Err(ArchiveError::damaged(&self.file, Problem::TooLong));
        }
        self.chain = chain;
        self.bytes += (PREFIX_BYTES + END_BYTES) as u64;
        self.stage = Stage::Ended(end);
        Ok(())
    }

    fn bound(&self, what: &'static str, found: u64, most: usize) -> Result<(), ArchiveError> {
        let most = most as u64;
        if found <= most {
            return Ok(());
        }
        Err(ArchiveError::damaged(&self.file, Problem::Length { what, found, most }))
    }

    fn record(&self, what: &'static str) -> ArchiveError {
        ArchiveError::damaged(&self.file, Problem::Record { record: self.records, what })
    }
}

/// Which of the three kinds of records a prefix begins, and the length that it says.
fn kind_of(prefix: [u8; PREFIX_BYTES]) -> Option<(usize, usize)> {
    let (magic, length) = prefix.split_at(4);
    let magic = u32::from_le_bytes(magic.try_into().ok()?);
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let kind = MAGICS.iter().position(|known| *known == magic)?;
    Some((kind, usize::try_from(length).ok()?))
}

fn fill(input: &mut impl Read, bytes: &mut [u8], file: &str) -> Result<(), ArchiveError> {
    input.read_exact(bytes).map_err(|error| ArchiveError::io("read", file, error))
}
