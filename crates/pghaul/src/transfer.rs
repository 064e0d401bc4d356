//! The way of a row: read, digest, write, receipt.
//!
//! Invariants: rows of one part are written in the order of its heap, cut into pieces; a piece
//! and its receipt are one transaction; memory is bounded by one row and a few messages, whatever
//! the size of a part; nothing here retries, the run does.

pub(crate) mod again;
pub(crate) mod archived;
pub mod batch;
pub(crate) mod frozen;
pub mod large_objects;
pub mod pace;
pub(crate) mod piece;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::{CopyError, Tid};
use tokio_util::sync::CancellationToken;

use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::plan::{Part, TablePlan};
use crate::state::Receipt;
use pace::Pace;
use piece::Piece;

/// A piece holds at most this many bytes, or one row.
pub const PIECE_BYTES: u64 = 128 << 20;

/// Rows between two looks at whether to stop: then the piece ends where it is.
const ROWS_A_LOOK: u64 = 256;

/// What all transfers of a run share.
pub struct Transfer {
    /// Limits the bytes a second read from the source.
    pub pace: Pace,
    /// What the progress is made of.
    pub counters: Arc<Counters>,
    /// Ask for it and transfers commit the piece in flight as far as it is, and end.
    pub stop: CancellationToken,
    /// Whether rows are digested.
    pub digesting: Digesting,
    /// Who we are, in receipts.
    pub worker: String,
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The part is in the target.
    Done,
    /// Stopping was asked for; all pieces so far are committed.
    Stopped,
}

impl Transfer {
    /// Copies a part, from `resume` on if it was begun before. `committed` hears of each piece
    /// after its COMMIT was acknowledged.
    ///
    /// # Errors
    /// What either server said, or a stream that is not what COPY sends.
    pub async fn copy_part(
        &self,
        (source, target): (&Session, &Session),
        table: &TablePlan,
        part: &Part,
        resume: Option<Tid>,
        mut committed: impl FnMut(Receipt),
    ) -> Result<Ended, Error> {
        let layout =
            if table.has_ctid { &table.format.layout } else { &table.format.layout_without_ctid };
        let doing = format!("read `{}`", table.name);
        let statement = table.read_statement(part, resume);
        source.search(table.format.search_path.as_deref()).await?;
        let mut stream = Box::pin(source.copy_out(&doing, &statement).await?);
        let mut reader = RowReader::new(Arc::clone(layout), self.digesting);
        let mut piece = Piece::begin(target, table, part, resume).await?;
        while let Some(message) = stream.next().await {
            let message = message.map_err(|error| source.error(&doing, &error))?;
            let length = message.len() as u64;
            self.counters.bytes_read.fetch_add(length, Ordering::Relaxed);
            self.pace.take(length).await;
            reader.feed(message).map_err(|error| broken(table, error))?;
            while let Some(row) = reader.next_row().map_err(|error| broken(table, error))? {
                // Rows that share a ctid do not exist, so a piece may end before any row; only
                // a table without ctids has to stay in one piece.
                let stopping = piece.rows() % ROWS_A_LOOK == 1 && self.stop.is_cancelled();
                let full = piece.rows() > 0 && piece.bytes() + row.tuple.len() as u64 > PIECE_BYTES;
                if let Some(ctid) = row.ctid
                    && (full || stopping)
                {
                    committed(piece.commit(Some(ctid), &self.worker).await?);
                    if self.stop.is_cancelled() {
                        return Ok(Ended::Stopped);
                    }
                    piece = Piece::begin(target, table, part, Some(ctid)).await?;
                }
                piece.push(row).await?;
                self.counters.rows_read.fetch_add(1, Ordering::Relaxed);
            }
        }
        reader.finish().map_err(|error| broken(table, error))?;
        committed(piece.commit(None, &self.worker).await?);
        Ok(Ended::Done)
    }
}

pub(crate) fn broken(table: &TablePlan, cause: CopyError) -> Error {
    Error::new(
        ErrorKind::Transfer,
        format!("source: the COPY stream of `{}` is not what the server should send", table.name),
    )
    .caused_by(cause)
}
