//! An archive as a folder.
//!
//! Invariants: files are written under a name of their own with mode 0600, flushed and renamed;
//! [`Folder::flush`] before and after the manifest makes the names durable; nothing is followed out of the folder: a link is damage.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::contents::Contents;
use crate::error::{ArchiveError, Problem};
use crate::manifest::Manifest;
use crate::name::FileName;
use crate::seal::LONGEST_DOCUMENT;
use crate::store::{NewFile, Store};

/// The most bytes of COPY stream in a piece of a folder.
pub const PIECE_BYTES: u64 = 128 << 20;

/// What the name of a file ends in while it is written.
pub const PARTIAL: &str = ".partial";

/// A folder that is or becomes an archive.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at this path, there or not.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file.
    pub fn place(&self, name: FileName) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// Creates the folder and those in it, for their owner only.
    ///
    /// # Errors
    /// What the storage said.
    pub fn create_folders(&self) -> Result<(), ArchiveError> {
        make_folder(&self.path)?;
        for folder in FileName::FOLDERS {
            make_folder(&self.path.join(folder))?;
        }
        sync_folder(&self.path)
    }

    /// Makes the names of all files durable.
    ///
    /// # Errors
    /// What the storage said.
    pub fn flush(&self) -> Result<(), ArchiveError> {
        for folder in FileName::FOLDERS {
            sync_folder(&self.path.join(folder))?;
        }
        sync_folder(&self.path)
    }

    /// Whether it is a finished archive.
    pub fn is_finished(&self) -> bool {
        self.place(FileName::Manifest).symlink_metadata().is_ok()
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`Problem::Missing`], [`Problem::NotAPlainFile`], what the storage said.
    pub fn open(&self, name: FileName) -> Result<File, ArchiveError> {
        self.open_path(&self.place(name), &name.to_string())
    }

    fn open_path(&self, path: &Path, name: &str) -> Result<File, ArchiveError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => ArchiveError::damaged(name, Problem::Missing),
            _ => ArchiveError::io("open", path.display().to_string(), error),
        };
        if !path.symlink_metadata().map_err(failed)?.is_file() {
            return Err(ArchiveError::damaged(name, Problem::NotAPlainFile));
        }
        File::open(path).map_err(failed)
    }

    /// Reads a whole document.
    ///
    /// # Errors
    /// As [`Folder::open`]; [`Problem::TooLong`].
    pub fn read_document(&self, name: FileName) -> Result<Vec<u8>, ArchiveError> {
        let file = self.open(name)?;
        read_document(file, &name.to_string())
    }

    /// Manifest and contents of a finished archive.
    ///
    /// # Errors
    /// [`Problem::Unfinished`] without a manifest; else as [`Manifest::from_document`] and
    /// [`Contents::from_document`].
    pub fn documents(&self) -> Result<(Manifest, Contents), ArchiveError> {
        let manifest = match self.read_document(FileName::Manifest) {
            Err(ArchiveError::Damaged { file, problem: Problem::Missing }) => {
                return Err(ArchiveError::damaged(file, Problem::Unfinished));
            }
            other => other?,
        };
        let manifest = Manifest::from_document(&manifest)?;
        let document = self.read_document(FileName::Contents)?;
        let contents = Contents::from_document(&document)?;
        manifest.check_with(&contents)?;
        Ok((manifest, contents))
    }

    /// All that lies in the folder, as paths below it, sorted; folders of the format are gone
    /// into, others are named themselves.
    ///
    /// # Errors
    /// What the storage said.
    pub fn list(&self) -> Result<Vec<String>, ArchiveError> {
        let mut found = Vec::new();
        let mut below = vec![None];
        below.extend(FileName::FOLDERS.map(Some));
        for folder in below {
            let path = folder.map_or_else(|| self.path.clone(), |folder| self.path.join(folder));
            let failed = |error| ArchiveError::io("list", path.display().to_string(), error);
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_some() => {
                    continue;
                }
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_folder = entry.file_type().map_err(failed)?.is_dir();
                match folder {
                    None if is_folder && FileName::FOLDERS.contains(&name.as_str()) => {}
                    None => found.push(name),
                    Some(folder) => found.push(format!("{folder}/{name}")),
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Begins a file of this path below the folder.
    ///
    /// # Errors
    /// What the storage said.
    pub fn create_at(&self, name: &str) -> Result<FolderFile, ArchiveError> {
        let path = self.path.join(name);
        let partial = self.path.join(format!("{name}{PARTIAL}"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(&partial)
            .map_err(|error| ArchiveError::io("create", partial.display().to_string(), error))?;
        Ok(FolderFile { file, partial, path })
    }

    /// Opens the unfinished file of this name for going on behind `whole` bytes.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn go_on_at(&self, name: &str, whole: u64) -> Result<FolderFile, ArchiveError> {
        use std::io::Seek;
        let path = self.path.join(name);
        let partial = self.path.join(format!("{name}{PARTIAL}"));
        let failed = |error| ArchiveError::io("go on with", partial.display().to_string(), error);
        let mut file = OpenOptions::new().write(true).open(&partial).map_err(failed)?;
        file.set_len(whole).map_err(failed)?;
        file.seek(io::SeekFrom::End(0)).map_err(failed)?;
        Ok(FolderFile { file, partial, path })
    }

    /// Opens the unfinished file of this name for reading.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open_partial(&self, name: &str) -> Result<File, ArchiveError> {
        self.open_path(&self.path.join(format!("{name}{PARTIAL}")), name)
    }

    /// Writes a whole file of this path below the folder.
    ///
    /// # Errors
    /// What the storage said.
    pub fn put_at(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut file = self.create_at(name)?;
        file.write_all(bytes).map_err(|error| ArchiveError::io("write", name, error))?;
        Box::new(file).publish()
    }

    /// Removes a file below the folder, if it is there.
    ///
    /// # Errors
    /// What the storage said.
    pub fn remove(&self, name: &str) -> Result<(), ArchiveError> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ArchiveError::io("remove", name, error))
            }
            _ => Ok(()),
        }
    }
}

impl Store for Folder {
    fn create(&self, name: FileName) -> Result<Box<dyn NewFile>, ArchiveError> {
        Ok(Box::new(self.create_at(&name.to_string())?))
    }

    fn piece_bytes(&self) -> u64 {
        PIECE_BYTES
    }
}

/// A file of a folder that is being written.
#[derive(Debug)]
pub struct FolderFile {
    file: File,
    partial: PathBuf,
    path: PathBuf,
}

impl Write for FolderFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl NewFile for FolderFile {
    fn publish(self: Box<Self>) -> Result<(), ArchiveError> {
        let failed = |error| ArchiveError::io("finish", self.path.display().to_string(), error);
        self.file.sync_all().map_err(failed)?;
        fs::rename(&self.partial, &self.path).map_err(failed)
    }
}

fn make_folder(path: &Path) -> Result<(), ArchiveError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|error| ArchiveError::io("create", path.display().to_string(), error))
}

/// Makes renames in a folder durable.
fn sync_folder(path: &Path) -> Result<(), ArchiveError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| ArchiveError::io("flush", path.display().to_string(), error))
}

/// Reads a document to its end, no further than a document can be.
pub(crate) fn read_document(input: impl Read, name: &str) -> Result<Vec<u8>, ArchiveError> {
    let most = LONGEST_DOCUMENT + 256;
    let mut document = Vec::new();
    input
        .take(most + 1)
        .read_to_end(&mut document)
        .map_err(|error| ArchiveError::io("read", name, error))?;
    if document.len() as u64 > most {
        return Err(ArchiveError::damaged(name, Problem::TooLong));
    }
    Ok(document)
}
