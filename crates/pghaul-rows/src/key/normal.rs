//! The walk through a value that writes its normal form, free of prefixes: no normal form of a
//! shape is the beginning of another of that shape.

use super::KeyShape;
use crate::shape::{ShapeError, ShapeProblem};

/// Microseconds of a day.
const DAY: i128 = 86_400_000_000;

/// Days of a month, as `interval_cmp` counts them.
const MONTH: i128 = 30;

/// Writes the normal form of a value.
pub(super) fn write(
    shape: &KeyShape,
    value: &[u8],
    out: &mut impl FnMut(&[u8]),
) -> Result<(), ShapeError> {
    let mut walk = Walk { bytes: value, at: 0, out };
    walk.value(shape, value.len())
}

struct Walk<'a, F> {
    bytes: &'a [u8],
    at: usize,
    out: &'a mut F,
}

impl<F: FnMut(&[u8])> Walk<'_, F> {
    /// One value that ends exactly at `end`.
    fn value(&mut self, shape: &KeyShape, end: usize) -> Result<(), ShapeError> {
        match shape {
            KeyShape::Bytes => self.text(end, end),
            KeyShape::Padded => {
                let value = &self.bytes[self.at..end];
                let kept = value.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
                self.text(self.at + kept, end);
            }
            KeyShape::Float4 => {
                let value = f32::from_be_bytes(self.take(end)?);
                let value = if value.is_nan() { f32::NAN } else { value + 0.0 };
                (self.out)(&value.to_be_bytes());
            }
            KeyShape::Float8 => {
                let value = f64::from_be_bytes(self.take(end)?);
                let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
                (self.out)(&value.to_be_bytes());
            }
            KeyShape::Numeric => self.numeric(end)?,
            KeyShape::Interval => {
                let microseconds = i64::from_be_bytes(self.take(end)?);
                let days = i32::from_be_bytes(self.take(end)?);
                let months = i32::from_be_bytes(self.take(end)?);
                let days = i128::from(months) * MONTH + i128::from(days);
                (self.out)(&(days * DAY + i128::from(microseconds)).to_be_bytes());
            }
            KeyShape::Array(element) => self.array(element, end)?,
            KeyShape::Range(subtype) => self.range(subtype, end)?,
            KeyShape::Multirange(subtype) => {
                let ranges = self.count(end)?;
                (self.out)(&ranges.to_be_bytes());
                for _ in 0..ranges {
                    let range_end = self.present(end)?;
                    self.value_until(range_end, |walk| walk.range(subtype, range_end))?;
                }
            }
            KeyShape::Record(fields) => self.record(fields, end)?,
        }
        if self.at == end { Ok(()) } else { self.fail(ShapeProblem::TooLong) }
    }

    /// The bytes up to `kept`, passing over those up to `end`.
    fn text(&mut self, kept: usize, end: usize) {
        let value = &self.bytes[self.at..kept];
        (self.out)(&(value.len() as u64).to_be_bytes());
        (self.out)(value);
        self.at = end;
    }

    /// `numeric_send`: count of digits, weight, sign, display scale, digits, which have no zeros
    /// at either end.
    fn numeric(&mut self, end: usize) -> Result<(), ShapeError> {
        let head: [u8; 6] = self.take(end)?;
        let _display_scale: [u8; 2] = self.take(end)?;
        let digits = 2 * usize::from(u16::from_be_bytes([head[0], head[1]]));
        if end - self.at != digits {
            return self.fail(ShapeProblem::TooShort);
        }
        (self.out)(&head);
        (self.out)(&self.bytes[self.at..end]);
        self.at = end;
        Ok(())
    }

    /// `array_send`: dimensions, has-nulls (which may be set without any), element type; length
    /// and lower bound of each dimension; length and bytes of each element.
    fn array(&mut self, element: &KeyShape, end: usize) -> Result<(), ShapeError> {
        let dimensions = self.count(end)?;
        if dimensions > 6 {
            return self.fail(ShapeProblem::Dimensions);
        }
        let _has_nulls: [u8; 4] = self.take(end)?;
        let _element_type: [u8; 4] = self.take(end)?;
        (self.out)(&dimensions.to_be_bytes());
        let mut elements = u64::from(dimensions > 0);
        for _ in 0..dimensions {
            let length = self.count(end)?;
            let lower_bound: [u8; 4] = self.take(end)?;
            (self.out)(&length.to_be_bytes());
            (self.out)(&lower_bound);
            elements = elements.saturating_mul(length.into());
        }
        // Each element needs bytes, so a count beyond what is there ends in an error at once.
        for _ in 0..elements {
            self.nullable(element, end)?;
        }
        Ok(())
    }

    /// `range_send`: a byte of flags, then length and bytes of each bound that there is. Flags are
    /// canonical: an infinite bound is never inclusive.
    fn range(&mut self, subtype: &KeyShape, end: usize) -> Result<(), ShapeError> {
        const EMPTY: u8 = 0x01;
        const LOWER_INFINITE: u8 = 0x08;
        const UPPER_INFINITE: u8 = 0x10;
        let [flags] = self.take(end)?;
        if flags >= 0x20 {
            return self.fail(ShapeProblem::Flags);
        }
        (self.out)(&[flags]);
        for infinite in [LOWER_INFINITE, UPPER_INFINITE] {
            if flags & (EMPTY | infinite) == 0 {
                let bound_end = self.present(end)?;
                self.value(subtype, bound_end)?;
            }
        }
        Ok(())
    }

    /// `record_send`: a count of fields; type, length and bytes of each.
    fn record(&mut self, fields: &[KeyShape], end: usize) -> Result<(), ShapeError> {
        if usize::try_from(self.count(end)?) != Ok(fields.len()) {
            return self.fail(ShapeProblem::FieldCount);
        }
        for field in fields {
            let _type: [u8; 4] = self.take(end)?;
            self.nullable(field, end)?;
        }
        Ok(())
    }

    /// Length and bytes of a value that may be NULL. NULLs inside of values are equal.
    fn nullable(&mut self, shape: &KeyShape, end: usize) -> Result<(), ShapeError> {
        match self.length(end)? {
            Some(length) => {
                (self.out)(&[1]);
                self.value(shape, self.at + length)
            }
            None => {
                (self.out)(&[0]);
                Ok(())
            }
        }
    }

    /// The length of a value that cannot be NULL; gives where it ends.
    fn present(&mut self, end: usize) -> Result<usize, ShapeError> {
        match self.length(end)? {
            Some(length) => Ok(self.at + length),
            None => self.fail(ShapeProblem::Null),
        }
    }

    fn value_until(
        &mut self,
        end: usize,
        walk: impl FnOnce(&mut Self) -> Result<(), ShapeError>,
    ) -> Result<(), ShapeError> {
        walk(self)?;
        if self.at == end { Ok(()) } else { self.fail(ShapeProblem::TooLong) }
    }

    /// A length word: `None` for NULL; otherwise that many bytes are there.
    fn length(&mut self, end: usize) -> Result<Option<usize>, ShapeError> {
        match i32::from_be_bytes(self.take(end)?) {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) if length <= end - self.at => Ok(Some(length)),
                Ok(_) => self.fail(ShapeProblem::TooShort),
                Err(_) => self.fail(ShapeProblem::NegativeLength),
            },
        }
    }

    /// A count, which may claim more than is there.
    fn count(&mut self, end: usize) -> Result<u32, ShapeError> {
        match u32::try_from(i32::from_be_bytes(self.take(end)?)) {
            Ok(count) => Ok(count),
            Err(_) => self.fail(ShapeProblem::NegativeLength),
        }
    }

    /// The next bytes, if they lie before `end`.
    fn take<const LEN: usize>(&mut self, end: usize) -> Result<[u8; LEN], ShapeError> {
        let taken = self.bytes[self.at..end].first_chunk().copied();
        let Some(taken) = taken else { return self.fail(ShapeProblem::TooShort) };
        self.at += LEN;
        Ok(taken)
    }

    fn fail<T>(&self, problem: ShapeProblem) -> Result<T, ShapeError> {
        Err(ShapeError { offset: self.at, problem })
    }
}
