//! Where a dump writes: a folder with a lock and a state, or a stream.
//!
//! Invariants: the lock is held as long as this lives and goes with the process; a folder that
//! holds anything but an interrupted dump of ours is refused before anything is written.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use pghaul_archive::{ArchiveError, Folder, Store, TarStream};

use super::unfinished::{STATE, Unfinished};
use crate::archive::failed;
use crate::error::{Error, ErrorKind};
use crate::file_lock::Locked;

/// The file that is locked while a dump works in a folder.
pub(super) const LOCK: &str = "pghaul.lock";

/// Where a dump writes.
pub(super) struct Workplace {
    kind: Kind,
    finished_pieces: AtomicUsize,
    /// Held, not read.
    _lock: Option<Locked>,
}

enum Kind {
    Folder(Folder),
    Stream(TarStream<Box<dyn Write + Send>>),
}

impl Workplace {
    /// Takes a folder for one dump.
    pub(super) fn folder(path: PathBuf) -> Result<Self, Error> {
        let folder = Folder::new(path);
        let shown = folder.path().display().to_string();
        if folder.is_finished() {
            return Err(Error::new(
                ErrorKind::RunState,
                format!("there is an archive in {shown} already"),
            )
            .with_hint("name another folder, or remove this one"));
        }
        if folder.path().exists() {
            let found = folder.list().map_err(failed)?;
            let ours = found.iter().any(|name| name == STATE || name == LOCK);
            if !ours && !found.is_empty() {
                return Err(Error::new(
                    ErrorKind::RunState,
                    format!("{shown} holds files that are not of an interrupted dump"),
                )
                .with_hint("name another folder, or one that is empty or not there yet"));
            }
        }
        folder.create_folders().map_err(failed)?;
        let lock = lock(&folder.path().join(LOCK))?;
        Ok(Self::new(Kind::Folder(folder), Some(lock)))
    }

    /// Writes to a stream.
    pub(super) fn stream(output: Box<dyn Write + Send>) -> Self {
        Self::new(Kind::Stream(TarStream::new(output)), None)
    }

    fn new(kind: Kind, lock: Option<Locked>) -> Self {
        Self { kind, finished_pieces: AtomicUsize::new(0), _lock: lock }
    }

    /// What takes the files.
    pub(super) fn store(&self) -> &dyn Store {
        match &self.kind {
            Kind::Folder(folder) => folder,
            Kind::Stream(stream) => stream,
        }
    }

    /// The folder, if it is one.
    pub(super) fn as_folder(&self) -> Option<&Folder> {
        match &self.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::Stream(_) => None,
        }
    }

    /// The state of an interrupted dump.
    pub(super) fn unfinished(&self) -> Result<Option<Unfinished>, Error> {
        self.as_folder().map_or(Ok(None), Unfinished::load)
    }

    /// Says which folder an error of local files is about.
    pub(super) fn named(&self, error: Error) -> Error {
        match self.as_folder() {
            Some(folder) if error.kind() == ErrorKind::LocalIo => {
                error.while_doing(format!("cannot dump into {}", folder.path().display()))
            }
            _ => error,
        }
    }

    /// Whether what is done is not lost by an error.
    pub(super) fn can_go_on(&self) -> bool {
        self.as_folder().is_some()
    }

    pub(super) fn count_piece(&self) {
        self.finished_pieces.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn finished_pieces(&self) -> usize {
        self.finished_pieces.load(Ordering::Relaxed)
    }

    /// Ends it, after the manifest was written.
    pub(super) fn close(&self) -> Result<(), ArchiveError> {
        match &self.kind {
            Kind::Folder(folder) => {
                folder.remove(STATE)?;
                folder.remove(LOCK)?;
                folder.flush()
            }
            Kind::Stream(stream) => stream.finish(),
        }
    }
}

/// Locks a file for this process.
pub(super) fn lock(path: &std::path::Path) -> Result<Locked, Error> {
    let shown = path.display();
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| {
        Error::new(ErrorKind::LocalIo, format!("cannot create {shown}")).caused_by(error)
    })?;
    Locked::take(file, &shown.to_string(), "another dump is working there: it holds")
}

/// Removes a folder and all that is in it.
pub(super) fn remove_folder(path: &std::path::Path) -> Result<(), Error> {
    fs::remove_dir_all(path).map_err(|error| {
        Error::new(ErrorKind::LocalIo, format!("cannot remove {}", path.display())).caused_by(error)
    })
}
