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

use crate::digest::RowDigest;
use crate::reader::RowHasher;
use crate::shape::ShapeError;
use crate::tuple::Tuple;

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

/// Makes the digests of keys, one after another.
#[derive(Debug)]
pub struct KeyHasher {
    shapes: Vec<KeyShape>,
    nulls: Nulls,
    hasher: RowHasher,
}

impl KeyHasher {
    /// For keys of these columns.
    pub fn new(shapes: Vec<KeyShape>, nulls: Nulls) -> Self {
        Self { shapes, nulls, hasher: RowHasher::default() }
    }

    /// The digest of a key whose columns are fields of a binary tuple, one after another; `skip`
    /// fields come before them. `None` for a key that equals no other, since it has a NULL.
    ///
    /// # Errors
    /// A value that is not what its shape says; the offset is that inside the value.
    pub fn digest(&mut self, tuple: &Tuple, skip: usize) -> Result<Option<RowDigest>, ShapeError> {
        let Self { shapes, nulls, hasher } = self;
        hasher.begin_key();
        let mut fields = tuple.binary_fields().skip(skip);
        for shape in shapes {
            match fields.next().flatten() {
                None if *nulls == Nulls::Distinct => return Ok(None),
                None => hasher.put_key(&[0]),
                Some(value) => {
                    hasher.put_key(&[1]);
                    normal::write(shape, value, &mut |bytes| hasher.put_key(bytes))?;
                }
            }
        }
        Ok(Some(hasher.finish()))
    }
}
