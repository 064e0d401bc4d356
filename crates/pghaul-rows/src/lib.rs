//! Bytes only: COPY framing, row images, digests, duplicate finding.
//!
//! A [`RowReader`] takes the messages of a COPY stream and gives its rows, each with the digest
//! of its image; a [`CopyWriter`] makes a stream of them again. What stands between the two is
//! the caller's: between any two rows a stream can be cut, and each piece loads on its own.
//!
//! Architecture invariant: no sockets and no async get in here.

pub mod digest;
pub mod duplicates;
pub mod error;
pub mod key;
pub mod layout;
pub mod reader;
pub mod shape;
pub mod tid;
pub mod tuple;
pub mod writer;

pub use digest::{ImageKind, RowDigest, TableDigest};
pub use error::{CopyError, CopyProblem};
pub use key::KeyDigest;
pub use layout::{Column, CopyFormat, Hidden, Layout};
pub use reader::{Digesting, RowReader};
pub use shape::Shape;
pub use tid::Tid;
pub use tuple::{Row, RowRef, Tuple};
pub use writer::CopyWriter;
