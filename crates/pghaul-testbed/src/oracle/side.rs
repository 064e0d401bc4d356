//! One side of a comparison: a pinned session in one snapshot.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};

use crate::error::{Error, Result};
use crate::servers::Session;

/// A server with a database, and the session that reads it.
pub(super) struct Side {
    /// "source" or "target".
    pub(super) name: &'static str,
    /// What was dialled.
    pub(super) config: Config,
    /// `server_version_num`.
    pub(super) version: u32,
    session: Session,
}

impl Side {
    /// Connects, pins the session's settings, and takes the snapshot.
    pub(super) async fn open(name: &'static str, url: &str) -> Result<Self> {
        let config: Config = url.parse().map_err(|cause| {
            Error::new(format!("the {name}'s URL is not understood")).caused_by(&cause)
        })?;
        let session = Session::connect(config.clone()).await?;
        session.execute(include_str!("pins.sql")).await?;
        session.execute("begin transaction isolation level repeatable read read only").await?;
        let version = session
            .value("select current_setting('server_version_num')")
            .await?
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| Error::new(format!("the {name} does not tell its version")))?;
        Ok(Self { name, config, version, session })
    }

    /// Whether the server is of this major (10 or newer) or a newer one.
    pub(super) fn at_least(&self, major: u32) -> bool {
        self.version >= major * 10_000
    }

    /// Forbids index scans from here on, for user tables, or allows them again, for catalogs.
    pub(super) async fn forbid_index_scans(&self, forbid: bool) -> Result<()> {
        let value = if forbid { "off" } else { "on" };
        let set = ["indexscan", "indexonlyscan", "bitmapscan"]
            .map(|scan| format!("set enable_{scan} = {value};"));
        self.session.execute(set.concat()).await
    }

    /// Runs a query.
    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        self.session.client().query(sql, parameters).await.map_err(|cause| {
            let shown: String = sql.chars().take(2000).collect();
            Error::server(format!("the {} refuses `{shown}`", self.name), &cause)
        })
    }
}
