//! Receipts of pieces: what is known to be in the target, and where a part goes on.
//!
//! Invariant: the receipts of one part form a chain, each beginning where the one before ended.

use std::collections::BTreeMap;

use pghaul_rows::{TableDigest, Tid};

use crate::catalog::size;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::literal;
use crate::plan::PartId;

/// A committed piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its part.
    pub part: PartId,
    /// Where the piece begins: rows from this ctid on are in it.
    pub start: Tid,
    /// Where the next piece begins; none: the part is done.
    pub next: Option<Tid>,
    /// The rows' digest; its count is theirs.
    pub digest: TableDigest,
    /// Bytes of the piece as they went to the target.
    pub bytes: u64,
}

/// All receipts of a run, by part.
#[derive(Debug, Default)]
pub struct Receipts {
    by_part: BTreeMap<PartId, Vec<Receipt>>,
}

impl Receipts {
    /// Reads them.
    ///
    /// # Errors
    /// What the target said; [`ErrorKind::RunState`] when they contradict each other.
    pub async fn load(target: &Session) -> Result<Self, Error> {
        let mut receipts = Self::default();
        for receipt in read(target, None).await? {
            receipts.add(receipt);
        }
        Ok(receipts)
    }

    /// Reads those of one part.
    ///
    /// # Errors
    /// As [`Receipts::load`].
    pub async fn load_part(target: &Session, part: PartId) -> Result<Vec<Receipt>, Error> {
        read(target, Some(part)).await
    }

    /// Replaces what is known of one part.
    pub fn replace(&mut self, part: PartId, receipts: Vec<Receipt>) {
        self.by_part.insert(part, receipts);
    }

    /// Adds one that was just committed, unless somebody who looked at the target was quicker to
    /// learn of it: a piece counts once.
    pub fn add(&mut self, receipt: Receipt) {
        let known = self.by_part.entry(receipt.part).or_default();
        if known.last().is_none_or(|last| last.start < receipt.start) {
            known.push(receipt);
        }
    }

    /// Those of one part, in the order of the heap.
    pub fn of(&self, part: PartId) -> &[Receipt] {
        self.by_part.get(&part).map_or(&[], Vec::as_slice)
    }

    /// Whether a part is copied whole.
    pub fn is_done(&self, part: PartId) -> bool {
        self.of(part).last().is_some_and(|last| last.next.is_none())
    }

    /// Where a part goes on; none: from its beginning.
    pub fn resume_at(&self, part: PartId) -> Option<Tid> {
        self.of(part).last().and_then(|last| last.next)
    }

    /// The digest of what is committed of one part.
    pub fn digest(&self, part: PartId) -> TableDigest {
        let mut sum = TableDigest::default();
        for receipt in self.of(part) {
            sum.add(receipt.digest);
        }
        sum
    }

    /// The bytes of what is committed of one part.
    pub fn bytes(&self, part: PartId) -> u64 {
        self.of(part).iter().map(|receipt| receipt.bytes).sum()
    }
}

impl Receipt {
    /// The statement that writes the receipt: to be sent in the transaction that wrote the piece.
    /// It fails with a unique violation when the piece was committed by somebody else.
    pub fn insert_statement(&self, image: &str, worker: &str) -> String {
        let (next_block, next_line) = match self.next {
            Some(tid) => (tid.block.to_string(), tid.offset.to_string()),
            None => ("null".to_owned(), "null".to_owned()),
        };
        format!(
            "insert into pghaul.receipt (part, block, line, next_block, next_line, rows, bytes, \
             lane_0, lane_1, image, worker) \
             values ({}, {}, {}, {next_block}, {next_line}, {}, {}, {}, {}, {}, {})",
            self.part.0,
            self.start.block,
            self.start.offset,
            self.digest.rows,
            self.bytes,
            self.digest.lanes[0].cast_signed(),
            self.digest.lanes[1].cast_signed(),
            literal(image),
            literal(worker),
        )
    }
}

async fn read(target: &Session, part: Option<PartId>) -> Result<Vec<Receipt>, Error> {
    let part = part.map(|part| i32::try_from(part.0).unwrap_or(i32::MAX));
    let rows = target
        .query(
            "read the receipts",
            "select part, block, line, next_block, next_line, rows, bytes, lane_0, lane_1 \
               from pghaul.receipt where $1::int4 is null or part = $1 order by part, block, line",
            &[&part],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let next = row
                .get::<_, Option<i64>>(3)
                .map(|block| tid(block, row.get::<_, Option<i32>>(4).unwrap_or(0)));
            Ok(Receipt {
                part: PartId(usize::try_from(row.get::<_, i32>(0)).unwrap_or(usize::MAX)),
                start: tid(row.get(1), row.get(2))?,
                next: next.transpose()?,
                digest: TableDigest::from_i64s([row.get(5), row.get(7), row.get(8)]),
                bytes: size(row.get(6)),
            })
        })
        .collect()
}

fn tid(block: i64, line: i32) -> Result<Tid, Error> {
    match (u32::try_from(block), u16::try_from(line)) {
        (Ok(block), Ok(offset)) => Ok(Tid { block, offset }),
        _ => Err(Error::new(ErrorKind::RunState, "target: a receipt holds an impossible ctid")
            .with_hint("begin again with `pghaul clone --restart`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_is_learned_of_twice_counts_once() {
        let piece = |block: u32, next: Option<u32>| Receipt {
            part: PartId(3),
            start: Tid { block, offset: 0 },
            next: next.map(|block| Tid { block, offset: 0 }),
            digest: TableDigest { rows: 500, lanes: [1, 2] },
            bytes: 10,
        };
        let mut receipts = Receipts::default();
        receipts.add(piece(0, Some(7)));
        receipts.replace(PartId(3), vec![piece(0, Some(7)), piece(7, None)]);
        receipts.add(piece(7, None));
        assert_eq!(receipts.of(PartId(3)), [piece(0, Some(7)), piece(7, None)]);
        assert_eq!(receipts.digest(PartId(3)), TableDigest { rows: 1000, lanes: [2, 4] });
        assert!(receipts.is_done(PartId(3)));
    }
}
