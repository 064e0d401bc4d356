//! What the engine's tests share: endpoints, options, an observer that remembers.

use std::sync::Arc;

use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::event::{Counters, Event, Observer};
use pghaul::run::{CloneOptions, Outcome, PreparedClone, Stop};
use pghaul_testbed::{Database, Major, Server, clients};

/// Options that find the testbed's `pg_dump`.
pub(crate) fn options() -> CloneOptions {
    CloneOptions { pg_dump: Some(clients().unwrap().pg_dump()), ..CloneOptions::default() }
}

/// A database on the shared server of a major.
pub(crate) fn database(major: Major, hint: &str) -> Database<'static> {
    Database::new(Server::shared(major).unwrap(), hint).unwrap()
}

/// Prepares a clone between two connection strings.
pub(crate) async fn prepare(
    source: &str,
    target: &str,
    options: CloneOptions,
) -> Result<PreparedClone, Error> {
    let source = Endpoint::parse(Side::Source, source)?;
    let target = Endpoint::parse(Side::Target, target)?;
    PreparedClone::new(source, target, options).await
}

/// Clones and waits for the end.
pub(crate) async fn clone(
    source: &str,
    target: &str,
    options: CloneOptions,
) -> Result<Outcome, Error> {
    prepare(source, target, options)
        .await?
        .run(Arc::new(()), Arc::new(Counters::default()), Stop::default())
        .await
}

/// Stops a run after its n-th event, as if the power had gone.
pub(crate) struct StopAfter {
    left: std::sync::atomic::AtomicI64,
    stop: Stop,
    how: How,
}

/// How a run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// After what is in flight.
    Soon,
    /// At once: what is in flight is lost.
    Now,
}

impl Observer for StopAfter {
    fn on_event(&self, _: &Event<'_>) {
        if self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            match self.how {
                How::Soon => self.stop.soon.cancel(),
                How::Now => self.stop.now.cancel(),
            }
        }
    }
}

/// Clones until the n-th event.
pub(crate) async fn clone_until(
    source: &str,
    target: &str,
    options: CloneOptions,
    (events, how): (i64, How),
) -> Result<Outcome, Error> {
    let stop = Stop::default();
    let observer = StopAfter { left: events.into(), stop: stop.clone(), how };
    prepare(source, target, options)
        .await?
        .run(Arc::new(observer), Arc::new(Counters::default()), stop)
        .await
}
