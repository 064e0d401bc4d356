//! The run: the only scheduler.

pub mod board;
pub mod options;
pub mod outcome;
pub mod retry;
