//! Reading the rows of one table on one side: all of them, their sums by bucket, some of them.
//!
//! Invariants: the heap is read and never an index; a row counts as often as it is there; whether
//! the client or the server makes the digests, what is read is the same rows with the same
//! images; memory is bounded by one row and what the caller keeps.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pghaul_rows::layout::{Column, CopyFormat, Layout};
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::shape::Shape;
use pghaul_rows::tuple::RowRef;
use pghaul_rows::{CopyError, ImageKind, RowDigest, TableDigest, Tid};

use crate::connect::{CopyOut, Session, Side};
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::name::RelationName;
use crate::plan::format::{ServerImage, TableFormat};
use crate::plan::format_name;
use crate::transfer::pace::Pace;

/// A table of one side: where its rows lie, and how they become images.
#[derive(Debug, Clone)]
pub struct SideTable {
    /// One, or the leaves of a partition tree.
    pub heaps: Vec<Heap>,
    /// How they are read; all heaps alike.
    pub format: TableFormat,
    /// The places, in the format's columns, of those that name a row; empty: its digest does.
    pub key: Vec<usize>,
    /// What this key is.
    pub key_kind: KeyKind,
    /// Who makes the digests.
    pub digested_by: DigestedBy,
    /// A condition over all rows, for a sample; empty for none.
    pub sample: String,
}

/// What names the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// The primary key, whose values may be told.
    #[default]
    Primary,
    /// Another unique key: its values are told only where values are.
    Unique,
}

/// A relation that holds rows.
#[derive(Debug, Clone)]
pub struct Heap {
    /// Its name.
    pub name: RelationName,
    /// Which of its rows: those in it, or those of its partitions too.
    pub rows: RowsOf,
    /// A condition for the rows that count, else empty.
    pub condition: String,
    /// Whether a ctid is a block and a line there.
    pub has_ctid: bool,
    /// Bytes on disk, TOAST included.
    pub bytes: u64,
    /// Bytes of the main fork.
    pub heap_bytes: u64,
}

/// Whose rows are read with a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsOf {
    /// Its own.
    Itself,
    /// Those of its partitions.
    Partitions,
}

/// Who makes the digests.
#[derive(Debug, Clone)]
pub enum DigestedBy {
    /// pghaul, from the rows it is sent.
    Client,
    /// The server; only digests are sent.
    Server(ServerImage, ServerHash),
}

/// What a server hashes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHash {
    /// From 11 on.
    Sha256,
    /// All there is before.
    Md5,
}

impl ServerHash {
    /// The hash of an image, in hex.
    fn of(self, image: &str) -> String {
        match self {
            Self::Sha256 => {
                format!("pg_catalog.encode(pg_catalog.sha256({image}), 'hex')")
            }
            Self::Md5 => format!("pg_catalog.md5({image})"),
        }
    }
}

/// Blocks of a heap: from the first, up to the one before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blocks {
    /// None: from the beginning.
    pub from: Option<u32>,
    /// None: to the end.
    pub until: Option<u32>,
}

/// Where a row was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which of the table's heaps.
    pub heap: usize,
    /// Where in it; none where there are no ctids.
    pub tid: Option<Tid>,
}

/// A row by its digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundRow {
    /// Where it lies.
    pub place: Place,
    /// The digest of its key; without a key that of the row.
    pub key: RowDigest,
    /// The digest of the row.
    pub row: RowDigest,
}

/// Which rows to find.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// All.
    Everything,
    /// Those in some buckets of the key's digest.
    Buckets(Buckets),
    /// Those with some keys.
    Keys(HashSet<RowDigest>),
}

/// Some of `2^bits` buckets, by the first bits of a digest.
#[derive(Debug, Clone)]
pub struct Buckets {
    bits: u32,
    chosen: Vec<u8>,
}

impl Buckets {
    /// None of them yet.
    pub fn none(bits: u32) -> Self {
        Self { bits, chosen: vec![0; 1_usize.checked_shl(bits).unwrap_or(0).div_ceil(8)] }
    }

    /// Adds one.
    pub fn choose(&mut self, bucket: usize) {
        if let Some(byte) = self.chosen.get_mut(bucket / 8) {
            *byte |= 1 << (bucket % 8);
        }
    }

    fn holds(&self, bucket: usize) -> bool {
        self.chosen.get(bucket / 8).is_some_and(|byte| byte >> (bucket % 8) & 1 == 1)
    }
}

/// The bucket of a digest.
pub fn bucket_of(digest: RowDigest, bits: u32) -> usize {
    usize::try_from(digest.0[0] >> (64 - bits)).unwrap_or(0)
}

impl Wanted {
    pub(crate) fn holds(&self, key: RowDigest) -> bool {
        match self {
            Self::Everything => true,
            Self::Buckets(buckets) => buckets.holds(bucket_of(key, buckets.bits)),
            Self::Keys(keys) => keys.contains(&key),
        }
    }

    /// The same as a condition over `k`, the hex of a key's digest. The bits of a bytea are
    /// numbered as [`Buckets`] has them: byte by byte, the lowest bit first.
    fn condition(&self) -> String {
        match self {
            Self::Everything => "true".to_owned(),
            Self::Buckets(buckets) => format!(
                "pg_catalog.get_bit('\\x{}'::pg_catalog.bytea, {}) = 1",
                buckets.chosen.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
                bucket_expression(buckets.bits)
            ),
            Self::Keys(keys) => {
                let list: Vec<String> = keys.iter().map(ToString::to_string).collect();
                format!("pg_catalog.substr(k, 1, 32) = any ('{{{}}}'::text[])", list.join(","))
            }
        }
    }
}

/// The bucket of `k`, the hex of a key's digest.
fn bucket_expression(bits: u32) -> String {
    format!("(('x' || pg_catalog.substr(k, 1, 8))::bit(32)::int8 >> {})::int4", 32 - bits)
}

/// Sums of the lanes of `h`, the hex of a row's digest. As text, since they exceed 64 bits.
const SUMS: &str = "pg_catalog.count(*)::text, \
     coalesce(pg_catalog.sum(('x' || pg_catalog.substr(h, 1, 16))::bit(64)::int8), 0)::text, \
     coalesce(pg_catalog.sum(('x' || pg_catalog.substr(h, 17, 16))::bit(64)::int8), 0)::text";

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

impl SideTable {
    /// Of what the digests are made. Digests of different kinds say nothing about each other.
    pub fn image_kind(&self) -> ImageKind {
        let binary = self.format.format == CopyFormat::Binary;
        match &self.digested_by {
            DigestedBy::Client | DigestedBy::Server(_, ServerHash::Sha256) => {
                self.format.layout.image_kind()
            }
            DigestedBy::Server(_, ServerHash::Md5) if binary => ImageKind::Md5Binary,
            DigestedBy::Server(_, ServerHash::Md5) => ImageKind::Md5Text,
        }
    }

    /// `COPY … TO STDOUT` of all rows of a heap, without ctids.
    pub(crate) fn statement(&self, heap: &Heap) -> String {
        self.copy(heap, WithCtid::No, Blocks::default(), None)
    }

    /// Bytes on disk of all heaps.
    pub fn bytes(&self) -> u64 {
        self.heaps.iter().map(|heap| heap.bytes).sum()
    }

    /// `from … where …` of some blocks of a heap.
    fn from(&self, heap: &Heap, blocks: Blocks, more: Option<String>) -> String {
        let only = match heap.rows {
            RowsOf::Itself => "only ",
            RowsOf::Partitions => "",
        };
        let tid = |block: u32| Tid { block, offset: 0 };
        let own = |condition: &String| (!condition.is_empty()).then(|| format!("({condition})"));
        let conditions: Vec<String> = [
            own(&heap.condition),
            own(&self.sample),
            blocks.from.map(|block| format!("ctid >= '{}'::pg_catalog.tid", tid(block))),
            blocks.until.map(|block| format!("ctid < '{}'::pg_catalog.tid", tid(block))),
            more,
        ]
        .into_iter()
        .flatten()
        .collect();
        let condition = if conditions.is_empty() {
            String::new()
        } else {
            format!(" where {}", conditions.join(" and "))
        };
        format!("from {only}{}{condition}", heap.name.quoted())
    }

    /// `COPY … TO STDOUT` of rows in this table's layout.
    fn copy(&self, heap: &Heap, ctid: WithCtid, blocks: Blocks, more: Option<String>) -> String {
        let expressions: Vec<&str> = (ctid == WithCtid::Yes)
            .then_some("ctid")
            .into_iter()
            .chain(self.format.source_expressions.iter().map(String::as_str))
            .chain(self.format.hidden.iter().map(String::as_str))
            .collect();
        format!(
            "copy (select {} {}) to stdout with (format {})",
            expressions.join(", "),
            self.from(heap, blocks, more),
            format_name(self.format.format)
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithCtid {
    Yes,
    No,
}

impl WithCtid {
    fn of(heap: &Heap) -> Self {
        if heap.has_ctid { Self::Yes } else { Self::No }
    }
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
                let stream = self.session.copy_out(&doing, &statement).await?;
                self.digest_of((&doing, heap), stream).await
            }
            DigestedBy::Server(image, hash) => {
                let sql = format!(
                    "select {SUMS} from (select {} as h {} offset 0) as rows",
                    hash.of(&image.of_row()),
                    self.table.from(heap, blocks, None)
                );
                let rows = self.session.simple_rows(&doing, &sql).await?;
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
        let rows = self.session.simple_rows(&doing, &sql).await?;
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

    /// Takes a COPY stream apart.
    async fn stream(
        &self,
        (doing, heap): (&str, &Heap),
        statement: &str,
        mut reader: RowReader,
        each: impl FnMut(RowRef<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
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

/// ctid, digest of the key, digest of the row.
fn digests_layout() -> Layout {
    Layout { with_ctid: true, ..texts_layout(2) }
}

/// So many columns of text.
fn texts_layout(columns: usize) -> Layout {
    Layout {
        format: CopyFormat::Text,
        with_ctid: false,
        columns: vec![Column { image_type: 25, shape: Shape::Plain }; columns],
        hidden: Vec::new(),
    }
}

fn two_digests(row: RowRef<'_>) -> Option<(RowDigest, RowDigest)> {
    let line = row.parts().concat();
    let (key, digest) = std::str::from_utf8(&line).ok()?.trim_end().split_once('\t')?;
    Some((key.parse().ok()?, digest.parse().ok()?))
}

/// Count and sums as a server writes them: the sums have more than 64 bits, of which the lowest
/// count.
fn sums(row: &[Option<String>], doing: &str) -> Result<TableDigest, Error> {
    let number = |at: usize| row.get(at)?.as_deref()?.parse::<i128>().ok();
    let (Some(rows), Some(first), Some(second)) = (number(0), number(1), number(2)) else {
        return Err(Error::new(ErrorKind::Bug, format!("cannot {doing}: the sums are no numbers")));
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lanes are sums modulo 2^64, and a count is positive"
    )]
    let low = |number: i128| number as u64;
    Ok(TableDigest { rows: low(rows), lanes: [low(first), low(second)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_the_first_bits() {
        let digest = RowDigest([0xabcd_ef01_2345_6789, 0]);
        assert_eq!(bucket_of(digest, 12), 0xabc);
        assert_eq!(bucket_of(digest, 16), 0xabcd);
        let mut buckets = Buckets::none(12);
        assert!(!buckets.holds(0xabc));
        buckets.choose(0xabc);
        assert!(buckets.holds(0xabc) && !buckets.holds(0xabd));
    }

    #[test]
    fn sums_of_a_server_are_taken_modulo_two_to_the_64() {
        let row = ["3", "-1", "36893488147419103233"].map(|text| Some(text.to_owned()));
        let digest = sums(&row, "test").unwrap();
        assert_eq!(digest, TableDigest { rows: 3, lanes: [u64::MAX, 1] });
        assert!(sums(&[None], "test").is_err());
    }
}
