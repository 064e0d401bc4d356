//! All of an archive in a folder, read and held against its documents, several files at once.
//!
//! Invariant: what passed holds, byte for byte, what was written, and rows that fit their records.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pghaul_archive::contents::Contents;
use pghaul_archive::manifest::Piece;
use pghaul_archive::{ArchiveError, Folder, Manifest, check};
use tokio::task::{JoinError, JoinSet};

use super::failed;
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::run::Stop;

/// An archive whose documents are known.
pub(crate) struct Whole {
    pub(crate) folder: Folder,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) contents: Arc<Contents>,
}

impl Whole {
    /// Reads every file. Asked to stop at once, it ends early, as if all were well.
    ///
    /// # Errors
    /// [`ErrorKind::Archive`]: the first thing that is wrong.
    pub(crate) async fn check(
        &self,
        jobs: NonZeroUsize,
        (counters, stop): (&Arc<Counters>, &Stop),
    ) -> Result<(), Error> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut checks = JoinSet::new();
        for _ in 0..jobs.get() {
            let (manifest, contents) = (Arc::clone(&self.manifest), Arc::clone(&self.contents));
            let (folder, next) = (self.folder.clone(), Arc::clone(&next));
            let (counters, stop) = (Arc::clone(counters), stop.clone());
            checks.spawn_blocking(move || {
                let mut seen = Vec::new();
                while let Some(piece) = manifest.pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.now.is_cancelled() {
                        break;
                    }
                    if piece.table.is_some() {
                        let input = check::open(&folder, &piece.file)?;
                        seen.push(check::rows(input, piece, &contents)?);
                        counters.bytes_read_back.fetch_add(piece.length, Ordering::Relaxed);
                    }
                }
                Ok::<_, ArchiveError>(seen)
            });
        }
        let mut seen = Vec::new();
        while let Some(ended) = checks.join_next().await {
            seen.extend(joined(ended)?.map_err(failed)?);
        }
        if stop.now.is_cancelled() {
            return Ok(());
        }
        check::parts(&seen).map_err(failed)?;
        let (manifest, contents) = (Arc::clone(&self.manifest), Arc::clone(&self.contents));
        let folder = self.folder.clone();
        let rest = tokio::task::spawn_blocking(move || {
            let open = |piece: &Piece| check::open(&folder, &piece.file);
            for batch in 0..manifest.large_objects.len() {
                check::objects((&contents, &manifest), batch, open)?;
            }
            manifest
                .files
                .iter()
                .try_for_each(|named| check::file(check::open(&folder, &named.file)?, named))
        });
        joined(rest.await)?.map_err(failed)
    }
}

/// A thread that panicked is a bug.
pub(crate) fn joined<T>(ended: Result<T, JoinError>) -> Result<T, Error> {
    ended.map_err(|error| {
        Error::new(ErrorKind::Bug, "a thread that reads an archive ended by a panic")
            .caused_by(error)
    })
}
