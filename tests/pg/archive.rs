//! Databases go into archives and out of them: the same rows, whatever was interrupted.

mod by_hand;
mod damaged;
mod harness;
mod interrupted;
mod round_trips;
mod shelf;
mod streams;
