//! What a plan does not hold in memory: values one after another, in a file without a name; a few
//! need no file.
//!
//! Invariants: they come out as they went in, in the same order, as often as they are asked for; the
//! file is gone with the process.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};

/// Bytes that are written and read at once.
const BLOCK: usize = 64 << 10;

/// Takes values.
pub(super) struct Spool<T> {
    file: Option<File>,
    folder: PathBuf,
    block: Vec<u8>,
    count: usize,
    holds: PhantomData<fn(&T)>,
}

impl<T: Serialize> Spool<T> {
    /// An empty one, with its file in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            file: None,
            folder: folder.to_owned(),
            block: Vec::new(),
            count: 0,
            holds: PhantomData,
        }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`].
    pub(super) fn push(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(&mut self.block, value)
            .map_err(|error| Error::new(ErrorKind::Bug, "cannot keep a value").caused_by(error))?;
        self.block.push(b'\n');
        self.count += 1;
        if self.block.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let mut write = || {
            let file = match self.file.take() {
                Some(file) => file,
                None => tempfile::tempfile_in(&self.folder)?,
            };
            self.file.insert(file).write_all(&self.block)
        };
        write().map_err(|error| failed(&self.folder, &error))?;
        self.block.clear();
        Ok(())
    }

    /// All were added.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`].
    pub(super) fn finish(mut self) -> Result<Spooled<T>, Error> {
        if self.file.is_some() {
            self.flush()?;
        }
        self.block.shrink_to_fit();
        Ok(Spooled {
            file: self.file,
            block: self.block,
            folder: self.folder,
            count: self.count,
            holds: PhantomData,
        })
    }
}

/// Gives them again.
pub(super) struct Spooled<T> {
    file: Option<File>,
    /// All of it, where there is no file.
    block: Vec<u8>,
    folder: PathBuf,
    count: usize,
    holds: PhantomData<fn() -> T>,
}

/// No values.
impl<T> Default for Spooled<T> {
    fn default() -> Self {
        Self { file: None, block: Vec::new(), folder: PathBuf::new(), count: 0, holds: PhantomData }
    }
}

impl<T: DeserializeOwned> Spooled<T> {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// From the first on.
    pub(super) fn read(&self) -> Values<'_, T> {
        let place = Place { file: self.file.as_ref(), block: &self.block, offset: 0 };
        Values { of: self, lines: BufReader::with_capacity(BLOCK, place), line: String::new() }
    }
}

/// Where one reader is: each has a place of its own in the one file.
struct Place<'a> {
    file: Option<&'a File>,
    block: &'a [u8],
    offset: u64,
}

impl Read for Place<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(mut file) = self.file else { return self.block.read(buffer) };
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.read(buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Values, one after another.
pub(super) struct Values<'a, T> {
    of: &'a Spooled<T>,
    lines: BufReader<Place<'a>>,
    line: String,
}

impl<T: DeserializeOwned> Iterator for Values<'_, T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line.clear();
        match self.lines.read_line(&mut self.line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&self.line).map_err(|error| {
                Error::new(ErrorKind::LocalIo, "a temporary file is not what was written")
                    .caused_by(error)
            })),
            Err(error) => Some(Err(failed(&self.of.folder, &error))),
        }
    }
}

fn failed(folder: &Path, error: &std::io::Error) -> Error {
    let hint = if error.kind() == std::io::ErrorKind::StorageFull {
        "make room there, or name another folder with --spill-dir"
    } else {
        "name another folder with --spill-dir"
    };
    let why = format!("cannot keep what is planned in a temporary file in {}", folder.display());
    Error::new(ErrorKind::LocalIo, why)
        .with_hint(hint)
        .caused_by(std::io::Error::new(error.kind(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_as_they_went_in() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0, 7, 20_000] {
            there_and_back(folder.path(), count);
        }
    }

    fn there_and_back(folder: &Path, count: u32) {
        let mut spool = Spool::new(folder);
        let values: Vec<(u32, String)> =
            (0..count).map(|n| (n, "line\nbreak".repeat(n as usize % 3))).collect();
        values.iter().for_each(|value| spool.push(value).unwrap());
        let spooled = spool.finish().unwrap();
        assert_eq!(spooled.len(), values.len());
        // Two readers at once do not disturb each other.
        let (mut first, mut second) = (spooled.read(), spooled.read());
        for value in &values {
            assert_eq!(first.next().unwrap().unwrap(), *value);
            assert_eq!(second.next().unwrap().unwrap(), *value);
        }
        assert!(first.next().is_none() && second.next().is_none());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let mut spool = Spool::new(Path::new("/nowhere/at/all"));
        let error = (0..100_000).find_map(|n| spool.push(&n).err()).unwrap();
        assert_eq!(error.kind(), ErrorKind::LocalIo);
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
