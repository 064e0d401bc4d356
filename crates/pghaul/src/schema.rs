//! The schema: `pg_dump` says it, we read its archive's table of contents and run the entries
//! ourselves, each as a step of its own.
//!
//! The way of a schema: [`PgDump`](crate::pg_dump::PgDump) gives a [`Toc`] of [`Entry`]s;
//! [`quote_not_null_names`] mends what it forgot to quote; [`select`](select()) keeps what the filters leave;
//! [`roles`](roles()), [`objects`](objects()) and [`objects::superuser_only`] say beforehand what the target
//! lacks or has too much; [`steps`] makes [`Step`]s of the entries, whose statements come from the
//! [`Emitter`], adapted to the target; [`digest`](digest()) tells whether the source still has the
//! same schema.
//!
//! Invariants: what a source's DDL says is data. It never goes through psql, it is never split
//! as text (the scanner reads tokens), and it is never shown: the statement of a user mapping
//! or a subscription holds a password.

mod adapt;
mod alone;
pub mod compare;
pub mod digest;
mod edit;
pub mod emit;
pub mod entry;
mod family;
mod lookalike;
pub(crate) mod needs;
pub mod not_null_names;
pub mod objects;
pub mod owner_grant;
pub(crate) mod public;
pub mod roles;
mod scan;
pub mod select;
mod shape;
mod statistics;
pub mod step;
pub mod subject;
pub mod tag;
pub mod toc;

pub use alone::{alone, out_of_reach};
pub use digest::digest;
pub use emit::{EmitOptions, Emitted, Emitter, Owners, RunsAs, Tablespaces};
pub use entry::{DumpId, Entry, Kind, Section};
pub(crate) use lookalike::lookalike;
pub use not_null_names::{NotNullName, not_null_names, quote_not_null_names};
pub use objects::{Object, existing, objects};
pub use owner_grant::{OwnerGrant, missing_grants, owner_grants};
pub use roles::{RoleTrouble, RoleUse, role_troubles, roles};
pub use select::{LeftOut, Others, Selection, select};
pub(crate) use statistics::drop_beyond;
pub use statistics::{counted, drop_partial};
pub use step::{Step, StepId, StepOptions, steps};
pub use subject::Subject;
pub use toc::{Toc, TocError};
