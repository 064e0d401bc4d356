//! Digests of keys: equal for keys that a unique index takes for equal.
//!
//! Equality is wider than bytes for some types: `1.0` and `1.00` are one numeric, `0` and `-0` one
//! float, 24 hours and a day one interval, and trailing blanks do not count in `char(n)`. A
//! [`KeyShape`] says how a binary value is built, and the digest is made of its normal form: what
//! the type's btree comparison looks at, in the binary notation of the type's send function.
//!
//! Invariants: values that the default btree operator class of their type takes for equal have
//! equal normal forms; a value that is not what its shape says is an error and never a panic;
//! recursion is as deep as the shape, whatever the data says.

mod normal;

#[cfg(test)]
mod tests;

use std::fmt;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::shape::ShapeError;

/// How a binary value is built, as far as its equality needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyShape {
    /// Equal when the bytes are.
    Bytes,
    /// `float4`: `0` and `-0` are one, and all NaN.
    Float4,
    /// `float8`.
    Float8,
    /// `numeric`: the display scale does not count.
    Numeric,
    /// `interval`: 24 hours are a day, 30 days a month.
    Interval,
    /// `char(n)`: trailing blanks do not count.
    Padded,
    /// An array, its elements of this shape. Lengths and lower bounds count.
    Array(Box<KeyShape>),
    /// A range over a subtype of this shape.
    Range(Box<KeyShape>),
    /// A multirange over a subtype of this shape.
    Multirange(Box<KeyShape>),
    /// A composite, by its fields in the order of `attnum`, dropped ones left out.
    Record(Vec<KeyShape>),
}

/// Whether NULLs are equal to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nulls {
    /// No key with a NULL equals any other: the default.
    Distinct,
    /// `NULLS NOT DISTINCT` (15 and newer).
    NotDistinct,
}

/// The digest of a key: 128 bits of XXH3, as two big-endian words. Equal keys have equal digests;
/// keys with equal digests are candidates only, since whoever writes keys can make two of one digest:
/// somebody has to compare the keys themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub [u64; 2]);

impl KeyDigest {
    /// Its 16 bytes; they sort as the digests do.
    pub fn to_be_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (first, second) = bytes.split_at_mut(8);
        first.copy_from_slice(&self.0[0].to_be_bytes());
        second.copy_from_slice(&self.0[1].to_be_bytes());
        bytes
    }

    /// From these bytes.
    pub fn from_be_bytes(bytes: [u8; 16]) -> Self {
        Self::from_u128(u128::from_be_bytes(bytes))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves are taken one by one")]
    const fn from_u128(number: u128) -> Self {
        Self([(number >> 64) as u64, number as u64])
    }
}

/// Makes the digests of keys, one after another.
#[derive(Debug)]
pub struct KeyHasher {
    shapes: Vec<KeyShape>,
    nulls: Nulls,
    key: KeyBytes,
}

impl KeyHasher {
    /// For keys of these columns.
    pub fn new(shapes: Vec<KeyShape>, nulls: Nulls) -> Self {
        Self { shapes, nulls, key: KeyBytes::default() }
    }

    /// The digest of a key whose columns are these, NULL as `None`; what follows them is not looked
    /// at. `None` for a key that equals no other, since it has a NULL.
    ///
    /// # Errors
    /// A value that is not what its shape says; the offset is that inside the value.
    pub fn digest<'a>(
        &mut self,
        columns: impl IntoIterator<Item = Option<&'a [u8]>>,
    ) -> Result<Option<KeyDigest>, ShapeError> {
        let Self { shapes, nulls, key } = self;
        key.begin();
        let mut columns = columns.into_iter();
        for shape in shapes {
            match columns.next().flatten() {
                None if *nulls == Nulls::Distinct => return Ok(None),
                None => key.put(&[0]),
                Some(value) => {
                    key.put(&[1]);
                    normal::write(shape, value, &mut |bytes| key.put(bytes))?;
                }
            }
        }
        Ok(Some(key.finish()))
    }
}

/// Keys up to this size are put together and hashed at once, larger ones piece by piece.
const SCRATCH_BYTES: usize = 4096;

/// The normal form of one key.
#[derive(Default)]
struct KeyBytes {
    scratch: Vec<u8>,
    /// What did not fit.
    large: Option<Box<Xxh3>>,
}

impl KeyBytes {
    fn begin(&mut self) {
        self.scratch.clear();
        self.large = None;
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.scratch.len() + bytes.len() <= SCRATCH_BYTES {
            self.scratch.extend_from_slice(bytes);
            return;
        }
        let large = self.large.get_or_insert_default();
        large.update(&self.scratch);
        large.update(bytes);
        self.scratch.clear();
    }

    fn finish(&mut self) -> KeyDigest {
        KeyDigest::from_u128(match &mut self.large {
            None => xxh3_128(&self.scratch),
            Some(large) => {
                large.update(&self.scratch);
                large.digest128()
            }
        })
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyBytes").finish_non_exhaustive()
    }
}
