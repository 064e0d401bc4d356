//! The run: the only scheduler.
//!
//! [`PreparedClone::new`] looks at both sides and plans, and writes nothing;
//! [`PreparedClone::run`] carries it out.

mod advice;
mod answer;
mod archived;
pub mod before;
pub mod board;
mod check;
pub(crate) mod claim;
mod evidence;
mod execute;
mod finish;
mod finished;
mod graph;
mod lane;
mod ledger;
pub mod moment;
mod obstacles;
pub mod options;
pub(crate) mod origin;
pub mod outcome;
pub(crate) mod prepare;
mod readers;
mod recover;
mod refresh;
mod restart;
mod restart_tables;
mod result;
pub mod retry;
mod reverify;
pub(crate) mod source_schema;
pub(crate) mod steps;
mod stored;
mod undisturbed;
mod waits;
mod work;
pub mod worker;
mod writers;

pub(crate) use archived::BegunStream;
pub use check::{Checked, check};
pub use finish::{Unfinished, finish};
pub use options::CloneOptions;
pub use outcome::{Ending, Outcome, TableOutcome};
pub use prepare::{Consistency, PreparedClone};
pub(crate) use stored::{ARCHIVE, large_objects_text};
pub use work::Stop;
