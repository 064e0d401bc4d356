//! Looks at rows that differ again, while the databases are written to.
//!
//! Invariants: each look is at both sides at about the same time, under snapshots of its own; a key
//! agrees when its rows are equal in one look; it stays different only when it differs in two looks
//! in a row, unchanged on both sides between them; what does neither within the looks asked for
//! is said to be moving. Rows without a key are known by what is in them: one that changes is another
//! row, so that only a look at the whole table says whether they agree.

use std::collections::{HashMap, HashSet};

use pghaul_rows::RowDigest;

use super::company::Company;
use super::difference::{Difference, DifferenceKind, KeyState, Named, Naming, differences, states};
use super::moment::Moment;
use super::name_rows::readings;
use super::options::Recheck;
use super::outcome::{Rechecked, VerifiedTable};
use super::pairs::TablePair;
use super::reading::Wanted;
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::Error;
use crate::finding::{Finding, Severity};

/// What became of the keys.
pub(super) struct Seen {
    pub(super) agreed: HashSet<RowDigest>,
    pub(super) summary: Rechecked,
}

/// Looks again until every key agrees or stays different, or the looks are used up.
pub(super) async fn look_again(
    company: &Company,
    moment: &Moment,
    pair: &TablePair,
    rows: &[Difference],
    again: Recheck,
) -> Result<Seen, Error> {
    let mut pending: HashSet<RowDigest> = rows.iter().map(|row| row.key_digest).collect();
    let mut agreed = HashSet::new();
    let mut before: HashMap<RowDigest, KeyState> = HashMap::new();
    let mut summary = Rechecked::default();
    while !pending.is_empty() && summary.looks < again.looks {
        tokio::time::sleep(again.pause).await;
        summary.looks += 1;
        let sessions =
            futures::try_join!(fresh(&moment.source.endpoint), fresh(&moment.target.endpoint))?;
        let (source, target) = readings(company, moment, pair, &sessions);
        let mut now = states(source, target, &Wanted::Keys(pending.clone())).await?;
        pending.retain(|key| {
            let state = now.remove(key).unwrap_or_default();
            if state.source == state.target {
                agreed.insert(*key);
                return false;
            }
            let stays = before.get(key) == Some(&state);
            before.insert(*key, state);
            summary.stayed += usize::from(stays);
            !stays
        });
    }
    summary.agreed = agreed.len();
    summary.moving = pending.len();
    Ok(Seen { agreed, summary })
}

/// What became of a table without a key.
pub(super) struct SeenWhole {
    /// The rows that differ by the last look.
    pub(super) rows: Vec<Difference>,
    /// Whether these are all.
    pub(super) all: bool,
    pub(super) summary: Rechecked,
}

/// Looks at a whole table again until it agrees, what differs stays different, or the looks are used up.
pub(super) async fn look_at_all_again(
    company: &Company,
    moment: &Moment,
    pair: &TablePair,
    (rows, all, naming): (Vec<Difference>, bool, &Naming),
    again: Recheck,
) -> Result<SeenWhole, Error> {
    type State = HashMap<RowDigest, (DifferenceKind, u64)>;
    let state = |rows: &[Difference]| -> State {
        rows.iter().map(|row| (row.key_digest, (row.kind, row.copies))).collect()
    };
    let first: HashSet<RowDigest> = rows.iter().map(|row| row.key_digest).collect();
    let mut seen = SeenWhole { rows, all, summary: Rechecked::default() };
    let mut before: Option<State> = None;
    while !seen.rows.is_empty() && seen.summary.looks < again.looks {
        tokio::time::sleep(again.pause).await;
        seen.summary.looks += 1;
        let sessions =
            futures::try_join!(fresh(&moment.source.endpoint), fresh(&moment.target.endpoint))?;
        let (source, target) = readings(company, moment, pair, &sessions);
        seen.rows.clear();
        let Named { all, .. } = differences(source, target, naming, &mut seen.rows).await?;
        seen.all = all;
        let now = state(&seen.rows);
        let stays = |before: &State| {
            now.iter().filter(|(row, state)| before.get(*row) == Some(*state)).count()
        };
        seen.summary.stayed = before.as_ref().map_or(0, stays);
        seen.summary.moving = now.len() - seen.summary.stayed;
        seen.summary.agreed = first.iter().filter(|row| !now.contains_key(*row)).count();
        if seen.summary.moving == 0 {
            break;
        }
        before = Some(now);
    }
    Ok(seen)
}

/// A session in a snapshot of this moment.
async fn fresh(endpoint: &Endpoint) -> Result<Session, Error> {
    let session = endpoint.connect(Purpose::Read, "verify recheck").await?;
    let begin = "begin transaction isolation level repeatable read, read only; select 1";
    session.batch("begin another look", begin).await?;
    Ok(session)
}

/// What was seen.
pub(super) fn finding(table: &VerifiedTable, seen: &Rechecked) -> Finding {
    let Rechecked { looks, agreed, stayed, moving } = *seen;
    let mut text = format!(
        "looked at again {looks} times: {agreed} keys came to agree, {stayed} stay different, {moving} were still changing"
    );
    if !table.all_named {
        text.push_str("; more rows differ than were named and looked at");
    }
    let remedy = "keys that agree were on their way; those that stay different were not written to between two looks";
    Finding::new(Severity::Note, "looked_again", text, remedy).about(&table.name)
}
