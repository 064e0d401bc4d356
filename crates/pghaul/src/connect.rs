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

mod conninfo;
mod driver;
mod environment;
mod failure;
mod host;
mod identity;
mod keyword;
mod parameters;
mod passfile;
mod pins;
mod route;
mod service;
mod session;
mod socket;
mod tls;

use std::fmt;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_postgres::config::{SslMode as DriverSslMode, SslNegotiation};

use self::driver::Driver;
use self::failure::{Cause, Failure};
use self::host::{Address, HostEntry};
use self::identity::Facts;
use self::parameters::{Parameters, WantedSession};
use self::passfile::{Found, Wanted};
use self::pins::Encoding;
use self::route::{Encryption, Route, within};
use self::socket::{Negotiated, Watch};
use self::tls::Tls;
use crate::error::{Error, ErrorKind};
use crate::version::ServerVersion;

pub use self::driver::Notice;
pub use self::environment::Environment;
pub use self::failure::{Trouble, trouble};
pub use self::identity::Identity;
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
        let mut pinned = self.pinned.lock().await;
        if let Some(known) = pinned.clone() {
            drop(pinned);
            let session = Box::pin(self.reconnect(&known, purpose, what)).await?;
            return Ok(session);
        }
        let session = Box::pin(self.connect_first(purpose, what)).await?;
        *pinned = Some(Pinned {
            entry: session.route.entry.clone(),
            address: session.route.address.clone(),
            identity: session.identity.clone(),
        });
        Ok(session)
    }

    async fn connect_first(&self, purpose: Purpose, what: &str) -> Result<Session, Error> {
        let wanted = self.parameters.session;
        if wanted == WantedSession::PreferStandby {
            match self.try_hosts(purpose, what, WantedSession::Standby).await {
                Err(Attempted::Failed(failures))
                    if failures.iter().any(|f| f.trouble == Trouble::WrongSession) => {}
                done => return done.map_err(|attempted| self.error(attempted)),
            }
            return self
                .try_hosts(purpose, what, WantedSession::Any)
                .await
                .map_err(|attempted| self.error(attempted));
        }
        self.try_hosts(purpose, what, wanted).await.map_err(|attempted| self.error(attempted))
    }

    async fn try_hosts(
        &self,
        purpose: Purpose,
        what: &str,
        wanted: WantedSession,
    ) -> Result<Session, Attempted> {
        let mut hosts = self.parameters.hosts.clone();
        if self.parameters.shuffle_hosts {
            shuffle(&mut hosts);
        }
        let mut failures = Vec::new();
        for entry in hosts {
            match Box::pin(self.try_host(&entry, None, purpose, what, wanted)).await {
                Ok(session) => return Ok(session),
                Err(Attempted::Failed(more)) => failures.extend(more),
                Err(refused) => return Err(refused),
            }
            if failures.last().is_some_and(|last| !last.trouble.tries_next_host()) {
                break;
            }
        }
        Err(Attempted::Failed(failures))
    }

    async fn reconnect(
        &self,
        pinned: &Pinned,
        purpose: Purpose,
        what: &str,
    ) -> Result<Session, Error> {
        Box::pin(self.try_host(&pinned.entry, Some(pinned), purpose, what, WantedSession::Any))
            .await
            .map_err(|attempted| self.error(attempted))
    }

    /// Tries the addresses of one entry; a pinned address goes first, and the name is looked up
    /// again only if nobody answers there, as after a failover of a managed server.
    async fn try_host(
        &self,
        entry: &HostEntry,
        pinned: Option<&Pinned>,
        purpose: Purpose,
        what: &str,
        wanted: WantedSession,
    ) -> Result<Session, Attempted> {
        let mut failures = Vec::new();
        let first = pinned.map(|pinned| pinned.address.clone());
        if let Some(address) = &first {
            match self.try_address(entry, address, pinned, purpose, what, wanted).await? {
                Ok(session) => return Ok(session),
                Err(failure) => {
                    let goes_on = failure.trouble == Trouble::Unreachable;
                    failures.push(failure);
                    if !goes_on {
                        return Err(Attempted::Failed(failures));
                    }
                }
            }
        }
        let mut addresses = match entry.resolve().await {
            Ok(addresses) => addresses,
            Err(error) => {
                let place = entry.to_string();
                failures.push(Failure::new(Trouble::Unreachable, &place, Cause::Io(error)));
                return Err(Attempted::Failed(failures));
            }
        };
        if self.parameters.shuffle_hosts {
            shuffle(&mut addresses);
        }
        for address in addresses.iter().filter(|address| Some(*address) != first.as_ref()) {
            match self.try_address(entry, address, pinned, purpose, what, wanted).await? {
                Ok(session) => return Ok(session),
                Err(failure) => {
                    let goes_on = failure.trouble.tries_next_host();
                    failures.push(failure);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        Err(Attempted::Failed(failures))
    }

    /// Tries one address with each encryption that `sslmode` allows.
    async fn try_address(
        &self,
        entry: &HostEntry,
        address: &Address,
        pinned: Option<&Pinned>,
        purpose: Purpose,
        what: &str,
        wanted: WantedSession,
    ) -> Result<Result<Session, Failure>, Attempted> {
        let mut last = None;
        for &encryption in Encryption::attempts(self.parameters.tls.mode, address) {
            let watch =
                Watch::of(self.parameters.keepalive, self.parameters.tcp_user_timeout, purpose);
            let route = Route {
                entry: entry.clone(),
                address: address.clone(),
                encryption,
                watch,
                parameters: Arc::clone(&self.parameters),
                tls: Arc::clone(&self.tls),
            };
            let place = route.place();
            let attempt = Attempt { endpoint: self, route, pinned, purpose, what, wanted };
            let limit = self.parameters.connect_timeout;
            match within(limit, &place, Box::pin(attempt.make())).await {
                Ok(Made::Session(session)) => return Ok(Ok(*session)),
                Ok(Made::Refused(error)) => return Err(Attempted::Refused(error)),
                Err(failure) => {
                    let other_way_may_do =
                        matches!(failure.trouble, Trouble::Tls | Trouble::Authentication);
                    last = Some(failure);
                    if !other_way_may_do {
                        break;
                    }
                }
            }
        }
        Ok(Err(last.unwrap_or_else(|| {
            Failure::new(Trouble::Other, &address.to_string(), Cause::Text("not tried".into()))
        })))
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

    fn error(&self, attempted: Attempted) -> Error {
        match attempted {
            Attempted::Refused(error) => error,
            Attempted::Failed(mut failures) => match failures.pop() {
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

/// Why no session came about.
enum Attempted {
    /// At each address for its reason.
    Failed(Vec<Failure>),
    /// The server is there and not fit for us: no other host is tried.
    Refused(Error),
}

enum Made {
    Session(Box<Session>),
    Refused(Error),
}

/// One attempt at one address.
struct Attempt<'a> {
    endpoint: &'a Endpoint,
    route: Route,
    pinned: Option<&'a Pinned>,
    purpose: Purpose,
    what: &'a str,
    wanted: WantedSession,
}

impl Attempt<'_> {
    async fn make(mut self) -> Result<Made, Failure> {
        match Box::pin(self.make_with(None)).await {
            Err((failure, Some(version))) if ended_by_timeout(&failure) => {
                let options = pins::startup_options(version);
                Box::pin(self.make_with(Some(&options))).await.map_err(|(failure, _)| failure)
            }
            made => made.map_err(|(failure, _)| failure),
        }
    }

    /// Connects, pins, asks who is there: after authentication one round trip for all of it.
    /// A failure comes with the version when the server had told it.
    async fn make_with(
        &mut self,
        options: Option<&str>,
    ) -> Result<Made, (Failure, Option<ServerVersion>)> {
        let place = self.route.place();
        let opened = self.route.open().await.map_err(|failure| (failure, None))?;
        self.route.encryption = opened.encryption;
        let (config, note) = self.config(options);
        let (client, connection) = config
            .connect_raw(opened.transport, Negotiated)
            .await
            .map_err(|error| (Failure { note, ..Failure::driver(&place, error) }, None))?;
        let Some(version) = connection.parameter("server_version").and_then(identity::version_of)
        else {
            return Ok(Made::Refused(self.endpoint.wrong_version(None)));
        };
        if version < ServerVersion::OLDEST || version >= ServerVersion::TOO_NEW {
            return Ok(Made::Refused(self.endpoint.wrong_version(Some(version))));
        }
        let encoding = match connection.parameter("server_encoding") {
            Some("SQL_ASCII") => Encoding::None,
            _ => Encoding::Known,
        };
        let driver = Driver::start(connection);
        let failed = |error| (Failure::driver(&place, error), Some(version));
        let known = self.pinned.map(|pinned| &pinned.identity);
        let statement = pins::statement(self.purpose, encoding);
        let (first, writes, pinned, facts) = futures::join!(
            client.batch_execute(pins::FIRST),
            client.simple_query("show transaction_read_only"),
            client.batch_execute(&statement),
            identity::ask(&client, version, known),
        );
        first.map_err(failed)?;
        if let Err(error) = pinned {
            if error.as_db_error().is_none() || is_timeout(error.code().map(|c| c.code())) {
                return Err(failed(error));
            }
            pins::apply_singly(&client, self.purpose, encoding).await.map_err(failed)?;
        }
        let facts = facts.map_err(failed)?;
        let writes_by_default = session::first_value(&writes.map_err(failed)?) == Some("off");
        let Some(facts) = facts else {
            let why = Cause::Text("the server does not say who it is".to_owned());
            return Err((Failure::new(Trouble::Other, &place, why), Some(version)));
        };
        self.check(&facts, writes_by_default).map_err(|failure| (failure, Some(version)))?;
        Ok(Made::Session(Box::new(Session {
            side: self.endpoint.side,
            purpose: self.purpose,
            client,
            version: facts.version,
            pid: facts.pid,
            identity: facts.identity,
            writes_by_default,
            driver,
            route: self.route.clone(),
        })))
    }

    fn config(&self, options: Option<&str>) -> (tokio_postgres::Config, Option<String>) {
        let parameters = &self.endpoint.parameters;
        let mut config = tokio_postgres::Config::new();
        config
            .user(&parameters.user)
            .dbname(&parameters.dbname)
            .application_name(self.endpoint.application_name(self.what))
            .channel_binding(parameters.channel_binding)
            // To the driver every stream is one with TLS up already, see `Negotiated`.
            .ssl_mode(DriverSslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        let all: Vec<&str> = parameters.options.as_deref().into_iter().chain(options).collect();
        if !all.is_empty() {
            config.options(all.join(" "));
        }
        let mut note = None;
        if let Some(password) = &parameters.password {
            config.password(password.reveal());
        } else if let Some(file) = &parameters.passfile {
            let host = self.route.entry.password_key();
            let wanted = Wanted {
                host: &host,
                port: self.route.entry.port,
                dbname: &parameters.dbname,
                user: &parameters.user,
            };
            match passfile::look_up(file, wanted) {
                Found::Password(password) => {
                    config.password(password.reveal());
                }
                Found::Nothing => {}
                Found::Unusable(why) => note = Some(why.to_string()),
            }
        }
        (config, note)
    }

    /// Whether this is the server that is wanted.
    fn check(&self, facts: &Facts, writes_by_default: bool) -> Result<(), Failure> {
        let place = self.route.place();
        let fail =
            |trouble, why: &str| Err(Failure::new(trouble, &place, Cause::Text(why.to_owned())));
        if let Some(why) = self.pinned.and_then(|pinned| pinned.identity.differs(&facts.identity)) {
            return fail(Trouble::AnotherServer, &format!("another server answers: its {why}"));
        }
        let standby = facts.identity.in_recovery;
        match self.wanted {
            WantedSession::ReadWrite if !writes_by_default => {
                fail(Trouble::WrongSession, "the session is read-only")
            }
            WantedSession::ReadOnly if writes_by_default => {
                fail(Trouble::WrongSession, "the session is not read-only")
            }
            WantedSession::Primary if standby => {
                fail(Trouble::WrongSession, "the server is a standby")
            }
            WantedSession::Standby if !standby => {
                fail(Trouble::WrongSession, "the server is not a standby")
            }
            _ => Ok(()),
        }
    }
}

/// Whether the server's own settings ended the statement or session before pins could.
fn ended_by_timeout(failure: &Failure) -> bool {
    match &failure.cause {
        Cause::Driver(error) => error.is_closed() || is_timeout(failure.sqlstate()),
        Cause::Io(_) | Cause::Text(_) => false,
    }
}

/// query_canceled, idle_session_timeout, and the two timeouts of transactions.
fn is_timeout(sqlstate: Option<&str>) -> bool {
    matches!(sqlstate, Some("57014" | "57P05" | "25P03" | "25P04"))
}

/// Fisher and Yates, with the standard library's random seed.
fn shuffle<T>(items: &mut [T]) {
    use std::hash::{BuildHasher as _, Hasher as _};
    for end in (1..items.len()).rev() {
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let end_u64 = u64::try_from(end).unwrap_or(u64::MAX);
        let other = usize::try_from(random % (end_u64 + 1)).unwrap_or(0);
        items.swap(end, other);
    }
}
