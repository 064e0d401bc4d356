//! The program `pg_dump`: which ones this machine has, which one fits, and running it.
//!
//! Invariants: nothing secret is ever an argument; the child gets the connection from the
//! variables that the caller gives and from nothing else, since every other `PG…` variable is
//! taken away; what it complains about is shown without details, queries and passwords; it dies
//! with the future that runs it.

mod choice;
mod complaint;
mod places;
mod run;

pub use choice::choose;
pub(crate) use choice::major;
pub use places::{Found, find};
pub use run::{Contents, DumpRequest, Dumped};

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};
use crate::version::ServerVersion;

/// A `pg_dump` that runs, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgDump {
    path: PathBuf,
    version: ServerVersion,
}

impl PgDump {
    /// The one that the user named.
    ///
    /// # Errors
    /// [`ErrorKind::Preflight`] when it does not run or does not say its version.
    pub async fn named(path: &Path) -> Result<Self, Error> {
        let version = places::ask_version(path).await.map_err(|why| {
            Error::new(ErrorKind::Preflight, format!("cannot use {} as pg_dump", path.display()))
                .caused_by(why)
                .with_hint("name the program itself, like /usr/lib/postgresql/18/bin/pg_dump")
        })?;
        Ok(Self { path: path.to_owned(), version })
    }

    /// The one to use from `source` to `target`: the one that is `named`, else the best of those
    /// that are found; see [`choose`].
    ///
    /// # Errors
    /// [`ErrorKind::Preflight`] when there is none, or when it is older than the source's major
    /// version: such a one refuses to dump. The hint says how to get one.
    pub async fn select(
        named: Option<&Path>,
        source: ServerVersion,
        target: Option<ServerVersion>,
    ) -> Result<Self, Error> {
        match named {
            Some(path) => {
                let found =
                    Found { path: path.to_owned(), version: Ok(Self::named(path).await?.version) };
                choose(&[found], source, target)
            }
            None => choose(&find().await, source, target),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version, counted as servers are.
    pub fn version(&self) -> ServerVersion {
        self.version
    }
}
