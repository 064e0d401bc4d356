//! Which server and database a session is on.
//!
//! Invariant: what a server does not tell (a managed one may withhold it) is `None` and never
//! compared. Measured: on 9.6 to 18 any role may call `pg_control_system()`.

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::version::ServerVersion;

/// A server and database, as far as they tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Made by initdb, kept by every physical copy (Postgres manual, 9.28.11). `None` where the
    /// server withholds it.
    pub system_identifier: Option<u64>,
    /// The database's OID.
    pub database_oid: u32,
    /// The timeline that a primary writes; `None` on a standby, or where it is withheld.
    pub timeline: Option<u32>,
    /// Whether the server is a standby.
    pub in_recovery: bool,
}

impl Identity {
    /// Why `now` is not the server and database that this is, if it is not.
    pub(super) fn differs(&self, now: &Self) -> Option<String> {
        fn moved<T: PartialEq + std::fmt::Display>(
            what: &str,
            then: Option<&T>,
            now: Option<&T>,
        ) -> Option<String> {
            let (then, now) = (then?, now?);
            (then != now)
                .then(|| format!("{what} is {now}, it was {then} when this run connected first"))
        }
        if !self.in_recovery && now.in_recovery {
            return Some("it is a standby, it was a primary when this run connected first".into());
        }
        moved("system identifier", self.system_identifier.as_ref(), now.system_identifier.as_ref())
            .or_else(|| moved("database OID", Some(&self.database_oid), Some(&now.database_oid)))
            .or_else(|| moved("timeline", self.timeline.as_ref(), now.timeline.as_ref()))
    }
}

/// What a fresh session tells of itself.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) version: ServerVersion,
    pub(super) pid: i32,
    /// The port that the server sees us come from.
    pub(super) client_port: Option<u16>,
    /// The port that the server listens on, by its own account.
    pub(super) server_port: Option<u16>,
    pub(super) identity: Identity,
}

/// Asks, all in one round trip. What the first session of a run was refused (`known`) is not
/// asked again, so that a server's log does not fill.
pub(super) async fn ask(
    client: &Client,
    version: ServerVersion,
    known: Option<&Identity>,
) -> Result<Option<Facts>, tokio_postgres::Error> {
    let ask_system = known.is_none_or(|known| known.system_identifier.is_some());
    let timeline = if version.at_least(10) {
        include_str!("timeline.sql")
    } else {
        include_str!("timeline_96.sql")
    };
    let ask_timeline = known.is_none_or(|known| known.timeline.is_some());
    let (rows, system, timeline) = futures::join!(
        client.simple_query(include_str!("identity.sql")),
        tolerant(
            client,
            ask_system,
            "select system_identifier from pg_catalog.pg_control_system()"
        ),
        tolerant(client, ask_timeline, timeline),
    );
    let rows = rows?;
    let (system, timeline) = (system?, timeline?);
    Ok(facts(&rows, system, timeline))
}

fn facts(
    rows: &[SimpleQueryMessage],
    system: Option<String>,
    timeline: Option<String>,
) -> Option<Facts> {
    let row = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })?;
    Some(Facts {
        version: ServerVersion::from_num(row.get(0)?.parse().ok()?),
        pid: row.get(1)?.parse().ok()?,
        client_port: row.get(4).and_then(|port| port.parse().ok()),
        server_port: row.get(5).and_then(|port| port.parse().ok()),
        identity: Identity {
            // SQL shows it as a signed number.
            system_identifier: system.and_then(|id| id.parse::<i64>().ok()).map(i64::cast_unsigned),
            database_oid: row.get(2)?.parse().ok()?,
            timeline: timeline.and_then(|hex| u32::from_str_radix(&hex, 16).ok()),
            in_recovery: row.get(3)? == "t",
        },
    })
}

/// The first value of a statement that a server may refuse.
async fn tolerant(
    client: &Client,
    wanted: bool,
    sql: &str,
) -> Result<Option<String>, tokio_postgres::Error> {
    if !wanted {
        return Ok(None);
    }
    match client.simple_query(sql).await {
        Ok(messages) => Ok(super::session::first_value(&messages).map(str::to_owned)),
        Err(error) if error.as_db_error().is_some() && !error.is_closed() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads `server_version` as a startup answer has it: `9.6.24`, `18.6 (Debian …)`, `19beta1`.
pub(super) fn version_of(text: &str) -> Option<ServerVersion> {
    let numbers = text.split_whitespace().next()?;
    let mut parts = numbers.split('.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse::<u32>().ok()
    });
    let major = parts.next()??;
    let mut next = || parts.next().flatten().unwrap_or(0);
    let num = if major < 10 {
        major * 10_000 + next().min(99) * 100 + next().min(99)
    } else {
        major.min(9999) * 10_000 + next().min(9999)
    };
    Some(ServerVersion::from_num(num))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_servers_tell_them() {
        for (text, num) in [
            ("9.6.24", 90_624),
            ("9.5.25", 90_525),
            ("8.0.2", 80_002),
            ("10.23", 100_023),
            ("18.6 (Debian 18.6-1.pgdg12+1)", 180_006),
            ("17.10 - Percona", 170_010),
            ("19beta1", 190_000),
            ("19devel", 190_000),
        ] {
            assert_eq!(version_of(text).map(ServerVersion::num), Some(num), "{text}");
        }
        assert_eq!(version_of("CockroachDB"), None);
        assert_eq!(version_of(""), None);
    }

    #[test]
    fn what_is_not_known_is_not_compared() {
        let primary = Identity {
            system_identifier: Some(7),
            database_oid: 5,
            timeline: Some(1),
            in_recovery: false,
        };
        let but = |change: &dyn Fn(&mut Identity)| {
            let mut other = primary.clone();
            change(&mut other);
            primary.differs(&other)
        };
        assert_eq!(but(&|_| ()), None);
        assert_eq!(but(&|i| i.system_identifier = None), None);
        assert_eq!(but(&|i| i.timeline = None), None);
        assert!(but(&|i| i.system_identifier = Some(8)).is_some());
        assert!(but(&|i| i.database_oid = 6).is_some());
        assert!(but(&|i| i.timeline = Some(2)).is_some());
        assert!(but(&|i| i.in_recovery = true).is_some());
        let standby = Identity { in_recovery: true, timeline: None, ..primary.clone() };
        assert_eq!(standby.differs(&primary), None, "a promoted standby keeps its snapshots");
    }
}
