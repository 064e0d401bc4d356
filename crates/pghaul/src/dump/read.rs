//! Lanes of a dump: each takes parts and batches of large objects until none is left.
//!
//! Invariants: a part's pieces are in the order of its heap, each beginning where the one before
//! ended; what failed leaves whole frames, of large objects nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pghaul_archive::check::BatchDigest;
use pghaul_archive::layout::WireFormat;
use pghaul_archive::piece::Summary;
use pghaul_archive::rows::{Chunk, large_object_layout};
use pghaul_archive::{FileName, Header, PieceKind};
use pghaul_rows::Tid;
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::writer::BINARY_HEADER;

use super::output::OpenPiece;
use super::work::{Dumping, Task};
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::plan::Part;
use crate::run::retry;
use crate::transfer::broken;
use crate::transfer::large_objects::{CHUNK, read};

/// Rows between two looks at whether to stop.
const ROWS_A_LOOK: u64 = 256;

/// How a task ended.
enum Ended {
    Done,
    Stopped,
}

/// Works until nothing is left, or something failed for good.
pub(super) async fn work(dumping: &Arc<Dumping>, number: usize) {
    let mut session = None;
    while let Some(task) = dumping.take() {
        match try_until_done(dumping, &mut session, number, &task).await {
            Ok(Ended::Done) => {}
            Ok(Ended::Stopped) => return,
            Err(error) => {
                dumping.facts().failures.push(error);
                dumping.stop.soon.cancel();
                return;
            }
        }
    }
}

async fn try_until_done(
    dumping: &Arc<Dumping>,
    session: &mut Option<Session>,
    number: usize,
    task: &Task,
) -> Result<Ended, Error> {
    let mut attempt = 0;
    loop {
        let before = dumping.place.finished_pieces();
        let error = match once(dumping, session, number, task).await {
            Ok(ended) => return Ok(ended),
            Err(error) => error,
        };
        // A session in an unknown state is not used again.
        *session = None;
        if dumping.place.finished_pieces() > before {
            attempt = 0;
        }
        attempt += 1;
        let give_up = attempt >= dumping.attempts
            || dumping.stop.soon.is_cancelled()
            || !retry::is_worth_another_try(&error)
            || !dumping.budget.take();
        if give_up {
            return Err(error);
        }
        let after = retry::pause(attempt, number as u64);
        dumping.observer.on_event(&Event::Retrying { what: &error.in_one_line(), after });
        tokio::select! {
            () = tokio::time::sleep(after) => {}
            () = dumping.stop.soon.cancelled() => return Err(error),
        }
    }
}

async fn once(
    dumping: &Arc<Dumping>,
    session: &mut Option<Session>,
    number: usize,
    task: &Task,
) -> Result<Ended, Error> {
    if session.as_ref().is_none_or(Session::is_closed) {
        *session = Some(dumping.open_reader(&format!("read {number}")).await?);
    }
    let Some(session) = session else {
        return Err(Error::new(ErrorKind::Bug, "a lane lost its session"));
    };
    match task {
        Task::Part(part) => {
            let mut piece = None;
            let mut read = part_from(dumping, session, part, &mut piece).await;
            if let (Err(_) | Ok(Ended::Stopped), Some(piece)) = (&read, piece)
                && let Err(error) = dumping.salvage(piece).await
                && read.as_ref().err().is_none_or(|first| first.kind() != ErrorKind::LocalIo)
            {
                // Trying again would read rows twice that lie in the file which could not be closed.
                read = Err(error);
            }
            let table = &dumping.plan.tables[part.table].name;
            read.map_err(|error| error.while_doing(format!("cannot dump `{table}`")))
        }
        Task::LargeObjects(batch) => {
            let mut files = Files::default();
            let read = objects(dumping, session, *batch, &mut files).await;
            if let Ok(Ended::Done) = read {
                return read;
            }
            // The batch is read again from its beginning, into files of other numbers.
            match (dumping.throw_away(files).await, read) {
                // Trying again would leave files in the archive that it does not name.
                (Err(error), Ok(_)) => Err(error),
                (Err(error), Err(first)) if first.kind() != ErrorKind::LocalIo => Err(error),
                (_, read) => read,
            }
        }
    }
}

async fn part_from(
    dumping: &Arc<Dumping>,
    session: &Session,
    part: &Part,
    open: &mut Option<OpenPiece>,
) -> Result<Ended, Error> {
    let table = &dumping.plan.tables[part.table];
    let resume = dumping.facts().pieces.resume_at(part.id.0);
    let layout =
        if table.has_ctid { &table.format.layout } else { &table.format.layout_without_ctid };
    let doing = format!("read `{}`", table.name);
    let statement = table.read_statement(part, resume);
    session.search(table.format.search_path.as_deref()).await?;
    let mut stream = Box::pin(session.copy_out(&doing, &statement).await?);
    let mut reader = RowReader::new(Arc::clone(layout), Digesting::Sha256);
    let start = resume.unwrap_or(Tid { block: part.from.unwrap_or(0), offset: 0 });
    let format = WireFormat::from(table.format.format);
    let begin = |start: Tid| {
        let header = Header {
            archive: dumping.contents.archive,
            number: dumping.next_number(),
            kind: PieceKind::Rows,
            format,
            table: u32::try_from(part.table).unwrap_or(u32::MAX),
            part: u32::try_from(part.id.0).unwrap_or(u32::MAX),
            start,
        };
        OpenPiece::begin(&dumping.place, header, dumping.level)
    };
    let limit = dumping.place.store().piece_bytes();
    let piece = open.insert(begin(start).await?);
    let mut piece = piece;
    while let Some(message) = stream.next().await {
        let message = message.map_err(|error| session.error(&doing, &error))?;
        let length = message.len() as u64;
        dumping.counters.bytes_read.fetch_add(length, Ordering::Relaxed);
        dumping.pace.take(length).await;
        reader.feed(message).map_err(|error| broken(table, error))?;
        while let Some(row) = reader.next_row().map_err(|error| broken(table, error))? {
            let full = piece.rows() > 0 && piece.length() + row.tuple.len() as u64 > limit;
            let stopping = piece.rows() % ROWS_A_LOOK == 1 && dumping.stop.soon.is_cancelled();
            // Only a table without ctids has to stay in one piece.
            if let Some(ctid) = row.ctid
                && (full || stopping)
            {
                if let Some(whole) = open.take() {
                    dumping.keep(whole.finish(Some(ctid)).await?);
                }
                if stopping {
                    return Ok(Ended::Stopped);
                }
                piece = open.insert(begin(ctid).await?);
            }
            piece.push(&row).await?;
            dumping.counters.rows_read.fetch_add(1, Ordering::Relaxed);
        }
    }
    reader.finish().map_err(|error| broken(table, error))?;
    if let Some(last) = open.take() {
        dumping.keep(last.finish(None).await?);
    }
    dumping.table_may_be_done(part.table);
    Ok(Ended::Done)
}

/// The files of a batch of large objects that is being read.
#[derive(Default)]
pub(super) struct Files {
    /// All that were begun.
    pub(super) begun: Vec<FileName>,
    /// The one that is being written.
    pub(super) open: Option<OpenPiece>,
    whole: Vec<(Header, Summary)>,
}

impl Files {
    async fn begin(&mut self, dumping: &Arc<Dumping>, batch: u32) -> Result<&mut OpenPiece, Error> {
        let header = Header {
            archive: dumping.contents.archive,
            number: dumping.next_number(),
            kind: PieceKind::LargeObjects,
            format: WireFormat::Binary,
            table: 0,
            part: batch,
            start: Tid { block: 0, offset: 0 },
        };
        self.begun.push(header.file());
        let open = OpenPiece::begin(&dumping.place, header, dumping.level).await?;
        Ok(self.open.insert(open))
    }

    async fn finish(&mut self, next: Option<Tid>) -> Result<(), Error> {
        if let Some(open) = self.open.take() {
            self.whole.push(open.finish(next).await?);
        }
        Ok(())
    }
}

async fn objects(
    dumping: &Arc<Dumping>,
    session: &Session,
    batch: u32,
    files: &mut Files,
) -> Result<Ended, Error> {
    let oids = dumping.oids_of(batch);
    let mut digest = BatchDigest::new(oids.clone());
    let limit = dumping.place.store().piece_bytes();
    let broken = |error| Error::new(ErrorKind::Bug, "a chunk is no row").caused_by(error);
    let mut rows = RowReader::new(Arc::new(large_object_layout()), Digesting::Sha256);
    rows.feed(BINARY_HEADER[..].into()).map_err(broken)?;
    let mut piece = files.begin(dumping, batch).await?;
    for oid in &oids {
        let mut offset = 0_i64;
        loop {
            let data = read(session, *oid, offset).await?;
            dumping.counters.bytes_read.fetch_add(data.len() as u64, Ordering::Relaxed);
            dumping.pace.take(data.len() as u64).await;
            let last = data.len() < CHUNK.unsigned_abs() as usize;
            // An object whose length is a multiple of the chunk ends with an empty one: left out.
            if !data.is_empty() || offset == 0 {
                let chunk = Chunk { oid: *oid, offset, data: &data };
                if !digest.chunk(chunk) {
                    return Err(Error::new(ErrorKind::Bug, "chunks out of order"));
                }
                rows.feed(chunk.to_tuple().into()).map_err(broken)?;
                while let Some(row) = rows.next_row().map_err(broken)? {
                    if piece.rows() > 0 && piece.length() + row.tuple.len() as u64 > limit {
                        files.finish(Some(Tid { block: 0, offset: 0 })).await?;
                        piece = files.begin(dumping, batch).await?;
                    }
                    piece.push(&row).await?;
                }
                offset = offset.saturating_add(i64::try_from(data.len()).unwrap_or(i64::MAX));
            }
            if last {
                break;
            }
        }
        if dumping.stop.now.is_cancelled() {
            return Ok(Ended::Stopped);
        }
    }
    files.finish(None).await?;
    let digest = digest.finish();
    let digest = digest.ok_or_else(|| Error::new(ErrorKind::Bug, "large objects are missing"))?;
    for whole in std::mem::take(&mut files.whole) {
        dumping.keep(whole);
    }
    dumping.facts().batches.insert(batch, digest);
    Ok(Ended::Done)
}
