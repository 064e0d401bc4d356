//! Bytes only: COPY framing, row images, digests, duplicate finding.
//!
//! Architecture invariant: no sockets and no async get in here.

pub mod digest;
pub mod tid;

pub use digest::{RowDigest, TableDigest};
pub use tid::Tid;
