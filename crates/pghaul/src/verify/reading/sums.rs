//! What servers answer that make the digests: sums and digests as text.

use pghaul_rows::layout::{Column, CopyFormat, Layout};
use pghaul_rows::shape::Shape;
use pghaul_rows::tuple::RowRef;
use pghaul_rows::{RowDigest, TableDigest};

use crate::error::{Error, ErrorKind};

/// Sums of the lanes of `h`, the hex of a row's digest. As text, since they exceed 64 bits.
pub(super) const SUMS: &str = "pg_catalog.count(*)::text, \
     coalesce(pg_catalog.sum(('x' || pg_catalog.substr(h, 1, 16))::bit(64)::int8), 0)::text, \
     coalesce(pg_catalog.sum(('x' || pg_catalog.substr(h, 17, 16))::bit(64)::int8), 0)::text";
/// ctid, digest of the key, digest of the row.
pub(super) fn digests_layout() -> Layout {
    Layout { with_ctid: true, ..texts_layout(2) }
}

/// So many columns of text.
pub(super) fn texts_layout(columns: usize) -> Layout {
    Layout {
        format: CopyFormat::Text,
        with_ctid: false,
        columns: vec![Column { image_type: 25, shape: Shape::Plain }; columns],
        hidden: Vec::new(),
    }
}

pub(super) fn two_digests(row: RowRef<'_>) -> Option<(RowDigest, RowDigest)> {
    let line = row.parts().concat();
    let (key, digest) = std::str::from_utf8(&line).ok()?.trim_end().split_once('\t')?;
    Some((key.parse().ok()?, digest.parse().ok()?))
}

/// Count and sums as a server writes them: the sums have more than 64 bits, of which the lowest
/// count.
pub(super) fn sums(row: &[Option<String>], doing: &str) -> Result<TableDigest, Error> {
    let number = |at: usize| row.get(at)?.as_deref()?.parse::<i128>().ok();
    let (Some(rows), Some(first), Some(second)) = (number(0), number(1), number(2)) else {
        return Err(Error::new(ErrorKind::Bug, format!("cannot {doing}: the sums are no numbers")));
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lanes are sums modulo 2^64, and a count is positive"
    )]
    let low = |number: i128| number as u64;
    Ok(TableDigest { rows: low(rows), lanes: [low(first), low(second)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_a_server_are_taken_modulo_two_to_the_64() {
        let row = ["3", "-1", "36893488147419103233"].map(|text| Some(text.to_owned()));
        let digest = sums(&row, "test").unwrap();
        assert_eq!(digest, TableDigest { rows: 3, lanes: [u64::MAX, 1] });
        assert!(sums(&[None], "test").is_err());
    }
}
