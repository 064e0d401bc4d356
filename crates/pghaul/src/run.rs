//! The run: the only scheduler.
//!
//! [`PreparedClone::new`] looks at both sides and plans, and writes nothing;
//! [`PreparedClone::run`] carries it out.

pub mod before;
pub mod board;
pub(crate) mod claim;
mod evidence;
mod execute;
mod finish;
mod graph;
mod lane;
mod ledger;
pub mod moment;
mod obstacles;
pub mod options;
pub mod outcome;
mod prepare;
mod recover;
mod refresh;
mod restart;
pub mod retry;
mod reverify;
mod source_schema;
mod steps;
mod stored;
mod undisturbed;
mod work;
pub mod worker;

pub use finish::{Unfinished, finish};
pub use options::CloneOptions;
pub use outcome::{Ending, Outcome, TableOutcome};
pub use prepare::{Consistency, PreparedClone};
pub use work::Stop;
