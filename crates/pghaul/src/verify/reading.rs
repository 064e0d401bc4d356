//! Reading the rows of one table on one side: all of them, their sums by bucket, some of them.
//!
//! Invariants: the heap is read and never an index; a row counts as often as it is there; whether
//! the client or the server makes the digests, what is read is the same rows with the same
//! images; memory is bounded by one row and what the caller keeps.

mod sums;
mod table;
mod wanted;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::tuple::RowRef;
use pghaul_rows::{CopyError, RowDigest, TableDigest, Tid};

use self::sums::{SUMS, digests_layout, sums, texts_layout, two_digests};
use self::table::WithCtid;
pub use self::table::{Blocks, DigestedBy, Heap, KeyKind, RowsOf, ServerHash, SideTable};
use self::wanted::bucket_expression;
pub use self::wanted::{Buckets, FoundRow, Place, Wanted, bucket_of};
use crate::connect::{CopyOut, Session, Side};
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::plan::format::ServerImage;
use crate::transfer::pace::Pace;

/// A table of one side and the session to read it with.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The session: inside the side's snapshot, if there is one.
    pub session: &'a Session,
    /// The table.
    pub table: &'a SideTable,
    /// What the progress is made of.
    pub counters: &'a Counters,
    /// Limits the bytes a second.
    pub pace: &'a Pace,
}
impl Reading<'_> {
    /// Count and sums of some blocks of a heap.
    ///
    /// # Errors
    /// What the server said. So for all readings.
    pub async fn digest(&self, heap: usize, blocks: Blocks) -> Result<TableDigest, Error> {
        let Some(heap) = self.table.heaps.get(heap) else { return Ok(TableDigest::default()) };
        let doing = format!("read `{}`", heap.name);
        match &self.table.digested_by {
            DigestedBy::Client => {
                let statement = self.table.copy(heap, WithCtid::No, blocks, None);
                self.search().await?;
                let stream = self.session.copy_out(&doing, &statement).await?;
                self.digest_of((&doing, heap), stream).await
            }
            DigestedBy::Server(image, hash) => {
                let sql = format!(
                    "select {SUMS} from (select {} as h {} offset 0) as rows",
                    hash.of(&image.of_row()),
                    self.table.from(heap, blocks, None)
                );
                let rows = self.rows(&doing, &sql).await?;
                sums(rows.first().map_or(&[], Vec::as_slice), &doing)
            }
        }
    }

    /// Count and sums of the rows of a whole heap, from a stream that was asked for with
    /// [`SideTable::statement`].
    ///
    /// # Errors
    /// As [`Reading::digest`].
    pub(crate) async fn digest_of(
        &self,
        (doing, heap): (&str, &Heap),
        stream: CopyOut,
    ) -> Result<TableDigest, Error> {
        let layout = Arc::clone(&self.table.format.layout_without_ctid);
        let mut reader = RowReader::new(layout, Digesting::Summed);
        self.take_apart((doing, heap), stream, &mut reader, |_| Ok(())).await?;
        let digest = reader.take_sum();
        reader.finish().map_err(|error| self.broken(heap, error))?;
        Ok(digest)
    }

    /// The number of all rows, also where only a sample is digested.
    ///
    /// # Errors
    /// As [`Reading::digest`].
    pub async fn count(&self, heap: usize, blocks: Blocks) -> Result<TableDigest, Error> {
        let Some(heap) = self.table.heaps.get(heap) else { return Ok(TableDigest::default()) };
        let all = SideTable { sample: String::new(), ..self.table.clone() };
        let from = all.from(heap, blocks, None);
        let sql = format!("select pg_catalog.count(*)::text {from}");
        let doing = format!("count the rows of `{}`", heap.name);
        let rows = self.rows(&doing, &sql).await?;
        let count = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
        Ok(TableDigest { rows: count.unwrap_or(0), lanes: [0; 2] })
    }

    /// Counts and sums by the first bits of the key's digest.
    ///
    /// # Errors
    /// As [`Reading::digest`].
    pub async fn buckets(&self, bits: u32) -> Result<Vec<TableDigest>, Error> {
        let mut buckets = vec![TableDigest::default(); 1_usize.checked_shl(bits).unwrap_or(0)];
        for heap in &self.table.heaps {
            let doing = format!("read `{}` for where rows differ", heap.name);
            match &self.table.digested_by {
                DigestedBy::Client => {
                    self.keyed((&doing, heap), WithCtid::No, |row| {
                        let (key, digest) = self.key_and_row(row);
                        if let Some(bucket) = buckets.get_mut(bucket_of(key, bits)) {
                            bucket.add_row(digest);
                        }
                        Ok(())
                    })
                    .await?;
                }
                DigestedBy::Server(image, hash) => {
                    let statement = format!(
                        "copy (select {}, {SUMS} from (select {} as k, {} as h {} offset 0) as rows \
                         group by 1) to stdout",
                        bucket_expression(bits),
                        self.key_hash(image, *hash),
                        hash.of(&image.of_row()),
                        self.table.from(heap, Blocks::default(), None)
                    );
                    let reader = RowReader::new(Arc::new(texts_layout(4)), Digesting::Off);
                    self.stream((&doing, heap), &statement, reader, |row| {
                        let line = row.parts().concat();
                        let line = String::from_utf8_lossy(&line);
                        let mut fields = line.trim_end().split('\t');
                        let at = fields.next().and_then(|at| at.parse::<usize>().ok());
                        if let Some(bucket) = at.and_then(|at| buckets.get_mut(at)) {
                            let sum: Vec<Option<String>> =
                                fields.map(|field| Some(field.to_owned())).collect();
                            bucket.add(sums(&sum, &doing)?);
                        }
                        Ok(())
                    })
                    .await?;
                }
            }
        }
        Ok(buckets)
    }

    /// Calls `each` for the rows that are wanted.
    ///
    /// # Errors
    /// As [`Reading::digest`], and what `each` said.
    pub async fn find(
        &self,
        wanted: &Wanted,
        mut each: impl FnMut(FoundRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (at, heap) in self.table.heaps.iter().enumerate() {
            let doing = format!("read `{}` to find the rows that differ", heap.name);
            match &self.table.digested_by {
                DigestedBy::Client => {
                    self.keyed((&doing, heap), WithCtid::of(heap), |row| {
                        let (key, digest) = self.key_and_row(row);
                        if !wanted.holds(key) {
                            return Ok(());
                        }
                        let place = Place { heap: at, tid: row.ctid };
                        each(FoundRow { place, key, row: digest })
                    })
                    .await?;
                }
                DigestedBy::Server(image, hash) => {
                    let statement = format!(
                        "copy (select c, pg_catalog.substr(k, 1, 32), pg_catalog.substr(h, 1, 32) \
                         from (select {} as c, {} as k, {} as h {} offset 0) as rows where {}) to stdout",
                        if heap.has_ctid { "ctid" } else { "'(0,0)'::pg_catalog.tid" },
                        self.key_hash(image, *hash),
                        hash.of(&image.of_row()),
                        self.table.from(heap, Blocks::default(), None),
                        wanted.condition()
                    );
                    let reader = RowReader::new(Arc::new(digests_layout()), Digesting::Off);
                    self.stream((&doing, heap), &statement, reader, |row| {
                        let tid = row.ctid.filter(|_| heap.has_ctid);
                        let Some((key, digest)) = two_digests(row) else { return Ok(()) };
                        each(FoundRow { place: Place { heap: at, tid }, key, row: digest })
                    })
                    .await?;
                }
            }
        }
        Ok(())
    }

    /// Reads rows of one heap by where they lie; gives the digest of each column of each.
    ///
    /// # Errors
    /// As [`Reading::digest`].
    pub async fn columns_at(
        &self,
        heap: usize,
        tids: &[Tid],
    ) -> Result<Vec<(Tid, Vec<RowDigest>)>, Error> {
        let Some(heap) = self.table.heaps.get(heap).filter(|heap| heap.has_ctid) else {
            return Ok(Vec::new());
        };
        if tids.is_empty() {
            return Ok(Vec::new());
        }
        let doing = format!("read rows of `{}` that differ", heap.name);
        let at = Some(at_places(tids));
        let statement = self.table.copy(heap, WithCtid::Yes, Blocks::default(), at);
        let each: Vec<Vec<usize>> =
            (0..self.table.format.columns.len()).map(|column| vec![column]).collect();
        let reader = RowReader::projecting(Arc::clone(&self.table.format.layout), &each);
        let mut found = Vec::with_capacity(tids.len());
        self.stream((&doing, heap), &statement, reader, |row| {
            found.extend(row.ctid.map(|tid| (tid, row.projected.to_vec())));
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Reads with the digest of the key.
    async fn keyed(
        &self,
        (doing, heap): (&str, &Heap),
        ctid: WithCtid,
        each: impl FnMut(RowRef<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let format = &self.table.format;
        let layout = match ctid {
            WithCtid::Yes => &format.layout,
            WithCtid::No => &format.layout_without_ctid,
        };
        let reader = if self.table.key.is_empty() {
            RowReader::new(Arc::clone(layout), Digesting::Sha256)
        } else {
            RowReader::projecting(Arc::clone(layout), std::slice::from_ref(&self.table.key))
        };
        let statement = self.table.copy(heap, ctid, Blocks::default(), None);
        self.stream((doing, heap), &statement, reader, each).await
    }

    fn key_and_row(&self, row: RowRef<'_>) -> (RowDigest, RowDigest) {
        let digest = row.digest.unwrap_or(RowDigest([0; 2]));
        (row.projected.first().copied().unwrap_or(digest), digest)
    }

    fn key_hash(&self, image: &ServerImage, hash: ServerHash) -> String {
        if self.table.key.is_empty() {
            hash.of(&image.of_row())
        } else {
            hash.of(&image.of(&self.table.key))
        }
    }

    /// So that the server can plan what follows.
    async fn search(&self) -> Result<(), Error> {
        self.session.search(self.table.format.search_path.as_deref()).await
    }

    /// The rows of a query of this table, as text.
    pub(super) async fn rows(
        &self,
        doing: &str,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, Error> {
        self.search().await?;
        self.session.simple_rows(doing, sql).await
    }

    /// Takes a COPY stream apart.
    async fn stream(
        &self,
        (doing, heap): (&str, &Heap),
        statement: &str,
        mut reader: RowReader,
        each: impl FnMut(RowRef<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.search().await?;
        let stream = self.session.copy_out(doing, statement).await?;
        self.take_apart((doing, heap), stream, &mut reader, each).await?;
        reader.finish().map_err(|error| self.broken(heap, error))
    }

    async fn take_apart(
        &self,
        (doing, heap): (&str, &Heap),
        stream: CopyOut,
        reader: &mut RowReader,
        mut each: impl FnMut(RowRef<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let counter = match self.session.side() {
            Side::Source | Side::Database => &self.counters.bytes_read,
            Side::Target => &self.counters.bytes_read_back,
        };
        let broken = |error| self.broken(heap, error);
        let mut stream = Box::pin(stream);
        while let Some(message) = stream.next().await {
            let message = message.map_err(|error| self.session.error(doing, &error))?;
            counter.fetch_add(message.len() as u64, Ordering::Relaxed);
            self.pace.take(message.len() as u64).await;
            reader.feed(message).map_err(broken)?;
            let shown = reader.each_row(|row| each(row).map_err(Trouble::Caller));
            shown.map_err(|trouble| match trouble {
                Trouble::Stream(error) => broken(error),
                Trouble::Caller(error) => error,
            })?;
        }
        Ok(())
    }

    fn broken(&self, heap: &Heap, cause: CopyError) -> Error {
        let side = self.session.side();
        let what = format!(
            "{side}: the COPY stream of `{}` is not what the server should send",
            heap.name
        );
        Error::new(ErrorKind::Transfer, what).caused_by(cause)
    }
}

/// Why a stream is not taken apart further.
enum Trouble {
    Stream(CopyError),
    Caller(Error),
}

impl From<CopyError> for Trouble {
    fn from(error: CopyError) -> Self {
        Self::Stream(error)
    }
}
/// A condition for rows that lie there.
pub(super) fn at_places(tids: &[Tid]) -> String {
    let places: Vec<String> = tids.iter().map(|tid| format!("\"{tid}\"")).collect();
    format!("ctid = any ('{{{}}}'::pg_catalog.tid[])", places.join(","))
}
