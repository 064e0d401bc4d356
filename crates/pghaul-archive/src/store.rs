//! Where the files of an archive go: a folder, one stream, some day an object storage.
//!
//! Invariant: a file is there whole or not at all.

use std::io::Write;

use crate::error::ArchiveError;
use crate::name::FileName;

/// Takes files.
pub trait Store: Send + Sync {
    /// Begins a file.
    ///
    /// # Errors
    /// What the storage said.
    fn create(&self, name: FileName) -> Result<Box<dyn NewFile>, ArchiveError>;

    /// The most bytes of COPY stream that a piece may have here, one row aside.
    fn piece_bytes(&self) -> u64;

    /// Writes a whole file.
    ///
    /// # Errors
    /// What the storage said.
    fn put(&self, name: FileName, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut file = self.create(name)?;
        file.write_all(bytes)
            .map_err(|error| ArchiveError::io("write", name.to_string(), error))?;
        file.publish()
    }
}

/// A file that is being written. Dropped before it is published, it is not part of the archive.
pub trait NewFile: Write + Send {
    /// Makes it durable under its name.
    ///
    /// # Errors
    /// What the storage said.
    fn publish(self: Box<Self>) -> Result<(), ArchiveError>;
}
