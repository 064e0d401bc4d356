//! In which characters a binary value is written: the bytes themselves, or two hex digits each.

use super::{ShapeError, ShapeProblem};

/// A way to write bytes. The canonical value is written in the notation of the one read.
pub(crate) trait Notation {
    /// Characters for each byte.
    const WIDTH: usize;

    /// Are these characters of this notation, whole bytes of it? Called once, before all else.
    fn check(chars: &[u8]) -> Result<(), ShapeError>;

    /// The bytes that were written; `chars` has `N * WIDTH` of them and was checked.
    fn decode<const N: usize>(chars: &[u8]) -> [u8; N];

    /// Writes some bytes.
    fn encode(bytes: &[u8], out: impl FnMut(&[u8]));
}

/// The bytes themselves.
pub(crate) struct Raw;

impl Notation for Raw {
    const WIDTH: usize = 1;

    fn check(_: &[u8]) -> Result<(), ShapeError> {
        Ok(())
    }

    fn decode<const N: usize>(chars: &[u8]) -> [u8; N] {
        chars.try_into().unwrap_or([0; N])
    }

    fn encode(bytes: &[u8], mut out: impl FnMut(&[u8])) {
        out(bytes);
    }
}

/// Lower-case hex, as `encode(…, 'hex')` writes it.
pub(crate) struct Hex;

impl Notation for Hex {
    const WIDTH: usize = 2;

    fn check(chars: &[u8]) -> Result<(), ShapeError> {
        let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let wrong = match chars.iter().position(|byte| !digit(byte)) {
            Some(at) => at,
            None if chars.len().is_multiple_of(2) => return Ok(()),
            None => chars.len(),
        };
        Err(ShapeError { offset: wrong / 2, problem: ShapeProblem::NotHex })
    }

    fn decode<const N: usize>(chars: &[u8]) -> [u8; N] {
        let value = |digit: u8| if digit <= b'9' { digit & 0x0f } else { (digit & 0x0f) + 9 };
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(chars.chunks_exact(2)) {
            *byte = value(pair[0]) << 4 | value(pair[1]);
        }
        bytes
    }

    fn encode(bytes: &[u8], mut out: impl FnMut(&[u8])) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in bytes {
            out(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0x0f)]]);
        }
    }
}
