//! The finder on a thread of its own: it sorts and spills while the server sends, and hands over
//! candidates while they are confirmed.
//!
//! Invariants: beside the finder's budget there are a few batches of fixed size; dropping either
//! end stops the thread.

use std::path::PathBuf;

use pghaul_rows::KeyDigest;
use pghaul_rows::duplicates::{DuplicateFinder, FinderError, Member, Relations};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind};

/// Rows handed over at once.
const BATCH: usize = 4096;

/// Batches on their way.
const AHEAD: usize = 2;

/// Takes the digests of keys.
pub(super) struct Feed {
    batch: Vec<(KeyDigest, Member)>,
    rows: mpsc::Sender<Vec<(KeyDigest, Member)>>,
    candidates: mpsc::Receiver<Vec<Candidate>>,
    thread: JoinHandle<Result<(), FinderError>>,
}

/// A row whose key may be that of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The same for all members of a group; groups follow each other.
    pub(super) group: u64,
    pub(super) member: Member,
}

/// Gives the candidates, group after group.
pub(super) struct Candidates {
    batch: std::vec::IntoIter<Candidate>,
    candidates: mpsc::Receiver<Vec<Candidate>>,
    thread: Option<JoinHandle<Result<(), FinderError>>>,
}

impl Feed {
    /// Starts the thread. It needs at most `budget` bytes, and `folder` for what does not fit them.
    pub(super) fn start(
        relations: Relations,
        budget: usize,
        folder: PathBuf,
    ) -> Result<Self, Error> {
        let finder = DuplicateFinder::new(relations, budget, folder).map_err(failed)?;
        let (rows, received) = mpsc::channel(AHEAD);
        let (sender, candidates) = mpsc::channel(AHEAD);
        let thread = tokio::task::spawn_blocking(move || work(finder, received, &sender));
        Ok(Self { batch: Vec::with_capacity(BATCH), rows, candidates, thread })
    }

    /// Adds a row; when [`Feed::is_full`] says so, [`Feed::send`] is to be called soon.
    pub(super) fn push(&mut self, key: KeyDigest, member: Member) {
        self.batch.push((key, member));
    }

    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= BATCH
    }

    /// Hands the rows over.
    pub(super) async fn send(&mut self) -> Result<(), Error> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        if self.rows.send(batch).await.is_err() {
            return Err(end(&mut self.thread).await);
        }
        Ok(())
    }

    /// All rows were added.
    pub(super) async fn finish(self) -> Result<Candidates, Error> {
        let Self { batch, rows, candidates, mut thread } = self;
        if rows.send(batch).await.is_err() {
            return Err(end(&mut thread).await);
        }
        drop(rows);
        Ok(Candidates { batch: Vec::new().into_iter(), candidates, thread: Some(thread) })
    }
}

impl Candidates {
    /// No candidates at all.
    pub(super) fn none() -> Self {
        let (_, candidates) = mpsc::channel(1);
        Self { batch: Vec::new().into_iter(), candidates, thread: None }
    }

    /// The next candidate.
    pub(super) async fn next(&mut self) -> Result<Option<Candidate>, Error> {
        loop {
            if let Some(next) = self.batch.next() {
                return Ok(Some(next));
            }
            match self.candidates.recv().await {
                Some(batch) => self.batch = batch.into_iter(),
                None => {
                    return match self.thread.take() {
                        Some(thread) => joined(thread.await).map(|()| None),
                        None => Ok(None),
                    };
                }
            }
        }
    }
}

fn work(
    mut finder: DuplicateFinder,
    mut rows: mpsc::Receiver<Vec<(KeyDigest, Member)>>,
    candidates: &mpsc::Sender<Vec<Candidate>>,
) -> Result<(), FinderError> {
    while let Some(batch) = rows.blocking_recv() {
        for (key, member) in batch {
            finder.push(key, member)?;
        }
    }
    if candidates.is_closed() {
        return Ok(());
    }
    let mut groups = finder.finish()?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut number = 0;
    while let Some(mut group) = groups.next_group()? {
        number += 1;
        while let Some(member) = group.next_member()? {
            batch.push(Candidate { group: number, member });
            if batch.len() == BATCH {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                if candidates.blocking_send(full).is_err() {
                    return Ok(());
                }
            }
        }
    }
    // Nobody is listening any more: nothing is lost.
    let _ = candidates.blocking_send(batch);
    Ok(())
}

/// Why the thread ended early.
async fn end(thread: &mut JoinHandle<Result<(), FinderError>>) -> Error {
    match joined(thread.await) {
        Err(error) => error,
        Ok(()) => Error::new(ErrorKind::Bug, "the duplicate finder ended before its rows"),
    }
}

fn joined(ended: Result<Result<(), FinderError>, tokio::task::JoinError>) -> Result<(), Error> {
    match ended {
        Ok(result) => result.map_err(failed),
        Err(panic) => {
            Err(Error::new(ErrorKind::Bug, "the duplicate finder panicked").caused_by(panic))
        }
    }
}

/// The finder's failures are of this machine: memory and disk.
pub(crate) fn failed(cause: FinderError) -> Error {
    let (kind, hint) = match &cause {
        FinderError::BudgetTooSmall { .. } => {
            (ErrorKind::Usage, "give more with --memory; 64MiB are good for any table")
        }
        FinderError::Memory { .. } => (ErrorKind::LocalIo, "give a smaller --memory"),
        _ if cause.is_disk_full() => {
            (ErrorKind::LocalIo, "make room there, or name another folder with --spill-dir")
        }
        _ if cause.is_file_too_large() => {
            (ErrorKind::LocalIo, "raise the limit of file sizes (ulimit -f), or give more --memory")
        }
        _ => (ErrorKind::LocalIo, "name another folder with --spill-dir"),
    };
    Error::new(kind, "cannot sort the keys on this machine").with_hint(hint).caused_by(cause)
}
