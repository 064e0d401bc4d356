//! Carries a Postgres database (9.6 to 18) to another server, another major version or an archive,
//! and proves that nothing was lost on the way.
//!
//! This crate is all that the program `pghaul` does: its verbs are calls here, and what it prints is
//! what they give back. It prints nothing itself, installs no signal handler, and never writes to a
//! source. It works on tokio's runtime (the one with several threads is what it is made for), and runs
//! the program `pg_dump` of the newest server concerned. Calls that read much in their own future
//! (`duplicates`) are faster in a task (`tokio::spawn`) than in the `block_on` of a program's `main`,
//! which another thread has to wake for all that arrives.
//!
//! # Carrying a database
//!
//! Connect, plan, observe, run, read the outcome:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use pghaul::Error;
//! use pghaul::connect::{Endpoint, Side};
//! use pghaul::event::{Counters, Event, Observer};
//! use pghaul::run::{CloneOptions, PreparedClone, Stop};
//!
//! struct Printer;
//!
//! impl Observer for Printer {
//!     fn on_event(&self, event: &Event<'_>) {
//!         if let Event::TableVerified { table, equal } = event {
//!             println!("{table}: equal {equal}");
//!         }
//!     }
//! }
//!
//! # async fn carry() -> Result<(), Error> {
//! let source = Endpoint::parse(Side::Source, "postgres://old/app")?;
//! let target = Endpoint::parse(Side::Target, "postgres://new/app")?;
//!
//! // Nothing is written before `run`.
//! let prepared = PreparedClone::new(source, target, CloneOptions::default()).await?;
//! println!("{} tables, {} bytes", prepared.plan().tables.len(), prepared.plan().bytes());
//!
//! let stop = Stop::default(); // `stop.soon.cancel()` ends it after what is in flight.
//! let outcome = prepared.run(Arc::new(Printer), Arc::new(Counters::default()), stop).await?;
//! assert!(outcome.has_warnings() || outcome.tables.iter().all(|table| table.verified));
//! # Ok(())
//! # }
//! ```
//!
//! `examples/clone.rs` is the same as a program; the tests run it against servers. A run that was
//! interrupted, by whatever, goes on with
//! [`Start::Resume`](run::options::Start::Resume) in [`CloneOptions::start`](run::CloneOptions::start).
//!
//! # The other verbs
//!
//! | verb | call |
//! |---|---|
//! | `check` | [`run::check`](fn@run::check) |
//! | `clone`, `clone --dry-run` | [`run::PreparedClone`] |
//! | `worker` | [`run::worker::join`] |
//! | `snapshot` | [`snapshot::hold`](fn@snapshot::hold) |
//! | `status` | [`status::read`] |
//! | `finish` | [`run::finish`](fn@run::finish) |
//! | `verify` | [`verify::PreparedVerify`]; with an archive [`archive::verify`] |
//! | `dump` | [`dump::dump`](fn@dump::dump) |
//! | `restore` | [`restore::prepare`], for a stream [`restore::restore_stream`] |
//! | `duplicates scan` | [`duplicates::survey`](fn@duplicates::survey), or [`duplicates::Scan`] index by index |
//! | `duplicates plan`, `repair`, `undo` | [`duplicates::plan`], [`duplicates::repair`], [`duplicates::undo`] |
//! | `rebuild` | [`rebuild::rebuild`](fn@rebuild::rebuild), [`rebuild::PreparedRebuild`] |
//!
//! Everything that would stand in the way of a clone, before anything is written:
//!
//! ```no_run
//! # use pghaul::connect::Endpoint;
//! # use pghaul::run::CloneOptions;
//! # async fn look(source: Endpoint, target: Endpoint) -> Result<(), pghaul::Error> {
//! let checked = pghaul::run::check(&source, Some(&target), &CloneOptions::default()).await?;
//! for found in &checked.findings {
//!     println!("{:?} {}: {} ({})", found.severity, found.code, found.message, found.remedy);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! How far a run is, and its end once the user is satisfied:
//!
//! ```no_run
//! # use pghaul::connect::Endpoint;
//! use pghaul::run::{Unfinished, finish};
//!
//! # async fn end(target: Endpoint) -> Result<(), pghaul::Error> {
//! if let Some(status) = pghaul::status::read(&target).await? {
//!     println!("{}: {}", status.run.id, status.run.phase);
//!     finish(&target, Unfinished::Refuse).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Two databases compared, whatever made one of the other; rows that differ come as a stream:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use pghaul::connect::Endpoint;
//! # use pghaul::event::Counters;
//! # use pghaul::run::Stop;
//! use pghaul::verify::{PreparedVerify, VerifyOptions};
//!
//! # async fn compare(source: Endpoint, target: Endpoint) -> Result<(), pghaul::Error> {
//! let prepared = PreparedVerify::new(source, target, VerifyOptions::default()).await?;
//! let (sender, mut differences) = tokio::sync::mpsc::channel(8);
//! let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
//! let named = async {
//!     while let Some(some) = differences.recv().await {
//!         println!("{some:?}");
//!     }
//! };
//! let (outcome, ()) = tokio::join!(prepared.run(company, sender), named);
//! println!("equal: {}", outcome?.tables.iter().all(|table| table.equal));
//! # Ok(())
//! # }
//! ```
//!
//! An archive, and a database of it; a restore is a clone whose source is the archive:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use pghaul::connect::Endpoint;
//! # use pghaul::event::Counters;
//! # use pghaul::run::{CloneOptions, Stop};
//! use pghaul::dump::{Destination, DumpOptions, dump};
//!
//! # async fn keep(source: Endpoint, target: Endpoint) -> Result<(), pghaul::Error> {
//! let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
//! dump(source, Destination::Folder("shop".into()), DumpOptions::default(), company).await?;
//!
//! let prepared = pghaul::restore::prepare("shop".into(), target, CloneOptions::default()).await?;
//! prepared.run(Arc::new(()), Arc::new(Counters::default()), Stop::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Rows that share the key of a unique index, found without trusting any index:
//!
//! ```no_run
//! # use pghaul::connect::Endpoint;
//! use pghaul::duplicates::{Scan, ScanOptions};
//!
//! # async fn find(database: Endpoint) -> Result<(), pghaul::Error> {
//! let counters = pghaul::event::Counters::default();
//! let mut scan = Scan::start(&database, ScanOptions::default()).await?;
//! for index in 0..scan.indexes().len() {
//!     let mut groups = scan.read(index, &counters).await?;
//!     while let Some(mut group) = groups.next_group().await? {
//!         while let Some(row) = group.next_member().await? {
//!             println!("{} {}", row.relation, row.tid);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Indexes that a changed collation, a crash or damage left unreliable, built anew while the database
//! is in use:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use pghaul::connect::Endpoint;
//! # use pghaul::run::Stop;
//! use pghaul::rebuild::{RebuildOptions, rebuild};
//!
//! # async fn mend(database: Endpoint) -> Result<(), pghaul::Error> {
//! let rebuilt =
//!     rebuild(database, RebuildOptions::default(), Arc::new(()), Stop::default()).await?;
//! println!("{} indexes looked at", rebuilt.indexes.len());
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! - **No silent loss.** A run that completes without a finding of severity
//!   [`Warning`](Severity::Warning) or more has carried every row that was asked for: count and digest
//!   of what was read from the source and of what was read back from the target are equal, table by
//!   table. What was not proven, because less was asked for, is a finding too.
//! - **One moment.** All rows are of one snapshot of the source, or it is proven that nothing changed
//!   between two; [`Outcome::consistency`](run::Outcome::consistency) says which.
//! - **A row is there if and only if its receipt is**, whatever dies at whatever instant; so a run
//!   goes on where it was ([`manual::resume`]).
//! - **Dropping a future** is as losing the connection: what was committed is there with its receipt,
//!   the rest is not. [`Stop`](run::Stop) ends a run in order.
//! - **Memory** is bounded, whatever the size of a database:
//!   [`CloneOptions::memory`](run::CloneOptions::memory) says by what.
//! - **No secrets.** Neither errors nor events, findings or plans hold passwords, nor values of rows
//!   beyond the keys that name them.
//!
//! # Failures, findings, stopping
//!
//! A failure is an [`Error`]: a [kind](Error::kind) (exhaustive, so that a program that maps kinds to
//! exit codes hears of new ones from the compiler), what was being done, causes by
//! [`source`](std::error::Error::source), and a [hint](Error::hint) what to do now. What is found
//! about the data is a value, a [`Finding`] with a stable code, its severity and a remedy, and no
//! failure. Being stopped is an outcome, [`Ending::Stopped`](run::Ending::Stopped), and no failure
//! either.
//!
//! # Stability
//!
//! Options are made from their defaults (`CloneOptions { jobs, ..CloneOptions::default() }`), since
//! fields are added; outcomes and events are only read. Enums that may grow are `#[non_exhaustive]`,
//! those that are not will not grow without a new major version. There are no cargo features.
//!
//! # The handbook
//!
//! [`manual`], beside the code: how [rows travel](manual::rows), what happens [when something
//! breaks](manual::resume), what a [comparison](manual::verify) proves, [archives](manual::archive),
//! [duplicates](manual::duplicates) and their [repair](manual::repair), [rebuilding
//! indexes](manual::rebuild).

pub mod archive;
pub mod catalog;
pub mod connect;
pub mod dump;
pub mod duplicates;
pub mod error;
pub mod event;
mod file_lock;
pub mod finding;
pub mod holder;
pub mod manual;
pub mod name;
pub mod pg_dump;
pub mod plan;
pub mod preflight;
pub mod rebuild;
mod reference;
pub mod restore;
pub mod run;
pub mod schema;
pub mod snapshot;
pub mod state;
pub mod status;
pub mod transfer;
pub mod verify;
pub mod version;

pub use error::{Error, ErrorKind};
pub use finding::{Finding, Severity};
