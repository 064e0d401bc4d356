//! Failures: what was being done, on which side, why it failed, what to do now.
//!
//! Invariants: `Display` shows one layer, the causes are walked by the caller; nothing shown
//! holds a row's values, so DETAIL and CONTEXT of a server's message are dropped (but for what depends
//! on an object, 2BP01, which are names), and so is the message of class 22 (data exceptions quote the
//! datum), unless it names an option.

use std::fmt;

use tokio_postgres::error::{DbError, SqlState};

use crate::connect::Side;
use crate::finding::Finding;

/// What kind of failure this is. Exhaustive on purpose: an embedder that maps kinds to codes
/// must decide about each new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request itself makes no sense: unknown value, a pattern that matches nothing, source
    /// and target are one database.
    Usage,
    /// A server cannot be reached or refuses us.
    Connect,
    /// Found before anything was written, and nothing was written.
    Preflight,
    /// The work failed after retries; finished pieces are kept.
    Transfer,
    /// The source's snapshot is gone and the source has changed since.
    SnapshotGone,
    /// The run's state in the target: one is there already, is active, damaged, too new, foreign.
    RunState,
    /// An archive is damaged, incomplete or too new.
    Archive,
    /// This machine's disk or permissions.
    LocalIo,
    /// A bug in pghaul.
    Bug,
}

/// A failure. Opaque; ask for [`Error::kind`], [`Error::hint`] and
/// [`source`](std::error::Error::source).
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    doing: String,
    hint: Option<String>,
    sqlstate: Option<String>,
    side: Option<Side>,
    connection_lost: bool,
    findings: Vec<Finding>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure described by one sentence.
    pub fn new(kind: ErrorKind, doing: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            doing: doing.into(),
            hint: None,
            sqlstate: None,
            side: None,
            connection_lost: false,
            findings: Vec::new(),
            cause: None,
        }))
    }

    /// What was asked is refused, and nothing was written: everything that stands in the way, all
    /// at once, each with its remedy.
    pub fn refused(findings: Vec<Finding>) -> Self {
        let doing = match findings.len() {
            1 => "one thing stands in the way".to_owned(),
            count => format!("{count} things stand in the way"),
        };
        let mut error = Self::new(ErrorKind::Preflight, doing);
        error.0.findings = findings;
        error
    }

    /// A failed request to a server: `doing` says what was being done, in the form "read the
    /// list of tables". There is no `From<tokio_postgres::Error>`, so that this is never left out.
    pub fn server(side: Side, doing: impl Into<String>, cause: &tokio_postgres::Error) -> Self {
        let mut error = Self::new(ErrorKind::Transfer, format!("cannot {}", doing.into()));
        error.0.sqlstate = cause.code().map(|code| code.code().to_owned());
        error.0.side = Some(side);
        error.0.connection_lost = cause.is_closed() || cause.as_db_error().is_none();
        error.0.cause = Some(Box::new(ServerMessage::new(side, cause)));
        error
    }

    /// The same failure under another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same failure under an SQLSTATE that the server told somebody else.
    #[must_use]
    pub(crate) fn with_sqlstate(mut self, state: &str) -> Self {
        self.0.sqlstate = Some(state.to_owned());
        self
    }

    /// What to do now.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The failure below this one.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Says what larger thing was being done; the present error becomes its cause. Kind, hint
    /// and SQLSTATE stay.
    #[must_use]
    pub fn while_doing(self, doing: impl Into<String>) -> Self {
        let outer = Inner {
            kind: self.0.kind,
            doing: doing.into(),
            hint: self.0.hint.clone(),
            sqlstate: self.0.sqlstate.clone(),
            side: self.0.side,
            connection_lost: self.0.connection_lost,
            findings: self.0.findings.clone(),
            cause: None,
        };
        Self(Box::new(Inner { cause: Some(Box::new(self)), ..outer }))
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do now, if there is more to say than the error itself does.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The five characters of the server's SQLSTATE, if a server answered (Postgres manual,
    /// appendix A).
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    /// The server whose answer it is about, if it is about one.
    pub fn side(&self) -> Option<Side> {
        self.0.side
    }

    /// What stands in the way, if that is what it is about: see [`Error::refused`].
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    /// The failures below this one, the nearest first, each said once.
    pub fn causes(&self) -> Vec<String> {
        causes(self)
    }

    /// The error with its causes in one line, for what tells of it beside other things.
    pub fn in_one_line(&self) -> String {
        chain(self)
    }

    /// Whether the connection died under the request, so that its fate is unknown.
    pub fn connection_lost(&self) -> bool {
        self.0.connection_lost
    }
}

/// The failures below one, the nearest first. A layer that the one above already quotes is not said
/// again.
fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut above = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !above.contains(&text) {
            causes.push(text.clone());
            above = text;
        }
        next = cause.source();
    }
    causes
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut all = vec![error.to_string()];
    all.extend(causes(error));
    all.join(": ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.doing)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, chain(self))?;
        for finding in &self.0.findings {
            let object = finding.object.as_deref().unwrap_or("-");
            write!(f, "; {} {object}: {}", finding.code, finding.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}

/// What a server said, less everything that could quote a row.
#[derive(Debug)]
struct ServerMessage(String);

impl ServerMessage {
    fn new(side: Side, cause: &tokio_postgres::Error) -> Self {
        let text = match cause.as_db_error() {
            Some(db) if db.code().code().starts_with("22") && !names_an_option(db) => format!(
                "{side}: {}: data exception, the server's message is withheld since it quotes the value (SQLSTATE {})",
                db.severity(),
                db.code().code()
            ),
            Some(db) => {
                let inside = db.where_().and_then(function_of).map(|name| format!(" in {name}"));
                let code = db.code().code();
                let detail = db.detail().filter(|_| code == DEPENDENTS).map(in_brackets);
                format!(
                    "{side}: {}: {}{}{} (SQLSTATE {code})",
                    db.severity(),
                    db.message(),
                    inside.unwrap_or_default(),
                    detail.unwrap_or_default(),
                )
            }
            None => {
                let mut text = format!("{side}: {cause}");
                let mut below = std::error::Error::source(cause);
                while let Some(layer) = below {
                    text.push_str(": ");
                    text.push_str(&layer.to_string());
                    below = layer.source();
                }
                text
            }
        };
        Self(text)
    }
}

/// Whether a message of class 22 quotes the name of an option in a definition, which the server does not
/// know, and no value: `unrecognized parameter "vacuum_truncate"`.
fn names_an_option(message: &DbError) -> bool {
    let begin = message.message().split('"').next().unwrap_or_default();
    *message.code() == SqlState::INVALID_PARAMETER_VALUE
        && begin.starts_with("unrecognized ")
        && begin.trim_end_matches([' ', ':']).ends_with("parameter")
}

/// Other objects depend on one (Postgres manual, appendix A): DETAIL names them, and nothing else.
const DEPENDENTS: &str = "2BP01";

/// The first lines of a text.
fn in_brackets(text: &str) -> String {
    const LINES: usize = 5;
    let mut lines: Vec<&str> = text.lines().take(LINES).collect();
    if text.lines().count() > LINES {
        lines.push("…");
    }
    format!(" ({})", lines.join("; "))
}

/// The function that a server's CONTEXT begins with, as it names it: of all that stands there the one
/// thing that never holds a value.
fn function_of(context: &str) -> Option<&str> {
    let first = context.lines().next()?;
    let ends = [" during ", " statement ", " line ", " while ", " at "];
    let function =
        ["SQL function ", "PL/pgSQL function "].iter().any(|kind| first.starts_with(kind));
    let end = ends.iter().filter_map(|end| first.find(end)).min().unwrap_or(first.len());
    function.then(|| &first[..end])
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServerMessage {}
