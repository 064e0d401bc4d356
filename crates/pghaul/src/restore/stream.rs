//! Restoring a stream: rows first, in the order in which they come, then the rest.
//!
//! Invariants: each frame is sent after its digest was checked, each piece committed after its
//! end was; indexes, keys and everything else come only after the manifest was read and fits all
//! that came before it; a stream that ends early leaves a run that says so, and does not resume.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pghaul_archive::check::BatchDigest;
use pghaul_archive::contents::Contents;
use pghaul_archive::name::Sha;
use pghaul_archive::piece::Summary as PieceSummary;
use pghaul_archive::rows::{Chunk, RowCheck};
use pghaul_archive::stream::{StreamReader, TakesPieces, table_of};
use pghaul_archive::{ArchiveError, Frame, Header, Manifest, PieceKind, manifest};
use tokio::sync::mpsc;

use super::Archive;
use crate::archive::{failed, from_large_object};
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Event, Observer, Phase};
use crate::finding::{Finding, Severity};
use crate::plan::{Part, PartId, TablePlan};
use crate::run::options::Start;
use crate::run::{BegunStream, CloneOptions, Ending, Outcome, PreparedClone, Stop};
use crate::state::StepReceipt;
use crate::transfer::archived::{FRAMES_AHEAD, chunks_of, give_attributes, no_chunk, put};
use crate::transfer::large_objects::{self, LargeObject, OBJECTS_A_BATCH};
use crate::transfer::piece::Piece;

/// What the thread that reads tells.
enum Came {
    Begin(Header),
    Frame(Frame),
    End(PieceSummary),
}

/// Restores an archive from a stream.
///
/// Asked to stop before the stream's end, it gives [`Ending::Stopped`]; the run stays unfinished, and
/// the thread that reads `input` ends with the next piece of it that comes.
///
/// # Errors
/// [`ErrorKind::Archive`] for a stream that is damaged or ends early: the run in the target stays
/// unfinished then. [`ErrorKind::Usage`] for a resume. Else as [`super::prepare`] and
/// [`PreparedClone::run`].
pub async fn restore_stream(
    input: impl Read + Send + 'static,
    target: Endpoint,
    options: CloneOptions,
    (observer, counters, stop): (Arc<dyn Observer>, Arc<Counters>, Stop),
) -> Result<Outcome, Error> {
    if matches!(options.start, Start::Resume | Start::ResumeRestarting(_) | Start::Join) {
        return Err(Error::new(ErrorKind::Usage, "a stream cannot be resumed")
            .with_hint("restore it again with --restart, or put it into a folder first"));
    }
    let opened = tokio::select! {
        opened = blocking(move || StreamReader::open(input)) => opened?.map_err(failed)?,
        () = stop.soon.cancelled() => return Ok(stopped()),
    };
    let contents = opened.contents().clone();
    let nothing_yet = Arc::new(Archive {
        folder: None,
        manifest: without_pieces(&contents),
        contents: contents.clone(),
    });
    let prepared = PreparedClone::of_archive(nothing_yet, target.clone(), options.clone()).await?;
    let begun = prepared.begin_stream().await?;
    let (send, mut receive) = mpsc::channel(FRAMES_AHEAD);
    let reading = tokio::task::spawn_blocking(move || opened.read(&mut Sender(send)));
    observer.on_event(&Event::PhaseStarted(Phase::Data));
    let mut loader = Loader {
        run: &begun,
        contents: &contents,
        observer: &observer,
        counters: &counters,
        parts: 0,
        batch: None,
    };
    let loading = async {
        let target = begun.target.connect(Purpose::Write, "restore stream").await?;
        loader.load(&target, &mut receive).await
    };
    let loaded = tokio::select! {
        loaded = loading => loaded,
        // Whoever writes the stream may wait for us: the thread that reads it is left alone.
        () = stop.now.cancelled() => return Ok(stopped()),
        () = stop.soon.cancelled() => return Ok(stopped()),
    };
    drop(receive);
    // Why the stream ended early is more to the point than that a session found it so.
    let read = reading.await.map_err(|error| {
        Error::new(ErrorKind::Bug, "the thread that reads an archive ended by a panic")
            .caused_by(error)
    })?;
    let (contents, manifest): (Contents, Manifest) = match (read, loaded) {
        (Ok(documents), Ok(())) => documents,
        (_, Err(error)) if error.kind() != ErrorKind::Archive => return Err(error),
        (Err(error), _) => return Err(failed(error)),
        (Ok(_), Err(error)) => return Err(error),
    };
    drop(begun);
    // All rows have receipts by now: the rest is what a resume would do.
    let archive = Arc::new(Archive { folder: None, manifest, contents });
    let options = CloneOptions { start: Start::Resume, ..options };
    let rest = PreparedClone::of_archive(archive, target, options).await?;
    rest.run(observer, counters, stop).await
}

/// What a restore came to that was asked to stop before the stream's end.
fn stopped() -> Outcome {
    let finding = Finding::new(
        Severity::Warning,
        "stream_unfinished",
        "stopped before the stream was read to its end; a stream cannot be resumed",
        "restore it again with --restart",
    );
    Outcome {
        ending: Ending::Stopped,
        tables: Vec::new(),
        findings: vec![finding],
        consistency: "",
        indexes: 0,
        constraints: 0,
        phases: Vec::new(),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorKind::Bug, "the thread that reads an archive ended by a panic")
            .caused_by(error)
    })
}

/// Passes on what was checked.
struct Sender(mpsc::Sender<Came>);

impl Sender {
    fn send(&self, came: Came) -> Result<(), ArchiveError> {
        let gone = |_| {
            let source = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
            ArchiveError::io("pass on", "the stream", source)
        };
        self.0.blocking_send(came).map_err(gone)
    }
}

impl TakesPieces for Sender {
    fn begin(&mut self, header: &Header) -> Result<(), ArchiveError> {
        self.send(Came::Begin(header.clone()))
    }

    fn frame(&mut self, frame: Frame) -> Result<(), ArchiveError> {
        self.send(Came::Frame(frame))
    }

    fn end(&mut self, summary: &PieceSummary) -> Result<(), ArchiveError> {
        self.send(Came::End(*summary))
    }
}

/// What is known before the first piece.
fn without_pieces(contents: &Contents) -> Manifest {
    let batches = contents.large_objects.chunks(OBJECTS_A_BATCH).map(|batch| manifest::Batch {
        objects: u32::try_from(batch.len()).unwrap_or(u32::MAX),
        sha256: Sha([0; 32]),
    });
    Manifest {
        archive: contents.archive,
        finished: String::new(),
        source: contents.source.clone(),
        consistency: String::new(),
        files: Vec::new(),
        pieces: Vec::new(),
        sequences: Vec::new(),
        large_objects: batches.collect(),
    }
}

/// Loads what comes.
struct Loader<'a> {
    run: &'a BegunStream,
    contents: &'a Contents,
    observer: &'a Arc<dyn Observer>,
    counters: &'a Counters,
    /// Parts so far: each piece of a wanted table is one.
    parts: usize,
    batch: Option<OpenBatch>,
}

/// A batch of large objects that goes on.
struct OpenBatch {
    number: u32,
    objects: Vec<LargeObject>,
    digest: BatchDigest,
}

/// The thread that reads has ended before the piece did, and says why itself.
fn cut() -> Error {
    Error::new(ErrorKind::Archive, "the stream ended in the middle of a piece")
}

impl Loader<'_> {
    async fn load(
        &mut self,
        target: &Session,
        come: &mut mpsc::Receiver<Came>,
    ) -> Result<(), Error> {
        while let Some(came) = come.recv().await {
            let Came::Begin(header) = came else { return Err(cut()) };
            let table = table_of(self.contents, &header).map_err(failed)?;
            let run = self.run;
            let mut tables = run.plan.tables.iter().enumerate();
            let plan = table.and_then(|table| tables.find(|(_, plan)| plan.oid == table.oid));
            match (header.kind, plan) {
                (PieceKind::Rows, Some(plan)) => self.rows(target, plan, come).await?,
                (PieceKind::LargeObjects, _) if run.with_large_objects => {
                    self.objects(target, header.part, come).await?;
                }
                _ => while let Some(Came::Frame(_)) = come.recv().await {},
            }
        }
        if self.batch.is_some() { Err(no_chunk()) } else { Ok(()) }
    }

    /// One piece of a table, one transaction, one part.
    async fn rows(
        &mut self,
        target: &Session,
        (at, table): (usize, &TablePlan),
        come: &mut mpsc::Receiver<Came>,
    ) -> Result<(), Error> {
        // How many pieces the table has is not known yet, so it counts as one of several.
        let from = Some(0);
        let part = Part { id: PartId(self.parts), table: at, from, until: None, bytes: 0 };
        let mut piece = Piece::begin_whole(target, table, &part).await?;
        loop {
            match come.recv().await {
                Some(Came::Frame(frame)) => {
                    let length = frame.bytes.len() as u64;
                    self.counters.bytes_read.fetch_add(length, Ordering::Relaxed);
                    self.counters.rows_read.fetch_add(frame.digest.rows, Ordering::Relaxed);
                    piece.push_frame(frame.bytes.into(), frame.digest).await?;
                }
                Some(Came::End(_)) => break,
                Some(Came::Begin(_)) | None => return Err(cut()),
            }
        }
        let (part, bytes) = (part.id.0, piece.bytes());
        let plan = format!("insert into pghaul.part values ({part}, {at}, null, null, {bytes})");
        let receipt = piece.commit_after(&plan, &self.run.worker).await?;
        self.parts += 1;
        let (rows, bytes) = (receipt.digest.rows, receipt.bytes);
        self.observer.on_event(&Event::PieceCommitted { table: &table.name, rows, bytes });
        Ok(())
    }

    /// One piece of a batch of large objects; the batch is one transaction.
    async fn objects(
        &mut self,
        target: &Session,
        number: u32,
        come: &mut mpsc::Receiver<Came>,
    ) -> Result<(), Error> {
        let mut batch = match self.batch.take() {
            Some(batch) if batch.number == number => batch,
            Some(_) => return Err(no_chunk()),
            None => self.begin_batch(target, number).await?,
        };
        let mut check = RowCheck::of_large_objects("large-objects");
        loop {
            match come.recv().await {
                Some(Came::Frame(frame)) => {
                    let mut tuples = Vec::new();
                    let each = |tuple| tuples.push(tuple);
                    let fit = chunks_of(frame, &mut check, &mut batch.digest, each);
                    if !fit.map_err(failed)? {
                        return Err(no_chunk());
                    }
                    for tuple in tuples {
                        let chunk = Chunk::of_tuple(&tuple).ok_or_else(no_chunk)?;
                        let length = chunk.data.len() as u64;
                        self.counters.bytes_read.fetch_add(length, Ordering::Relaxed);
                        put(target, chunk).await?;
                    }
                }
                Some(Came::End(summary)) if summary.end.next.is_some() => {
                    self.batch = Some(batch);
                    return Ok(());
                }
                Some(Came::End(_)) => return self.end_batch(target, batch).await,
                Some(Came::Begin(_)) | None => return Err(cut()),
            }
        }
    }

    async fn begin_batch(&self, target: &Session, number: u32) -> Result<OpenBatch, Error> {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let objects = self.contents.large_objects.chunks(OBJECTS_A_BATCH).nth(place);
        let objects: Vec<LargeObject> =
            objects.ok_or_else(no_chunk)?.iter().map(from_large_object).collect();
        target.batch("begin a batch of large objects", "begin").await?;
        let digest = BatchDigest::new(objects.iter().map(|object| object.oid).collect());
        Ok(OpenBatch { number, objects, digest })
    }

    async fn end_batch(&self, target: &Session, batch: OpenBatch) -> Result<(), Error> {
        let digest = batch.digest.finish().ok_or_else(no_chunk)?;
        give_attributes(target, &batch.objects, self.run.attributes).await?;
        let receipt = StepReceipt {
            id: &format!("large objects {}", batch.number),
            kind: "LARGE OBJECTS",
            object: &format!("{} large objects", batch.objects.len()),
            result: &digest.to_string(),
            undo: &large_objects::unlink(&batch.objects),
            worker: &self.run.worker,
        };
        let sql = format!("{}; commit", receipt.insert_statement());
        target.batch("commit a batch of large objects", &sql).await
    }
}
