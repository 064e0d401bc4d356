//! How a server is to be set up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::tls::Certificate;

/// How a server is to be set up. The default is what most tests want: encoding UTF8, locale C,
/// `wal_level = logical`, 200 connections, prepared transactions allowed, and no fsync.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) durable: bool,
    pub(crate) hba: Vec<String>,
    pub(crate) locpath: Option<PathBuf>,
    pub(crate) checksums: Option<bool>,
    pub(crate) initdb: Vec<String>,
    pub(crate) tls: Option<Certificate>,
}

impl Options {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// A setting of `postgresql.conf` (Postgres manual, chapter 19). It wins over the testbed's.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Postgres' own fsync and full_page_writes, for tests of crashes of the whole machine and
    /// for measurements.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// A line of `pg_hba.conf` (Postgres manual, 20.1) that is looked at before the testbed's
    /// own lines for TCP, which ask everybody for a password. The superuser's way in by the
    /// socket stays.
    #[must_use]
    pub fn hba(mut self, line: impl Into<String>) -> Self {
        self.hba.push(line.into());
        self
    }

    /// TLS with this certificate, beside plain connections (shut those out with a `hostnossl`
    /// line). Clients' certificates are checked against the same authority.
    #[must_use]
    pub fn tls(mut self, certificate: &Certificate) -> Self {
        self.tls = Some(certificate.clone());
        self
    }

    /// The folder where glibc looks for locales, instead of the testbed's own.
    #[must_use]
    pub fn locpath(mut self, folder: impl Into<PathBuf>) -> Self {
        self.locpath = Some(folder.into());
        self
    }

    /// Data pages with checksums: the default of 18 only.
    #[must_use]
    pub fn with_checksums(mut self) -> Self {
        self.checksums = Some(true);
        self
    }

    /// Data pages without checksums: the default before 18.
    #[must_use]
    pub fn without_checksums(mut self) -> Self {
        self.checksums = Some(false);
        self
    }

    /// A further argument of `initdb`, such as `--locale=en_US.UTF-8`; it wins over the
    /// testbed's.
    #[must_use]
    pub fn initdb(mut self, argument: impl Into<String>) -> Self {
        self.initdb.push(argument.into());
        self
    }
}
