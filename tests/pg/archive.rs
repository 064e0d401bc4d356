//! Databases go into archives and out of them: the same rows, whatever was interrupted.

mod against;
mod against_rows;
mod by_hand;
mod damaged;
pub(crate) mod harness;
mod in_the_way;
mod interrupted;
mod refused;
mod round_trips;
mod shelf;
mod streams;
