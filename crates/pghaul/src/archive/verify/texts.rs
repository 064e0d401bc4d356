//! Values of an archive as text: those of the types that most keys have are known here, a server
//! is asked for the others.
//!
//! Invariant: a text is the one that the server would write under our settings, or none.

use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// The text of a binary value.
pub(super) fn text_of(type_oid: u32, bytes: &[u8]) -> Option<String> {
    match Type::from_oid(type_oid)? {
        Type::INT2 => Some(i16::from_be_bytes(bytes.try_into().ok()?).to_string()),
        Type::INT4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        Type::INT8 => Some(i64::from_be_bytes(bytes.try_into().ok()?).to_string()),
        Type::OID => Some(u32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        Type::BOOL => match bytes {
            [0] => Some("f".to_owned()),
            [1] => Some("t".to_owned()),
            _ => None,
        },
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => {
            String::from_utf8(bytes.to_vec()).ok()
        }
        Type::UUID => {
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            let hex = format!("{:032x}", u128::from_be_bytes(bytes));
            let (a, rest) = hex.split_at_checked(8)?;
            let (b, rest) = rest.split_at_checked(4)?;
            let (c, rest) = rest.split_at_checked(4)?;
            let (d, e) = rest.split_at_checked(4)?;
            Some([a, b, c, d, e].join("-"))
        }
        _ => None,
    }
}

/// A statement that gives parameters of these types as text.
pub(super) fn text_statement(types: &[&str]) -> String {
    let each: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(at, name)| format!("pg_catalog.format('%s', ${}::{name})", at + 1))
        .collect();
    format!("select {}", each.join(", "))
}

/// A value in the binary form of whatever type is asked for.
#[derive(Debug)]
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl ToSql for Raw<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_keys_are_known_and_others_asked_for() {
        assert_eq!(text_of(20, &(-5_i64).to_be_bytes()).as_deref(), Some("-5"));
        assert_eq!(text_of(23, &7_i32.to_be_bytes()).as_deref(), Some("7"));
        assert_eq!(text_of(23, &[1]), None);
        assert_eq!(text_of(25, "ä".as_bytes()).as_deref(), Some("ä"));
        let uuid: Vec<u8> = (0..16).collect();
        let text = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        assert_eq!(text_of(2950, &uuid).as_deref(), Some(text));
        assert_eq!(text_of(1700, &[0; 8]), None);
        assert_eq!(
            text_statement(&["numeric", "inet"]),
            "select pg_catalog.format('%s', $1::numeric), pg_catalog.format('%s', $2::inet)"
        );
    }
}
