//! `--out`: every group as a JSON object on a line of its own, as it is found.
//!
//! Invariant: a group is never held in memory.

use std::path::Path;

use pghaul::Error;
use pghaul::duplicates::{DuplicateRow, Sink, UniqueIndex};
use serde_json::json;

use crate::report::result_file::ResultFile;

/// The file.
pub struct GroupsFile {
    file: ResultFile,
    rows: u64,
}

impl GroupsFile {
    /// Creates it beside where it will be.
    ///
    /// # Errors
    /// As [`ResultFile::create`].
    pub fn create(path: &Path) -> Result<Self, Error> {
        Ok(Self { file: ResultFile::create(path)?, rows: 0 })
    }
}

impl Sink for GroupsFile {
    fn begin(&mut self) -> Result<(), Error> {
        self.file.empty()
    }

    fn group(&mut self, index: &UniqueIndex) -> Result<(), Error> {
        let definition = &index.definition;
        self.rows = 0;
        let [schema, table, name] =
            [&definition.table.schema, &definition.table.name, &definition.name.name]
                .map(|name| json!(name.as_str()));
        self.file.write(&format!(
            "{{\"v\":1,\"schema\":{schema},\"table\":{table},\"index\":{name},\"rows\":["
        ))
    }

    fn row(&mut self, index: &UniqueIndex, row: &DuplicateRow) -> Result<(), Error> {
        if self.rows > 0 {
            self.file.write(",")?;
        }
        self.rows += 1;
        self.file.write_json(&super::row(&index.definition, row))
    }

    fn end_of_group(&mut self) -> Result<(), Error> {
        self.file.write("]}\n")
    }

    fn end(&mut self) -> Result<(), Error> {
        self.file.publish()
    }
}
