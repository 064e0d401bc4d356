//! Connections: what libpq accepts, TLS, one table of session settings, one server pinned.
//!
//! Invariants: every session of the engine is made by [`Endpoint::connect`]; every session has
//! the pins of [`pins`](self) before its first statement; no password is ever shown.

mod session;

pub use session::Session;

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Which server something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where the data comes from. Only read.
    Source,
    /// Where the data goes.
    Target,
    /// The one server of verbs that work on one database.
    Database,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::Database => "database",
        })
    }
}

/// What a session is for; decides its pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reads catalogs, may use indexes of catalogs. Read-only by default.
    Catalog,
    /// Reads user tables: index scans and parallel plans forbidden, read-only by default.
    Read,
    /// Writes to the target.
    Write,
    /// Runs the statements of a schema on the target.
    Schema,
}

/// A server and database that sessions can be opened to.
pub struct Endpoint {
    side: Side,
    config: tokio_postgres::Config,
}

impl Endpoint {
    /// Takes anything that libpq accepts as a connection string.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the text cannot be read or names a parameter that pghaul does
    /// not support.
    pub fn parse(side: Side, text: &str) -> Result<Self, Error> {
        let config = text.parse().map_err(|_| {
            Error::new(ErrorKind::Usage, format!("cannot read the connection string of the {side}"))
        })?;
        Ok(Self { side, config })
    }

    /// Opens a session. `what` stands in `application_name` behind `pghaul`.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] when the server cannot be reached or refuses us.
    pub async fn connect(&self, purpose: Purpose, what: &str) -> Result<Session, Error> {
        let mut config = self.config.clone();
        config.application_name(format!("pghaul {what}"));
        let (client, connection) =
            config.connect(tokio_postgres::NoTls).await.map_err(|error| {
                Error::server(self.side, "connect", &error).with_kind(ErrorKind::Connect)
            })?;
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Session::start(self.side, purpose, client, driver).await
    }

    /// The side this endpoint is.
    pub fn side(&self) -> Side {
        self.side
    }
}
