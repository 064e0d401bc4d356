//! Names: of archives, and of the files in them.
//!
//! Invariant: every name of a file is made here from numbers; none is taken from what was read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Sixteen random bytes that tell archives apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArchiveId(pub [u8; 16]);

impl ArchiveId {
    /// A new one, from the randomness that the standard library seeds its hash tables with.
    pub fn random() -> Self {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let half = || RandomState::new().build_hasher().finish().to_be_bytes();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&half());
        bytes[8..].copy_from_slice(&half());
        Self(bytes)
    }
}

/// 32 digits of lower-case hex.
impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for ArchiveId {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        unhex(text).map(Self)
    }
}

/// Not as many digits of lower-case hex as there should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the lower-case hex digits that should stand there")]
pub struct NotHex;

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex<const N: usize>(text: &str) -> Result<[u8; N], NotHex> {
    let digits = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * N || !text.as_bytes().iter().all(digits) {
        return Err(NotHex);
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NotHex)?;
    }
    Ok(bytes)
}

impl Serialize for ArchiveId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArchiveId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A SHA-256, as hex in documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha(pub [u8; 32]);

impl Sha {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Serialize for Sha {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A file of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// `contents.jsonl`
    Contents,
    /// A file of `by-hand/`.
    ByHand(ByHand),
    /// `data/000001.zst`
    Rows(u32),
    /// `large-objects/000001.zst`
    LargeObjects(u32),
    /// `manifest.jsonl`
    Manifest,
}

/// What a restore without pghaul needs, in the order in which it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ByHand {
    /// Types, functions, tables.
    BeforeRows,
    /// Which piece goes into which table.
    RowList,
    /// The pieces with large objects.
    LargeObjectList,
    /// Owners of large objects, sequences, indexes, keys, privileges, refreshes.
    AfterRows,
}

impl ByHand {
    /// All of them, in order.
    pub const ALL: [Self; 4] =
        [Self::BeforeRows, Self::RowList, Self::LargeObjectList, Self::AfterRows];
}

impl FileName {
    /// The folder that it is in, if it is in one.
    pub fn folder(self) -> Option<&'static str> {
        match self {
            Self::Contents | Self::Manifest => None,
            Self::ByHand(_) => Some("by-hand"),
            Self::Rows(_) => Some("data"),
            Self::LargeObjects(_) => Some("large-objects"),
        }
    }

    /// All folders of an archive.
    pub const FOLDERS: [&'static str; 3] = ["by-hand", "data", "large-objects"];
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contents => f.write_str("contents.jsonl"),
            Self::Manifest => f.write_str("manifest.jsonl"),
            Self::Rows(number) => write!(f, "data/{number:06}.zst"),
            Self::LargeObjects(number) => write!(f, "large-objects/{number:06}.zst"),
            Self::ByHand(ByHand::BeforeRows) => f.write_str("by-hand/1-before-rows.sql"),
            Self::ByHand(ByHand::RowList) => f.write_str("by-hand/2-rows.tsv"),
            Self::ByHand(ByHand::LargeObjectList) => f.write_str("by-hand/3-large-objects.list"),
            Self::ByHand(ByHand::AfterRows) => f.write_str("by-hand/4-after-rows.sql"),
        }
    }
}

/// Only exactly what [`Display`](fmt::Display) writes.
impl FromStr for FileName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let number =
            |folder: &str| text.strip_prefix(folder)?.strip_suffix(".zst")?.parse::<u32>().ok();
        let candidates = [Self::Contents, Self::Manifest]
            .into_iter()
            .chain(ByHand::ALL.into_iter().map(Self::ByHand))
            .chain(number("data/").map(Self::Rows))
            .chain(number("large-objects/").map(Self::LargeObjects));
        let mut same = candidates.filter(|name| name.to_string() == text);
        same.next().ok_or(NotAName)
    }
}

/// A text that names no file of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a file of an archive")]
pub struct NotAName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_strictly() {
        for name in
            ["contents.jsonl", "data/000001.zst", "large-objects/1234567.zst", "by-hand/2-rows.tsv"]
        {
            assert_eq!(name.parse::<FileName>().map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for name in [
            "",
            "../manifest.jsonl",
            "/etc/passwd",
            "data/1.zst",
            "data/../1.zst",
            "data/0000001.zst",
            "data/+00001.zst",
            "data/000001.zst/",
            "./contents.jsonl",
            "by-hand/5-x.sql",
        ] {
            assert_eq!(name.parse::<FileName>(), Err(NotAName), "{name}");
        }
    }

    #[test]
    fn hex_goes_round() {
        let id = ArchiveId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(ArchiveId::random(), ArchiveId::random());
        assert_eq!("000102030405060708090A0b0c0d0eff".parse::<ArchiveId>(), Err(NotHex));
        assert_eq!(unhex::<1>("+1"), Err(NotHex));
    }
}
