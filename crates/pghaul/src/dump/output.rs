//! A piece that is being written: rows in, frames compressed beside the reading.
//!
//! Invariants: at most one frame is being compressed and one being filled; a piece that is dropped
//! before [`OpenPiece::finish`] returned is not part of the archive.

use std::sync::Arc;

use pghaul_archive::piece::Summary;
use pghaul_archive::{
    ArchiveError, FileName, FrameBuilder, Header, NewFile, PieceWriter, RawFrame,
};
use pghaul_rows::{Tid, tuple::Row};
use tokio::task::JoinHandle;

use super::workplace::Workplace;
use crate::archive::failed;
use crate::error::{Error, ErrorKind};

type Writer = PieceWriter<Box<dyn NewFile>>;

pub(super) struct OpenPiece {
    header: Header,
    builder: FrameBuilder,
    writer: State,
}

/// The memory of the frame comes back with the writer.
type Written = (Box<Writer>, Vec<u8>);

enum State {
    Busy(JoinHandle<Result<Written, ArchiveError>>),
    Gone,
}

impl OpenPiece {
    pub(super) async fn begin(
        place: &Arc<Workplace>,
        header: Header,
        level: i32,
    ) -> Result<Self, Error> {
        let (place, of_writer) = (Arc::clone(place), header.clone());
        let begun = tokio::task::spawn_blocking(move || {
            let file = place.store().create(of_writer.file())?;
            let writer = PieceWriter::begin(file, &of_writer, level)?;
            Ok((Box::new(writer), Vec::new()))
        });
        let builder = FrameBuilder::new(header.format);
        Ok(Self { header, builder, writer: State::Busy(begun) })
    }

    /// The file that it will be.
    pub(super) fn file(&self) -> FileName {
        self.header.file()
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.builder.rows()
    }

    /// Bytes of rows so far.
    pub(super) fn length(&self) -> u64 {
        self.builder.length()
    }

    pub(super) async fn push(&mut self, row: &Row) -> Result<(), Error> {
        if let Some(frame) = self.builder.full_before(row) {
            self.write(frame).await?;
        }
        self.builder.add(row);
        Ok(())
    }

    async fn write(&mut self, frame: RawFrame) -> Result<(), Error> {
        let mut writer = self.idle().await?;
        self.writer = State::Busy(tokio::task::spawn_blocking(move || {
            writer.write(&frame)?;
            Ok((writer, frame.bytes))
        }));
        Ok(())
    }

    async fn idle(&mut self) -> Result<Box<Writer>, Error> {
        match std::mem::replace(&mut self.writer, State::Gone) {
            State::Busy(busy) => {
                let (writer, spare) = joined(busy.await)?.map_err(failed)?;
                self.builder.recycle(spare);
                Ok(writer)
            }
            State::Gone => Err(Error::new(ErrorKind::Bug, "a piece is used after it failed")),
        }
    }

    /// Ends the piece and makes it durable.
    pub(super) async fn finish(mut self, next: Option<Tid>) -> Result<(Header, Summary), Error> {
        let mut writer = self.idle().await?;
        let last = self.builder.finish(next);
        let ended = tokio::task::spawn_blocking(move || {
            writer.write(&last)?;
            let (file, summary) = writer.finish(next)?;
            file.publish()?;
            Ok::<_, ArchiveError>(summary)
        });
        let summary = joined(ended.await)?.map_err(failed)?;
        Ok((self.header, summary))
    }

    /// Waits for what is being written, and lets go of the file as it is.
    pub(super) async fn give_up(mut self) {
        // Why it could not be written is known to whoever gives it up.
        drop(self.idle().await);
    }
}

/// A thread that panicked is a bug; the archive has no manifest then.
pub(super) fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> Result<T, Error> {
    ended.map_err(|error| {
        Error::new(ErrorKind::Bug, "a thread of the dump ended by a panic").caused_by(error)
    })
}
