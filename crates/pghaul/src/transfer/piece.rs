//! A piece: consecutive rows of a part and their receipt, in one transaction on the target.
//!
//! Invariant: dropped before [`Piece::commit`] returned, a piece leaves nothing behind but what a
//! lost acknowledgement may have left, which the receipt decides.

use std::pin::Pin;

use bytes::Bytes;
use futures::SinkExt;
use pghaul_rows::TableDigest;
use pghaul_rows::Tid;
use pghaul_rows::tuple::Row;
use pghaul_rows::writer::CopyWriter;
use tokio_postgres::CopyInSink;

use super::frozen::{self, goes_in_frozen};
use crate::connect::Session;
use crate::error::Error;
use crate::plan::{Part, PartId, TablePlan};
use crate::state::Receipt;

pub(crate) struct Piece<'a> {
    target: &'a Session,
    table: &'a TablePlan,
    part: PartId,
    start: Tid,
    doing: String,
    sink: Pin<Box<CopyInSink<Bytes>>>,
    /// None where whole frames of a stream come in.
    writer: Option<CopyWriter>,
    digest: TableDigest,
    bytes: u64,
}

/// Bytes of one message of a frame.
const MESSAGE_BYTES: usize = 256 << 10;

impl<'a> Piece<'a> {
    /// The first piece of a part, or one that goes on where the part has pieces already.
    pub(super) async fn begin(
        target: &'a Session,
        table: &'a TablePlan,
        part: &Part,
        resume: Option<Tid>,
    ) -> Result<Self, Error> {
        let doing = doing(table);
        let start = resume.unwrap_or(Tid { block: part.from.unwrap_or(0), offset: 0 });
        let is_first = resume.is_none() && goes_in_frozen(table, part);
        let (begin, statement) = if is_first && frozen::begin(target, table).await? {
            table.write_frozen_statements()
        } else {
            (format!("begin; {}", table.guard.before), table.write_statement())
        };
        // Sent together: one round trip less a piece.
        let (begun, sink) =
            tokio::join!(target.batch(&doing, &begin), target.copy_in(&doing, &statement));
        begun?;
        Ok(Self::within(target, table, (part.id, start), sink?))
    }

    /// A piece inside a transaction that is begun, into a COPY that is.
    pub(super) fn within(
        target: &'a Session,
        table: &'a TablePlan,
        (part, start): (PartId, Tid),
        sink: CopyInSink<Bytes>,
    ) -> Self {
        Self {
            target,
            table,
            part,
            start,
            doing: doing(table),
            sink: Box::pin(sink),
            writer: Some(CopyWriter::new(table.format.format)),
            digest: TableDigest::default(),
            bytes: 0,
        }
    }

    /// The only piece of a part, which gets its COPY stream whole, header and trailer included.
    pub(crate) async fn begin_whole(
        target: &'a Session,
        table: &'a TablePlan,
        part: &Part,
    ) -> Result<Self, Error> {
        let start = Tid { block: 0, offset: 0 };
        Ok(Self { writer: None, start, ..Self::begin(target, table, part, None).await? })
    }

    /// Adds bytes of the stream, which hold these rows.
    pub(crate) async fn push_frame(
        &mut self,
        mut bytes: Bytes,
        rows: TableDigest,
    ) -> Result<(), Error> {
        self.digest.add(rows);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let message = bytes.split_to(bytes.len().min(MESSAGE_BYTES));
            self.send(message).await?;
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn rows(&self) -> u64 {
        self.digest.rows
    }

    pub(super) async fn push(&mut self, row: Row) -> Result<(), Error> {
        match row.digest {
            Some(digest) => self.digest.add_row(digest),
            None => self.digest.rows += 1,
        }
        self.bytes += row.tuple.len() as u64;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.push(&row.tuple);
        while let Some(message) = self.writer.as_mut().and_then(CopyWriter::take_message) {
            // A slice of a large row would keep all of it until the target has taken the slice.
            let slice = !message.is_unique();
            let message = if slice { Bytes::copy_from_slice(&message) } else { message };
            self.send(message).await?;
        }
        Ok(())
    }

    pub(super) async fn commit(self, next: Option<Tid>, worker: &str) -> Result<Receipt, Error> {
        self.commit_with("", next, worker).await
    }

    /// Commits the last piece of a part that another statement makes known in the same
    /// transaction.
    pub(crate) async fn commit_after(
        self,
        statement: &str,
        worker: &str,
    ) -> Result<Receipt, Error> {
        self.commit_with(&format!("{statement}; "), None, worker).await
    }

    async fn commit_with(
        self,
        before: &str,
        next: Option<Tid>,
        worker: &str,
    ) -> Result<Receipt, Error> {
        let (target, table) = (self.target, self.table);
        let receipt = self.finish(next).await?;
        target
            .batch(
                &format!("commit a piece of `{}`", table.written_to),
                &format!(
                    "{before}{}; {} commit",
                    receipt.insert_statement(table.image_name(), worker),
                    table.guard.after
                ),
            )
            .await?;
        Ok(receipt)
    }

    /// Ends the COPY, not the transaction, and gives what is to be inserted in it.
    pub(super) async fn finish(mut self, next: Option<Tid>) -> Result<Receipt, Error> {
        for message in self.writer.take().map(CopyWriter::finish).unwrap_or_default() {
            self.send(message).await?;
        }
        let written = self
            .sink
            .as_mut()
            .finish()
            .await
            .map_err(|error| self.target.error(&self.doing, &error))?;
        if written != self.digest.rows {
            return Err(Error::new(
                crate::error::ErrorKind::Transfer,
                format!(
                    "target: `{}` took {written} rows of {} that were sent",
                    self.table.written_to, self.digest.rows
                ),
            ));
        }
        Ok(Receipt {
            part: self.part,
            start: self.start,
            next,
            digest: self.digest,
            bytes: self.bytes,
        })
    }

    async fn send(&mut self, message: Bytes) -> Result<(), Error> {
        self.sink.send(message).await.map_err(|error| self.target.error(&self.doing, &error))
    }
}

pub(super) fn doing(table: &TablePlan) -> String {
    format!("write `{}`", table.written_to)
}
