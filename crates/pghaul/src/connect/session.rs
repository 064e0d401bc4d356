//! One session: a client whose every request says what it was for when it fails.
//!
//! Invariant: requests go through the methods here, so no error of the driver escapes without
//! its side and what was being done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, CopyInSink, Row, RowStream, SimpleQueryMessage, ToStatement};

use super::driver::{Driver, Notice};
use super::identity::Identity;
use super::pins;
use super::route::Route;
use super::wire;
use super::{Purpose, Side};
use crate::error::{Error, ErrorKind};
use crate::version::ServerVersion;

/// A connected, pinned session. Dropping it closes the connection.
pub struct Session {
    pub(super) side: Side,
    pub(super) purpose: Purpose,
    pub(super) client: Client,
    pub(super) version: ServerVersion,
    pub(super) pid: i32,
    pub(super) identity: Identity,
    pub(super) writes_by_default: bool,
    pub(super) driver: Arc<Driver>,
    pub(super) wire: wire::Shared,
    pub(super) route: Route,
    /// Whether it searches elsewhere than its pins say.
    pub(super) searches: AtomicBool,
}

impl Session {
    /// The side this session is on.
    pub fn side(&self) -> Side {
        self.side
    }

    /// What this session was opened for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// The backend's process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Which server and database this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether a transaction of this role could write before our pins were set: false on a
    /// standby and where `default_transaction_read_only` is on, as managed servers set it when
    /// their disk is full.
    pub fn writes_by_default(&self) -> bool {
        self.writes_by_default
    }

    /// Whether the session runs inside TLS.
    pub fn is_encrypted(&self) -> bool {
        self.route.is_encrypted()
    }

    /// Runs `look`, which reads system catalogs of this session and no user table, with their
    /// indexes. A reader's pins forbid all indexes, and joins of large catalogs without them take
    /// minutes from some thousand tables on.
    ///
    /// # Errors
    /// Those of `look`, and the loss of the connection.
    pub(crate) async fn with_catalog_indexes<R>(
        &self,
        look: impl Future<Output = Result<R, Error>>,
    ) -> Result<R, Error> {
        if self.purpose != Purpose::Read {
            return look.await;
        }
        self.batch("allow the catalogs' indexes", &pins::indexes("on")).await?;
        let found = look.await;
        // In a transaction that has failed this fails too, and its end forbids them again.
        let forbidden = self.batch("forbid indexes again", &pins::indexes("off")).await;
        let found = found?;
        forbidden?;
        Ok(found)
    }

    /// Has what comes next looked for under this search path, until it is called again; `None`: as the
    /// pins say.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub(crate) async fn search(&self, path: Option<&str>) -> Result<(), Error> {
        let searched = self.searches.swap(path.is_some(), Ordering::Relaxed);
        if path.is_none() && !searched {
            return Ok(());
        }
        self.batch("set the search path", &pins::search_path(path.unwrap_or_default())).await
    }

    /// Can cancel the statement that runs in this session, also while the session is in use.
    pub fn cancel_token(&self) -> CancelToken {
        CancelToken {
            side: self.side,
            token: self.client.cancel_token(),
            route: self.route.clone(),
        }
    }

    /// Cancels the statement that runs in this session: see [`CancelToken::cancel`].
    ///
    /// # Errors
    /// As [`CancelToken::cancel`].
    pub async fn cancel(&self) -> Result<(), Error> {
        self.cancel_token().cancel().await
    }

    /// Whether the connection is known to be dead.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Resolves when the connection dies, also while nothing is asked of it: a keeper learns so
    /// that its snapshot is gone.
    pub async fn closed(&self) {
        self.driver.closed().await;
    }

    /// What the server said when it ended the session on its own account, if it did: an
    /// administrator's command, a timeout, a shutdown.
    pub fn last_words(&self) -> Option<String> {
        self.driver.last_words()
    }

    /// Takes the warnings the server sent since this was asked last; notices below WARNING are
    /// dropped, and of very many warnings the newest are.
    pub fn take_warnings(&self) -> Vec<Notice> {
        self.driver.take_warnings()
    }

    /// Makes an error of this session's side.
    pub fn error(&self, doing: &str, cause: &tokio_postgres::Error) -> Error {
        let error = Error::server(self.side, doing, cause);
        match self.last_words() {
            Some(words) if cause.as_db_error().is_none() => {
                error.with_hint(format!("the server ended the session: {words}"))
            }
            _ => error,
        }
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

    /// Runs statements by the simple protocol and collects the rows of all of them as text: one
    /// round trip, no type is looked up.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn simple_rows(
        &self,
        doing: &str,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, Error> {
        let messages =
            self.client.simple_query(sql).await.map_err(|error| self.error(doing, &error))?;
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
                }
                _ => None,
            })
            .collect())
    }

    /// Runs a statement and gives its rows one by one, so that they need not fit in memory.
    ///
    /// # Errors
    /// As [`Session::query`]; those of later rows through [`Session::error`].
    pub async fn stream(
        &self,
        doing: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<RowStream, Error> {
        let params = params.iter().copied();
        self.client.query_raw(sql, params).await.map_err(|error| self.error(doing, &error))
    }

    /// Runs a statement and shows each of its rows, of which one is held at a time.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn each_row(
        &self,
        doing: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        mut take: impl FnMut(&Row) + Send,
    ) -> Result<(), Error> {
        let mut rows = Box::pin(self.stream(doing, sql, params).await?);
        while let Some(row) = rows.next().await {
            take(&row.map_err(|error| self.error(doing, &error))?);
        }
        Ok(())
    }

    /// Starts a `COPY … FROM STDIN`. Dropping the sink unfinished aborts the COPY.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn copy_in<T: ?Sized + ToStatement>(
        &self,
        doing: &str,
        sql: &T,
    ) -> Result<CopyInSink<Bytes>, Error> {
        self.client.copy_in(sql).await.map_err(|error| self.error(doing, &error))
    }
}

/// Cancels the statement that runs in a session, over a connection of its own to the same
/// address with the same TLS.
#[derive(Clone)]
pub struct CancelToken {
    side: Side,
    token: tokio_postgres::CancelToken,
    route: Route,
}

impl CancelToken {
    /// Asks the server to cancel; returns when the server has read the request, not when the
    /// statement has ended. A session that runs nothing is left alone, but the request can meet
    /// the session's next statement if it is late (Postgres manual, 55.2.8).
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] when the request could not be sent.
    pub async fn cancel(&self) -> Result<(), Error> {
        let transport = self
            .route
            .open_again()
            .await
            .map_err(|failure| failure.into_error(self.side, "to cancel a statement", &[]))?;
        let sent = self.token.cancel_query_raw(transport, super::socket::Negotiated).await;
        sent.map_err(|error| {
            Error::server(self.side, "cancel a statement", &error).with_kind(ErrorKind::Connect)
        })
    }
}

/// The first value of the first row.
pub(super) fn first_value(messages: &[SimpleQueryMessage]) -> Option<&str> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    })
}
