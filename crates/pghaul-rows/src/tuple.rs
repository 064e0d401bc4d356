//! A row as it is passed on: the bytes of its COPY tuple, without what only pghaul sees.

use bytes::Bytes;

use crate::digest::RowDigest;
use crate::tid::Tid;

/// A row taken out of a COPY stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it lies, if the layout has it.
    pub ctid: Option<Tid>,
    /// The digest of its image, if digests are on.
    pub digest: Option<RowDigest>,
    /// The digests of some of its columns, one for each of the reader's projections.
    pub projected: Vec<RowDigest>,
    /// What is passed on.
    pub tuple: Tuple,
}

/// The bytes of one COPY tuple: in binary the field count and the fields, in text one line with
/// its newline. Held as a slice of the message it came in, between what had to be written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuple {
    pub(crate) head: Inline,
    pub(crate) body: Bytes,
    pub(crate) tail: Inline,
}

impl Tuple {
    /// The tuple's bytes, in three consecutive slices; any may be empty.
    pub fn parts(&self) -> [&[u8]; 3] {
        [self.head.as_slice(), &self.body, self.tail.as_slice()]
    }

    /// How many bytes it has in the stream: at least one in text (the newline), two in binary.
    #[expect(clippy::len_without_is_empty, reason = "a tuple is never empty")]
    pub fn len(&self) -> usize {
        self.head.as_slice().len() + self.body.len() + self.tail.as_slice().len()
    }

    /// The fields of a tuple of a binary stream, NULL as `None`, without its ctid if the layout has
    /// one.
    pub fn binary_fields(&self) -> impl Iterator<Item = Option<&[u8]>> {
        fields_of(self.head, &self.body)
    }

    /// The tuple's bytes in one piece; a copy only if they are not already.
    pub fn to_bytes(&self) -> Bytes {
        if self.body.len() == self.len() {
            return self.body.clone();
        }
        self.parts().concat().into()
    }
}

/// The fields of a line of a text stream that a [`RowReader`](crate::RowReader) framed, without
/// their escapes, NULL as `None`.
pub fn text_fields(line: &[u8]) -> Vec<Option<Vec<u8>>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let field = |field: &[u8]| {
        if field == b"\\N" {
            return None;
        }
        let mut value = Vec::with_capacity(field.len());
        let mut bytes = field.iter();
        while let Some(byte) = bytes.next() {
            value.push(match byte {
                b'\\' => match bytes.next() {
                    Some(b'b') => 8,
                    Some(b'f') => 12,
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(b'v') => 11,
                    Some(other) => *other,
                    None => b'\\',
                },
                byte => *byte,
            });
        }
        Some(value)
    };
    line.split(|byte| *byte == b'\t').map(field).collect()
}

/// A row as it lies in the bytes that it came in, for who keeps nothing of it.
#[derive(Debug, Clone, Copy)]
pub struct RowRef<'a> {
    /// Where it lies, if the layout has it.
    pub ctid: Option<Tid>,
    /// The digest of its image, if digests are on.
    pub digest: Option<RowDigest>,
    /// The digests of some of its columns, one for each of the reader's projections.
    pub projected: &'a [RowDigest],
    pub(crate) head: Inline,
    pub(crate) body: &'a [u8],
    pub(crate) tail: Inline,
}

impl<'a> RowRef<'a> {
    /// As [`Tuple::parts`].
    pub fn parts(&self) -> [&[u8]; 3] {
        [self.head.as_slice(), self.body, self.tail.as_slice()]
    }

    /// As [`Tuple::binary_fields`].
    pub fn binary_fields(&self) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
        fields_of(self.head, self.body)
    }
}

impl<'a> From<&'a Row> for RowRef<'a> {
    fn from(row: &'a Row) -> Self {
        let Row { ctid, digest, projected, tuple } = row;
        let Tuple { head, body, tail } = tuple;
        Self { ctid: *ctid, digest: *digest, projected, head: *head, body, tail: *tail }
    }
}

/// The fields of a binary tuple.
fn fields_of(head: Inline, body: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    // The count of fields stands in `head` where a ctid was taken out.
    let counted = if head.as_slice().is_empty() { 2 } else { 0 };
    let mut rest = body.get(counted..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            rest = after;
            return Some(None);
        };
        // The reader framed it: the bytes are there.
        let (value, after) = after.split_at_checked(length)?;
        rest = after;
        Some(Some(value))
    })
}

/// Up to two bytes, without an allocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Inline {
    len: u8,
    bytes: [u8; 2],
}

impl Inline {
    pub(crate) const EMPTY: Self = Self { len: 0, bytes: [0; 2] };
    pub(crate) const NEWLINE: Self = Self { len: 1, bytes: [b'\n', 0] };

    pub(crate) const fn two(bytes: [u8; 2]) -> Self {
        Self { len: 2, bytes }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len.min(2))]
    }
}

#[cfg(test)]
mod tests {
    use super::text_fields;

    #[test]
    fn fields_of_a_line_lose_their_escapes() {
        let some = |text: &str| Some(text.as_bytes().to_vec());
        let line = b"a\\tb\\\\\t\\N\t\tc\\n\\r\\b\\f\\v\n";
        let expected = [some("a\tb\\"), None, some(""), some("c\n\r\u{8}\u{c}\u{b}")];
        assert_eq!(text_fields(line), expected);
    }
}
