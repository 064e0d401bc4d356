//! TLS against real servers: each mode, with the right and the wrong authority and host name.

use std::path::{Path, PathBuf};

use pghaul::connect::{Endpoint, Environment, Purpose, Side, Trouble, trouble};
use pghaul::error::ErrorKind;
use pghaul_testbed::{Major, Options, Server};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};

use super::{bare, connect, refused, told, until_it_sleeps, value};

/// PEM files on our side, and a server that has its certificate and trusts our authority.
struct Secured {
    server: Server,
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issued(
    authority: &CertifiedIssuer<'_, KeyPair>,
    common_name: &str,
    names: &[&str],
) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

fn set_mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

impl Secured {
    fn start(major: Major, options: &Options) -> Self {
        let server = Server::start(major, options).unwrap();
        let authority = authority("authority of the test");
        let secured = Self { server, folder: tempfile::tempdir().unwrap(), authority };
        std::fs::write(secured.file("root.crt"), secured.authority.pem()).unwrap();
        secured.write_for_server("root.crt", &secured.authority.pem());
        let (certificate, key) = issued(&secured.authority, "x", &["localhost", "127.0.0.1"]);
        secured.use_certificate(&certificate, &key);
        secured
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server writes the file itself, so that it is the owner.
    fn write_for_server(&self, name: &str, text: &str) -> String {
        let path = self.server.data_dir().join(name).display().to_string();
        let lines: Vec<_> = text.lines().map(|line| format!("('{line}')")).collect();
        let copy = format!(
            "copy (select line from (values {}) as pem (line)) to '{path}'",
            lines.join(", ")
        );
        self.server.execute(copy).wait().unwrap();
        set_mode(Path::new(&path), 0o600);
        path
    }

    fn use_certificate(&self, certificate: &str, key: &str) {
        let server = &self.server;
        server.set("ssl_cert_file", &self.write_for_server("server.crt", certificate)).unwrap();
        server.set("ssl_key_file", &self.write_for_server("server.key", key)).unwrap();
        server
            .set("ssl_ca_file", &server.data_dir().join("root.crt").display().to_string())
            .unwrap();
        server.set("ssl", "on").unwrap();
        server.restart().unwrap();
    }

    /// A URL of the superuser with his password.
    fn url(&self, host: &str, more: &str) -> String {
        let url = self.server.url("postgres").replace("127.0.0.1", host);
        format!("{url}?{more}")
    }

    fn root(&self) -> String {
        format!("sslrootcert={}", self.file("root.crt").display())
    }
}

async fn encrypted(url: &str) -> bool {
    let session = connect(url, Purpose::Read).await.unwrap_or_else(|e| panic!("{url}: {e:?}"));
    let seen = value(&session, "select ssl from pg_stat_ssl where pid = pg_backend_pid()").await;
    let seen = seen.unwrap() == "t";
    assert_eq!(seen, session.is_encrypted());
    seen
}

async fn refused_for_tls(url: &str, why: &str) {
    let error = refused(url).await;
    assert_eq!(trouble(&error), Some(Trouble::Tls), "{url}: {}", told(&error));
    assert!(told(&error).contains(why), "{url}: {}", told(&error));
}

#[tokio::test]
async fn each_mode_with_right_and_wrong_authority_and_name() {
    for major in [Major::OLDEST, Major::V10, Major::V14, Major::NEWEST] {
        let secured = Secured::start(major, &Options::new());
        let root = secured.root();
        let stranger = secured.file("stranger.crt");
        std::fs::write(&stranger, authority("somebody else").pem()).unwrap();
        let stranger = format!("sslrootcert={}", stranger.display());

        for (mode, expected) in
            [("disable", false), ("allow", false), ("prefer", true), ("require", true)]
        {
            let url = secured.url("127.0.0.1", &format!("sslmode={mode}"));
            assert_eq!(encrypted(&url).await, expected, "{mode} on {major}");
        }
        for mode in ["require", "verify-ca", "verify-full"] {
            for host in ["127.0.0.1", "localhost"] {
                let url = secured.url(host, &format!("sslmode={mode}&{root}"));
                assert!(encrypted(&url).await);
            }
            // A root certificate that is there is checked against, in every mode.
            let url = secured.url("127.0.0.1", &format!("sslmode={mode}&{stranger}"));
            refused_for_tls(&url, "is signed by no authority that").await;
        }
        let other_name = format!("hostaddr=127.0.0.1&{root}");
        let url = secured.url("db.example.com", &format!("sslmode=verify-ca&{other_name}"));
        assert!(encrypted(&url).await);
        let url = secured.url("db.example.com", &format!("sslmode=verify-full&{other_name}"));
        refused_for_tls(&url, "is for localhost, 127.0.0.1, not for db.example.com").await;
        // Like libpq, `prefer` goes on without TLS when the certificate does not please.
        let url = secured.url("127.0.0.1", &format!("sslmode=prefer&{stranger}"));
        assert!(!encrypted(&url).await);
    }
}

#[tokio::test]
async fn versions_and_direct_negotiation() {
    let secured = Secured::start(Major::NEWEST, &Options::new());
    for (parameters, expected) in [
        ("ssl_max_protocol_version=TLSv1.2", "TLSv1.2"),
        ("ssl_min_protocol_version=TLSv1.3", "TLSv1.3"),
        ("sslnegotiation=direct", "TLSv1.3"),
        ("sslsni=0", "TLSv1.3"),
    ] {
        let url = secured.url("localhost", &format!("sslmode=require&{parameters}"));
        let session = connect(&url, Purpose::Read).await.unwrap();
        let sql = "select version from pg_stat_ssl where pid = pg_backend_pid()";
        assert_eq!(value(&session, sql).await.as_deref(), Some(expected), "{parameters}");
        let token = session.cancel_token();
        let sleep = session.batch("sleep", "select pg_sleep(600)");
        let cancel = async {
            until_it_sleeps(&secured.server, session.pid()).await;
            token.cancel().await.unwrap();
        };
        let (slept, ()) = futures::join!(sleep, cancel);
        assert_eq!(slept.unwrap_err().sqlstate(), Some("57014"), "cancelled over {parameters}");
    }
    let old = Secured::start(Major::V14, &Options::new());
    let url = old.url("localhost", "sslmode=require&sslnegotiation=direct");
    let error = refused(&url).await;
    assert_eq!(trouble(&error), Some(Trouble::Tls), "{}", told(&error));
}

#[tokio::test]
async fn a_server_without_tls() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let url = |more: &str| format!("{}?{more}", server.url("postgres"));
    assert!(!encrypted(&url("sslmode=prefer")).await);
    refused_for_tls(&url("sslmode=require"), "the server does not offer TLS").await;
}

#[tokio::test]
async fn the_rules_of_pg_hba_decide_between_plain_and_tls() {
    for (line, mode, expected) in [
        ("hostnossl all all all reject", "allow", true),
        ("hostnossl all all all reject", "prefer", true),
        ("hostssl all all all reject", "prefer", false),
        ("hostssl all all all reject", "allow", false),
    ] {
        let secured = Secured::start(Major::V14, &Options::new().hba(line));
        let url = secured.url("127.0.0.1", &format!("sslmode={mode}"));
        assert_eq!(encrypted(&url).await, expected, "{line} with {mode}");
    }
}

/// The error that is told is the one of the way that was meant; the other way's is a note. And a
/// server without TLS is not asked for the password twice.
#[tokio::test]
async fn when_both_ways_fail_the_one_with_tls_is_told() {
    let secured =
        Secured::start(Major::NEWEST, &Options::new().hba("hostnossl all all all reject"));
    let url = format!("postgresql://postgres:wrong@127.0.0.1:{}/postgres", secured.server.port());
    for mode in ["prefer", "allow"] {
        let error = refused(&format!("{url}?sslmode={mode}")).await;
        assert_eq!(error.sqlstate(), Some("28P01"), "{}", told(&error));
        assert!(error.hint().unwrap().contains("without TLS: "), "{}", told(&error));
    }
    let server = Server::start(Major::NEWEST, &Options::new()).unwrap();
    let url = format!("postgresql://postgres:wrong@127.0.0.1:{}/postgres", server.port());
    let error = refused(&format!("{url}?sslmode=prefer")).await;
    assert_eq!(error.sqlstate(), Some("28P01"));
    let said = "password authentication failed for user \"postgres\"";
    assert_eq!(server.log().matches(&format!("FATAL:  {said}")).count(), 1);
}

#[tokio::test]
async fn client_certificates() {
    let options = Options::new().hba("hostssl all postgres all cert");
    let secured = Secured::start(Major::NEWEST, &options);
    let write_key = |name: &str, key: &str, mode: u32| {
        let file = secured.file(name);
        std::fs::write(&file, key).unwrap();
        set_mode(&file, mode);
        file
    };
    let (certificate, key) = issued(&secured.authority, "postgres", &[]);
    std::fs::write(secured.file("client.crt"), certificate).unwrap();
    let (other, other_key) = issued(&secured.authority, "somebody", &[]);
    std::fs::write(secured.file("other.crt"), other).unwrap();
    let good = write_key("client.key", &key, 0o600);
    let other = write_key("other.key", &other_key, 0o600);
    let open = write_key("open.key", &key, 0o644);
    let no_key = write_key("no.key", "nothing", 0o600);
    let url = |certificate: &str, key: &Path| {
        let files = format!(
            "sslmode=verify-full&{}&sslcert={}&sslkey={}",
            secured.root(),
            secured.file(certificate).display(),
            key.display()
        );
        secured.url("localhost", &files)
    };
    assert!(encrypted(&url("client.crt", &good)).await);

    let error = refused(&url("other.crt", &other)).await;
    assert_eq!(trouble(&error), Some(Trouble::Authentication), "{}", told(&error));
    let error = refused(&secured.url("localhost", "sslmode=require")).await;
    assert_eq!(trouble(&error), Some(Trouble::Authentication), "{}", told(&error));
    // A certificate of somebody else's authority: TLS 1.3 tells so after the handshake.
    let (forged, forged_key) = issued(&authority("somebody else"), "postgres", &[]);
    std::fs::write(secured.file("forged.crt"), forged).unwrap();
    let forged = url("forged.crt", &write_key("forged.key", &forged_key, 0o600));
    for version in ["TLSv1.2", "TLSv1.3"] {
        let error = refused(&format!("{forged}&ssl_max_protocol_version={version}")).await;
        assert_eq!(trouble(&error), Some(Trouble::Tls), "{}", told(&error));
    }

    for (url, why) in [
        (url("client.crt", &open), "may be read by others"),
        (url("client.crt", &other), "and its key cannot be used"),
        (url("absent.crt", &good), "cannot read the client certificate"),
        (url("client.crt", &secured.file("absent.key")), "cannot read the client key"),
        (url("client.key", &good), "holds no certificate in PEM form"),
        (url("client.crt", &no_key), "holds no private key in PEM form"),
    ] {
        let error = Endpoint::parse_in(Side::Source, &url, &bare()).err();
        let error = error.unwrap_or_else(|| panic!("{why}"));
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(told(&error).contains(why), "{why}: {}", told(&error));
    }

    // The files of ~/.postgresql are used when they are there.
    let home = secured.file("home");
    std::fs::create_dir_all(home.join(".postgresql")).unwrap();
    for (from, to) in [
        ("client.crt", "postgresql.crt"),
        ("client.key", "postgresql.key"),
        ("root.crt", "root.crt"),
    ] {
        std::fs::copy(secured.file(from), home.join(".postgresql").join(to)).unwrap();
    }
    let environment = Environment::given([("USER", "x")], Some(home));
    let url = secured.url("localhost", "sslmode=verify-full");
    let endpoint = Endpoint::parse_in(Side::Source, &url, &environment).unwrap();
    assert!(endpoint.connect(Purpose::Read, "t").await.unwrap().is_encrypted());
    let without =
        Endpoint::parse_in(Side::Source, &format!("{url}&sslcertmode=disable"), &environment);
    assert!(without.unwrap().connect(Purpose::Read, "t").await.is_err());
}

#[tokio::test]
async fn channel_binding() {
    let secured = Secured::start(Major::NEWEST, &Options::new());
    for (parameters, works) in [
        ("sslmode=require&channel_binding=require", true),
        ("sslmode=require&channel_binding=disable", true),
        ("sslmode=require&channel_binding=prefer", true),
        ("sslmode=disable&channel_binding=require", false),
    ] {
        let made = connect(&secured.url("localhost", parameters), Purpose::Read).await;
        assert_eq!(made.is_ok(), works, "{parameters}");
        if let Err(error) = made {
            assert_eq!(trouble(&error), Some(Trouble::Authentication), "{}", told(&error));
        }
    }
    // 10 knows SCRAM but no binding.
    let old = Secured::start(Major::V10, &Options::new());
    assert!(encrypted(&old.url("localhost", "sslmode=require")).await);
    let error = refused(&old.url("localhost", "sslmode=require&channel_binding=require")).await;
    assert_eq!(trouble(&error), Some(Trouble::Authentication), "{}", told(&error));
}

/// The first recipe of the Postgres manual, 18.9.5: the server's own certificate is the root,
/// says that it is an authority, and has its name only as the common name.
#[tokio::test]
async fn a_self_signed_certificate_that_is_its_own_root() {
    let secured = Secured::start(Major::NEWEST, &Options::new());
    let own = authority("db.example.com");
    secured.use_certificate(&own.pem(), &own.key().serialize_pem());
    std::fs::write(secured.file("own.crt"), own.pem()).unwrap();
    let root = format!("hostaddr=127.0.0.1&sslrootcert={}", secured.file("own.crt").display());
    let url = |host, mode| secured.url(host, &format!("sslmode={mode}&{root}"));
    assert!(encrypted(&url("db.example.com", "verify-full")).await);
    assert!(encrypted(&url("other.example.com", "verify-ca")).await);
    refused_for_tls(&url("other.example.com", "verify-full"), "is for db.example.com").await;
    let wrong = format!("sslmode=verify-ca&hostaddr=127.0.0.1&{}", secured.root());
    refused_for_tls(&secured.url("db.example.com", &wrong), "is signed by no authority").await;
}

/// The second recipe, as OpenSSL 3.0 follows it: see the fixtures' README.
#[tokio::test]
async fn a_certificate_of_version_1() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tls");
    let text = |name: &str| std::fs::read_to_string(fixtures.join(name)).unwrap();
    for major in [Major::V10, Major::NEWEST] {
        let secured = Secured::start(major, &Options::new());
        secured.use_certificate(&text("version1-server.crt"), &text("version1-server.key"));
        let root = format!(
            "hostaddr=127.0.0.1&sslrootcert={}",
            fixtures.join("version1-root.crt").display()
        );
        let url = |host, mode| secured.url(host, &format!("sslmode={mode}&{root}"));
        assert!(encrypted(&secured.url("localhost", "sslmode=require")).await);
        let tls12 = "sslmode=require&ssl_max_protocol_version=TLSv1.2";
        assert!(encrypted(&secured.url("localhost", tls12)).await);
        assert!(encrypted(&url("db.example.com", "verify-full")).await);
        refused_for_tls(&url("other.example.com", "verify-full"), "is for db.example.com").await;
        let wrong = format!("sslmode=verify-ca&hostaddr=127.0.0.1&{}", secured.root());
        refused_for_tls(&secured.url("x", &wrong), "is signed by no authority").await;
    }
}

/// A root file may hold many certificates, and a revoked one is refused.
#[tokio::test]
async fn revocation_lists() {
    use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
    let secured = Secured::start(Major::NEWEST, &Options::new());
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.serial_number = Some(SerialNumber::from(7));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &secured.authority).unwrap();
    secured.use_certificate(&certificate.pem(), &key.serialize_pem());
    let list = |serial: u64| CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2020, 1, 1),
        next_update: rcgen::date_time_ymd(2100, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: rcgen::date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    for (serial, trusted) in [(7, false), (8, true)] {
        let list = list(serial).signed_by(&secured.authority).unwrap().pem().unwrap();
        std::fs::write(secured.file("list.crl"), list).unwrap();
        let files = format!(
            "sslmode=verify-full&{}&sslcrl={}",
            secured.root(),
            secured.file("list.crl").display()
        );
        let url = secured.url("localhost", &files);
        if trusted {
            assert!(encrypted(&url).await);
        } else {
            refused_for_tls(&url, "Revoked").await;
        }
    }
}
