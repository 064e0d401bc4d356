//! Connection parameters with their meaning: what the user wrote, then the service file, then
//! the environment, then libpq's defaults.
//!
//! Invariant: a [`Parameters`] is complete and valid; nothing of the text, the service file or
//! the environment is asked again. Errors name parameters, never values that a user wrote.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::conninfo::{self, Pair, Unreadable};
use super::environment::Environment;
use super::host::{DEFAULT_PORT, HostEntry};
use super::keyword::{self, KEYWORDS, Treatment};
use super::passfile::Secret;
use super::service::{self, ServiceTrouble};

/// How long one address is tried when `connect_timeout` does not say. libpq would wait as long
/// as the kernel does, minutes, for a host that swallows packets.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// All that a connection needs to know.
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    /// At least one, in the order in which they are tried.
    pub(super) hosts: Vec<HostEntry>,
    pub(super) user: String,
    pub(super) dbname: String,
    pub(super) password: Option<Secret>,
    pub(super) passfile: Option<PathBuf>,
    pub(super) options: Option<String>,
    /// For each address, from the first packet to the last pin; `None` waits for ever.
    pub(super) connect_timeout: Option<Duration>,
    pub(super) keepalive: Keepalive,
    /// `None` when not given; then the purpose of a session decides. Zero is the kernel's own.
    pub(super) tcp_user_timeout: Option<Duration>,
    pub(super) session: WantedSession,
    pub(super) shuffle_hosts: bool,
    pub(super) channel_binding: tokio_postgres::config::ChannelBinding,
    pub(super) tls: TlsParameters,
}

/// TCP keepalives of our end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keepalive {
    pub(super) enabled: bool,
    pub(super) idle: Duration,
    pub(super) interval: Duration,
    pub(super) count: u32,
}

/// `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WantedSession {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// `sslmode`, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Where trusted certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// The operating system's.
    System,
    /// A file the user named; it must be there.
    Named(PathBuf),
    /// `~/.postgresql/root.crt`, if it is there.
    Default(Option<PathBuf>),
}

/// A file that is used when it is there, or must be there because the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MaybeFile {
    pub(super) path: PathBuf,
    pub(super) named: bool,
}

/// The newest or oldest TLS version allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TlsVersion {
    V12,
    V13,
}

/// Everything about TLS.
#[derive(Debug, Clone)]
pub(super) struct TlsParameters {
    pub(super) mode: SslMode,
    /// `sslnegotiation=direct`: no question first (17 and newer).
    pub(super) direct: bool,
    pub(super) roots: Roots,
    /// Client certificate and key; neither with `sslcertmode=disable`.
    pub(super) certificate: Option<MaybeFile>,
    pub(super) key: Option<MaybeFile>,
    pub(super) revoked: Option<MaybeFile>,
    pub(super) send_server_name: bool,
    pub(super) oldest: TlsVersion,
    pub(super) newest: TlsVersion,
}

/// Why parameters cannot be used. Names them, quotes no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadParameters {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("{origin} has an unknown parameter{}", .name.as_ref().map_or_else(String::new, |name| format!(" `{name}`")))]
    Unknown { origin: Origin, name: Option<String> },
    #[error("{origin} sets `{name}`, which pghaul does not support{}", or_only(.allowed))]
    Unsupported { origin: Origin, name: &'static str, allowed: &'static [&'static str] },
    #[error("{origin}: the value of `{name}` {problem}")]
    Value { origin: Origin, name: &'static str, problem: String },
    #[error("{0}")]
    Together(String),
    #[error("cannot use the service")]
    Service(#[from] ServiceTrouble),
    #[error("the user's name is not known: give `user`")]
    NoUser,
}

fn or_only(allowed: &[&str]) -> String {
    let shown: Vec<String> = allowed
        .iter()
        .filter(|value| !value.is_empty())
        .map(|value| format!("`{value}`"))
        .collect();
    if shown.is_empty() { String::new() } else { format!(" other than {}", shown.join(" or ")) }
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Text,
    Service,
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("the connection string"),
            Self::Service => f.write_str("the service file"),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// Values by name, each with who said it.
struct Given(HashMap<&'static str, (String, Origin)>);

impl Given {
    fn gather(text: &str, environment: &Environment) -> Result<Self, BadParameters> {
        let mut given = Self(HashMap::new());
        given.add(conninfo::read(text)?, Origin::Text)?;
        let service = given.text("service").or_else(|| environment.variable("PGSERVICE"));
        if let Some(service) = service {
            let file = given.text("servicefile").or_else(|| environment.variable("PGSERVICEFILE"));
            let file = file.map(PathBuf::from);
            given
                .add(service::look_up(&service, file.as_deref(), environment)?, Origin::Service)?;
        }
        for keyword in KEYWORDS {
            let variable =
                keyword.variable.and_then(|name| Some((name, environment.variable(name)?)));
            if let Some((name, value)) = variable {
                given.add(vec![(keyword.name.to_owned(), value)], Origin::Variable(name))?;
            }
        }
        if environment.variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
            let pair = ("sslmode".to_owned(), "require".to_owned());
            given.add(vec![pair], Origin::Variable("PGREQUIRESSL"))?;
        }
        Ok(given)
    }

    /// Within one origin the last value counts; between origins the earlier origin.
    fn add(&mut self, pairs: Vec<Pair>, origin: Origin) -> Result<(), BadParameters> {
        let mut after_password = false;
        for (name, value) in pairs {
            let Some(keyword) = keyword::find(&name) else {
                // Behind a password without quotes, an "unknown word" may be a piece of it.
                let shown = !after_password && name.len() <= 40;
                let shown = shown && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                return Err(BadParameters::Unknown { origin, name: shown.then_some(name) });
            };
            after_password = name == "password";
            let name = keyword.name;
            if self.0.get(name).is_some_and(|(_, earlier)| *earlier != origin) {
                continue;
            }
            if value.contains('\0') {
                let problem = "holds a NUL byte".to_owned();
                return Err(BadParameters::Value { origin, name, problem });
            }
            match keyword.treatment {
                Treatment::Honoured => {
                    self.0.insert(name, (value, origin));
                }
                Treatment::Overruled => {}
                Treatment::Only(allowed) if allowed.contains(&value.as_str()) => {
                    self.0.insert(name, (value, origin));
                }
                Treatment::Only(allowed) => {
                    return Err(BadParameters::Unsupported { origin, name, allowed });
                }
            }
        }
        Ok(())
    }

    /// A value that is given and not empty: libpq takes an empty one for its own default.
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|(value, _)| value.clone()).filter(|value| !value.is_empty())
    }

    fn bad(&self, name: &'static str, problem: impl Into<String>) -> BadParameters {
        let origin = self.0.get(name).map_or(Origin::Text, |(_, origin)| *origin);
        BadParameters::Value { origin, name, problem: problem.into() }
    }

    fn integer(&self, name: &'static str) -> Result<Option<i32>, BadParameters> {
        self.text(name)
            .map(|value| value.trim().parse().map_err(|_| self.bad(name, "is not an integer")))
            .transpose()
    }

    /// A count of seconds where 0 and less ask for the default, which is pghaul's.
    fn positive(&self, name: &'static str) -> Result<Option<u32>, BadParameters> {
        Ok(self.integer(name)?.and_then(|value| u32::try_from(value).ok()).filter(|v| *v > 0))
    }

    fn flag(&self, name: &'static str, default: bool) -> Result<bool, BadParameters> {
        Ok(self.integer(name)?.map_or(default, |value| value != 0))
    }

    fn one_of<T: Copy>(
        &self,
        name: &'static str,
        default: T,
        values: &[(&str, T)],
    ) -> Result<T, BadParameters> {
        let Some(value) = self.text(name) else { return Ok(default) };
        values.iter().find(|(known, _)| *known == value).map(|(_, meaning)| *meaning).ok_or_else(
            || {
                let names: Vec<_> = values.iter().map(|(known, _)| *known).collect();
                self.bad(name, format!("is none of {}", names.join(", ")))
            },
        )
    }
}

impl Parameters {
    /// Gathers and checks everything.
    pub(super) fn read(text: &str, environment: &Environment) -> Result<Self, BadParameters> {
        use tokio_postgres::config::ChannelBinding;
        let given = Given::gather(text, environment)?;
        let user =
            given.text("user").or_else(|| environment.user()).ok_or(BadParameters::NoUser)?;
        Ok(Self {
            hosts: hosts(&given)?,
            dbname: given.text("dbname").unwrap_or_else(|| user.clone()),
            user,
            password: given.text("password").map(Secret::new),
            passfile: given
                .text("passfile")
                .map(PathBuf::from)
                .or_else(|| environment.in_home(".pgpass")),
            options: given.text("options"),
            connect_timeout: match given.integer("connect_timeout")? {
                None => Some(CONNECT_TIMEOUT),
                Some(seconds) => u64::try_from(seconds)
                    .ok()
                    .filter(|seconds| *seconds > 0)
                    .map(|seconds| Duration::from_secs(seconds.max(2))),
            },
            keepalive: Keepalive {
                enabled: given.flag("keepalives", true)?,
                idle: seconds(given.positive("keepalives_idle")?, 20),
                interval: seconds(given.positive("keepalives_interval")?, 5),
                count: given.positive("keepalives_count")?.unwrap_or(4),
            },
            tcp_user_timeout: given.integer("tcp_user_timeout")?.map(|milliseconds| {
                Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
            }),
            session: given.one_of(
                "target_session_attrs",
                WantedSession::Any,
                &[
                    ("any", WantedSession::Any),
                    ("read-write", WantedSession::ReadWrite),
                    ("read-only", WantedSession::ReadOnly),
                    ("primary", WantedSession::Primary),
                    ("standby", WantedSession::Standby),
                    ("prefer-standby", WantedSession::PreferStandby),
                ],
            )?,
            shuffle_hosts: given.one_of(
                "load_balance_hosts",
                false,
                &[("disable", false), ("random", true)],
            )?,
            channel_binding: given.one_of(
                "channel_binding",
                ChannelBinding::Prefer,
                &[
                    ("disable", ChannelBinding::Disable),
                    ("prefer", ChannelBinding::Prefer),
                    ("require", ChannelBinding::Require),
                ],
            )?,
            tls: tls(&given, environment)?,
        })
    }
}

fn seconds(given: Option<u32>, default: u64) -> Duration {
    Duration::from_secs(given.map_or(default, u64::from))
}

/// The list of hosts; `host`, `hostaddr` and `port` are lists of the same length, or one port
/// serves all.
fn hosts(given: &Given) -> Result<Vec<HostEntry>, BadParameters> {
    let list = |name| -> Option<Vec<String>> {
        Some(given.text(name)?.split(',').map(|entry| entry.trim().to_owned()).collect())
    };
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = addresses.as_ref().or(names.as_ref()).map_or(1, Vec::len);
    if let (Some(names), Some(addresses)) = (&names, &addresses)
        && names.len() != addresses.len()
    {
        return Err(BadParameters::Together(format!(
            "`host` lists {} hosts and `hostaddr` {} addresses; the numbers must be equal",
            names.len(),
            addresses.len()
        )));
    }
    if let Some(ports) = &ports
        && ports.len() != 1
        && ports.len() != count
    {
        return Err(BadParameters::Together(format!(
            "`port` lists {} ports for {count} hosts; give one for all, or one for each",
            ports.len()
        )));
    }
    let nth = |list: &Option<Vec<String>>, at: usize| {
        list.as_ref().and_then(|list| list.get(at)).filter(|entry| !entry.is_empty()).cloned()
    };
    (0..count)
        .map(|at| {
            let address = nth(&addresses, at)
                .map(|text| text.parse::<IpAddr>())
                .transpose()
                .map_err(|_| given.bad("hostaddr", "is not an IP address"))?;
            let port_at = if ports.as_ref().is_some_and(|ports| ports.len() == 1) { 0 } else { at };
            let port = nth(&ports, port_at)
                .map(|text| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or(()))
                .transpose()
                .map_err(|()| {
                    given.bad("port", "is not a number from 1 to 65535; if it is a piece of a password in a URI, write `/` in passwords as %2F")
                })?
                .unwrap_or(DEFAULT_PORT);
            Ok(HostEntry { host: nth(&names, at), address, port })
        })
        .collect()
}

fn tls(given: &Given, environment: &Environment) -> Result<TlsParameters, BadParameters> {
    let roots = match given.text("sslrootcert").as_deref() {
        Some("system") => Roots::System,
        Some(file) => Roots::Named(file.into()),
        None => Roots::Default(environment.in_home(".postgresql/root.crt")),
    };
    let default_mode = if roots == Roots::System { SslMode::VerifyFull } else { SslMode::Prefer };
    let modes = [
        SslMode::Disable,
        SslMode::Allow,
        SslMode::Prefer,
        SslMode::Require,
        SslMode::VerifyCa,
        SslMode::VerifyFull,
    ];
    let mode = given.one_of("sslmode", default_mode, &modes.map(|mode| (mode.name(), mode)))?;
    if roots == Roots::System && mode != SslMode::VerifyFull {
        return Err(BadParameters::Together(format!(
            "sslmode={} is too weak for sslrootcert=system: anybody can have a certificate of a \
             public authority; use sslmode=verify-full",
            mode.name()
        )));
    }
    let direct = given.one_of("sslnegotiation", false, &[("postgres", false), ("direct", true)])?;
    if direct && mode < SslMode::Require {
        return Err(BadParameters::Together(format!(
            "sslmode={} is too weak for sslnegotiation=direct; use sslmode=require or stronger",
            mode.name()
        )));
    }
    let file = |name: &str, default: &str| match given.text(name) {
        Some(path) => Some(MaybeFile { path: path.into(), named: true }),
        None => environment.in_home(default).map(|path| MaybeFile { path, named: false }),
    };
    let with_certificate = given.text("sslcertmode").as_deref() != Some("disable");
    let versions =
        |name, default, values: &[(&str, TlsVersion)]| given.one_of(name, default, values);
    // rustls begins at 1.2, so older lower bounds hold by themselves.
    let oldest = versions(
        "ssl_min_protocol_version",
        TlsVersion::V12,
        &[
            ("TLSv1", TlsVersion::V12),
            ("TLSv1.1", TlsVersion::V12),
            ("TLSv1.2", TlsVersion::V12),
            ("TLSv1.3", TlsVersion::V13),
        ],
    )?;
    let newest = versions(
        "ssl_max_protocol_version",
        TlsVersion::V13,
        &[("TLSv1.2", TlsVersion::V12), ("TLSv1.3", TlsVersion::V13)],
    )?;
    if newest < oldest {
        return Err(BadParameters::Together(
            "ssl_min_protocol_version is newer than ssl_max_protocol_version".to_owned(),
        ));
    }
    Ok(TlsParameters {
        mode,
        direct,
        roots,
        certificate: file("sslcert", ".postgresql/postgresql.crt").filter(|_| with_certificate),
        key: file("sslkey", ".postgresql/postgresql.key").filter(|_| with_certificate),
        revoked: file("sslcrl", ".postgresql/root.crl"),
        send_server_name: given.flag("sslsni", true)?,
        oldest,
        newest,
    })
}

#[cfg(test)]
#[path = "parameters_tests.rs"]
mod tests;
