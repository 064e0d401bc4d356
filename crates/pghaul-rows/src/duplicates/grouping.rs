//! Picks the groups out of records in order. A record begins with its key, 16 bytes.

use super::FinderError;
use super::partitions::Ordered;

#[derive(Debug)]
pub(super) struct Grouping<const N: usize> {
    ordered: Ordered<N>,
    /// Taken from `ordered`, and to be looked at next.
    ahead: Option<[u8; N]>,
    /// The member of the present group that comes next; then `ahead` may be one more.
    member: Option<[u8; N]>,
}

impl<const N: usize> Grouping<N> {
    pub(super) fn new(ordered: Ordered<N>) -> Self {
        Self { ordered, ahead: None, member: None }
    }

    /// The key of the next group.
    pub(super) fn next_group(&mut self) -> Result<Option<[u8; 16]>, FinderError> {
        while self.next_member()?.is_some() {}
        let Some(mut first) = self.next_record()? else { return Ok(None) };
        loop {
            let Some(second) = self.next_after(&first)? else { return Ok(None) };
            if key(&first) == key(&second) {
                self.member = Some(first);
                self.ahead = Some(second);
                return Ok(Some(key(&first)));
            }
            first = second;
        }
    }

    /// The next member of the group.
    pub(super) fn next_member(&mut self) -> Result<Option<[u8; N]>, FinderError> {
        let Some(member) = self.member.take() else { return Ok(None) };
        if let Some(next) = self.next_after(&member)? {
            if key(&next) == key(&member) {
                self.member = Some(next);
            } else {
                self.ahead = Some(next);
            }
        }
        Ok(Some(member))
    }

    /// The next record that is not this one once more.
    fn next_after(&mut self, record: &[u8; N]) -> Result<Option<[u8; N]>, FinderError> {
        loop {
            let next = self.next_record()?;
            if next.as_ref() != Some(record) {
                return Ok(next);
            }
        }
    }

    fn next_record(&mut self) -> Result<Option<[u8; N]>, FinderError> {
        match self.ahead.take() {
            Some(record) => Ok(Some(record)),
            None => self.ordered.next(),
        }
    }
}

fn key<const N: usize>(record: &[u8; N]) -> [u8; 16] {
    record.first_chunk().copied().unwrap_or_default()
}
