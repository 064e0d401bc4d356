//! Where a row lies: block and line pointer (Postgres manual, 5.5 `ctid`).

use std::fmt;
use std::str::FromStr;

/// A `ctid`. Ordered as the heap is: by block, then by line pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid {
    /// The block (page) of the heap.
    pub block: u32,
    /// The line pointer inside the block, from 1.
    pub offset: u16,
}

impl Tid {
    /// The six bytes of its binary form: block and line pointer, big-endian. They sort as it does.
    pub fn to_be_bytes(self) -> [u8; 6] {
        let [a, b, c, d] = self.block.to_be_bytes();
        let [e, f] = self.offset.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// From its binary form.
    pub fn from_be_bytes([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self { block: u32::from_be_bytes([a, b, c, d]), offset: u16::from_be_bytes([e, f]) }
    }

    /// From its text form, `(block,offset)`.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let inner = text.strip_prefix(b"(")?.strip_suffix(b")")?;
        let comma = inner.iter().position(|&byte| byte == b',')?;
        let block = number(&inner[..comma], u32::MAX.into())?;
        let offset = number(&inner[comma + 1..], u16::MAX.into())?;
        Some(Self { block: u32::try_from(block).ok()?, offset: u16::try_from(offset).ok()? })
    }
}

/// Decimal digits only, at most ten of them.
fn number(digits: &[u8], max: u64) -> Option<u64> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    let mut value = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    (value <= max).then_some(value)
}

/// As Postgres writes it: `(block,offset)`.
impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.offset)
    }
}

/// As Postgres writes it, nothing more lenient.
impl FromStr for Tid {
    type Err = NotATid;

    fn from_str(text: &str) -> Result<Self, NotATid> {
        Self::from_text(text.as_bytes()).ok_or(NotATid)
    }
}

/// The text is not a `ctid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a ctid: expected (block,offset)")]
pub struct NotATid;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_round() {
        for tid in [(0, 1), (4_294_967_294, 65_535), (17, 0)] {
            let tid = Tid { block: tid.0, offset: tid.1 };
            assert_eq!(tid.to_string().parse(), Ok(tid));
            assert_eq!(Tid::from_be_bytes(tid.to_be_bytes()), tid);
        }
    }

    #[test]
    fn what_is_no_ctid() {
        for text in [
            "",
            "(",
            "()",
            "(,)",
            "(1,)",
            "(,1)",
            "1,2",
            "(1,2",
            "(4294967296,1)",
            "(1,65536)",
            "(1,2,3)",
            "( 1,2)",
            "(+1,2)",
            "(-1,2)",
            "(1,2) ",
            "(00000000001,1)",
        ] {
            assert_eq!(text.parse::<Tid>(), Err(NotATid), "{text}");
        }
    }
}
