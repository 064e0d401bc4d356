//! Keeps autovacuum away from large tables while they are copied: it would read them once more,
//! and stand before their index builds.
//!
//! Autovacuum takes SHARE UPDATE EXCLUSIVE and gives way to whoever has it (Postgres manual,
//! 13.3.1); COPY does not conflict with it, CREATE INDEX does. So a session of its own has that
//! lock from a table's first part to its last, and no option of the table is touched.
//!
//! Invariants: a courtesy, never a condition: where the lock cannot be had at once, or the session
//! is lost, the copy goes on without it; at most [`GUARDS`] sessions; the lock is let go before the
//! table counts as copied or given up, so nothing that waits for that can wait for us.

use std::collections::BTreeMap;

use tokio::sync::Mutex;

use super::options::GUARDS;
use super::work::Run;
use crate::connect::{Purpose, Session};
use crate::plan::TablePlan;
use crate::transfer::frozen::goes_in_frozen;

/// Tables of this many bytes, and those of several parts, take long enough for autovacuum to come.
const LARGE: u64 = 1 << 30;

/// The sessions, by table; none where the lock could not be had.
#[derive(Default)]
pub(super) struct Undisturbed(Mutex<BTreeMap<usize, Option<Session>>>);

impl Undisturbed {
    /// Takes the lock on a table, unless it is had or not worth it.
    pub(super) async fn begin(&self, run: &Run, at: usize) {
        let table = &run.plan.tables[at];
        let large = table.bytes >= LARGE || run.plan.parts_of(at).nth(1).is_some();
        // The pieces take a stronger lock themselves, which keeps autovacuum away too.
        let mut parts = run.plan.parts_of(at);
        let locked = table.guard.locks() || parts.any(|part| goes_in_frozen(table, part));
        if !large || locked || table.written_to != table.name {
            return;
        }
        let mut guards = self.0.lock().await;
        let in_use = guards.values().flatten().count();
        if guards.contains_key(&at) || in_use >= GUARDS as usize {
            return;
        }
        guards.insert(at, lock(run, table).await);
    }

    /// Lets the lock go, since the table is whole.
    pub(super) async fn end(&self, at: usize) {
        let guard = self.0.lock().await.remove(&at).flatten();
        let_go(guard).await;
    }

    /// Lets the lock go for good: a part of the table is given up, so it will not be whole, and
    /// what comes at the end of the run would wait for us.
    pub(super) async fn give_up(&self, at: usize) {
        let guard = self.0.lock().await.insert(at, None).flatten();
        let_go(guard).await;
    }
}

async fn let_go(guard: Option<Session>) {
    if let Some(session) = guard {
        // If it cannot be rolled back, the session is dead, and the lock with it.
        let _ = session.batch("let autovacuum come back", "rollback").await;
    }
}

async fn lock(run: &Run, table: &TablePlan) -> Option<Session> {
    let name = format!("{} keeps autovacuum away", run.id);
    let session = run.target.connect(Purpose::Write, &name).await.ok()?;
    let sql = format!(
        "begin; lock table only {} in share update exclusive mode nowait",
        table.written_to.quoted()
    );
    session.batch("keep autovacuum away", &sql).await.ok()?;
    Some(session)
}
