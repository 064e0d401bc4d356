//! Connections: what libpq accepts, TLS, one table of session settings, one server pinned.
//!
//! Invariants: every session of the engine is made by [`Endpoint::connect`]; every session has
//! the settings of the table in `connect/pins.rs` before its first statement; after the first
//! session every other is on the same server and database, or it is an error; no password is
//! ever shown.
//!
//! All text is UTF-8 on our side, and servers convert (from and to `LATIN1`, say). A database in
//! `SQL_ASCII` has no encoding, so nothing can be converted: sessions that read and write rows
//! get and give its bytes as they are, valid UTF-8 or not, while catalog sessions insist on
//! valid UTF-8, and a name that is not is an error of the server (SQLSTATE 22021).

mod attempt;
mod child;
mod conninfo;
mod copies;
mod driver;
mod environment;
mod failure;
mod host;
mod identity;
mod keyword;
mod parameters;
mod passfile;
mod pins;
mod pooler;
mod route;
mod search;
mod service;
mod session;
mod socket;
mod tls;
mod wire;

use std::fmt;
use std::sync::Arc;

use tokio::sync::Mutex;

use self::host::{Address, HostEntry};
use self::parameters::Parameters;
use self::passfile::{Found, Secret, Wanted};
use self::search::{Missed, Search};
use self::tls::Tls;
use crate::error::{Error, ErrorKind};
use crate::version::ServerVersion;

pub use self::child::ChildEnvironment;
pub use self::copies::CopyOut;
pub use self::driver::Notice;
pub use self::environment::Environment;
pub use self::failure::{Trouble, trouble};
pub use self::identity::Identity;
pub(crate) use self::pins::startup_options;
pub use self::session::{CancelToken, Session};

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
    /// Writes rows to the target.
    Write,
    /// Runs statements of pg_dump's archive on the target.
    Schema,
}

/// A server and database that sessions can be opened to. Clones share the pinned server.
#[derive(Clone)]
pub struct Endpoint {
    side: Side,
    run: Option<Arc<str>>,
    parameters: Arc<Parameters>,
    tls: Arc<Tls>,
    /// Locked while the first session is made, so that all others find the server that it
    /// reached.
    pinned: Arc<Mutex<Option<Pinned>>>,
}

/// The server that the first session reached.
#[derive(Debug, Clone)]
struct Pinned {
    entry: HostEntry,
    address: Address,
    identity: Identity,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.side, self.describe())
    }
}

impl Endpoint {
    /// Takes anything that libpq accepts as a connection string; what it leaves open comes from
    /// a service file, the process's environment and libpq's defaults.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the text cannot be read, names a parameter that pghaul does
    /// not support, or names a file that is not there.
    pub fn parse(side: Side, text: &str) -> Result<Self, Error> {
        Self::parse_in(side, text, &Environment::process())
    }

    /// As [`Endpoint::parse`], with an environment of the caller's.
    ///
    /// # Errors
    /// As [`Endpoint::parse`].
    pub fn parse_in(side: Side, text: &str, environment: &Environment) -> Result<Self, Error> {
        let unusable = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(
                ErrorKind::Usage,
                format!("cannot use the connection parameters of the {side}"),
            )
            .caused_by(cause)
            .with_hint("see the Postgres manual, 34.1, for connection strings")
        };
        let parameters = Parameters::read(text, environment).map_err(|e| unusable(Box::new(e)))?;
        let tls = Tls::new(&parameters.tls).map_err(|e| unusable(Box::new(e)))?;
        Ok(Self {
            side,
            run: None,
            parameters: Arc::new(parameters),
            tls: Arc::new(tls),
            pinned: Arc::default(),
        })
    }

    /// Puts the name of a run into the `application_name` of every session from now on.
    #[must_use]
    pub fn for_run(mut self, run: &str) -> Self {
        self.run = Some(run.into());
        self
    }

    /// The side this endpoint is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        &self.parameters.dbname
    }

    /// The name of the role.
    pub fn user(&self) -> &str {
        &self.parameters.user
    }

    /// `user@host:port/database`, without a password; a list of hosts until one is pinned.
    pub fn describe(&self) -> String {
        let pinned = self.pinned.try_lock().ok().and_then(|pinned| pinned.clone());
        let hosts = match pinned {
            Some(pinned) => pinned.entry.to_string(),
            None => {
                let hosts: Vec<_> = self.parameters.hosts.iter().map(ToString::to_string).collect();
                hosts.join(",")
            }
        };
        format!("{}@{hosts}/{}", self.parameters.user, self.parameters.dbname)
    }

    /// Which server and database the first session reached.
    pub async fn identity(&self) -> Option<Identity> {
        self.pinned.lock().await.as_ref().map(|pinned| pinned.identity.clone())
    }

    /// Opens a session. `what` stands in `application_name` behind `pghaul` and the run's name.
    ///
    /// The first session tries the hosts in order and pins the server that it reaches; every
    /// other goes to the same entry of the list, first to the same address, and fails when
    /// another server or database answers there.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] when the server cannot be reached or refuses us; [`trouble`] tells
    /// which. [`ErrorKind::Preflight`] for versions that pghaul does not work with.
    pub async fn connect(&self, purpose: Purpose, what: &str) -> Result<Session, Error> {
        let search = Search { endpoint: self, purpose, what };
        let mut pinned = self.pinned.lock().await;
        if let Some(known) = pinned.clone() {
            drop(pinned);
            return Box::pin(search.again(&known)).await.map_err(|missed| self.error(missed));
        }
        let session = Box::pin(search.first()).await.map_err(|missed| self.error(missed))?;
        *pinned = Some(Pinned {
            entry: session.route.entry.clone(),
            address: session.route.address.clone(),
            identity: session.identity.clone(),
        });
        Ok(session)
    }

    /// The environment for a child program that is to reach the pinned server with the same
    /// role, password and TLS. `what` is for its `application_name`, as in
    /// [`Endpoint::connect`].
    ///
    /// # Errors
    /// As [`Endpoint::connect`] when no server is pinned yet; [`ErrorKind::LocalIo`] when the
    /// file for the password cannot be written.
    pub async fn child_environment(&self, what: &str) -> Result<ChildEnvironment, Error> {
        let pinned = self.pinned.lock().await.clone();
        let (entry, address) = match pinned {
            Some(pinned) => (pinned.entry, pinned.address),
            None => {
                let route = Box::pin(self.connect(Purpose::Catalog, "probe")).await?.route;
                (route.entry, route.address)
            }
        };
        let (password, _) = self.password(&entry);
        let name = self.application_name(what);
        ChildEnvironment::new(&self.parameters, &entry, &address, password.as_ref(), name)
    }

    /// The password for a host, and what the user must learn if there is none.
    fn password(&self, entry: &HostEntry) -> (Option<Secret>, Option<String>) {
        let parameters = &self.parameters;
        if parameters.password.is_some() {
            return (parameters.password.clone(), None);
        }
        let Some(file) = &parameters.passfile else { return (None, None) };
        let host = entry.password_key();
        let wanted = Wanted {
            host: &host,
            port: entry.port,
            dbname: &parameters.dbname,
            user: &parameters.user,
        };
        match passfile::look_up(file, wanted) {
            Found::Password(password) => (Some(password), None),
            Found::Nothing => (None, None),
            Found::Unusable(why) => (None, Some(why.to_string())),
        }
    }

    fn wrong_version(&self, version: Option<ServerVersion>) -> Error {
        let version = match version {
            Some(version) => format!("is PostgreSQL {version}"),
            None => "does not say which version of PostgreSQL it is".to_owned(),
        };
        Error::new(
            ErrorKind::Preflight,
            format!(
                "the {}, {}, {version}; pghaul works with 9.6 to 18",
                self.side,
                self.describe()
            ),
        )
        .with_hint("use a release of pghaul that knows this version")
    }

    fn error(&self, missed: Missed) -> Error {
        match missed {
            Missed::Refused(error) => error,
            Missed::Failed(mut failures) => match failures.pop() {
                Some(last) => last.into_error(self.side, &self.describe(), &failures),
                None => Error::new(ErrorKind::Bug, "no host was tried"),
            },
        }
    }

    /// `pghaul`, the run, and what the session is for, cut to the 63 bytes that servers keep, in
    /// ASCII since they keep nothing else.
    fn application_name(&self, what: &str) -> String {
        let name = match &self.run {
            Some(run) => format!("pghaul {run} {what}"),
            None => format!("pghaul {what}"),
        };
        name.chars()
            .take(63)
            .map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' })
            .collect()
    }
}
