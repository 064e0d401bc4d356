//! What is in a database, by plain SQL: an oracle that shares nothing with pghaul's own digests.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::servers::Session;
use crate::work::{self, Answer};

/// The rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDigest {
    /// How many.
    pub rows: u64,
    /// The sum of 64 bits of the md5 of each row's text.
    pub sum: String,
}

/// The digests of all tables and populated materialized views of the schema `public`, by name.
/// They compare between majors for a Mastodon-shaped database, whose floating-point numbers are
/// written alike by all of them.
pub fn digest(session: &Session) -> Answer<BTreeMap<String, TableDigest>> {
    let session = session.clone();
    work::begin(async move {
        let mut digests = BTreeMap::new();
        for statement in session.query_text(include_str!("digest.sql")).await?.into_iter().flatten()
        {
            for row in session.query_text(statement.unwrap_or_default()).await? {
                let [Some(table), Some(rows), Some(sum)] = row.as_slice() else {
                    return Err(Error::new("a digest is not three values"));
                };
                let rows = rows.parse().map_err(|cause| {
                    Error::new(format!("{rows} is no number of rows")).caused_by(&cause)
                })?;
                digests.insert(table.clone(), TableDigest { rows, sum: sum.clone() });
            }
        }
        Ok(digests)
    })
}
