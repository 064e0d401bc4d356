//! One session: a client whose every request says what it was for when it fails.
//!
//! Invariant: requests go through the methods here, so no error of the driver escapes without
//! its side and what was being done.

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{CancelToken, Client, CopyInSink, CopyOutStream, Row};

use super::{Purpose, Side};
use crate::error::{Error, ErrorKind};
use crate::version::ServerVersion;

/// A connected, pinned session. Dropping it closes the connection.
pub struct Session {
    side: Side,
    client: Client,
    version: ServerVersion,
    pid: i32,
    _driver: JoinHandle<()>,
}

impl Session {
    pub(super) async fn start(
        side: Side,
        purpose: Purpose,
        client: Client,
        driver: JoinHandle<()>,
    ) -> Result<Self, Error> {
        let _ = purpose;
        let row = client
            .query_one(
                "select current_setting('server_version_num')::int4, pg_catalog.pg_backend_pid()",
                &[],
            )
            .await
            .map_err(|error| Error::server(side, "ask for the server's version", &error))?;
        let num: i32 = row.get(0);
        let version = ServerVersion::from_num(u32::try_from(num).unwrap_or(0));
        Ok(Self { side, client, version, pid: row.get(1), _driver: driver })
    }

    /// The side this session is on.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// The backend's process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Can cancel the statement that runs in this session.
    pub fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }

    /// Whether the connection is known to be dead.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Makes an error of this session's side.
    pub fn error(&self, doing: &str, cause: &tokio_postgres::Error) -> Error {
        Error::server(self.side, doing, cause)
    }

    /// Runs a statement and collects its rows.
    ///
    /// # Errors
    /// What the server said, or the loss of the connection. So for all requests.
    pub async fn query(
        &self,
        doing: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.client.query(sql, params).await.map_err(|error| self.error(doing, &error))
    }

    /// Runs a statement that gives exactly one row.
    ///
    /// # Errors
    /// As [`Session::query`]; another number of rows is a bug.
    pub async fn query_one(
        &self,
        doing: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        let mut rows = self.query(doing, sql, params).await?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            _ => Err(Error::new(ErrorKind::Bug, format!("cannot {doing}: not exactly one row"))),
        }
    }

    /// Runs a statement and tells how many rows it touched.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn execute(
        &self,
        doing: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        self.client.execute(sql, params).await.map_err(|error| self.error(doing, &error))
    }

    /// Runs statements by the simple protocol, all in one message.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn batch(&self, doing: &str, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await.map_err(|error| self.error(doing, &error))
    }

    /// Starts a `COPY … TO STDOUT`.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn copy_out(&self, doing: &str, sql: &str) -> Result<CopyOutStream, Error> {
        self.client.copy_out(sql).await.map_err(|error| self.error(doing, &error))
    }

    /// Starts a `COPY … FROM STDIN`. Dropping the sink unfinished aborts the COPY.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn copy_in(&self, doing: &str, sql: &str) -> Result<CopyInSink<Bytes>, Error> {
        self.client.copy_in(sql).await.map_err(|error| self.error(doing, &error))
    }
}
