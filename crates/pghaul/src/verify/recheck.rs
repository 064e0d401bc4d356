//! Looks at rows that differ again, while the databases are written to.
//!
//! Invariants: each look is at both sides at about the same time, under snapshots of its own; a key
//! agrees when its rows are equal in one look; it stays different only when it differs in two looks
//! in a row, unchanged on both sides between them; what does neither within the looks asked for
//! is said to be moving.

use std::collections::{HashMap, HashSet};

use pghaul_rows::RowDigest;

use super::company::Company;
use super::difference::{Difference, KeyState, states};
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
