//! The verbs, one file each: flags to options, one call of the engine, result to the console.

pub mod check;
pub mod clone;
pub mod completions;
pub mod dump;
pub mod duplicates;
pub mod finish;
pub mod man;
pub mod rebuild;
pub mod restore;
pub mod snapshot;
pub mod status;
pub mod verify;
pub mod worker;
