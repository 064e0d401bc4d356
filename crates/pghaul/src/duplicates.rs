//! Duplicates under unique indexes: what is planned, done and undone about them.

pub mod references;
pub mod rules;
pub mod tables;
