//! What went wrong in the testbed. Made for the reader of a failed test: `Debug`, which `unwrap`
//! prints, shows the whole chain and what to do.

use std::fmt;
use std::sync::Arc;

/// A failure, cheap to clone, so that every test that needs the same server sees the same one.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

#[derive(Clone)]
struct Inner {
    doing: String,
    cause: Option<String>,
    hint: Option<String>,
    sqlstate: Option<String>,
}

impl Error {
    /// A failure in one sentence.
    pub fn new(doing: impl Into<String>) -> Self {
        Self(Arc::new(Inner { doing: doing.into(), cause: None, hint: None, sqlstate: None }))
    }

    /// The failed request to a server, with everything that the server said: data here is test
    /// data, so DETAIL may be shown.
    pub(crate) fn server(doing: impl Into<String>, cause: &tokio_postgres::Error) -> Self {
        let mut error = Self::new(doing);
        let inner = error.inner();
        inner.sqlstate = cause.code().map(|code| code.code().to_owned());
        inner.cause = Some(match cause.as_db_error() {
            Some(db) => {
                let detail = db.detail().map(|d| format!("; {d}")).unwrap_or_default();
                format!(
                    "{}: {}{detail} (SQLSTATE {})",
                    db.severity(),
                    db.message(),
                    db.code().code()
                )
            }
            None => chain(cause),
        });
        error
    }

    /// The failure below this one.
    #[must_use]
    pub fn caused_by(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        self.inner().cause = Some(chain(cause));
        self
    }

    /// Text that explains the failure, such as the end of a server's log.
    #[must_use]
    pub(crate) fn explained(mut self, text: impl Into<String>) -> Self {
        self.inner().cause = Some(text.into());
        self
    }

    /// What to do now.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner().hint = Some(hint.into());
        self
    }

    /// The server's SQLSTATE, if a server answered (Postgres manual, appendix A).
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(layer) = below {
        text.push_str(": ");
        text.push_str(&layer.to_string());
        below = layer.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.doing)?;
        if let Some(cause) = &self.0.cause {
            write!(f, ": {cause}")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// Puts a sentence before a failure of the operating system.
pub(crate) trait Doing<T> {
    /// What was being done, in the form "cannot read /a/b".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: std::error::Error + 'static> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::new(doing()).caused_by(&cause))
    }
}
