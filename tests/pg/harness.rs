//! What the engine's tests share: endpoints, options, an observer that remembers.

use std::sync::{Arc, Mutex};

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

/// Remembers events as text, in their order.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Vec<String>>);

impl Observer for Memory {
    fn on_event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

impl Memory {
    pub(crate) fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
