//! A dump in progress: what its lanes share, and its course.
//!
//! Invariants: the folder's state is written before the first piece, the contents before the
//! state; lanes stop when one of them failed for good.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pghaul_archive::contents::Contents;
use pghaul_archive::folder::PARTIAL;
use pghaul_archive::name::Sha;
use pghaul_archive::piece::Summary as PieceSummary;
use pghaul_archive::{ArchiveError, FileName, Header, PieceKind};
use tokio::task::JoinSet;

use super::output::{OpenPiece, joined};
use super::prepare::Prepared;
use super::read::Files;
use super::unfinished::{self, Pieces};
use super::workplace::Workplace;
use super::{DumpOptions, DumpOutcome, finish, proof, read};
use crate::archive::failed;
use crate::connect::{Endpoint, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Event, Observer, Phase, Phases};
use crate::name::RelationName;
use crate::plan::{Part, Plan};
use crate::run::Stop;
use crate::run::retry::Budget;
use crate::snapshot::hold::Hold;
use crate::transfer::large_objects::{LargeObject, OBJECTS_A_BATCH};
use crate::transfer::pace::Pace;

/// One thing to read.
pub(super) enum Task {
    Part(Part),
    LargeObjects(u32),
}

/// What the lanes of a dump share.
pub(super) struct Dumping {
    pub(super) source: Arc<Endpoint>,
    pub(super) place: Arc<Workplace>,
    pub(super) plan: Plan,
    pub(super) contents: Arc<Contents>,
    large_objects: Vec<LargeObject>,
    hold: Hold,
    pub(super) level: i32,
    pub(super) attempts: u32,
    pub(super) budget: Budget,
    pub(super) pace: Pace,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: Stop,
    numbers: AtomicU32,
    tasks: Mutex<VecDeque<Task>>,
    facts: Mutex<Facts>,
}

/// What a dump learns as it goes.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) pieces: Pieces,
    pub(super) batches: BTreeMap<u32, Sha>,
    pub(super) failures: Vec<Error>,
}

impl Dumping {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Option<Task> {
        if self.stop.soon.is_cancelled() {
            return None;
        }
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn next_number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A session inside the snapshot.
    pub(super) async fn open_reader(&self, what: &str) -> Result<Session, Error> {
        self.hold.open_reader(&format!("dump {what}")).await
    }

    /// The OIDs of a batch of large objects.
    pub(super) fn oids_of(&self, batch: u32) -> Vec<u32> {
        let batch = usize::try_from(batch).unwrap_or(usize::MAX);
        let objects = self.large_objects.chunks(OBJECTS_A_BATCH).nth(batch).unwrap_or_default();
        objects.iter().map(|object| object.oid).collect()
    }

    /// Notes a finished piece.
    pub(super) fn keep(&self, (header, summary): (Header, PieceSummary)) {
        let objects = RelationName::new("", "large objects");
        let table = match header.kind {
            PieceKind::Rows => usize::try_from(header.table).ok(),
            PieceKind::LargeObjects => None,
        };
        let name = table.and_then(|at| self.plan.tables.get(at)).map_or(&objects, |t| &t.name);
        let (rows, bytes) = (summary.end.digest.rows, summary.end.length);
        self.facts().pieces.add(header, summary);
        self.place.count_piece();
        self.observer.on_event(&Event::PieceCommitted { table: name, rows, bytes });
    }

    /// Closes an interrupted piece behind its last whole frame.
    pub(super) async fn salvage(self: &Arc<Self>, piece: OpenPiece) -> Result<(), Error> {
        let file = piece.file();
        piece.give_up().await;
        let this = Arc::clone(self);
        let closed = tokio::task::spawn_blocking(move || {
            let folder = this.place.as_folder();
            let Some(folder) = folder else { return Ok(None) };
            unfinished::salvage(folder, &this.contents, file, this.level)
        });
        if let Some(closed) = joined(closed.await)?.map_err(failed)? {
            self.keep(closed);
        }
        Ok(())
    }

    /// Removes the files of large objects that were not read to their end.
    pub(super) async fn throw_away(self: &Arc<Self>, files: Files) -> Result<(), Error> {
        if let Some(open) = files.open {
            open.give_up().await;
        }
        let this = Arc::clone(self);
        let removed = tokio::task::spawn_blocking(move || {
            let Some(folder) = this.place.as_folder() else { return Ok(()) };
            files.begun.iter().map(ToString::to_string).try_for_each(|name| {
                folder.remove(&format!("{name}{PARTIAL}"))?;
                folder.remove(&name)
            })
        });
        joined(removed.await)?.map_err(failed)
    }

    /// Tells that a table is done, if it is.
    pub(super) fn table_may_be_done(&self, table: usize) {
        let rows = {
            let pieces = &self.facts().pieces;
            if !self.plan.parts_of(table).all(|part| pieces.is_done(part.id.0)) {
                return;
            }
            self.plan.parts_of(table).map(|part| pieces.digest(part.id.0).rows).sum()
        };
        let table = &self.plan.tables[table].name;
        self.observer.on_event(&Event::TableCopied { table, rows });
    }
}

impl Prepared {
    /// Reads, verifies, publishes.
    pub(super) async fn carry_out(
        self,
        place: &Arc<Workplace>,
        options: &DumpOptions,
        (observer, counters, stop): (Arc<dyn Observer>, Arc<Counters>, Stop),
    ) -> Result<DumpOutcome, Error> {
        let Self { source, identity, keeper, plan, contents, large_objects, by_hand, .. } = self;
        let mut times = Phases::new(Arc::clone(&observer));
        let batches = u32::try_from(large_objects.len().div_ceil(OBJECTS_A_BATCH))
            .map_err(|_| Error::new(ErrorKind::Usage, "too many large objects"))?;
        let resumed = !self.pieces.all.is_empty() || self.to_prove;
        let done_batches = self.pieces.batches();
        let mut todo: Vec<Part> =
            plan.parts.iter().filter(|part| !self.pieces.is_done(part.id.0)).cloned().collect();
        todo.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        let objects = (0..batches).filter(|batch| !done_batches.contains(batch));
        let tasks = todo.into_iter().map(Task::Part).chain(objects.map(Task::LargeObjects));
        // Its own flag to stop soon: a failure of one lane stops the others, not the user's process.
        let own_stop = Stop { soon: stop.soon.child_token(), now: stop.now.clone() };
        let tables: Vec<(RelationName, u64)> =
            plan.tables.iter().map(|table| (table.name.clone(), table.bytes)).collect();
        observer.on_event(&Event::Tables(&tables));
        observer.on_event(&Event::Planned {
            tables: plan.tables.len(),
            parts: plan.parts.len(),
            bytes: plan.bytes(),
            steps: 0,
        });
        let dumping = Arc::new(Dumping {
            hold: Hold::new(Arc::clone(&source), keeper),
            source,
            place: Arc::clone(place),
            numbers: AtomicU32::new(self.pieces.next_number()),
            tasks: Mutex::new(tasks.collect()),
            plan,
            contents: Arc::new(contents),
            large_objects,
            level: options.level,
            attempts: options.attempts,
            budget: Budget::new(options.retries),
            pace: Pace::new(options.max_rate),
            observer,
            counters,
            stop: own_stop,
            facts: Mutex::new(Facts { pieces: self.pieces, ..Facts::default() }),
        });
        times.begin(Phase::Data);
        dumping.learn_batches(&done_batches).await?;
        if self.to_prove {
            proof::all(&dumping).await?;
        }
        dumping.note_begin(self.state.as_ref(), resumed)?;
        let mut lanes = JoinSet::new();
        for number in 1..=options.jobs.get() {
            let dumping = Arc::clone(&dumping);
            lanes.spawn(async move { read::work(&dumping, number).await });
        }
        loop {
            let ended = tokio::select! {
                ended = lanes.join_next() => ended,
                () = dumping.stop.now.cancelled() => {
                    lanes.shutdown().await;
                    break;
                }
            };
            let Some(ended) = ended else { break };
            joined(ended)?;
        }
        let failure = dumping.facts().failures.drain(..).next();
        if let Some(failure) = failure {
            return Err(failure);
        }
        let made =
            finish::Made { identity, consistency: self.consistency, findings: self.findings };
        if stop.soon.is_cancelled() || stop.now.is_cancelled() {
            return Ok(finish::stopped(&dumping, made, times.end()));
        }
        // Readers have no locks of their own on what they have not begun to read.
        dumping.hold.ensure_unbroken("dump end of data").await?;
        if let (Some(folder), Some(state)) = (place.as_folder(), self.state) {
            unfinished::Unfinished { all_read: true, ..state }.store(folder)?;
        }
        // Nothing more is read in the snapshot: from here on the source may vacuum again.
        dumping.hold.release();
        times.begin(Phase::PostData);
        finish::publish(dumping, made, &by_hand, options.jobs, times).await
    }
}

impl Dumping {
    /// Digests of batches that an earlier process has read.
    async fn learn_batches(
        self: &Arc<Self>,
        done: &std::collections::BTreeSet<u32>,
    ) -> Result<(), Error> {
        for batch in done.iter().copied() {
            let this = Arc::clone(self);
            let digest = tokio::task::spawn_blocking(move || {
                let Some(folder) = this.place.as_folder() else { return Ok(None) };
                let files: Vec<FileName> = {
                    let all = &this.facts().pieces.all;
                    let of_batch = |header: &Header| {
                        header.kind == PieceKind::LargeObjects && header.part == batch
                    };
                    let headers = all.values().map(|(header, _)| header);
                    headers.filter(|h| of_batch(h)).map(Header::file).collect()
                };
                unfinished::batch_digest(folder, &files, this.oids_of(batch))
            });
            let digest: Result<Option<Sha>, ArchiveError> = joined(digest.await)?;
            if let Some(digest) = digest.map_err(failed)? {
                self.facts().batches.insert(batch, digest);
            }
        }
        Ok(())
    }

    /// Contents first, then the state: what has a state has contents.
    fn note_begin(
        &self,
        state: Option<&unfinished::Unfinished>,
        resumed: bool,
    ) -> Result<(), Error> {
        if !resumed {
            let document = self.contents.to_document().map_err(failed)?;
            self.place.store().put(FileName::Contents, &document).map_err(failed)?;
        }
        match (self.place.as_folder(), state) {
            (Some(folder), Some(state)) => state.store(folder),
            _ => Ok(()),
        }
    }
}
