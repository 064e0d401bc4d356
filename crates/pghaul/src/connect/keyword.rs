//! Every connection parameter that libpq 18 knows (Postgres manual, 34.1.2), and what pghaul
//! does with it: this table is the one place that decides.
//!
//! Invariant: a parameter is honoured, or overruled for a documented reason that changes nothing
//! a user could see, or refused by its name. None is dropped in silence.

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Does what the manual says.
    Honoured,
    /// Read and put aside: every session of pghaul sets this itself.
    Overruled,
    /// Refused, unless the value is one of these, which ask for what is done anyway.
    Only(&'static [&'static str]),
}

/// One parameter.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    /// The environment variable that gives its default (Postgres manual, 34.15).
    pub(super) variable: Option<&'static str>,
    pub(super) treatment: Treatment,
}

const fn honoured(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword { name, variable, treatment: Treatment::Honoured }
}

const fn overruled(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword { name, variable, treatment: Treatment::Overruled }
}

const fn only(
    name: &'static str,
    variable: Option<&'static str>,
    values: &'static [&'static str],
) -> Keyword {
    Keyword { name, variable, treatment: Treatment::Only(values) }
}

/// The table.
pub(super) static KEYWORDS: &[Keyword] = &[
    honoured("host", Some("PGHOST")),
    honoured("hostaddr", Some("PGHOSTADDR")),
    honoured("port", Some("PGPORT")),
    honoured("dbname", Some("PGDATABASE")),
    honoured("user", Some("PGUSER")),
    honoured("password", Some("PGPASSWORD")),
    honoured("passfile", Some("PGPASSFILE")),
    honoured("service", Some("PGSERVICE")),
    honoured("servicefile", Some("PGSERVICEFILE")),
    honoured("options", Some("PGOPTIONS")),
    honoured("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    honoured("keepalives", None),
    honoured("keepalives_idle", None),
    honoured("keepalives_interval", None),
    honoured("keepalives_count", None),
    honoured("tcp_user_timeout", None),
    honoured("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    honoured("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    honoured("channel_binding", Some("PGCHANNELBINDING")),
    honoured("sslmode", Some("PGSSLMODE")),
    honoured("sslnegotiation", Some("PGSSLNEGOTIATION")),
    honoured("sslrootcert", Some("PGSSLROOTCERT")),
    honoured("sslcert", Some("PGSSLCERT")),
    honoured("sslkey", Some("PGSSLKEY")),
    honoured("sslcrl", Some("PGSSLCRL")),
    honoured("sslsni", Some("PGSSLSNI")),
    honoured("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    honoured("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    // Every session is named `pghaul <run> <what>`, so that a DBA sees what holds a lock.
    overruled("application_name", Some("PGAPPNAME")),
    overruled("fallback_application_name", None),
    // All text is UTF-8 inside pghaul; nothing that a user sees depends on it.
    overruled("client_encoding", Some("PGCLIENTENCODING")),
    only("sslcertmode", Some("PGSSLCERTMODE"), &["allow", "disable"]),
    only("sslcompression", Some("PGSSLCOMPRESSION"), &["0"]),
    only("sslpassword", None, &[""]),
    only("sslcrldir", Some("PGSSLCRLDIR"), &[""]),
    only("sslkeylogfile", None, &[""]),
    only("requirepeer", Some("PGREQUIREPEER"), &[""]),
    only("require_auth", Some("PGREQUIREAUTH"), &[""]),
    only("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"]),
    only("krbsrvname", Some("PGKRBSRVNAME"), &["postgres"]),
    only("gsslib", Some("PGGSSLIB"), &["gssapi"]),
    only("gssdelegation", Some("PGGSSDELEGATION"), &["0"]),
    only("replication", None, &["false", "off", "no", "0"]),
    only("min_protocol_version", Some("PGMINPROTOCOLVERSION"), &["3.0"]),
    only("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), &["3.0", "3.2", "latest"]),
    only("scram_client_key", None, &[]),
    only("scram_server_key", None, &[]),
    only("oauth_issuer", None, &[]),
    only("oauth_client_id", None, &[]),
    only("oauth_client_secret", None, &[]),
    only("oauth_scope", None, &[]),
    // Dead parameters that libpq still takes and ignores.
    overruled("authtype", None),
    overruled("tty", None),
];

/// Looks a parameter up.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_and_no_variable_stands_twice() {
        let names: HashSet<_> = KEYWORDS.iter().map(|keyword| keyword.name).collect();
        assert_eq!(names.len(), KEYWORDS.len());
        let variables: Vec<_> = KEYWORDS.iter().filter_map(|keyword| keyword.variable).collect();
        assert_eq!(variables.iter().collect::<HashSet<_>>().len(), variables.len());
    }
}
