//! Many small tables in one transaction of the target: over a slow link each would otherwise cost
//! a dozen round trips, whatever is in it.
//!
//! Invariants: rows and receipts of all tables of a batch are one transaction; on the source all
//! COPYs are asked for together, on the target the end of one table and the beginning of the next
//! are one round trip, and a table without rows costs none; memory is bounded as for a single
//! table. A batch that fails leaves nothing; each of its tables is to be tried alone then.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pghaul_rows::reader::RowReader;
use pghaul_rows::{TableDigest, Tid};
use tokio_postgres::Statement;

use super::piece::{Piece, doing};
use super::{PIECE_BYTES, Transfer, broken};
use crate::connect::{CopyOut, Session};
use crate::error::{Error, ErrorKind};
use crate::plan::{Part, TablePlan};
use crate::state::Receipt;

/// Why a batch failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchFailure {
    /// The table that was being read, by its place, if the source would not give it.
    pub at: Option<usize>,
    /// What was said.
    pub error: Error,
}

/// On which side a table's way is broken.
enum Broken {
    Reading(Error),
    Writing(Error),
}

impl From<Error> for BatchFailure {
    fn from(error: Error) -> Self {
        Self { at: None, error }
    }
}

/// A table's way into the target: what is to be written, and how.
struct Entrance<'a> {
    target: &'a Session,
    table: &'a TablePlan,
    part: &'a Part,
    copy: &'a Statement,
}

impl Transfer {
    /// Copies whole tables, each its own part, and commits them together. Gives the receipts of
    /// those at the beginning of the list that are in the target: all of them, unless stopping was
    /// asked for. Dropped before its end it leaves a transaction open on the target, if its COMMIT was
    /// not sent yet: roll it back before the session serves again.
    ///
    /// # Errors
    /// What either server said, or a stream that is not what COPY sends; then nothing is there, unless
    /// the answer to COMMIT was lost.
    pub async fn copy_tables(
        &self,
        (source, target): (&Session, &Session),
        tables: &[(&TablePlan, &Part)],
    ) -> Result<Vec<Receipt>, BatchFailure> {
        let reads = tables
            .iter()
            .map(|(table, part)| {
                (format!("read `{}`", table.name), table.read_statement(part, None))
            })
            .collect();
        let writes: Vec<(String, String)> =
            tables.iter().map(|(table, _)| (doing(table), table.write_statement())).collect();
        let begin = format!("begin; {}", guards(tables, |table| &table.guard.before));
        let (reads, begun, writes) = tokio::join!(
            source.copy_outs(reads),
            target.batch("begin a batch of small tables", &begin),
            target.prepare_all(&writes)
        );
        begun?;
        let (mut reads, writes) = (reads?, writes?);
        let mut receipts: Vec<Receipt> = Vec::new();
        let mut open = None;
        for (at, ((table, part), copy)) in tables.iter().zip(&writes).enumerate() {
            if self.stop.is_cancelled() {
                break;
            }
            let Some(stream) = reads.next().await else { break };
            let unread = |error| BatchFailure { at: Some(at), error };
            let (_, stream) = stream.map_err(unread)?;
            let entrance = Entrance { target, table, part, copy };
            let copied =
                self.copy_table((source, stream), &entrance, &mut open, &mut receipts).await;
            let copied = copied.map_err(|broken| match broken {
                Broken::Reading(error) => unread(error),
                Broken::Writing(error) => error.into(),
            })?;
            match copied {
                Some(piece) => open = Some(piece),
                None => receipts.push(entrance.nothing()),
            }
            let bytes: u64 = receipts.iter().map(|receipt| receipt.bytes).sum();
            if bytes + open.as_ref().map_or(0, Piece::bytes) > PIECE_BYTES {
                let what = "small tables hold far more than their size on disk says";
                return Err(Error::new(ErrorKind::Transfer, what).into());
            }
        }
        if let Some(piece) = open {
            receipts.push(piece.finish(None).await?);
        }
        self.commit_tables(target, &tables[..receipts.len()], &mut receipts).await?;
        Ok(receipts)
    }

    /// None if it has no rows. The piece before it, if its COPY is open, ends as this one's begins.
    async fn copy_table<'a>(
        &self,
        (source, stream): (&Session, CopyOut),
        entrance: &Entrance<'a>,
        before: &mut Option<Piece<'a>>,
        receipts: &mut Vec<Receipt>,
    ) -> Result<Option<Piece<'a>>, Broken> {
        let table = entrance.table;
        let layout =
            if table.has_ctid { &table.format.layout } else { &table.format.layout_without_ctid };
        let mut reader = RowReader::new(Arc::clone(layout), self.digesting);
        let mut stream = Box::pin(stream);
        let mut piece: Option<Piece<'a>> = None;
        while let Some(message) = stream.next().await {
            let message = message.map_err(|error| {
                Broken::Reading(source.error(&format!("read `{}`", table.name), &error))
            })?;
            let length = message.len() as u64;
            self.counters.bytes_read.fetch_add(length, Ordering::Relaxed);
            self.pace.take(length).await;
            reader.feed(message).map_err(|error| Broken::Reading(broken(table, error)))?;
            while let Some(row) =
                reader.next_row().map_err(|error| Broken::Reading(broken(table, error)))?
            {
                let piece = match &mut piece {
                    Some(piece) => piece,
                    None => {
                        let opened = entrance.open(before.take(), receipts).await;
                        piece.insert(opened.map_err(Broken::Writing)?)
                    }
                };
                piece.push(row).await.map_err(Broken::Writing)?;
                self.counters.rows_read.fetch_add(1, Ordering::Relaxed);
            }
        }
        reader.finish().map_err(|error| Broken::Reading(broken(table, error)))?;
        Ok(piece)
    }

    async fn commit_tables(
        &self,
        target: &Session,
        tables: &[(&TablePlan, &Part)],
        receipts: &mut [Receipt],
    ) -> Result<(), Error> {
        // In the order of the tables; those without rows were first to be known.
        receipts.sort_by_key(|receipt| tables.iter().position(|(_, part)| part.id == receipt.part));
        let inserts: Vec<String> = receipts
            .iter()
            .zip(tables)
            .map(|(receipt, (table, _))| receipt.insert_statement(table.image_name(), &self.worker))
            .collect();
        let after = guards(tables, |table| &table.guard.after);
        let inserts = format!("{}; {after}", inserts.join("; "));
        let doing = "commit a batch of small tables";
        // Where the inserts fail, COMMIT is a ROLLBACK.
        let (noted, committed) =
            tokio::join!(target.batch(doing, &inserts), target.batch(doing, "commit"));
        noted.and(committed)
    }
}

impl<'a> Entrance<'a> {
    /// Begins the COPY, and ends the one before it in the same round trip.
    async fn open(
        &self,
        before: Option<Piece<'_>>,
        receipts: &mut Vec<Receipt>,
    ) -> Result<Piece<'a>, Error> {
        let doing = doing(self.table);
        let begin = self.target.copy_in(&doing, self.copy);
        let sink = match before {
            None => begin.await?,
            Some(before) => {
                let (receipt, sink) = tokio::join!(before.finish(None), begin);
                receipts.push(receipt?);
                sink?
            }
        };
        Ok(Piece::within(self.target, self.table, (self.part.id, FIRST), sink))
    }

    fn nothing(&self) -> Receipt {
        let digest = TableDigest::default();
        Receipt { part: self.part.id, start: FIRST, next: None, digest, bytes: 0 }
    }
}

/// Where a whole table begins.
const FIRST: Tid = Tid { block: 0, offset: 0 };

/// The statements around the COPYs of several tables, each once.
fn guards<'a>(
    tables: &[(&'a TablePlan, &Part)],
    statement: impl Fn(&'a TablePlan) -> &'a str,
) -> String {
    let mut all: Vec<&str> = Vec::new();
    for (table, _) in tables {
        let statement = statement(table);
        if !all.contains(&statement) {
            all.push(statement);
        }
    }
    all.join(" ")
}
