//! The source's moment: what a later session needs to prove that nothing has changed since.

use serde::{Deserialize, Serialize};

use crate::connect::Session;
use crate::error::{Error, ErrorKind};

/// The moment of a snapshot, as stored with the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// `txid_current_snapshot()`: xmin, xmax and what was in progress.
    pub transactions: String,
    /// The timeline that the primary writes.
    pub timeline: Option<u32>,
    /// `stats_reset` of `pg_stat_bgwriter`: moves when a server recovers from a crash, after which
    /// transaction ids may be given out again.
    pub stats_reset: Option<String>,
    /// Whether the source is a standby: there the ids in progress are not known.
    pub in_recovery: bool,
    /// Transaction ids that runs of ours have taken on the source since: exporting a snapshot
    /// takes one on 9.6.
    pub own_ids: u64,
    /// Whether the session that read it took the very next id for its export. Then no other session had
    /// one by then that the snapshot does not tell of, as it does not of the newest in progress.
    #[serde(skip)]
    pub follows: bool,
}

impl Moment {
    /// Reads the moment of the session's snapshot.
    ///
    /// # Errors
    /// What the source said.
    pub async fn read(session: &Session) -> Result<Self, Error> {
        let row = session
            .query_one(
                "note the moment of the snapshot",
                // An id as people see it has an epoch before its 32 bits.
                "select pg_catalog.txid_current_snapshot()::text, stats_reset::text, \
                        coalesce((select a.backend_xid::text::int8 = pg_catalog.txid_snapshot_xmax( \
                                         pg_catalog.txid_current_snapshot()) % 4294967296 \
                           from pg_catalog.pg_stat_activity a \
                          where a.pid = pg_catalog.pg_backend_pid()), false) \
                   from pg_catalog.pg_stat_bgwriter",
                &[],
            )
            .await?;
        Ok(Self {
            transactions: row.get(0),
            timeline: session.identity().timeline,
            stats_reset: row.get(1),
            in_recovery: session.identity().in_recovery,
            own_ids: u64::from(!session.version().at_least(10)),
            follows: row.get(2),
        })
    }

    /// In a run from an archive nothing has to be proven about a source.
    pub(crate) fn of_archive() -> Self {
        Self {
            transactions: String::new(),
            timeline: None,
            stats_reset: None,
            in_recovery: false,
            own_ids: 0,
            follows: false,
        }
    }

    /// The moment to go on from, and whether it is proven that it is the same.
    /// Both are read before their own export, so each counts from itself on.
    pub(crate) fn since(&self, now: Self) -> (Self, bool) {
        let proven = self.proves_unchanged(&now);
        (now, proven)
    }

    /// Whether nothing can have been written between `self` and `now`, our own exporting aside. Between
    /// both lie just as many ids as are ours, and all of ours do if none is newer than what `now` tells
    /// of: so none is somebody else's.
    pub fn proves_unchanged(&self, now: &Self) -> bool {
        self.is_comparable(now)
            && match (parse(&self.transactions), parse(&now.transactions)) {
                // The very same where none of ours has ended yet: a session that was killed says so
                // before it rolls back.
                (Some(then), Some(tells)) => {
                    then == tells || now.follows && then.shifted(self.own_ids) == tells
                }
                _ => false,
            }
    }

    /// Whether both are moments at which the very same was to be seen.
    pub(crate) fn is_the_same(&self, now: &Self) -> bool {
        self.is_comparable(now) && self.transactions == now.transactions
    }

    fn is_comparable(&self, now: &Self) -> bool {
        !self.in_recovery
            && !now.in_recovery
            && self.timeline.is_some()
            && self.timeline == now.timeline
            && self.stats_reset.is_some()
            && self.stats_reset == now.stats_reset
    }

    /// As JSON, for the run's state.
    ///
    /// # Errors
    /// Never for a moment that was read.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| {
            Error::new(ErrorKind::Bug, "cannot write the moment as JSON").caused_by(error)
        })
    }
}

/// `xmin:xmax:xip,…` (manual, 9.28, "Transaction ID and Snapshot Information Functions").
#[derive(Debug, Clone, PartialEq, Eq)]
struct Transactions {
    xmin: u64,
    xmax: u64,
    in_progress: Vec<u64>,
}

fn parse(text: &str) -> Option<Transactions> {
    let mut fields = text.split(':');
    let xmin = fields.next()?.parse().ok()?;
    let xmax = fields.next()?.parse().ok()?;
    let list = fields.next()?;
    let in_progress: Option<Vec<u64>> =
        list.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().ok()).collect();
    fields.next().is_none().then_some(Transactions { xmin, xmax, in_progress: in_progress? })
}

impl Transactions {
    /// The same moment after `ids` more transactions of ours have come and gone.
    fn shifted(&self, ids: u64) -> Self {
        let quiet = self.in_progress.is_empty() && self.xmin == self.xmax;
        let xmin = if quiet { self.xmin + ids } else { self.xmin };
        Self { xmin, xmax: self.xmax + ids, in_progress: self.in_progress.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(transactions: &str) -> Moment {
        Moment {
            transactions: transactions.to_owned(),
            timeline: Some(1),
            stats_reset: Some("2026-11-01 00:00:00+00".to_owned()),
            in_recovery: false,
            own_ids: 0,
            follows: false,
        }
    }

    #[test]
    fn only_the_very_same_snapshot_proves_anything() {
        let then = moment("775:775:");
        assert!(then.proves_unchanged(&moment("775:775:")));
        assert!(!then.proves_unchanged(&moment("775:776:")));
        assert!(!then.proves_unchanged(&moment("776:776:")));
        assert!(!moment("770:775:770").proves_unchanged(&moment("775:775:")));
        assert!(moment("770:775:770,772").proves_unchanged(&moment("770:775:770,772")));
        let exported = Moment { own_ids: 2, ..then.clone() };
        let follows = |now: &str| Moment { follows: true, ..moment(now) };
        assert!(exported.proves_unchanged(&follows("777:777:")));
        assert!(!exported.proves_unchanged(&moment("777:777:")), "one of ours may be 777");
        assert!(!exported.proves_unchanged(&follows("778:778:")));
        assert!(!exported.proves_unchanged(&moment("778:778:")));
        assert!(exported.proves_unchanged(&moment("775:775:")), "ours have not ended yet");
        assert!(!exported.proves_unchanged(&moment("775:776:775")));
        assert!(exported.is_the_same(&then) && !exported.is_the_same(&moment("777:777:")));
    }

    #[test]
    fn a_standby_a_crash_and_another_timeline_prove_nothing() {
        let then = moment("775:775:");
        for now in [
            Moment { in_recovery: true, ..then.clone() },
            Moment { timeline: Some(2), ..then.clone() },
            Moment { timeline: None, ..then.clone() },
            Moment { stats_reset: Some("2026-11-02 00:00:00+00".to_owned()), ..then.clone() },
            Moment { transactions: "nonsense".to_owned(), ..then.clone() },
        ] {
            assert!(!then.proves_unchanged(&now) && !now.proves_unchanged(&then), "{now:?}");
            assert!(!then.is_the_same(&now) && !now.is_the_same(&then), "{now:?}");
        }
    }
}
