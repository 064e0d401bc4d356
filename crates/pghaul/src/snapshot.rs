//! The one moment of a run: locks first, then the snapshot, then another look at the tables.
//!
//! Invariants: ACCESS SHARE on every table is held before the snapshot is taken and as long as it
//! lives, since a TRUNCATE or rewriting ALTER behind an exported snapshot makes importers read no
//! rows, without an error (seen on 9.6, 14 and 18); every reader imports the snapshot, also after
//! a reconnect; the keeper's session does nothing else; whoever takes a snapshot over checks that
//! no table was rewritten or replaced while nobody held the locks.

pub mod hold;

use std::collections::BTreeSet;

use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::holder::keep_readers_out;
use crate::name::RelationName;

/// The session that holds the snapshot and the locks.
pub struct Keeper {
    session: Session,
    id: SnapshotId,
    tables: BTreeSet<RelationName>,
}

/// The name under which other sessions import the snapshot (`pg_export_snapshot()`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotId(String);

impl SnapshotId {
    /// Takes a name given by the user or stored in the run.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a text that no server would have given.
    pub fn new(text: &str) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_hexdigit() || c == '-';
        if text.is_empty() || !text.chars().all(plain) {
            return Err(Error::new(ErrorKind::Usage, format!("`{text}` is not a snapshot id"))
                .with_hint("take the line that `pghaul snapshot` prints"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text, for `SET TRANSACTION SNAPSHOT` and `pg_dump --snapshot`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How often the list of tables may change under us before we give up.
const ATTEMPTS: u32 = 20;

/// A statement that locks many tables stays below this many names, so that its text stays small.
const TABLES_A_LOCK: usize = 500;

impl Keeper {
    /// Locks every table that `wanted` picks, takes the snapshot, and looks again until no table
    /// is new.
    ///
    /// # Errors
    /// A standby of 9.6; no permission on a table, by name; tables that come faster than they can be locked.
    pub async fn start(
        source: &Endpoint,
        wanted: impl Fn(&RelationName) -> bool,
    ) -> Result<Self, Error> {
        Self::start_in(source.connect(Purpose::Read, "keeper").await?, wanted).await
    }

    /// The same in a session for reading that nobody needs any more.
    ///
    /// # Errors
    /// As [`Keeper::start`].
    pub(crate) async fn start_in(
        session: Session,
        wanted: impl Fn(&RelationName) -> bool,
    ) -> Result<Self, Error> {
        if session.identity().in_recovery && !session.version().at_least(10) {
            // Exporting takes a transaction id there, which a standby does not give.
            let side = session.side();
            let what = format!("cannot take a snapshot: {side}: it is a standby of 9.6");
            return Err(Error::new(ErrorKind::Preflight, what)
                .with_hint("read from the primary, or promote the standby"));
        }
        let mut to_lock: BTreeSet<RelationName> =
            list(&session).await?.into_iter().filter(&wanted).collect();
        for _ in 0..ATTEMPTS {
            session
                .batch(
                    "begin the transaction of the snapshot",
                    "begin transaction isolation level repeatable read, read only",
                )
                .await?;
            if !lock(&session, &to_lock).await? {
                session.batch("give the locks back", "rollback").await?;
                to_lock = list(&session).await?.into_iter().filter(&wanted).collect();
                continue;
            }
            let row = session
                .query_one("export the snapshot", "select pg_catalog.pg_export_snapshot()", &[])
                .await?;
            // Inside the snapshot by now: what it shows and we have not locked is new.
            let now: BTreeSet<RelationName> =
                list(&session).await?.into_iter().filter(&wanted).collect();
            if now.is_subset(&to_lock) {
                return Ok(Self { session, id: SnapshotId(row.get(0)), tables: to_lock });
            }
            session.batch("give the locks back", "rollback").await?;
            to_lock = now;
        }
        Err(Error::new(
            ErrorKind::Transfer,
            "cannot take a snapshot: source: tables come and go faster than they can be locked",
        )
        .with_hint("stop what creates and drops tables on the source, and try again"))
    }

    /// Takes over a snapshot that another session holds: imports it, locks the same tables, checks
    /// that none of them was rewritten meanwhile, and exports it again, so that it lives on when
    /// the other session ends.
    ///
    /// # Errors
    /// [`ErrorKind::SnapshotGone`] when the source does not know the snapshot any more, or when a
    /// table of it was dropped, truncated or rewritten.
    pub async fn take_over(
        source: &Endpoint,
        snapshot: &SnapshotId,
        wanted: impl Fn(&RelationName) -> bool,
    ) -> Result<Self, Error> {
        let session = open_reader(source, snapshot, "keeper").await?;
        let tables = list(&session).await?.into_iter().filter(wanted).collect();
        Heir::settle(session, tables).await?.promote().await
    }

    /// The snapshot's name.
    pub fn id(&self) -> &SnapshotId {
        &self.id
    }

    /// The keeper's session, for reads inside the snapshot that must not wait for another
    /// connection. Never end its transaction.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Why the snapshot is not held any more, if it is not: the session has ended.
    pub(crate) async fn death(&self) -> Option<Error> {
        let asked = self.session.batch("keep the snapshot", "select").await;
        asked.err().map(|error| error.with_kind(ErrorKind::Connect))
    }

    /// Lets go of snapshot and locks, so that the source can vacuum again.
    pub async fn release(self) {
        // The transaction only read: whether this arrives or the connection just ends is the same.
        let _ = self.session.batch("let go of the snapshot", "rollback").await;
    }
}

/// A session that has the snapshot and the locks beside the keeper, and becomes keeper when that
/// dies: so at no time nobody holds the locks.
pub(crate) struct Heir {
    session: Session,
    tables: BTreeSet<RelationName>,
}

impl Heir {
    /// An heir of this keeper.
    pub(crate) async fn of(source: &Endpoint, keeper: &Keeper) -> Result<Self, Error> {
        let session = open_reader(source, &keeper.id, "heir").await?;
        Self::settle(session, keeper.tables.clone()).await
    }

    /// Locks the tables in a session that has imported the snapshot.
    async fn settle(session: Session, tables: BTreeSet<RelationName>) -> Result<Self, Error> {
        let gone = |what: String| {
            Error::new(
                ErrorKind::SnapshotGone,
                format!("source: the snapshot cannot be used any more: {what}"),
            )
            .with_hint("hold snapshots with `pghaul snapshot`, which locks the tables too")
        };
        match lock_as_they_were(&session, &tables).await? {
            None => Ok(Self { session, tables }),
            Some(what) => Err(gone(what)),
        }
    }

    /// Exports the snapshot.
    pub(crate) async fn promote(self) -> Result<Keeper, Error> {
        let row = self
            .session
            .query_one("export the snapshot", "select pg_catalog.pg_export_snapshot()", &[])
            .await?;
        Ok(Keeper { id: SnapshotId(row.get(0)), session: self.session, tables: self.tables })
    }

    /// The session.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }
}

/// Takes a snapshot of the whole database and holds it, with locks against DDL on every table, until
/// what this gives is dropped. The snapshot outlives the session that took it, as long as one of
/// two sessions lives; then its name changes.
///
/// # Errors
/// As [`Keeper::start`]; [`ErrorKind::Connect`].
pub async fn hold(source: Endpoint) -> Result<hold::Hold, Error> {
    let keeper = Keeper::start(&source, |_| true).await?;
    Ok(hold::Hold::new(std::sync::Arc::new(source), keeper))
}

/// Opens a session for reading user tables inside the snapshot.
///
/// # Errors
/// [`ErrorKind::SnapshotGone`] when the source does not know the snapshot any more.
pub async fn open_reader(
    source: &Endpoint,
    snapshot: &SnapshotId,
    what: &str,
) -> Result<Session, Error> {
    let session = source.connect(Purpose::Read, what).await?;
    import(&session, snapshot).await?;
    Ok(session)
}

/// Locks tables in a reader too, so that an ALTER or TRUNCATE that waits for the keeper's locks
/// does not stand before the reader's. Without it the reader gives up after `lock_timeout`.
pub(crate) async fn hold_tables<'a>(
    session: &Session,
    tables: impl Iterator<Item = &'a RelationName>,
) -> Result<(), Error> {
    match lock_as_they_were(session, &tables.cloned().collect()).await? {
        None => Ok(()),
        Some(what) => Err(Error::new(
            ErrorKind::SnapshotGone,
            format!("source: the snapshot cannot be used any more: {what}"),
        )),
    }
}

/// Locks tables in a session that has imported a snapshot. Gives what happened to them before, if
/// nobody held a lock for a while: then they would read as empty.
async fn lock_as_they_were(
    session: &Session,
    tables: &BTreeSet<RelationName>,
) -> Result<Option<String>, Error> {
    if !lock(session, tables).await? {
        return Ok(Some("a table of it was dropped".to_owned()));
    }
    // Locked by now, so what is the same file here stays the same.
    let rewritten =
        names(session, "look for tables rewritten since", include_str!("snapshot/rewritten.sql"));
    let rewritten: Vec<String> = rewritten
        .await?
        .iter()
        .filter(|name| tables.contains(name))
        .map(|name| format!("`{name}`"))
        .collect();
    let since = || format!("{} truncated or rewritten since", rewritten.join(", "));
    Ok((!rewritten.is_empty()).then(since))
}

/// Begins a transaction in the snapshot.
///
/// # Errors
/// [`ErrorKind::SnapshotGone`] when the source does not know the snapshot any more.
pub async fn import(session: &Session, snapshot: &SnapshotId) -> Result<(), Error> {
    let sql = format!(
        "begin transaction isolation level repeatable read, read only; \
         set transaction snapshot '{}'",
        snapshot.as_str()
    );
    session.batch("import the run's snapshot", &sql).await.map_err(|error| {
        // 22023: "invalid snapshot identifier"; 42704 from 18 on: "snapshot … does not exist".
        match error.sqlstate() {
            Some("22023" | "42704" | "55000") => {
                let what = format!(
                    "source: the snapshot {} is not known there (any more)",
                    snapshot.as_str()
                );
                error.with_kind(ErrorKind::SnapshotGone).while_doing(what)
            }
            _ => error,
        }
    })
}

async fn list(session: &Session) -> Result<Vec<RelationName>, Error> {
    names(session, "list the tables to lock", include_str!("snapshot/tables.sql")).await
}

async fn names(session: &Session, doing: &str, sql: &str) -> Result<Vec<RelationName>, Error> {
    let rows = session.query(doing, sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1)))
        .collect())
}

/// False when a table is gone meanwhile: then the list has to be read anew.
async fn lock(session: &Session, tables: &BTreeSet<RelationName>) -> Result<bool, Error> {
    let names: Vec<&RelationName> = tables.iter().collect();
    for batch in names.chunks(TABLES_A_LOCK) {
        let list: Vec<String> =
            batch.iter().map(|name| format!("only {}", name.quoted())).collect();
        let sql = format!("lock table {} in access share mode", list.join(", "));
        match session.batch("lock the tables against DDL", &sql).await {
            Ok(()) => {}
            Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(false),
            Err(error) if error.sqlstate() == Some("42501") => {
                return Err(error.with_kind(ErrorKind::Preflight).with_hint(
                    "grant SELECT on the tables that `pghaul check` names, or leave them out with --exclude",
                ));
            }
            Err(error) if error.sqlstate() == Some("53200") => {
                return Err(error.with_kind(ErrorKind::Preflight).with_hint(
                    "raise max_locks_per_transaction on the source, or carry part of the tables with --include",
                ));
            }
            Err(error) if error.sqlstate() == Some("55P03") => {
                return Err(error.with_hint(in_the_way(session, tables).await));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// What to do about whom tables could not be locked for in time. Ends the transaction, which has failed.
async fn in_the_way(session: &Session, tables: &BTreeSet<RelationName>) -> String {
    let unknown = "another session has, or waits for, an exclusive lock on a table (see pg_locks on the \
                   source): end it, or wait for it";
    if session.batch("give up waiting for locks", "rollback").await.is_err() {
        return unknown.to_owned();
    }
    let holders = keep_readers_out(session, tables).await.unwrap_or_default();
    // Who waits for a lock itself is not what it all began with.
    match holders.first() {
        Some(holder) => format!(
            "{holder} is in the way on the source: wait for it, or end it with {}",
            holder.remedy()
        ),
        None => unknown.to_owned(),
    }
}
