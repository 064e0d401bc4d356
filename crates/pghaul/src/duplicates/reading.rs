//! Reads the keys of unique indexes: one pass over the heap for all those of one table.
//!
//! Invariants: every index has a finder of its own, and all of them together stay within the budget;
//! a value outside of an index's condition is never computed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pghaul_rows::duplicates::{Member, Relations};
use pghaul_rows::key::{KeyHasher, KeyShape};
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::shape::ShapeError;
use pghaul_rows::{Column, CopyError, CopyFormat, Layout, RowRef, Shape};

use super::candidates::{Candidates, Feed};
use super::index::UniqueIndex;
use super::key::Key;
use super::options::ScanOptions;
use super::space;
use super::statement::{self, Blocks};
use crate::catalog::Oid;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::name::RelationName;
use crate::transfer::pace::Pace;

/// A finder below this spills so often that a pass of its own is better.
const LEAST_SHARE: usize = 8 << 20;

/// A key of this many bytes as it is sent may be too long for an index.
const SUSPECT: u64 = 2000;

/// Blocks that are read by one statement while a rate is kept, where a range of ctid reads only
/// its blocks (14 and newer).
const BLOCKS_A_STATEMENT: u32 = 512;

/// Bytes of a block, as nearly every server has them: for the rate.
const BLOCK_BYTES: u64 = 8192;

/// How many indexes one pass may read with this budget.
pub(super) fn at_once(memory: usize) -> usize {
    (memory / LEAST_SHARE).max(1)
}

/// A relation that holds rows of an index.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) oid: Oid,
    /// Its OID where there are many, else 0.
    pub(super) tag: u32,
    pub(super) name: RelationName,
    pub(super) blocks: u64,
}

/// What was read of an index.
pub(super) struct Keys {
    /// Rows whose keys may be equal.
    pub(super) candidates: Candidates,
    /// Rows that can equal others.
    pub(super) rows: u64,
    /// Whether keys may be too long for an index.
    pub(super) has_suspects: bool,
}

impl Keys {
    /// Nothing was read.
    pub(super) fn none() -> Self {
        Self { candidates: Candidates::none(), rows: 0, has_suspects: false }
    }
}

/// A pass over the rows of one table.
pub(super) struct Pass<'a> {
    pub(super) session: &'a Session,
    pub(super) options: &'a ScanOptions,
    pub(super) pace: &'a Pace,
    pub(super) counters: &'a Counters,
    /// All indexes that are read in it, of one table.
    pub(super) indexes: Vec<&'a UniqueIndex>,
}

/// What a server should not send.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Stream(#[from] CopyError),
    #[error(transparent)]
    Value(#[from] ShapeError),
}

/// Where the keys of one index go.
struct Share {
    hasher: KeyHasher,
    feed: Feed,
    /// Fields of a row before its keys.
    before: usize,
    keys: usize,
    sizes: usize,
    longest: u64,
    rows: u64,
}

impl Pass<'_> {
    /// Reads these relations; gives what was read of each index.
    pub(super) async fn read(&self, relations: &[Relation]) -> Result<Vec<Keys>, Error> {
        let memory = self.options.memory / self.indexes.len().max(1);
        let kind = match self.indexes.first() {
            Some(first) if first.definition.is_partitioned() => Relations::Many,
            _ => Relations::One,
        };
        let folder = &self.options.spill_dir;
        space::check(self.session, &self.indexes, (kind, memory), folder).await?;
        let mut shares = Vec::with_capacity(self.indexes.len());
        let mut before = 0;
        for index in &self.indexes {
            let shapes: Vec<KeyShape> = index.keys.iter().map(Key::shape).collect();
            let sizes = index.keys.iter().filter(|key| key.is_hashed()).count();
            shares.push(Share {
                hasher: KeyHasher::new(shapes, index.definition.nulls),
                feed: Feed::start(kind, memory, folder.clone())?,
                before,
                keys: index.keys.len(),
                sizes,
                longest: 0,
                rows: 0,
            });
            before += index.keys.len() + sizes;
        }
        let layout = layout(before);
        for relation in relations {
            for blocks in self.statements(relation) {
                self.read_blocks(relation, blocks, &layout, &mut shares).await?;
            }
        }
        let mut read = Vec::with_capacity(shares.len());
        for share in shares {
            let (rows, has_suspects) = (share.rows, share.longest > SUSPECT);
            read.push(Keys { candidates: share.feed.finish().await?, rows, has_suspects });
        }
        Ok(read)
    }

    /// One statement for a relation, or many where that helps to keep a rate.
    fn statements(&self, relation: &Relation) -> Vec<Option<Blocks>> {
        if self.options.max_rate.is_none() || !self.session.version().at_least(14) {
            return vec![None];
        }
        let blocks = u32::try_from(relation.blocks).unwrap_or(u32::MAX);
        let step = usize::try_from(BLOCKS_A_STATEMENT).unwrap_or(usize::MAX);
        let starts: Vec<u32> = (0..blocks.max(1)).step_by(step).collect();
        let ends = starts.iter().skip(1).map(|end| Some(*end)).chain([None]);
        starts.iter().zip(ends).map(|(from, until)| Some(Blocks { from: *from, until })).collect()
    }

    async fn read_blocks(
        &self,
        relation: &Relation,
        blocks: Option<Blocks>,
        layout: &Arc<Layout>,
        shares: &mut [Share],
    ) -> Result<(), Error> {
        let doing = self.doing(relation);
        let broken = |cause: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Transfer, format!("cannot {doing}: {cause}"))
        };
        let sql = statement::read(&self.indexes, &relation.name, blocks);
        let mut stream = Box::pin(self.session.copy_out(&doing, &sql).await?);
        let mut reader = RowReader::new(Arc::clone(layout), Digesting::Off);
        let mut at = blocks.map_or(0, |blocks| blocks.from);
        while let Some(message) = stream.next().await {
            let message = message.map_err(|error| self.session.error(&doing, &error))?;
            self.counters.bytes_read.fetch_add(message.len() as u64, Ordering::Relaxed);
            reader.feed(message).map_err(|cause| broken(&cause))?;
            let mut rows = 0;
            let mut until = at;
            let taken = reader.each_row(|row| {
                rows += 1;
                let Some(tid) = row.ctid else { return Ok(()) };
                until = until.max(tid.block);
                let member = Member { relation: relation.tag, tid };
                shares.iter_mut().try_for_each(|share| share.take(row, member))
            });
            taken.map_err(|cause: Broken| broken(&cause))?;
            for share in &mut *shares {
                if share.feed.is_full() {
                    share.feed.send().await?;
                }
            }
            self.counters.rows_read.fetch_add(rows, Ordering::Relaxed);
            if until > at {
                self.advance(&mut at, until).await;
            }
        }
        reader.finish().map_err(|cause| broken(&cause))?;
        let end = blocks.and_then(|blocks| blocks.until);
        let end = end.unwrap_or_else(|| u32::try_from(relation.blocks).unwrap_or(u32::MAX));
        self.advance(&mut at, end).await;
        Ok(())
    }

    fn doing(&self, relation: &Relation) -> String {
        let names: Vec<String> =
            self.indexes.iter().map(|index| format!("`{}`", index.definition.name)).collect();
        format!("read the keys of {} in `{}`", names.join(", "), relation.name)
    }

    /// Blocks up to this one were read: counts them, once for each index, and waits for the rate.
    async fn advance(&self, at: &mut u32, until: u32) {
        let blocks = u64::from(until.saturating_sub(*at));
        if blocks > 0 {
            *at = until;
            let counted = blocks * self.indexes.len() as u64;
            self.counters.blocks_read.fetch_add(counted, Ordering::Relaxed);
            self.pace.take(blocks * BLOCK_BYTES).await;
        }
    }
}

impl Share {
    /// Takes the key of one row.
    fn take(&mut self, row: RowRef<'_>, member: Member) -> Result<(), Broken> {
        if let Some(digest) = self.hasher.digest(row.binary_fields().skip(self.before))? {
            self.rows += 1;
            self.longest = self.longest.max(self.length(row));
            self.feed.push(digest, member);
        }
        Ok(())
    }

    /// Bytes of a key: those that were sent, and the sizes of those that were not.
    fn length(&self, row: RowRef<'_>) -> u64 {
        let mut fields = row.binary_fields().skip(self.before);
        let sent = fields.by_ref().take(self.keys).flatten();
        let sent: u64 = sent.map(|value| value.len() as u64).sum();
        let sizes = fields
            .take(self.sizes)
            .flatten()
            .filter_map(|size| Some(u64::from(u32::from_be_bytes(*size.first_chunk()?))));
        sent + sizes.sum::<u64>()
    }
}

/// ctid, the images of keys and some sizes, framed only: what is in them is hashed elsewhere.
fn layout(fields: usize) -> Arc<Layout> {
    let column = Column { image_type: 0, shape: Shape::Plain };
    Arc::new(Layout {
        format: CopyFormat::Binary,
        with_ctid: true,
        columns: vec![column; fields],
        hidden: Vec::new(),
    })
}
