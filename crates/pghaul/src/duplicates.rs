//! Rows that share the key of a unique index: all of them, in bounded memory, without trusting any
//! index; and what is planned, done and undone about them.
//!
//! [`Scan::start`] takes a snapshot of one database, [`Scan::read`] reads what one index covers and
//! makes its groups, [`Groups::next_group`] gives them one by one.
//!
//! Invariants of a scan: only the heap is read; nothing is written to the database, and no lock is
//! held but ACCESS SHARE; all that it says is as of one snapshot; groups are exact, none missing
//! and none too many, whatever the types, operator classes and collations of the keys.

mod candidates;
pub mod counts;
pub mod groups;
pub mod index;
pub mod key;
pub mod moment;
mod options;
pub mod orphans;
pub mod plan;
mod reading;
pub mod references;
pub mod repair;
pub mod rules;
mod select;
mod space;
mod statement;
pub mod survey;
pub mod tables;
pub mod undo;

pub(crate) use candidates::failed as cannot_sort;
pub use groups::{DuplicateRow, Found, Group, Groups};
pub use index::{Backs, IndexDefinition, UniqueIndex};
pub use key::Key;
pub use moment::Scan;
pub use options::{ForeignKeys, ScanOptions};
pub use orphans::{ForeignKey, Orphan, Orphans};
pub use statement::Keys;
pub use survey::{Sink, Survey, SurveyOptions, survey};
