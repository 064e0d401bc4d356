//! Plain SQL for tests: text in, text out, each call on a connection of its own or on a held
//! [`Session`].
//!
//! Invariant: a call on a connection of its own, by the server's socket, is over when its server process
//! is: by then nobody sees its session any more, and what it counted is told.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::error::{Error, Result};
use crate::work::{self, Answer};

/// The `application_name` of all connections made here.
pub const APPLICATION_NAME: &str = "pghaul-testbed";

/// The `application_name` of all sessions of pghaul, as a regular expression.
pub const OURS: &str = "^pghaul( |$)";

/// Rows of text, NULL as `None`.
pub type Rows = Vec<Vec<Option<String>>>;

/// A held connection. It closes when the last clone is dropped.
#[derive(Clone)]
pub struct Session {
    client: Arc<Client>,
}

impl Session {
    pub(crate) fn connect(mut config: Config) -> Answer<Self> {
        config.application_name(APPLICATION_NAME);
        work::begin(Self::open(config))
    }

    async fn open(config: Config) -> Result<Self> {
        let (client, connection) = config.connect(NoTls).await.map_err(|cause| {
            let database = config.get_dbname().unwrap_or_default();
            Error::server(format!("cannot connect to database {database}"), &cause)
        })?;
        // The connection's own error reaches the client's requests.
        work::begin(async move {
            let _ = connection.await;
            Ok(())
        })
        .forget();
        Ok(Self { client: Arc::new(client) })
    }

    /// Runs statements, separated by semicolons, whose rows do not matter.
    pub fn execute(&self, sql: impl Into<String>) -> Answer<()> {
        let (client, sql) = (Arc::clone(&self.client), sql.into());
        work::begin(async move { execute(&client, &sql).await })
    }

    /// Runs statements and gives all their rows.
    pub fn query_text(&self, sql: impl Into<String>) -> Answer<Rows> {
        let (client, sql) = (Arc::clone(&self.client), sql.into());
        work::begin(async move { query_text(&client, &sql).await })
    }

    /// The one value of a query; an error unless it gives one row of one column.
    pub fn value(&self, sql: impl Into<String>) -> Answer<Option<String>> {
        let (client, sql) = (Arc::clone(&self.client), sql.into());
        work::begin(async move { value(&client, &sql).await })
    }

    /// For what text cannot do: parameters, COPY, transactions held open.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// On a connection of its own.
pub(crate) fn execute_once(config: Config, sql: String) -> Answer<()> {
    work::begin(async move {
        let own = OwnSession::open(config).await?;
        let done = execute(&own.client, &sql).await;
        own.end().await;
        done
    })
}

/// On a connection of its own.
pub(crate) fn query_once(config: Config, sql: String) -> Answer<Rows> {
    work::begin(async move {
        let own = OwnSession::open(config).await?;
        let rows = query_text(&own.client, &sql).await;
        own.end().await;
        rows
    })
}

/// On a connection of its own.
pub(crate) fn value_once(config: Config, sql: String) -> Answer<Option<String>> {
    work::begin(async move {
        let own = OwnSession::open(config).await?;
        let value = value(&own.client, &sql).await;
        own.end().await;
        value
    })
}

/// Asks until the value of a query is this one; an error that says `what` did not come about within a
/// minute.
pub(crate) fn until_value(
    config: Config,
    sql: String,
    wanted: &'static str,
    what: String,
) -> Answer<()> {
    work::begin(async move {
        let own = OwnSession::open(config).await?;
        let begun = Instant::now();
        let mut answer = Ok(());
        loop {
            match value(&own.client, &sql).await {
                Ok(now) if now.as_deref() == Some(wanted) => break,
                Ok(now) if begun.elapsed() > Duration::from_secs(60) => {
                    answer = Err(Error::new(format!("not within a minute: {what}; {now:?}")));
                    break;
                }
                Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => {
                    answer = Err(error);
                    break;
                }
            }
        }
        own.end().await;
        answer
    })
}

/// A connection for one call.
struct OwnSession {
    client: Arc<Client>,
    over: Option<Answer<()>>,
}

/// How long the server's process may take to end once its client is gone.
const TO_END: Duration = Duration::from_secs(20);

impl OwnSession {
    async fn open(mut config: Config) -> Result<Self> {
        config.application_name(APPLICATION_NAME);
        let cannot =
            || format!("cannot connect to database {}", config.get_dbname().unwrap_or_default());
        let Some(socket) = socket(&config) else {
            // By way of a network the end of the process is not to be seen.
            return Ok(Self { client: Session::open(config).await?.client, over: None });
        };
        let twice = connect_twice(&socket).await;
        let (stream, mut other) = twice.map_err(|cause| Error::new(cannot()).caused_by(&cause))?;
        let (client, connection) = config
            .connect_raw(stream, NoTls)
            .await
            .map_err(|cause| Error::server(cannot(), &cause))?;
        let over = work::begin(async move {
            // The connection's own error reaches the client's requests.
            let _ = connection.await;
            // The process closes its end of the socket when it ends, and not before.
            let _ = tokio::time::timeout(TO_END, other.read_to_end(&mut Vec::new())).await;
            Ok(())
        });
        Ok(Self { client: Arc::new(client), over: Some(over) })
    }

    async fn end(self) {
        drop(self.client);
        if let Some(over) = self.over {
            let _ = over.await;
        }
    }
}

/// The server's socket on this machine, if that is the way to it.
fn socket(config: &Config) -> Option<PathBuf> {
    match (config.get_hosts().first(), config.get_ports().first()) {
        (Some(Host::Unix(folder)), Some(port)) => Some(folder.join(format!(".s.PGSQL.{port}"))),
        _ => None,
    }
}

/// A socket twice the same: one to speak, the other to see its end.
async fn connect_twice(socket: &Path) -> io::Result<(UnixStream, UnixStream)> {
    let stream = UnixStream::connect(socket).await?.into_std()?;
    let other = UnixStream::from_std(stream.try_clone()?)?;
    Ok((UnixStream::from_std(stream)?, other))
}

async fn execute(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|cause| refused(sql, &cause))
}

async fn query_text(client: &Client, sql: &str) -> Result<Rows> {
    let messages = client.simple_query(sql).await.map_err(|cause| refused(sql, &cause))?;
    let mut rows = Rows::new();
    for message in &messages {
        if let SimpleQueryMessage::Row(row) = message {
            let fields = (0..row.len())
                .map(|column| Ok(row.try_get(column)?.map(str::to_owned)))
                .collect::<std::result::Result<_, _>>();
            rows.push(fields.map_err(|cause| refused(sql, &cause))?);
        }
    }
    Ok(rows)
}

async fn value(client: &Client, sql: &str) -> Result<Option<String>> {
    let mut rows = query_text(client, sql).await?;
    match (rows.len(), rows.pop().unwrap_or_default()) {
        (1, mut row) if row.len() == 1 => Ok(row.pop().flatten()),
        (count, _) => {
            Err(Error::new(format!("not one value but {count} rows: {}", first_line(sql))))
        }
    }
}

fn refused(sql: &str, cause: &tokio_postgres::Error) -> Error {
    Error::server(format!("`{}`", first_line(sql)), cause)
}

/// Enough of a statement to find it again.
fn first_line(sql: &str) -> String {
    let line = sql.trim().lines().next().unwrap_or_default();
    let shown: String = line.chars().take(120).collect();
    if shown.len() < sql.trim().len() { format!("{shown} …") } else { shown }
}
