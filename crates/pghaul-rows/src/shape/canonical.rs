//! The walk through a value that makes it canonical.
//!
//! What stays is passed on in runs as long as they get; only a NaN or an OID breaks a run. So a
//! value of any size needs no memory.

use super::notation::Notation;
use super::{Geometry, STAND_IN_TYPE, Shape, ShapeError, ShapeProblem, stable_type};

/// Passes the canonical form of a value on to `out`, in the notation in which it is written. The
/// length is that of `chars`. After an error, `out` may have got a part.
pub(crate) fn canonicalize<N: Notation>(
    shape: &Shape,
    chars: &[u8],
    out: impl FnMut(&[u8]),
) -> Result<(), ShapeError> {
    N::check(chars)?;
    let mut walk =
        Walk::<N, _> { chars, at: 0, passed: 0, out, notation: std::marker::PhantomData };
    let end = chars.len() / N::WIDTH;
    walk.value(shape, end)?;
    walk.pass_until(end);
    Ok(())
}

struct Walk<'a, N, F> {
    chars: &'a [u8],
    /// The next byte to look at.
    at: usize,
    /// All before this byte went to `out`.
    passed: usize,
    out: F,
    notation: std::marker::PhantomData<N>,
}

impl<N: Notation, F: FnMut(&[u8])> Walk<'_, N, F> {
    /// One value that ends exactly at `end`, which is not beyond the bytes there are.
    fn value(&mut self, shape: &Shape, end: usize) -> Result<(), ShapeError> {
        match shape {
            Shape::Plain => self.at = end,
            Shape::Float4 => self.float4(end)?,
            Shape::Float8 => self.float8(end)?,
            Shape::Array(element) => self.array(element, end)?,
            Shape::Range(subtype) => self.range(subtype, end)?,
            Shape::Multirange(subtype) => self.multirange(subtype, end)?,
            Shape::Record(fields) => self.record(fields, end)?,
            Shape::Geometry(geometry) => self.geometry(*geometry, end)?,
        }
        if self.at == end { Ok(()) } else { self.fail(ShapeProblem::TooLong) }
    }

    fn float4(&mut self, end: usize) -> Result<(), ShapeError> {
        let start = self.at;
        if f32::from_be_bytes(self.take(end)?).is_nan() {
            self.replace(start, &0x7fc0_0000_u32.to_be_bytes());
        }
        Ok(())
    }

    fn float8(&mut self, end: usize) -> Result<(), ShapeError> {
        let start = self.at;
        if f64::from_be_bytes(self.take(end)?).is_nan() {
            self.replace(start, &0x7ff8_0000_0000_0000_u64.to_be_bytes());
        }
        Ok(())
    }

    /// `array_send`: dimensions, has-nulls, element type; length and lower bound of each
    /// dimension; length and bytes of each element.
    fn array(&mut self, element: &Shape, end: usize) -> Result<(), ShapeError> {
        let start = self.at;
        let dimensions = self.int(end)?;
        if !(0..=6).contains(&dimensions) {
            self.at = start;
            return self.fail(ShapeProblem::Dimensions);
        }
        let flags_at = self.at;
        if !matches!(self.int(end)?, 0 | 1) {
            self.at = flags_at;
            return self.fail(ShapeProblem::Flags);
        }
        self.type_oid(end)?;
        let mut elements = u64::from(dimensions > 0);
        for _ in 0..dimensions {
            let length = self.count(end)?;
            let _lower_bound = self.int(end)?;
            elements = elements.saturating_mul(length);
        }
        // Each element needs bytes, so a count beyond what is there ends in an error at once.
        for _ in 0..elements {
            self.nullable(element, end)?;
        }
        Ok(())
    }

    /// `range_send`: a byte of flags, then length and bytes of each bound that there is.
    fn range(&mut self, subtype: &Shape, end: usize) -> Result<(), ShapeError> {
        const EMPTY: u8 = 0x01;
        const LOWER_INFINITE: u8 = 0x08;
        const UPPER_INFINITE: u8 = 0x10;
        let start = self.at;
        let [flags] = self.take(end)?;
        if flags >= 0x20 {
            self.at = start;
            return self.fail(ShapeProblem::Flags);
        }
        for infinite in [LOWER_INFINITE, UPPER_INFINITE] {
            if flags & (EMPTY | infinite) == 0 {
                self.present(subtype, end)?;
            }
        }
        Ok(())
    }

    /// `multirange_send`: a count, then length and bytes of each range.
    fn multirange(&mut self, subtype: &Shape, end: usize) -> Result<(), ShapeError> {
        for _ in 0..self.count(end)? {
            let length = self.length(end)?;
            let Some(length) = length else { return self.fail(ShapeProblem::Null) };
            let range_end = self.at + length;
            self.range(subtype, range_end)?;
            if self.at != range_end {
                return self.fail(ShapeProblem::TooLong);
            }
        }
        Ok(())
    }

    /// `record_send`: a count of fields; type, length and bytes of each.
    fn record(&mut self, fields: &[Shape], end: usize) -> Result<(), ShapeError> {
        let start = self.at;
        if self.count(end)? != fields.len() as u64 {
            self.at = start;
            return self.fail(ShapeProblem::FieldCount);
        }
        for field in fields {
            self.type_oid(end)?;
            self.nullable(field, end)?;
        }
        Ok(())
    }

    fn geometry(&mut self, geometry: Geometry, end: usize) -> Result<(), ShapeError> {
        let floats = match geometry {
            Geometry::Point => 2,
            Geometry::Line | Geometry::Circle => 3,
            Geometry::LineSegment | Geometry::Box => 4,
            Geometry::Polygon => 2 * self.count(end)?,
            Geometry::Path => {
                let _closed: [u8; 1] = self.take(end)?;
                2 * self.count(end)?
            }
            Geometry::Cube => {
                let header = u32::from_be_bytes(self.take(end)?);
                let is_point = header >> 31 == 1;
                u64::from(header & 0x7fff_ffff) * if is_point { 1 } else { 2 }
            }
        };
        for _ in 0..floats {
            self.float8(end)?;
        }
        Ok(())
    }

    /// Length and bytes of a value that may be NULL.
    fn nullable(&mut self, shape: &Shape, end: usize) -> Result<(), ShapeError> {
        match self.length(end)? {
            Some(length) => self.value(shape, self.at + length),
            None => Ok(()),
        }
    }

    /// Length and bytes of a value that cannot be NULL.
    fn present(&mut self, shape: &Shape, end: usize) -> Result<(), ShapeError> {
        match self.length(end)? {
            Some(length) => self.value(shape, self.at + length),
            None => self.fail(ShapeProblem::Null),
        }
    }

    /// The OID of a type; one that is not the same everywhere is replaced.
    fn type_oid(&mut self, end: usize) -> Result<(), ShapeError> {
        let start = self.at;
        let oid = u32::from_be_bytes(self.take(end)?);
        if stable_type(oid) != oid {
            self.replace(start, &STAND_IN_TYPE.to_be_bytes());
        }
        Ok(())
    }

    /// A length word: `None` for NULL; otherwise that many bytes are there.
    fn length(&mut self, end: usize) -> Result<Option<usize>, ShapeError> {
        let start = self.at;
        match self.int(end)? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) if length <= end - self.at => Ok(Some(length)),
                Ok(_) => self.fail(ShapeProblem::TooShort),
                Err(_) => {
                    self.at = start;
                    self.fail(ShapeProblem::NegativeLength)
                }
            },
        }
    }

    /// A count, which may claim more than is there.
    fn count(&mut self, end: usize) -> Result<u64, ShapeError> {
        let start = self.at;
        u64::try_from(self.int(end)?).or_else(|_| {
            self.at = start;
            self.fail(ShapeProblem::NegativeLength)
        })
    }

    fn int(&mut self, end: usize) -> Result<i32, ShapeError> {
        self.take(end).map(i32::from_be_bytes)
    }

    /// The next bytes, if they lie before `end`.
    fn take<const LEN: usize>(&mut self, end: usize) -> Result<[u8; LEN], ShapeError> {
        if end - self.at < LEN {
            return self.fail(ShapeProblem::TooShort);
        }
        let start = self.at;
        self.at += LEN;
        Ok(N::decode(&self.chars[start * N::WIDTH..self.at * N::WIDTH]))
    }

    /// Passes on all before `at`, then these bytes instead of those that stand there.
    fn replace(&mut self, at: usize, bytes: &[u8]) {
        self.pass_until(at);
        N::encode(bytes, &mut self.out);
        self.passed = at + bytes.len();
    }

    fn pass_until(&mut self, end: usize) {
        let run = &self.chars[self.passed * N::WIDTH..end * N::WIDTH];
        if !run.is_empty() {
            (self.out)(run);
        }
        self.passed = end;
    }

    fn fail<T>(&self, problem: ShapeProblem) -> Result<T, ShapeError> {
        Err(ShapeError { offset: self.at, problem })
    }
}
