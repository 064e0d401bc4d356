//! Poolers that give a server session to many clients in turn: settings, snapshots, locks and
//! prepared statements do not survive there, so pghaul refuses them.
//!
//! Invariant: a refusal rests on proof, two sessions of ours seen on one backend or one session
//! of ours on two; addresses and ports only decide whether it is looked for, since they change
//! behind any NAT too.

use tokio_postgres::Client;

use super::host::Address;
use super::identity::Facts;
use super::session::first_value;
use crate::error::{Error, ErrorKind};

/// Whether somebody may stand between us and the server.
pub(super) fn is_suspected(address: &Address, local_port: Option<u16>, facts: &Facts) -> bool {
    match address {
        Address::Tcp(_) => facts.client_port != local_port,
        Address::Unix { port, .. } => {
            facts.client_port.is_some() || facts.server_port != Some(*port)
        }
    }
}

/// Looks for the proof, without setting anything. With poolers that give out the session used
/// last, `second` gets `first`'s; with those that take turns, `first` moves by itself.
pub(super) async fn is_shared(
    first: &Client,
    second: &Client,
    pid: i32,
) -> Result<bool, tokio_postgres::Error> {
    for _ in 0..3 {
        if backend(first).await? != Some(pid) {
            return Ok(true);
        }
    }
    match second.batch_execute("begin").await {
        // Poolers by statement refuse this.
        Err(error) if error.as_db_error().is_some() => return Ok(true),
        begun => begun?,
    }
    let mut shared = backend(second).await? == Some(pid);
    // Held by `second`, its backend is not free, so `first` must have its own.
    shared = shared || backend(first).await? != Some(pid);
    second.batch_execute("rollback").await?;
    Ok(shared)
}

async fn backend(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    let rows = client.simple_query("select pg_catalog.pg_backend_pid()").await?;
    Ok(first_value(&rows).and_then(|pid| pid.parse().ok()))
}

/// The refusal.
pub(super) fn refusal(side: super::Side, place: &str) -> Error {
    Error::new(
        ErrorKind::Preflight,
        format!(
            "the {side}, {place}, is reached through a pooler that shares server sessions between \
             clients (transaction or statement pooling); pghaul needs sessions of its own"
        ),
    )
    .with_hint(
        "connect to the server itself, or to a pool in session mode (PgBouncer: pool_mode = \
         session); managed databases have a port or host name for direct connections",
    )
}
