#![doc = include_str!("../FORMAT.md")]
//!
//! # This crate
//!
//! Bytes and files only. [`Folder`] and [`TarStream`] are where an archive is written to, behind
//! the trait [`Store`]; [`PieceWriter`] and [`PieceReader`] make and check pieces; [`Contents`]
//! and [`Manifest`] are the documents.
//!
//! Architecture invariants: no sockets and no async get in here; a reader bounds every length
//! before it allocates, passes nothing on before its digest was checked, and never panics on any
//! input.

pub mod check;
pub mod contents;
pub mod error;
pub mod folder;
pub mod frame;
pub mod layout;
pub mod manifest;
pub mod name;
pub mod piece;
pub mod record;
pub mod rows;
pub mod seal;
pub mod store;
pub mod stream;
pub mod tar;

pub use contents::Contents;
pub use error::{ArchiveError, Problem};
pub use folder::Folder;
pub use frame::{FrameBuilder, RawFrame};
pub use manifest::Manifest;
pub use name::{ArchiveId, FileName};
pub use piece::{Frame, PieceReader, PieceWriter};
pub use record::{End, Header, PieceKind};
pub use store::{NewFile, Store};
pub use tar::{TarReader, TarStream};

/// The version of the format that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u16 = 1;
