//! The run: the only scheduler.

pub mod board;
mod claim;
mod graph;
mod lane;
pub mod options;
pub mod outcome;
pub mod retry;
mod steps;
mod work;

pub use work::Stop;
