//! From an archive to the target: frames whose digests were checked, a piece and its receipt in
//! one transaction.
//!
//! Invariants: a thread reads, checks and decompresses, at most two frames ahead; nothing of a
//! frame is sent before its digest was checked; a piece is committed only after its end was.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pghaul_archive::check::BatchDigest;
use pghaul_archive::rows::{Chunk, RowCheck};
use pghaul_archive::{ArchiveError, Frame};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::large_objects::{Attributes, LargeObject, statements};
use super::piece::Piece;
use super::{Ended, Transfer};
use crate::archive::failed;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::plan::{Part, PartId, TablePlan};
use crate::restore::Loaded;
use crate::state::Receipt;

/// Frames between the thread that reads and the session that writes.
pub(crate) const FRAMES_AHEAD: usize = 2;

impl Transfer {
    /// Loads a part, which is one piece of the archive. `committed` hears of it after its COMMIT
    /// was acknowledged.
    ///
    /// # Errors
    /// [`ErrorKind::Archive`]; what the target said.
    pub(crate) async fn load_part(
        &self,
        (archive, target): (&Arc<Loaded>, &Session),
        table: &TablePlan,
        part: &Part,
        mut committed: impl FnMut(Receipt),
    ) -> Result<Ended, Error> {
        let (mut frames, reading) = frames(Arc::clone(archive), part.id);
        let mut piece = Piece::begin_whole(target, table, part).await?;
        while let Some(frame) = frames.recv().await {
            let frame = frame.map_err(failed)?;
            let length = frame.bytes.len() as u64;
            self.pace.take(length).await;
            self.counters.bytes_read.fetch_add(length, Ordering::Relaxed);
            self.counters.rows_read.fetch_add(frame.digest.rows, Ordering::Relaxed);
            piece.push_frame(frame.bytes.into(), frame.digest).await?;
        }
        // The channel ends with its thread, also where that has not come to the piece's end.
        reading.await.map_err(panicked)?;
        committed(piece.commit(None, &self.worker).await?);
        Ok(Ended::Done)
    }
}

/// Reads the piece of a part in a thread of its own. The channel ends after the last frame, once
/// the piece's end was checked too.
fn frames(
    archive: Arc<Loaded>,
    part: PartId,
) -> (mpsc::Receiver<Result<Frame, ArchiveError>>, JoinHandle<()>) {
    let (send, receive) = mpsc::channel(FRAMES_AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        let read = archive.read_part(part, |frame| send.blocking_send(Ok(frame)).is_ok());
        if let Err(error) = read {
            // Nobody listens any more: then it does not matter.
            let _ = send.blocking_send(Err(error));
        }
    });
    (receive, reading)
}

fn panicked(error: JoinError) -> Error {
    Error::new(ErrorKind::Bug, "the thread that reads an archive ended by a panic").caused_by(error)
}

/// Creates a batch of large objects inside the target's open transaction. Gives the digest that
/// the archive notes for it, which is the one of what was sent.
///
/// # Errors
/// As [`Transfer::load_part`].
pub(crate) async fn load_objects(
    (archive, target): (&Arc<Loaded>, &Session),
    batch: usize,
    (objects, attributes): (&[LargeObject], Attributes),
    counters: &Counters,
) -> Result<String, Error> {
    let (send, mut receive) = mpsc::channel::<Vec<u8>>(FRAMES_AHEAD);
    let reading = Arc::clone(archive);
    let read = tokio::task::spawn_blocking(move || {
        reading.read_batch(batch, |tuple| send.blocking_send(tuple).is_ok())
    });
    while let Some(tuple) = receive.recv().await {
        let chunk = Chunk::of_tuple(&tuple).ok_or_else(no_chunk)?;
        counters.bytes_read.fetch_add(chunk.data.len() as u64, Ordering::Relaxed);
        put(target, chunk).await?;
    }
    let digest = read.await.map_err(panicked)?.map_err(failed)?;
    give_attributes(target, objects, attributes).await?;
    Ok(digest.to_string())
}

/// Writes a chunk; the first one of an object creates it.
pub(crate) async fn put(target: &Session, chunk: Chunk<'_>) -> Result<(), Error> {
    let oid = chunk.oid;
    if chunk.offset == 0 {
        let doing = format!("create large object {oid}");
        target.execute(&doing, "select pg_catalog.lo_create($1)", &[&oid]).await?;
    }
    if chunk.data.is_empty() {
        return Ok(());
    }
    let doing = format!("write large object {oid}");
    let sql = "select pg_catalog.lo_put($1, $2, $3)";
    target.execute(&doing, sql, &[&oid, &chunk.offset, &chunk.data]).await.map(drop)
}

/// Gives objects their owners, privileges and comments.
pub(crate) async fn give_attributes(
    target: &Session,
    objects: &[LargeObject],
    attributes: Attributes,
) -> Result<(), Error> {
    for object in objects {
        let sql = statements(object, attributes);
        if !sql.is_empty() {
            let doing = format!("give large object {} its attributes", object.oid);
            target.batch(&doing, &sql).await?;
        }
    }
    Ok(())
}

pub(crate) fn no_chunk() -> Error {
    Error::new(ErrorKind::Archive, "the archive holds a large object that is none")
}

/// The chunks of a frame of large objects; false if they do not go on where the ones before ended.
pub(crate) fn chunks_of(
    frame: Frame,
    check: &mut RowCheck,
    digest: &mut BatchDigest,
    mut each: impl FnMut(Vec<u8>),
) -> Result<bool, ArchiveError> {
    let mut fits = true;
    check.frame(frame, |row| {
        let tuple = row.tuple.to_bytes();
        fits &= Chunk::of_tuple(&tuple).is_some_and(|chunk| digest.chunk(chunk));
        if fits {
            each(tuple.to_vec());
        }
    })?;
    Ok(fits)
}
