//! The health of indexes, and their rebuild.
//!
//! [`health()`] says which indexes are exposed to a collation that changed below them, which are not
//! valid, and what amcheck finds; it only reads.

pub mod amcheck;
pub mod collation;
mod health;
pub mod index;

pub use amcheck::Thoroughness;
pub use health::{Health, IndexHealth, Reason, health};
pub use index::Index;
