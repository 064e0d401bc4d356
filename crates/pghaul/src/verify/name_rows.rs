//! Names the rows that differ, table by table.
//!
//! Invariants: one table at a time, so memory is that of one; what is named goes to the receiver
//! and is not kept, but for the digests of keys when they are to be looked at again; a table
//! counts as named only when all that could be told of it was.

use std::collections::BTreeMap;

use tokio::sync::mpsc::Sender;

use super::difference::{Difference, Differences, Named, Naming, differences};
use super::options::Depth;
use super::outcome::{TableDifferences, VerifiedTable};
use super::pairs::TablePair;
use super::prepare::{Company, Moment};
use super::read_all::{differing, finding, undecided};
use super::reading::{Blocks, DigestedBy, Reading};
use super::recheck;
use crate::connect::Session;
use crate::error::Error;
use crate::event::Event;
use crate::name::RelationName;
use crate::run::retry;

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
    let mut attempt = 0;
    loop {
        let before = table.clone();
        let error = match name_rows(company, moment, pair, table).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        attempt += 1;
        // What was told was told: it is not told again.
        if table.named > 0
            || attempt >= company.options.attempts
            || !retry::is_worth_another_try(&error)
            || !company.budget.take()
        {
            return Err(error);
        }
        *table = before;
        let after = retry::pause(attempt, 0);
        let what = format!("{error:?}");
        company.observer.on_event(&Event::Retrying { what: &what, after });
        tokio::time::sleep(after).await;
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
    let naming = Naming { limit: company.options.max_differences, values: company.options.values };
    let Some(again) = company.options.recheck else {
        let mut told = Told { pair: &pair, sender: &company.differences, rows: 0 };
        let ended = differences(source, target, naming, &mut told).await;
        table.named = told.rows;
        note(table, ended?);
        return Ok(());
    };
    let mut rows: Vec<Difference> = Vec::new();
    let named = differences(source, target, naming, &mut rows).await?;
    note(table, named);
    drop(sessions);
    let seen = recheck::look_again(company, moment, &pair, &rows, again).await?;
    rows.retain(|row| !seen.agreed.contains(&row.key_digest));
    table.named = rows.len();
    table.equal = named.all && rows.is_empty();
    table.recheck = Some(seen.summary);
    company.find(recheck::finding(table, &seen.summary));
    let mut told = Told { pair: &pair, sender: &company.differences, rows: 0 };
    told.take(rows).await
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
struct Told<'a> {
    pair: &'a TablePair,
    sender: &'a Sender<TableDifferences>,
    rows: usize,
}

impl Differences for Told<'_> {
    async fn take(&mut self, rows: Vec<Difference>) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        self.rows += rows.len();
        let (table, key) = (self.pair.name.clone(), self.pair.key.clone());
        // A receiver that is gone does not want to know.
        let _ = self.sender.send(TableDifferences { table, key, rows }).await;
        Ok(())
    }
}
