//! Why a connection could not be made: one table from what happened to what to do now.
//!
//! Invariant: each failure to connect is of one [`Trouble`], which a caller can ask for with
//! [`trouble`]; whether to try again is the caller's to decide.

use std::io;

use super::Side;
use crate::error::{Error, ErrorKind, chain};

/// The kinds of failure to connect. Exhaustive on purpose, so that a retry rule decides on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// No name, no route, nobody listens, no answer in time, or the connection broke.
    Unreachable,
    /// TLS is refused, or a certificate is not trusted, on either side.
    Tls,
    /// User, password, certificate or address are not accepted (SQLSTATE class 28).
    Authentication,
    /// There is no such database (SQLSTATE 3D000).
    NoDatabase,
    /// No connection is free (SQLSTATE 53300).
    TooManyConnections,
    /// The server starts, stops or recovers (SQLSTATE 57P01 to 57P03).
    NotAccepting,
    /// Another server or database answers than the one that this run began with.
    AnotherServer,
    /// No host of the list is what `target_session_attrs` asks for.
    WrongSession,
    /// Anything else that the server said.
    Other,
}

impl Trouble {
    pub(super) fn of_sqlstate(code: &str) -> Self {
        match code {
            "3D000" => Self::NoDatabase,
            "53300" => Self::TooManyConnections,
            "57P01" | "57P02" | "57P03" => Self::NotAccepting,
            code if code.starts_with("28") => Self::Authentication,
            _ => Self::Other,
        }
    }

    /// Whether the next host of a list is worth a try. libpq goes on after failed sockets and
    /// 57P03 only, so that a wrong password is not tried everywhere.
    pub(super) fn tries_next_host(self) -> bool {
        match self {
            Self::Unreachable
            | Self::NotAccepting
            | Self::TooManyConnections
            | Self::WrongSession => true,
            Self::Tls
            | Self::Authentication
            | Self::NoDatabase
            | Self::AnotherServer
            | Self::Other => false,
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "check host, port and firewalls, and that the server runs and listens there \
                 (listen_addresses, port)"
            }
            Self::Tls => {
                "check sslmode, sslrootcert and the name in the server's certificate \
                 (Postgres manual, 34.19)"
            }
            Self::Authentication => {
                "check user and password (or the password file), and that pg_hba.conf has a line \
                 for this user, database and address"
            }
            Self::NoDatabase => "check the database's name (`dbname`, by default the user's name)",
            Self::TooManyConnections => {
                "use fewer jobs, wait for other sessions to end, or raise max_connections or the \
                 limit of the role or database"
            }
            Self::NotAccepting => "the server starts, stops or recovers; wait until it is ready",
            Self::AnotherServer => {
                "a failover or a changed name leads to another server; point the connection at \
                 the first one, or begin again"
            }
            Self::WrongSession => {
                "no host of the list is what target_session_attrs asks for; start that server, \
                 or change the parameter"
            }
            Self::Other => "the server's log may say more",
        }
    }
}

/// Which trouble a failure to connect is; `None` for other errors.
pub fn trouble(error: &Error) -> Option<Trouble> {
    if error.kind() != ErrorKind::Connect {
        return None;
    }
    if let Some(code) = error.sqlstate() {
        return Some(Trouble::of_sqlstate(code));
    }
    let mut cause = std::error::Error::source(error);
    while let Some(layer) = cause {
        if let Some(refusal) = layer.downcast_ref::<Refusal>() {
            return Some(refusal.trouble);
        }
        cause = layer.source();
    }
    Some(Trouble::Unreachable)
}

/// What the layer below said.
#[derive(Debug)]
pub(super) enum Cause {
    /// The driver: the server's message, or the loss of the connection.
    Driver(tokio_postgres::Error),
    Io(io::Error),
    /// The connection broke while TLS was agreed on: a crash, or a server that hangs up on
    /// what it does not like.
    Handshake(io::Error),
    Text(String),
}

/// One failed attempt at one address.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) trouble: Trouble,
    /// `host:port`, and the address if it is another.
    pub(super) place: String,
    pub(super) cause: Cause,
    /// More to know than the trouble's own hint says.
    pub(super) note: Option<String>,
}

impl Failure {
    pub(super) fn new(trouble: Trouble, place: &str, cause: Cause) -> Self {
        Self { trouble, place: place.to_owned(), cause, note: None }
    }

    /// A failure that the driver reports while it connects or pins.
    pub(super) fn driver(place: &str, error: tokio_postgres::Error) -> Self {
        let trouble = match error.code() {
            Some(code) => Trouble::of_sqlstate(code.code()),
            None => {
                let text = chain(&error);
                // The driver has no other way to tell these apart; a test holds the texts.
                if text.starts_with("authentication error") || text.contains("password missing") {
                    Trouble::Authentication
                } else if is_tls(&error) {
                    Trouble::Tls
                } else {
                    Trouble::Unreachable
                }
            }
        };
        Self::new(trouble, place, Cause::Driver(error))
    }

    pub(super) fn sqlstate(&self) -> Option<&str> {
        match &self.cause {
            Cause::Driver(error) => error.code().map(tokio_postgres::error::SqlState::code),
            Cause::Io(_) | Cause::Handshake(_) | Cause::Text(_) => None,
        }
    }

    /// One line: where and why.
    pub(super) fn line(&self) -> String {
        let why = match &self.cause {
            Cause::Driver(error) => match error.as_db_error() {
                Some(db) => format!("{}: {}", db.severity(), db.message()),
                None => chain(error),
            },
            Cause::Io(error) => error.to_string(),
            Cause::Handshake(error) => format!("the TLS handshake broke off: {error}"),
            Cause::Text(text) => text.clone(),
        };
        format!("{}: {why}", self.place)
    }

    /// The error for the caller. `earlier` are the failures at other addresses.
    pub(super) fn into_error(self, side: Side, place: &str, earlier: &[Self]) -> Error {
        let doing = format!("connect to the {side}, {place}");
        let mut hint = self.trouble.hint().to_owned();
        for note in self.note.iter().chain(earlier.iter().filter_map(|other| other.note.as_ref())) {
            hint = format!("{note}; {hint}");
        }
        if !earlier.is_empty() {
            let lines: Vec<_> = earlier.iter().map(Self::line).collect();
            hint = format!("{hint}; tried before: {}", lines.join("; "));
        }
        let error = match &self.cause {
            Cause::Driver(error) if error.as_db_error().is_some() => {
                Error::server(side, doing, error).with_kind(ErrorKind::Connect)
            }
            _ => Error::new(ErrorKind::Connect, format!("cannot {doing}")).caused_by(Refusal {
                trouble: self.trouble,
                text: format!("{side}: {}", self.line()),
            }),
        };
        error.with_hint(hint)
    }
}

/// The cause of a failure that no SQLSTATE describes.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Refusal {
    trouble: Trouble,
    text: String,
}

/// Whether TLS itself failed, as when a server tells in TLS 1.3 that it does not trust our
/// certificate: after the handshake, when we read for the first time.
fn is_tls(error: &dyn std::error::Error) -> bool {
    let mut below = error.source();
    while let Some(layer) = below {
        let inner = layer.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        below = layer.source();
    }
    false
}
