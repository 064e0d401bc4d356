//! An archive as one stream: a tar file in which each byte has one possible value.
//!
//! Invariants: headers are compared with those that would be written, padding with zeros; a file
//! is held in memory until it is whole, since its size stands before it; nothing is read beyond
//! the end of the archive.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{ArchiveError, Problem};
use crate::folder::read_document;
use crate::name::FileName;
use crate::store::{NewFile, Store};

const BLOCK: usize = 512;

/// The most bytes of COPY stream in a piece of a stream.
pub const PIECE_BYTES: u64 = 16 << 20;

/// 2000-01-01 00:00:00 UTC: programs warn of times near 1970.
const TIME: u64 = 946_684_800;

/// The most that eleven octal digits hold.
const LARGEST_FILE: u64 = (1 << 33) - 1;

const NAME: &str = "the stream";

/// Writes an archive to one stream, file by file.
pub struct TarStream<W> {
    output: Arc<Mutex<W>>,
}

impl<W: Write + Send + 'static> TarStream<W> {
    /// To this output.
    pub fn new(output: W) -> Self {
        Self { output: Arc::new(Mutex::new(output)) }
    }

    /// Ends the stream, after the manifest.
    ///
    /// # Errors
    /// What the output said.
    pub fn finish(&self) -> Result<(), ArchiveError> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output
            .write_all(&[0; 2 * BLOCK])
            .and_then(|()| output.flush())
            .map_err(|error| ArchiveError::io("write", NAME, error))
    }
}

impl<W: Write + Send + 'static> Store for TarStream<W> {
    fn create(&self, name: FileName) -> Result<Box<dyn NewFile>, ArchiveError> {
        Ok(Box::new(Member { name, bytes: Vec::new(), output: Arc::clone(&self.output) }))
    }

    fn piece_bytes(&self) -> u64 {
        PIECE_BYTES
    }
}

struct Member<W> {
    name: FileName,
    bytes: Vec<u8>,
    output: Arc<Mutex<W>>,
}

impl<W: Write> Write for Member<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            // Not twice as much, as a Vec would: it may be the largest thing in memory.
            self.bytes.reserve_exact(bytes.len().max(64 << 10));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<W: Write + Send> NewFile for Member<W> {
    fn publish(self: Box<Self>) -> Result<(), ArchiveError> {
        let size = self.bytes.len() as u64;
        if size > LARGEST_FILE {
            let problem = Problem::Length { what: "a file", found: size, most: LARGEST_FILE };
            return Err(ArchiveError::damaged(self.name.to_string(), problem));
        }
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let write = |output: &mut W| {
            output.write_all(&header(&self.name.to_string(), size))?;
            output.write_all(&self.bytes)?;
            output.write_all(&[0; BLOCK][..padding(size)])
        };
        write(&mut output).map_err(|error| ArchiveError::io("write", NAME, error))
    }
}

/// The one header for a file of this name and size.
fn header(name: &str, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, name);
    put(100, "0000600\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, &format!("{TIME:011o}\0"));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

/// Reads an archive from one stream, file by file.
pub struct TarReader<R> {
    input: R,
}

impl<R: Read> TarReader<R> {
    /// From this input.
    pub fn new(input: R) -> Self {
        Self { input }
    }

    /// The next file, its size, and its bytes; none at the end of the stream.
    /// [`TarReader::leave`] it before the next one.
    ///
    /// # Errors
    /// [`Problem::StreamHeader`], [`Problem::Truncated`], what the input said.
    pub fn next_file(&mut self) -> Result<Option<(FileName, u64)>, ArchiveError> {
        let block = self.block()?;
        if block == [0; BLOCK] {
            self.end()?;
            return Ok(None);
        }
        let damaged = || ArchiveError::damaged(NAME, Problem::StreamHeader);
        let text = |from: usize, until: usize| std::str::from_utf8(&block[from..until]).ok();
        let size = text(124, 135).and_then(|octal| u64::from_str_radix(octal, 8).ok());
        let length = block[..100].iter().position(|byte| *byte == 0);
        let name = length.and_then(|length| text(0, length)).ok_or_else(damaged)?;
        let parsed: FileName = name.parse().map_err(|_| {
            let (expected, found) = ("a file of an archive".to_owned(), crate::contents::cut(name));
            ArchiveError::damaged(NAME, Problem::Name { expected, found })
        })?;
        let size = size.ok_or_else(damaged)?;
        if header(name, size) != block {
            return Err(damaged());
        }
        Ok(Some((parsed, size)))
    }

    /// The bytes of the file that [`TarReader::next_file`] gave.
    pub fn file(&mut self, size: u64) -> std::io::Take<&mut R> {
        (&mut self.input).take(size)
    }

    /// A whole document.
    ///
    /// # Errors
    /// As [`TarReader::next_file`].
    pub fn document(&mut self, name: FileName, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let document = read_document(self.file(size), &name.to_string())?;
        if document.len() as u64 != size {
            return Err(ArchiveError::damaged(name.to_string(), Problem::Truncated));
        }
        self.leave(size)?;
        Ok(document)
    }

    /// Goes past the padding behind a file whose bytes were all read.
    ///
    /// # Errors
    /// [`Problem::StreamPadding`], [`Problem::Truncated`], what the input said.
    pub fn leave(&mut self, size: u64) -> Result<(), ArchiveError> {
        let mut block = [0; BLOCK];
        let padding = &mut block[..padding(size)];
        self.input.read_exact(padding).map_err(|error| ArchiveError::io("read", NAME, error))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(ArchiveError::damaged(NAME, Problem::StreamPadding));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        if self.block()? != [0; BLOCK] {
            return Err(ArchiveError::damaged(NAME, Problem::StreamPadding));
        }
        let more =
            self.input.read(&mut [0]).map_err(|error| ArchiveError::io("read", NAME, error))?;
        if more > 0 {
            return Err(ArchiveError::damaged(NAME, Problem::TooLong));
        }
        Ok(())
    }

    fn block(&mut self) -> Result<[u8; BLOCK], ArchiveError> {
        let mut block = [0; BLOCK];
        self.input.read_exact(&mut block).map_err(|error| ArchiveError::io("read", NAME, error))?;
        Ok(block)
    }
}
