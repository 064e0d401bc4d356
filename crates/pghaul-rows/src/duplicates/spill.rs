//! The temporary file: records one after another, without a name in its folder.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::FinderError;

/// A file of records. It has no name, or loses it at once, so the system removes it when the
/// process ends.
#[derive(Debug)]
pub(super) struct Spill<const N: usize> {
    file: File,
    folder: PathBuf,
    records: u64,
}

impl<const N: usize> Spill<N> {
    /// An empty file.
    pub(super) fn create(folder: &Path) -> Result<Self, FinderError> {
        let failed = |source| FinderError::Spill {
            doing: "create",
            folder: folder.to_path_buf(),
            bytes: 0,
            source,
        };
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        Ok(Self { file, folder: folder.to_path_buf(), records: 0 })
    }

    /// A file that is there already.
    #[cfg(test)]
    pub(super) fn over(file: File, folder: &Path) -> Self {
        Self { file, folder: folder.to_path_buf(), records: 0 }
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn bytes(&self) -> u64 {
        self.records * N as u64
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds records at the end.
    pub(super) fn append(&mut self, records: &[[u8; N]]) -> Result<(), FinderError> {
        let end = SeekFrom::Start(self.bytes());
        let written = self.file.seek(end).and_then(|_| self.file.write_all(records.as_flattened()));
        written.map_err(|source| self.failed("write", source))?;
        self.records += records.len() as u64;
        Ok(())
    }

    /// Fills a buffer with the records from number `first` on; they have to be there.
    pub(super) fn read(&mut self, first: u64, buffer: &mut [[u8; N]]) -> Result<(), FinderError> {
        let start = SeekFrom::Start(first * N as u64);
        let bytes = buffer.as_flattened_mut();
        let read = self.file.seek(start).and_then(|_| self.file.read_exact(bytes));
        read.map_err(|source| self.failed("read", source))
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> FinderError {
        FinderError::Spill { doing, folder: self.folder.clone(), bytes: self.bytes(), source }
    }
}
