//! `--out`: every group as a JSON object on a line of its own, as it is found.
//!
//! Invariants: a group is never held in memory; the file gets its name when the scan has ended
//! well, so what has the name is whole; only its owner can read it.

use std::io::{BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use pghaul::duplicates::{DuplicateRow, Sink, UniqueIndex};
use pghaul::{Error, ErrorKind};
use serde_json::json;
use tempfile::NamedTempFile;

/// The file.
pub struct GroupsFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    rows: u64,
}

impl GroupsFile {
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
            .with_hint("name a file with --out: it gets its name when all groups are in it"));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(folder).map_err(|cause| failed(path, cause))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::new(file), rows: 0 })
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        self.file.write_all(text.as_bytes()).map_err(|cause| failed(&self.path, cause))
    }
}

impl Sink for GroupsFile {
    fn begin(&mut self) -> Result<(), Error> {
        let emptied = self
            .file
            .flush()
            .and_then(|()| self.file.get_mut().rewind())
            .and_then(|()| self.file.get_mut().as_file().set_len(0));
        emptied.map_err(|cause| failed(&self.path, cause))
    }

    fn group(&mut self, index: &UniqueIndex) -> Result<(), Error> {
        let definition = &index.definition;
        self.rows = 0;
        let [schema, table, name] =
            [&definition.table.schema, &definition.table.name, &definition.name.name]
                .map(|name| json!(name.as_str()));
        self.write(&format!(
            "{{\"v\":1,\"schema\":{schema},\"table\":{table},\"index\":{name},\"rows\":["
        ))
    }

    fn row(&mut self, index: &UniqueIndex, row: &DuplicateRow) -> Result<(), Error> {
        let object = serde_json::to_string(&super::row(&index.definition, row))
            .map_err(|cause| failed(&self.path, cause.into()))?;
        let comma = if self.rows > 0 { "," } else { "" };
        self.rows += 1;
        self.write(&format!("{comma}{object}"))
    }

    fn end_of_group(&mut self) -> Result<(), Error> {
        self.write("]}\n")
    }

    fn end(&mut self) -> Result<(), Error> {
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
