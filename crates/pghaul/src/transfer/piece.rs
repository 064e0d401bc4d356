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

use crate::connect::Session;
use crate::error::Error;
use crate::plan::{PartId, TablePlan};
use crate::state::Receipt;

pub(super) struct Piece<'a> {
    target: &'a Session,
    table: &'a TablePlan,
    part: PartId,
    start: Tid,
    doing: String,
    sink: Pin<Box<CopyInSink<Bytes>>>,
    writer: CopyWriter,
    digest: TableDigest,
    bytes: u64,
}

impl<'a> Piece<'a> {
    pub(super) async fn begin(
        target: &'a Session,
        table: &'a TablePlan,
        part: PartId,
        start: Tid,
    ) -> Result<Self, Error> {
        let doing = format!("write `{}`", table.written_to);
        let statement = table.write_statement();
        // Sent together: one round trip less a piece.
        let begin = format!("begin; {}", table.guard.before);
        let (begun, sink) =
            tokio::join!(target.batch(&doing, &begin), target.copy_in(&doing, &statement));
        begun?;
        Ok(Self {
            target,
            table,
            part,
            start,
            doing,
            sink: Box::pin(sink?),
            writer: CopyWriter::new(table.format.format),
            digest: TableDigest::default(),
            bytes: 0,
        })
    }

    pub(super) fn bytes(&self) -> u64 {
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
        self.writer.push(&row.tuple);
        while let Some(message) = self.writer.take_message() {
            self.send(message).await?;
        }
        Ok(())
    }

    pub(super) async fn commit(
        mut self,
        next: Option<Tid>,
        worker: &str,
    ) -> Result<Receipt, Error> {
        let writer = std::mem::replace(&mut self.writer, CopyWriter::new(self.table.format.format));
        for message in writer.finish() {
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
        let receipt = Receipt {
            part: self.part,
            start: self.start,
            next,
            digest: self.digest,
            bytes: self.bytes,
        };
        let image = self.table.format.layout.image_kind().name();
        self.target
            .batch(
                &format!("commit a piece of `{}`", self.table.written_to),
                &format!(
                    "{}; {} commit",
                    receipt.insert_statement(image, worker),
                    self.table.guard.after
                ),
            )
            .await?;
        Ok(receipt)
    }

    async fn send(&mut self, message: Bytes) -> Result<(), Error> {
        self.sink.send(message).await.map_err(|error| self.target.error(&self.doing, &error))
    }
}
