//! The handbook: what operators need to know, beside the code that does it.

pub mod archive;
pub mod duplicates;
pub mod rebuild;
pub mod repair;
pub mod resume;
pub mod rows;
pub mod verify;
