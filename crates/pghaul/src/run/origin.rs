//! Where the rows of a run come from: a server, or an archive.
//!
//! Invariant: what only a server can tell is asked through [`Origin::server`], so that each place
//! that asks says what it does without one.

use std::sync::Arc;

use crate::connect::Endpoint;
use crate::restore::Loaded;

/// Where rows come from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A server: read under the run's snapshot.
    Server(Arc<Endpoint>),
    /// An archive: one moment already.
    Archive(Arc<Loaded>),
}

impl Origin {
    /// The server, if it is one.
    pub(crate) fn server(&self) -> Option<&Arc<Endpoint>> {
        match self {
            Self::Server(endpoint) => Some(endpoint),
            Self::Archive(_) => None,
        }
    }

    /// The archive, if it is one.
    pub(crate) fn archive(&self) -> Option<&Arc<Loaded>> {
        match self {
            Self::Server(_) => None,
            Self::Archive(archive) => Some(archive),
        }
    }

    /// The command by which such a run goes on.
    pub(crate) fn go_on(&self) -> &'static str {
        match self {
            Self::Server(_) => "`pghaul clone --resume`",
            Self::Archive(_) => "`pghaul restore --resume`",
        }
    }

    /// What stands in the run's state instead of a snapshot's name; none for a server.
    pub(crate) fn archive_name(&self) -> Option<String> {
        self.archive().map(|archive| archive.name())
    }
}
