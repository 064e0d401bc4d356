//! `--out`: a file of JSON lines that is written as they are found.
//!
//! Invariants: the file gets its name when everything is in it, so what has the name is whole; only
//! its owner can read it.

use std::io::{BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use pghaul::{Error, ErrorKind};
use serde::Serialize;
use tempfile::NamedTempFile;

/// The file.
pub struct ResultFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl ResultFile {
    /// Creates it beside where it will be.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when there is something of this name that is no file, such as a device;
    /// [`ErrorKind::LocalIo`] when the folder does not take a file.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{} is there already and no file", path.display()),
            )
            .with_hint("name a file with --out: it gets its name when everything is in it"));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(folder).map_err(|cause| failed(path, cause))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::new(file) })
    }

    /// Adds text.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`]. So for all that follow.
    pub fn write(&mut self, text: &str) -> Result<(), Error> {
        self.file.write_all(text.as_bytes()).map_err(|cause| failed(&self.path, cause))
    }

    /// Adds a value.
    ///
    /// # Errors
    /// As [`ResultFile::write`].
    pub fn write_json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut self.file, value)
            .map_err(|cause| failed(&self.path, cause.into()))
    }

    /// Begins anew.
    ///
    /// # Errors
    /// As [`ResultFile::write`].
    pub fn empty(&mut self) -> Result<(), Error> {
        let emptied = self
            .file
            .flush()
            .and_then(|()| self.file.get_mut().rewind())
            .and_then(|()| self.file.get_mut().as_file().set_len(0));
        emptied.map_err(|cause| failed(&self.path, cause))
    }

    /// Everything is in it: gives it its name.
    ///
    /// # Errors
    /// As [`ResultFile::write`].
    pub fn publish(&mut self) -> Result<(), Error> {
        let named = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().as_file().sync_all())
            .and_then(|()| std::fs::rename(self.file.get_ref().path(), &self.path));
        named.map_err(|cause| failed(&self.path, cause))
    }
}

fn failed(path: &Path, cause: std::io::Error) -> Error {
    Error::new(ErrorKind::LocalIo, format!("cannot write {}", path.display()))
        .with_hint("name another file with --out")
        .caused_by(cause)
}
