//! Who is sent what a repair notes of itself.
//!
//! A publication of all tables publishes those of schema `pghaul` too, and a subscriber that does not
//! have them stops: then changes pile up on the server that is repaired.

use crate::connect::Session;
use crate::error::Error;
use crate::finding::{Finding, Severity};

/// Publications of all tables that somebody reads. 9.6 has none.
pub(super) async fn of_all_tables(session: &Session) -> Result<Option<Finding>, Error> {
    if !session.version().at_least(10) {
        return Ok(None);
    }
    let sql = "select p.names, s.names \
                 from (select pg_catalog.string_agg(pubname::text, ', ' order by pubname::text) as names \
                         from pg_catalog.pg_publication where puballtables) as p \
                cross join (select pg_catalog.string_agg(slot_name::text, ', ' order by slot_name::text) as names \
                              from pg_catalog.pg_replication_slots \
                             where database = pg_catalog.current_database() and plugin = 'pgoutput') as s \
                where p.names is not null and s.names is not null";
    let rows = session.query("look for publications of all tables", sql, &[]).await?;
    Ok(rows.first().map(|row| {
        let (publications, slots): (String, String) = (row.get(0), row.get(1));
        Finding::new(
            Severity::Warning,
            "state_is_published",
            format!(
                "publications of all tables ({publications}) send on what the repair keeps in schema \
                 `pghaul`, and subscribers without these tables stop (slots {slots})"
            ),
            "create them on each subscriber, whose changes wait until then: pg_dump --schema-only \
             --schema=pghaul of this database, given to psql there",
        )
    }))
}
