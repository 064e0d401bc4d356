//! Digests of rows and of tables.
//!
//! Invariants: a row digest is the first 128 bits of SHA-256 of the row's image; a table digest
//! is `(count, sum of lane 0, sum of lane 1)` modulo 2^64. Sums and not XOR, so that a doubled
//! row shows. Order does not matter and digests of pieces add up. Digests of different
//! [`ImageKind`]s say nothing about each other.

use std::fmt;
use std::str::FromStr;

/// From what the digests were made. Only digests of one kind may be compared. The names are
/// stable: they are stored in receipts and archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageKind {
    /// SHA-256 of the binary image: what `record_send(ROW(…))` gives.
    Binary,
    /// SHA-256 of the image of the columns' COPY texts: what `record_send(ROW(format('%s', c), …))`
    /// gives, with hex of the binary value where a column contains a float.
    Text,
    /// MD5 of what [`ImageKind::Binary`] is made of. Only servers make it: those before 11 have no
    /// other digest.
    Md5Binary,
    /// MD5 of what [`ImageKind::Text`] is made of.
    Md5Text,
}

impl ImageKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Binary, Self::Text, Self::Md5Binary, Self::Md5Text];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "sha256-binary",
            Self::Text => "sha256-text",
            Self::Md5Binary => "md5-binary",
            Self::Md5Text => "md5-text",
        }
    }
}

impl fmt::Display for ImageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ImageKind {
    type Err = DigestError;

    fn from_str(name: &str) -> Result<Self, DigestError> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(DigestError::UnknownKind)
    }
}

/// What cannot be read as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// A kind of image that this version does not know.
    #[error("unknown kind of digest")]
    UnknownKind,
    /// Not 32 digits of lower-case hex.
    #[error("not a digest: expected 32 lower-case hex digits")]
    NotHex,
}

/// The digest of one row: the first 128 bits of SHA-256 of its image, as two big-endian lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowDigest(pub [u64; 2]);

impl RowDigest {
    /// The 16 bytes that a server's `substr(sha256(…), 1, 16)` gives.
    pub fn to_be_bytes(self) -> [u8; 16] {
        self.as_u128().to_be_bytes()
    }

    /// From these 16 bytes.
    pub fn from_be_bytes(bytes: [u8; 16]) -> Self {
        Self::from_u128(u128::from_be_bytes(bytes))
    }

    /// As one number; it sorts as the bytes do.
    pub fn as_u128(self) -> u128 {
        u128::from(self.0[0]) << 64 | u128::from(self.0[1])
    }

    /// From one number.
    #[expect(clippy::cast_possible_truncation, reason = "the halves are taken one by one")]
    pub const fn from_u128(number: u128) -> Self {
        Self([(number >> 64) as u64, number as u64])
    }
}

/// 32 digits of lower-case hex.
impl fmt::Display for RowDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.as_u128())
    }
}

impl FromStr for RowDigest {
    type Err = DigestError;

    fn from_str(hex: &str) -> Result<Self, DigestError> {
        let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != 32 || !hex.bytes().all(digits) {
            return Err(DigestError::NotHex);
        }
        u128::from_str_radix(hex, 16).map(Self::from_u128).map_err(|_| DigestError::NotHex)
    }
}

/// The digest of a set of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableDigest {
    /// How many rows.
    pub rows: u64,
    /// Sums of the lanes, modulo 2^64.
    pub lanes: [u64; 2],
}

impl TableDigest {
    /// Adds one row.
    pub fn add_row(&mut self, row: RowDigest) {
        self.add(Self { rows: 1, lanes: row.0 });
    }

    /// Adds the rows of another set.
    pub fn add(&mut self, other: Self) {
        self.rows = self.rows.wrapping_add(other.rows);
        self.lanes[0] = self.lanes[0].wrapping_add(other.lanes[0]);
        self.lanes[1] = self.lanes[1].wrapping_add(other.lanes[1]);
    }

    /// Count and lanes as Postgres stores them in `bigint` columns: the same 64 bits, with sign.
    pub fn to_i64s(self) -> [i64; 3] {
        [self.rows.cast_signed(), self.lanes[0].cast_signed(), self.lanes[1].cast_signed()]
    }

    /// Back from `bigint` columns.
    pub fn from_i64s([rows, first, second]: [i64; 3]) -> Self {
        Self { rows: rows.cast_unsigned(), lanes: [first.cast_unsigned(), second.cast_unsigned()] }
    }

    /// From the count and the lanes as [`Display`](fmt::Display) writes them.
    pub fn from_hex(rows: u64, lanes: &str) -> Result<Self, DigestError> {
        let RowDigest(lanes) = lanes.parse()?;
        Ok(Self { rows, lanes })
    }
}

/// The lanes in lower-case hex; the count stands apart.
impl fmt::Display for TableDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        RowDigest(self.lanes).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_the_halves() {
        let digest = RowDigest([0x0123_4567_89ab_cdef, 0xf00d_0000_0000_0001]);
        assert_eq!(digest.to_string(), "0123456789abcdeff00d000000000001");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(RowDigest::from_be_bytes(digest.to_be_bytes()), digest);
        assert_eq!(digest.to_be_bytes()[..3], [0x01, 0x23, 0x45]);
    }

    #[test]
    fn hex_is_read_strictly() {
        for text in [
            "",
            "0123456789ABCDEFf00d000000000001",
            "+123456789abcdeff00d000000000001",
            "0123456789abcdeff00d00000000000",
            "0123456789abcdeff00d0000000000012",
        ] {
            assert_eq!(text.parse::<RowDigest>(), Err(DigestError::NotHex), "{text}");
        }
    }

    #[test]
    fn sums_wrap_and_go_through_bigint() {
        let row = RowDigest([u64::MAX, 3 << 62]);
        let mut table = TableDigest::default();
        table.add_row(row);
        table.add_row(row);
        assert_eq!(table, TableDigest { rows: 2, lanes: [u64::MAX - 1, 1 << 63] });
        assert_eq!(table.to_i64s(), [2, -2, i64::MIN]);
        assert_eq!(TableDigest::from_i64s(table.to_i64s()), table);
        assert_eq!(TableDigest::from_hex(2, &table.to_string()), Ok(table));
    }

    #[test]
    fn kinds_keep_their_names() {
        assert_eq!("sha256-binary".parse(), Ok(ImageKind::Binary));
        assert_eq!("sha256-text".parse(), Ok(ImageKind::Text));
        assert_eq!("md5-binary".parse(), Ok(ImageKind::Md5Binary));
        assert_eq!("md5-text".parse(), Ok(ImageKind::Md5Text));
        assert_eq!("md5".parse::<ImageKind>(), Err(DigestError::UnknownKind));
    }
}
