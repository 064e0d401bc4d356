//! Names the rows that differ, table by table.
//!
//! Invariants: one table at a time, so memory is that of one; what is named goes to the receiver
//! and is not kept, but for [`LOOKED_AT_AGAIN`] rows when they are to be looked at again; a table
//! counts as named only when all that could be told of it was.

use std::collections::BTreeMap;

use tokio::sync::mpsc::Sender;

use super::company::Company;
use super::difference::{Difference, Differences, Named, Naming, differences};
use super::moment::Moment;
use super::options::{Depth, Recheck};
use super::outcome::{Rechecked, TableDifferences, VerifiedTable};
use super::pairs::TablePair;
use super::read_all::{differing, finding, undecided};
use super::reading::{Blocks, DigestedBy, Reading};
use super::recheck;
use crate::connect::Session;
use crate::error::Error;
use crate::event::Event;
use crate::name::{Ident, RelationName};

/// Rows that are looked at again together; when there are more, they are in several turns.
const LOOKED_AT_AGAIN: usize = 20_000;

/// Rows that are sent to the receiver at once, at most.
const ROWS_SENT: usize = 500;

/// Names what differs.
pub(super) async fn name_all(
    company: &Company,
    moment: &Moment,
    done: &mut BTreeMap<RelationName, VerifiedTable>,
) -> Result<(), Error> {
    for pair in differing(moment, done) {
        let Some(table) = done.get(&pair.name) else { continue };
        let mut table = table.clone();
        try_until_done(company, moment, pair, &mut table).await?;
        if !table.equal {
            company.find(finding(&table));
        }
        done.insert(pair.name.clone(), table);
    }
    Ok(())
}

async fn try_until_done(
    company: &Company,
    moment: &Moment,
    pair: &TablePair,
    table: &mut VerifiedTable,
) -> Result<(), Error> {
    let mut attempts = company.attempts(0);
    loop {
        let before = table.clone();
        match name_rows(company, moment, pair, table).await {
            Ok(()) => return Ok(()),
            // What was told was told: it is not told again.
            Err(error) if table.named > 0 => return Err(error),
            Err(error) => {
                *table = before;
                attempts.after(error).await?;
            }
        }
    }
}

async fn name_rows(
    company: &Company,
    moment: &Moment,
    pair: &TablePair,
    table: &mut VerifiedTable,
) -> Result<(), Error> {
    let sessions = futures::try_join!(
        moment.source.reader("differences"),
        moment.target.reader("differences")
    )?;
    let mut pair = pair.clone();
    if undecided(&pair) && company.options.depth != Depth::Rows {
        // The servers could not tell; the rows themselves do.
        pair.source.digested_by = DigestedBy::Client;
        pair.target.digested_by = DigestedBy::Client;
        let (source, target) = readings(company, moment, &pair, &sessions);
        let digests = futures::try_join!(whole(source), whole(target))?;
        let counts = (table.source.rows, table.target.rows);
        table.equal = digests.0 == digests.1 && counts.0 == counts.1;
        table.digest_kind = Some(pair.source.image_kind());
        table.source.lanes = digests.0.lanes;
        table.target.lanes = digests.1.lanes;
        let equal = table.equal;
        company.observer.on_event(&Event::TableVerified { table: &pair.name, equal });
        if equal {
            table.all_named = true;
            return Ok(());
        }
    }
    if company.options.depth == Depth::Rows || company.options.max_differences == 0 {
        return Ok(());
    }
    let (source, target) = readings(company, moment, &pair, &sessions);
    let naming = Naming {
        limit: company.options.max_differences,
        values: company.options.values,
        rows: table.source.rows.checked_add(table.target.rows),
        memory: company.options.memory_for_differences(),
        spill_dir: company.options.spill_dir.clone(),
    };
    let mut told = Told::new((&pair.name, &pair.key), &company.differences);
    let Some(again) = company.options.recheck else {
        let ended = differences(source, target, &naming, &mut told).await;
        table.named = told.rows;
        note(table, ended?);
        return Ok(());
    };
    if pair.key.is_empty() {
        let naming = Naming { limit: naming.limit.min(LOOKED_AT_AGAIN), ..naming };
        let mut rows = Vec::new();
        let named = differences(source, target, &naming, &mut rows).await?;
        drop(sessions);
        let first = (rows, named.all, &naming);
        let seen = recheck::look_at_all_again(company, moment, &pair, first, again).await?;
        table.all_named = seen.all;
        table.equal = seen.all && seen.rows.is_empty();
        let ended = told.take(seen.rows).await;
        table.named = told.rows;
        table.recheck = Some(seen.summary);
        company.find(recheck::finding(table, &seen.summary));
        return ended;
    }
    let (looks, waiting) = (Rechecked::default(), Vec::new());
    let mut looking = Looking { company, moment, pair: &pair, again, told, waiting, looks };
    let ended = differences(source, target, &naming, &mut looking).await;
    drop(sessions);
    let looked = match &ended {
        Ok(_) => looking.look().await,
        Err(_) => Ok(()),
    };
    table.named = looking.told.rows;
    looked?;
    let named = ended?;
    table.all_named = named.all;
    table.equal = named.all && table.named == 0;
    table.recheck = Some(looking.looks);
    company.find(recheck::finding(table, &looking.looks));
    Ok(())
}

fn note(table: &mut VerifiedTable, named: Named) {
    table.named = named.rows;
    table.all_named = named.all;
}

pub(super) fn readings<'a>(
    company: &'a Company,
    moment: &'a Moment,
    pair: &'a TablePair,
    sessions: &'a (Session, Session),
) -> (Reading<'a>, Reading<'a>) {
    let counters = &*company.counters;
    (
        Reading { session: &sessions.0, table: &pair.source, counters, pace: &moment.source.pace },
        Reading { session: &sessions.1, table: &pair.target, counters, pace: &moment.target.pace },
    )
}

async fn whole(reading: Reading<'_>) -> Result<pghaul_rows::TableDigest, Error> {
    let mut digest = pghaul_rows::TableDigest::default();
    for heap in 0..reading.table.heaps.len() {
        digest.add(reading.digest(heap, Blocks::default()).await?);
    }
    Ok(digest)
}

/// Passes differences on to the receiver, and waits while it is full.
pub(crate) struct Told<'a> {
    /// The table, and the columns of its key.
    table: (&'a RelationName, &'a [Ident]),
    sender: &'a Sender<TableDifferences>,
    rows: usize,
}

impl<'a> Told<'a> {
    pub(crate) fn new(
        table: (&'a RelationName, &'a [Ident]),
        sender: &'a Sender<TableDifferences>,
    ) -> Self {
        Self { table, sender, rows: 0 }
    }

    /// How many were told.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
}

impl Differences for Told<'_> {
    async fn take(&mut self, rows: Vec<Difference>) -> Result<(), Error> {
        self.rows += rows.len();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let some = rows.by_ref().take(ROWS_SENT).collect();
            let (table, key) = (self.table.0.clone(), self.table.1.to_vec());
            // A receiver that is gone does not want to know.
            let _ = self.sender.send(TableDifferences { table, key, rows: some }).await;
        }
        Ok(())
    }
}

/// Looks at rows again before it passes on those that stay different.
struct Looking<'a> {
    company: &'a Company,
    moment: &'a Moment,
    pair: &'a TablePair,
    again: Recheck,
    told: Told<'a>,
    waiting: Vec<Difference>,
    looks: Rechecked,
}

impl Looking<'_> {
    async fn look(&mut self) -> Result<(), Error> {
        let mut rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() {
            return Ok(());
        }
        let Self { company, moment, pair, again, told, looks, .. } = self;
        let seen = recheck::look_again(company, moment, pair, &rows, *again).await?;
        looks.looks = looks.looks.max(seen.summary.looks);
        looks.agreed += seen.summary.agreed;
        looks.stayed += seen.summary.stayed;
        looks.moving += seen.summary.moving;
        rows.retain(|row| !seen.agreed.contains(&row.key_digest));
        told.take(rows).await
    }
}

impl Differences for Looking<'_> {
    async fn take(&mut self, mut rows: Vec<Difference>) -> Result<(), Error> {
        self.waiting.append(&mut rows);
        if self.waiting.len() < LOOKED_AT_AGAIN { Ok(()) } else { self.look().await }
    }
}
