//! The health of indexes, and their rebuild.
//!
//! [`health()`] says which indexes are exposed to a collation that changed below them, which are not
//! valid, and what amcheck finds; it only reads. [`rebuild()`] rebuilds them: an index goes only when
//! what replaces it stands. [`PreparedRebuild`] is the same in two steps: a plan to look at, and its
//! execution.

pub mod amcheck;
mod checks;
pub mod collation;
mod execute;
mod health;
mod holder;
pub mod index;
mod lane;
mod leftovers;
mod options;
mod outcome;
pub mod plan;
mod prepare;
pub mod rows_in_the_way;
mod select;
mod trouble;
mod twin;
mod versions;
mod watch;

use std::sync::Arc;

pub use crate::holder::Holder;
pub use amcheck::Thoroughness;
pub use health::{Health, IndexHealth, Reason, health};
pub use index::Index;
pub use leftovers::Leftover;
pub use options::{Locking, Need, RebuildOptions, Unknown, Views};
pub use outcome::{IndexEnd, IndexOutcome, Rebuilt};
pub use plan::Plan;
pub use prepare::PreparedRebuild;
pub use rows_in_the_way::SharedKeys;
pub use select::Selection;

use crate::connect::Endpoint;
use crate::error::Error;
use crate::event::Observer;
use crate::run::Stop;

/// Rebuilds the indexes that need it, or those that are named, and says what came of each.
///
/// What cannot be rebuilt stays as it was and is a finding; a failed build leaves nothing behind.
/// Events: [`StepStarted`](crate::event::Event::StepStarted) and
/// [`StepCommitted`](crate::event::Event::StepCommitted) for each index,
/// [`IndexProgress`](crate::event::Event::IndexProgress),
/// [`Waiting`](crate::event::Event::Waiting), [`Found`](crate::event::Event::Found).
///
/// # Errors
/// As [`PreparedRebuild::new`] and [`PreparedRebuild::run`].
pub async fn rebuild(
    database: Endpoint,
    options: RebuildOptions,
    observer: Arc<dyn Observer>,
    stop: Stop,
) -> Result<Rebuilt, Error> {
    PreparedRebuild::new(database, options).await?.run(observer, stop).await
}
