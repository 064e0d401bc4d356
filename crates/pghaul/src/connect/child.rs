//! What a child program such as pg_dump needs to reach the same server: environment variables,
//! never arguments, which everybody on the machine can read.
//!
//! Invariant: of all `PG*` variables that libpq knows, the child has exactly those set here; the
//! password stands in a file of mode 0600 that is gone when this value is.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::Path;

use tokio_postgres::config::ChannelBinding;

use super::host::{Address, HostEntry};
use super::keyword::KEYWORDS;
use super::parameters::{Parameters, Roots, SslMode, TlsVersion};
use super::passfile::{self, Secret};
use crate::error::{Error, ErrorKind};

/// Variables that libpq reads and that are no parameter's default (Postgres manual, 34.15).
const MORE_VARIABLES: [&str; 6] =
    ["PGREQUIRESSL", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGSYSCONFDIR", "PGLOCALEDIR"];

/// Environment variables for a child program. Keep it until the child has ended.
pub struct ChildEnvironment {
    variables: Vec<(&'static str, OsString)>,
    /// Held for its file.
    _password: Option<tempfile::NamedTempFile>,
}

impl fmt::Debug for ChildEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        write!(f, "{names:?}")
    }
}

impl ChildEnvironment {
    /// Sets the variables for a command and takes away all others that libpq would read.
    pub fn apply(&self, command: &mut tokio::process::Command) {
        for name in KEYWORDS.iter().filter_map(|keyword| keyword.variable).chain(MORE_VARIABLES) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    /// The variables, to be set in an environment without any other that libpq would read.
    pub fn variables(&self) -> Vec<(String, OsString)> {
        self.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    pub(super) fn new(
        parameters: &Parameters,
        entry: &HostEntry,
        address: &Address,
        password: Option<&Secret>,
        application_name: String,
    ) -> Result<Self, Error> {
        let mut child = Self { variables: Vec::new(), _password: None };
        child.set("PGUSER", &parameters.user);
        child.set("PGDATABASE", &parameters.dbname);
        child.set("PGAPPNAME", application_name);
        child.set("PGCLIENTENCODING", "UTF8");
        child.set("PGGSSENCMODE", "disable");
        child.set_place(entry, address);
        if let Some(options) = &parameters.options {
            child.set("PGOPTIONS", options);
        }
        if let Some(timeout) = parameters.connect_timeout {
            child.set("PGCONNECT_TIMEOUT", timeout.as_secs().to_string());
        }
        child.set_tls(parameters);
        if let Some(password) = password {
            child.set_password(password)?;
        }
        Ok(child)
    }

    fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    fn set_place(&mut self, entry: &HostEntry, address: &Address) {
        match address {
            Address::Unix { folder, port } => {
                self.set("PGHOST", folder);
                self.set("PGPORT", port.to_string());
            }
            Address::Tcp(address) => {
                if let Some(host) = &entry.host {
                    self.set("PGHOST", host);
                }
                self.set("PGHOSTADDR", address.ip().to_string());
                self.set("PGPORT", address.port().to_string());
            }
        }
    }

    fn set_tls(&mut self, parameters: &Parameters) {
        let tls = &parameters.tls;
        self.set("PGSSLMODE", tls.mode.name());
        self.set(
            "PGCHANNELBINDING",
            match parameters.channel_binding {
                ChannelBinding::Disable => "disable",
                ChannelBinding::Require => "require",
                _ => "prefer",
            },
        );
        if tls.mode == SslMode::Disable {
            return;
        }
        match &tls.roots {
            Roots::System => self.set("PGSSLROOTCERT", "system"),
            Roots::Named(file) => self.set("PGSSLROOTCERT", file),
            Roots::Default(file) => self.set_file("PGSSLROOTCERT", file.as_deref()),
        }
        if tls.certificate.is_none() {
            self.set("PGSSLCERTMODE", "disable");
        }
        let path = |file: &Option<super::parameters::MaybeFile>| {
            file.as_ref().map(|file| file.path.clone())
        };
        self.set_file("PGSSLCERT", path(&tls.certificate).as_deref());
        self.set_file("PGSSLKEY", path(&tls.key).as_deref());
        self.set_file("PGSSLCRL", path(&tls.revoked).as_deref());
        self.set("PGSSLSNI", if tls.send_server_name { "1" } else { "0" });
        if tls.direct {
            self.set("PGSSLNEGOTIATION", "direct");
        }
        let version = |version| match version {
            TlsVersion::V12 => "TLSv1.2",
            TlsVersion::V13 => "TLSv1.3",
        };
        self.set("PGSSLMINPROTOCOLVERSION", version(tls.oldest));
        if tls.newest != TlsVersion::V13 {
            self.set("PGSSLMAXPROTOCOLVERSION", version(tls.newest));
        }
    }

    fn set_file(&mut self, name: &'static str, file: Option<&Path>) {
        if let Some(file) = file.filter(|file| file.exists()) {
            self.set(name, file);
        }
    }

    fn set_password(&mut self, password: &Secret) -> Result<(), Error> {
        let Some(line) = passfile::line_for_all(password) else {
            // No password file can hold a line break.
            self.set("PGPASSWORD", password.reveal());
            return Ok(());
        };
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::LocalIo, "cannot write a password file for a child program")
                .caused_by(error)
                .with_hint("the folder for temporary files (TMPDIR) must be writable")
        };
        // Such files have mode 0600 from their first instant.
        let mut file = tempfile::Builder::new().prefix("pghaul-").tempfile().map_err(failed)?;
        file.write_all(line.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
        self.set("PGPASSFILE", file.path());
        self._password = Some(file);
        Ok(())
    }
}
