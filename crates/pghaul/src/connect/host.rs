//! Where a server listens: entries of a host list, and the addresses they stand for.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The port that Postgres is known by.
pub(super) const DEFAULT_PORT: u16 = 5432;

/// Where the Unix socket may lie when no host is given: libpq has one folder compiled in, the
/// distributions' packages the first, a plain build the second.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// One entry of a host list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostEntry {
    /// A name, an address, or a folder with a Unix socket (it begins with `/`, or with `@` for
    /// Linux' abstract names). `None` is the default socket.
    pub(super) host: Option<String>,
    /// Where to connect to instead of looking `host` up.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
}

/// Where a connection goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    /// The folder, as the user wrote it.
    Unix {
        folder: String,
        port: u16,
    },
}

impl Address {
    /// The socket's path; an abstract name begins with a NUL byte.
    pub(super) fn socket_path(folder: &str, port: u16) -> PathBuf {
        let path = format!("{folder}/.s.PGSQL.{port}");
        path.strip_prefix('@')
            .map_or_else(|| path.clone().into(), |name| format!("\0{name}").into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix { folder, port } => write!(f, "{folder}:{port}"),
        }
    }
}

impl HostEntry {
    /// Whether `host` is a folder with a Unix socket.
    pub(super) fn is_socket(&self) -> bool {
        match (&self.address, &self.host) {
            (None, Some(host)) => host.starts_with(['/', '@']),
            (None, None) => true,
            (Some(_), _) => false,
        }
    }

    /// The name that a certificate must be for, if one is known.
    pub(super) fn certificate_name(&self) -> Option<String> {
        self.host.clone().filter(|host| !host.starts_with(['/', '@']))
    }

    /// What a line of the password file must say (Postgres manual, 34.16).
    pub(super) fn password_key(&self) -> String {
        match (&self.host, &self.address) {
            (Some(host), _) if SOCKET_FOLDERS.contains(&host.as_str()) => "localhost".to_owned(),
            (Some(host), _) => host.clone(),
            (None, Some(address)) => address.to_string(),
            (None, None) => "localhost".to_owned(),
        }
    }

    /// All addresses, in the order in which they are tried. Never empty.
    pub(super) async fn resolve(&self) -> std::io::Result<Vec<Address>> {
        if let Some(address) = self.address {
            return Ok(vec![Address::Tcp((address, self.port).into())]);
        }
        let Some(host) = &self.host else {
            return Ok(SOCKET_FOLDERS
                .iter()
                .map(|folder| Address::Unix { folder: (*folder).to_owned(), port: self.port })
                .collect());
        };
        if self.is_socket() {
            return Ok(vec![Address::Unix { folder: host.clone(), port: self.port }]);
        }
        let found: Vec<_> =
            tokio::net::lookup_host((host.as_str(), self.port)).await?.map(Address::Tcp).collect();
        if found.is_empty() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "the host name has no address",
            ));
        }
        Ok(found)
    }
}

/// `host:port`, an IPv6 address in brackets.
impl fmt::Display for HostEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.map(|address| address.to_string());
        let host = self.host.as_deref().or(address.as_deref()).unwrap_or("[local]");
        if host.contains(':') && !host.starts_with(['/', '@']) {
            write!(f, "[{host}]:{}", self.port)
        } else {
            write!(f, "{host}:{}", self.port)
        }
    }
}
