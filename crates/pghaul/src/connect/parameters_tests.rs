use super::*;

fn bare() -> Environment {
    Environment::given([("USER", "os-user")], None)
}

fn read(text: &str) -> Parameters {
    Parameters::read(text, &bare()).unwrap()
}

fn refusal(text: &str, environment: &Environment) -> String {
    let error = Parameters::read(text, environment).expect_err(text);
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

#[test]
fn libpq_defaults() {
    let p = read("");
    assert_eq!(p.hosts, [HostEntry { host: None, address: None, port: 5432 }]);
    assert_eq!((p.user.as_str(), p.dbname.as_str()), ("os-user", "os-user"));
    assert_eq!(p.tls.mode, SslMode::Prefer);
    assert_eq!(p.session, WantedSession::Any);
    assert_eq!(p.connect_timeout, Some(Duration::from_secs(30)));
    assert_eq!(read("user=u").dbname, "u");
    assert_eq!(read("connect_timeout=0").connect_timeout, None);
    assert_eq!(read("connect_timeout=1").connect_timeout, Some(Duration::from_secs(2)));
    assert_eq!(read("sslrootcert=system").tls.mode, SslMode::VerifyFull);
}

#[test]
fn text_goes_before_service_and_service_before_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("services");
    std::fs::write(&file, "[s]\nhost=from-service\nuser=from-service\ndbname=from-service\n")
        .unwrap();
    let environment = Environment::given(
        [
            ("PGHOST", "from-env"),
            ("PGUSER", "from-env"),
            ("PGPORT", "6000"),
            ("PGSERVICE", "s"),
            ("PGSERVICEFILE", file.to_str().unwrap()),
            ("PGSSLMODE", "disable"),
            ("PGREQUIRESSL", "1"),
            ("PGAPPNAME", "theirs"),
        ],
        None,
    );
    let p = Parameters::read("postgresql://from-text@/", &environment).unwrap();
    assert_eq!(p.user, "from-text");
    assert_eq!(p.hosts[0].host.as_deref(), Some("from-service"));
    assert_eq!(p.dbname, "from-service");
    assert_eq!(p.hosts[0].port, 6000);
    assert_eq!(p.tls.mode, SslMode::Disable);
    let require = Environment::given([("PGREQUIRESSL", "1"), ("USER", "u")], None);
    assert_eq!(Parameters::read("", &require).unwrap().tls.mode, SslMode::Require);
}

#[test]
fn host_lists() {
    let shown =
        |text: &str| read(text).hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(shown("host=a,b port=1"), "a:1 b:1");
    assert_eq!(shown("host=a,,/tmp port=1,,3"), "a:1 [local]:5432 /tmp:3");
    assert_eq!(shown("hostaddr=10.0.0.1,::1 port=1,2"), "10.0.0.1:1 [::1]:2");
    assert_eq!(shown("postgresql://a:1,[::1],c/db"), "a:1 [::1]:5432 c:5432");
    assert_eq!(shown("host=name hostaddr=127.0.0.1"), "name:5432");
    for text in [
        "host=a,b hostaddr=10.0.0.1",
        "host=a,b,c port=1,2",
        "port=1,2",
        "hostaddr=localhost",
        "port=0",
        "port=65536",
    ] {
        assert!(Parameters::read(text, &bare()).is_err(), "{text}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (text, expected) in [
        (
            "krbsrvname=pg",
            "the connection string sets `krbsrvname`, which pghaul does not support other than `postgres`",
        ),
        (
            "gssencmode=require",
            "the connection string sets `gssencmode`, which pghaul does not support other than `disable` or `prefer`",
        ),
        (
            "require_auth=scram-sha-256",
            "the connection string sets `require_auth`, which pghaul does not support",
        ),
        (
            "replication=database",
            "the connection string sets `replication`, which pghaul does not support other than `false` or `off` or `no` or `0`",
        ),
        (
            "sslpassword=x",
            "the connection string sets `sslpassword`, which pghaul does not support",
        ),
        (
            "requirepeer=root",
            "the connection string sets `requirepeer`, which pghaul does not support",
        ),
        ("hots=a", "the connection string has an unknown parameter `hots`"),
        (
            "sslmode=verify",
            "the connection string: the value of `sslmode` is none of disable, allow, prefer, require, verify-ca, verify-full",
        ),
        (
            "connect_timeout=x",
            "the connection string: the value of `connect_timeout` is not an integer",
        ),
        (
            "target_session_attrs=master",
            "the connection string: the value of `target_session_attrs` is none of any, read-write, read-only, primary, standby, prefer-standby",
        ),
        (
            "sslrootcert=system sslmode=require",
            "sslmode=require is too weak for sslrootcert=system: anybody can have a certificate of a public authority; use sslmode=verify-full",
        ),
        (
            "sslnegotiation=direct",
            "sslmode=prefer is too weak for sslnegotiation=direct; use sslmode=require or stronger",
        ),
        (
            "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            "ssl_min_protocol_version is newer than ssl_max_protocol_version",
        ),
        (
            "service=absent servicefile=/nonexistent/file",
            "cannot use the service: cannot read the service file /nonexistent/file",
        ),
    ] {
        assert_eq!(refusal(text, &bare()), expected);
    }
    let environment = Environment::given([("PGGSSENCMODE", "require")], None);
    assert_eq!(
        refusal("", &environment),
        "the environment variable PGGSSENCMODE sets `gssencmode`, which pghaul does not support other than `disable` or `prefer`"
    );
    assert!(Parameters::read("gssencmode=disable user=u", &environment).is_ok());
}

#[test]
fn no_piece_of_a_badly_written_password_is_shown() {
    for text in [
        "password=pass hunter=2",
        "password=pass hunter2",
        "postgresql://u:/hunter2@h/db",
        "postgresql://u:hunter/2@h/db",
        "postgresql://u:x/hunter?hunter=hunter&hunter@h/db",
        "postgresql://u:p@hunter2@h/db",
        "port=hunter2",
        "hostaddr=hunter2",
    ] {
        match Parameters::read(text, &bare()) {
            Err(error) => {
                assert!(!format!("{error} {error:?}").contains("hunter"), "{text}: {error:?}");
            }
            Ok(parameters) => panic!("{text}: {parameters:?}"),
        }
    }
    let parameters = read("password=hunter2 user=me");
    assert!(!format!("{parameters:?}").contains("hunter2"));
}
