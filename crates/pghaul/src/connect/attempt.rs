//! One attempt at one address: stream, authentication, who is there, pins.
//!
//! Invariants: a session that comes out has its pins. The first session of an endpoint asks who
//! is there before it sets anything, since behind a pooler that shares server sessions its
//! settings would stay for the next client; all others do everything in one round trip.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::{Client, Config};

use super::driver::Driver;
use super::failure::{Cause, Failure, Trouble};
use super::identity::{self, Facts, Identity};
use super::parameters::WantedSession;
use super::pins::{self, Encoding};
use super::pooler;
use super::route::Route;
use super::session::{Session, first_value};
use super::socket::Negotiated;
use super::wire;
use super::{Endpoint, Purpose};
use crate::error::Error;
use crate::version::ServerVersion;

/// What came of an attempt that reached a server.
pub(super) enum Made {
    Session(Box<Session>),
    /// The server is there and not fit for us: no other host is tried.
    Refused(Error),
}

/// One attempt at one address.
pub(super) struct Attempt<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// Learns which encryption was agreed on.
    pub(super) route: &'a mut Route,
    /// Whom the first session reached; `None` for that one itself.
    pub(super) known: Option<&'a Identity>,
    pub(super) purpose: Purpose,
    pub(super) what: &'a str,
    pub(super) wanted: WantedSession,
}

/// An authenticated connection that nothing was set on yet.
struct Fresh {
    client: Client,
    driver: Arc<Driver>,
    wire: wire::Shared,
    version: ServerVersion,
    encoding: Encoding,
    local_port: Option<u16>,
}

/// Why an attempt failed, and the version if the server had told it by then.
struct Broken {
    failure: Failure,
    version: Option<ServerVersion>,
}

/// Either way an attempt ends early.
enum Stop {
    Broken(Box<Broken>),
    Refused(Error),
}

impl Stop {
    fn broken(failure: Failure, version: Option<ServerVersion>) -> Self {
        Self::Broken(Box::new(Broken { failure, version }))
    }
}

impl Attempt<'_> {
    /// A server whose timeouts end statements or sessions before pins can be sent is asked to
    /// lift them at startup; others are not, since poolers refuse that.
    pub(super) async fn make(mut self) -> Result<Made, Failure> {
        let mut made = Box::pin(self.make_with(None)).await;
        if let Err(Stop::Broken(broken)) = &made
            && let Some(version) = broken.version
            && ended_by_timeout(&broken.failure)
        {
            let options = pins::startup_options(version);
            made = Box::pin(self.make_with(Some(&options))).await;
        }
        match made {
            Ok(session) => Ok(Made::Session(Box::new(session))),
            Err(Stop::Refused(error)) => Ok(Made::Refused(error)),
            Err(Stop::Broken(broken)) => Err(broken.failure),
        }
    }

    async fn make_with(&mut self, options: Option<&str>) -> Result<Session, Stop> {
        let fresh = self.open(options).await?;
        let (facts, writes_by_default) = if self.known.is_some() {
            let (pinned, asked) = futures::join!(self.pin(&fresh), self.ask(&fresh));
            pinned?;
            asked?
        } else {
            let asked = self.ask(&fresh).await?;
            self.look_for_pooler(&fresh, &asked.0, options).await?;
            self.pin(&fresh).await?;
            asked
        };
        Ok(Session {
            side: self.endpoint.side,
            purpose: self.purpose,
            client: fresh.client,
            version: facts.version,
            pid: facts.pid,
            identity: facts.identity,
            writes_by_default,
            driver: fresh.driver,
            wire: fresh.wire,
            route: self.route.clone(),
            searches: AtomicBool::new(false),
        })
    }

    async fn open(&mut self, options: Option<&str>) -> Result<Fresh, Stop> {
        let opened = self.route.open().await.map_err(|failure| Stop::broken(failure, None))?;
        self.route.encryption = opened.encryption;
        let wire = opened.transport.wire();
        let (config, note) = self.config(options);
        let (client, connection) =
            config.connect_raw(opened.transport, Negotiated).await.map_err(|error| {
                let failure = Failure { note, ..Failure::driver(&self.route.place(), error) };
                Stop::broken(failure, None)
            })?;
        let version = connection.parameter("server_version").and_then(identity::version_of);
        let version = version
            .filter(|version| (ServerVersion::OLDEST..ServerVersion::TOO_NEW).contains(version))
            .ok_or_else(|| Stop::Refused(self.endpoint.wrong_version(version)))?;
        let encoding = match connection.parameter("server_encoding") {
            Some("SQL_ASCII") => Encoding::None,
            _ => Encoding::Known,
        };
        let driver = Driver::start(connection);
        Ok(Fresh { client, driver, wire, version, encoding, local_port: opened.local_port })
    }

    fn config(&self, options: Option<&str>) -> (Config, Option<String>) {
        let parameters = &self.endpoint.parameters;
        let mut config = Config::new();
        config
            .user(&parameters.user)
            .dbname(&parameters.dbname)
            .application_name(self.endpoint.application_name(self.what))
            .channel_binding(parameters.channel_binding)
            // To the driver every stream is one with TLS up already, see `Negotiated`.
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        let all: Vec<&str> = parameters.options.as_deref().into_iter().chain(options).collect();
        if !all.is_empty() {
            config.options(all.join(" "));
        }
        let (password, note) = self.endpoint.password(&self.route.entry);
        if let Some(password) = password {
            config.password(password.reveal());
        }
        (config, note)
    }

    fn broken(&self, fresh: &Fresh, error: tokio_postgres::Error) -> Stop {
        Stop::broken(Failure::driver(&self.route.place(), error), Some(fresh.version))
    }

    async fn pin(&self, fresh: &Fresh) -> Result<(), Stop> {
        let statement = pins::statement(self.purpose, fresh.encoding);
        let (first, all) = futures::join!(
            fresh.client.batch_execute(pins::FIRST),
            fresh.client.batch_execute(&statement),
        );
        first.map_err(|error| self.broken(fresh, error))?;
        let Err(error) = all else { return Ok(()) };
        if error.as_db_error().is_none() || is_timeout(error.code().map(|code| code.code())) {
            return Err(self.broken(fresh, error));
        }
        pins::apply_singly(&fresh.client, self.purpose, fresh.encoding)
            .await
            .map_err(|error| self.broken(fresh, error))
    }

    /// Who is there, and whether it would write; a failure unless it is whom we want.
    async fn ask(&self, fresh: &Fresh) -> Result<(Facts, bool), Stop> {
        let (writes, facts) = futures::join!(
            fresh.client.simple_query("show transaction_read_only"),
            identity::ask(&fresh.client, fresh.version, self.known),
        );
        let writes = writes.map_err(|error| self.broken(fresh, error))?;
        let facts = facts.map_err(|error| self.broken(fresh, error))?;
        let writes_by_default = first_value(&writes) == Some("off");
        let fail = |trouble, why: &str| {
            let cause = Cause::Text(why.to_owned());
            let failure = Failure::new(trouble, &self.route.place(), cause);
            Stop::broken(failure, Some(fresh.version))
        };
        let facts =
            facts.ok_or_else(|| fail(Trouble::Other, "the server does not say who it is"))?;
        if let Some(why) = self.known.and_then(|known| known.differs(&facts.identity)) {
            return Err(fail(
                Trouble::AnotherServer,
                &format!("another server answers: its {why}"),
            ));
        }
        let standby = facts.identity.in_recovery;
        let unwanted = match self.wanted {
            WantedSession::ReadWrite if !writes_by_default => "the session is read-only",
            WantedSession::ReadOnly if writes_by_default => "the session is not read-only",
            WantedSession::Primary if standby => "the server is a standby",
            WantedSession::Standby if !standby => "the server is not a standby",
            _ => return Ok((facts, writes_by_default)),
        };
        Err(fail(Trouble::WrongSession, unwanted))
    }

    async fn look_for_pooler(
        &mut self,
        fresh: &Fresh,
        facts: &Facts,
        options: Option<&str>,
    ) -> Result<(), Stop> {
        if !pooler::is_suspected(&self.route.address, fresh.local_port, facts) {
            return Ok(());
        }
        let second = self.open(options).await?;
        let shared = pooler::is_shared(&fresh.client, &second.client, facts.pid)
            .await
            .map_err(|error| self.broken(fresh, error))?;
        if shared {
            let place = self.endpoint.describe();
            return Err(Stop::Refused(pooler::refusal(self.endpoint.side, &place)));
        }
        Ok(())
    }
}

/// Whether the server's own settings ended the statement or session before pins could.
fn ended_by_timeout(failure: &Failure) -> bool {
    match &failure.cause {
        Cause::Driver(error) => error.is_closed() || is_timeout(failure.sqlstate()),
        Cause::Io(_) | Cause::Handshake(_) | Cause::Text(_) => false,
    }
}

/// query_canceled, idle_session_timeout, and the two timeouts of transactions.
fn is_timeout(sqlstate: Option<&str>) -> bool {
    matches!(sqlstate, Some("57014" | "57P05" | "25P03" | "25P04"))
}
