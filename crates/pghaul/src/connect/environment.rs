//! What the process around us says about connections: `PG*` variables, home folder, user name.
//!
//! Invariant: this is the only place of the engine that reads the process's environment, and an
//! embedder can hand in its own instead.

use std::collections::HashMap;
use std::path::PathBuf;

/// Where defaults of connection parameters come from.
#[derive(Debug, Clone)]
pub struct Environment(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Process,
    Given { variables: HashMap<String, String>, home: Option<PathBuf> },
}

impl Environment {
    /// The environment of this process, as libpq sees it.
    pub fn process() -> Self {
        Self(Kind::Process)
    }

    /// Exactly these variables; `home` is where `.pgpass`, `.pg_service.conf` and `.postgresql`
    /// are looked for.
    pub fn given<K: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (K, V)>,
        home: Option<PathBuf>,
    ) -> Self {
        let variables = variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self(Kind::Given { variables, home })
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match &self.0 {
            Kind::Process => std::env::var(name).ok(),
            Kind::Given { variables, .. } => variables.get(name).cloned(),
        }
        .filter(|value| !value.is_empty())
    }

    /// A file in the home folder.
    pub(super) fn in_home(&self, name: &str) -> Option<PathBuf> {
        let home = match &self.0 {
            Kind::Process => std::env::home_dir(),
            Kind::Given { home, .. } => home.clone(),
        };
        home.filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(name))
    }

    /// The name of the user who runs this process, by which Postgres names its default role.
    pub(super) fn user(&self) -> Option<String> {
        match &self.0 {
            Kind::Process => whoami::username().ok(),
            Kind::Given { variables, .. } => variables.get("USER").cloned(),
        }
    }
}
