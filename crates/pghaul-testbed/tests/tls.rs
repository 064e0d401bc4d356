//! Servers with TLS, seen with libpq's own eyes: what it accepts and what it refuses.
#![expect(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::process::Command;

use pghaul_testbed::{Authority, Certificate, Major, Options, Role, Server, clients};

/// What psql says about the connection, or why there is none.
fn psql(url: &str) -> Result<String, String> {
    // Not `sslrootcert` and the like from the home of whoever runs the tests.
    let output = Command::new(clients().unwrap().psql())
        .env("HOME", "/nonexistent")
        .args(["-XAtc", "select coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false), current_user", url])
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

fn with(url: &str, parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{url}?{}", pairs.join("&"))
}

fn path(file: &std::path::Path) -> String {
    file.to_str().unwrap().to_owned()
}

#[test]
fn verified_by_name_and_authority_on_every_major() {
    let authority = Authority::new("the test's own").unwrap();
    let stranger = Authority::new("a stranger").unwrap();
    let right = authority.server(&["localhost", "127.0.0.1"]).unwrap();
    let root = path(&authority.file());
    for major in Major::ALL {
        let server = Server::start(major, &Options::new().tls(&right)).unwrap();
        let url = server.url("postgres");
        let full = [("sslmode", "verify-full"), ("sslrootcert", root.as_str())];
        assert_eq!(psql(&with(&url, &full)).unwrap(), "t|postgres", "{major}");
        assert_eq!(psql(&with(&url, &[("sslmode", "disable")])).unwrap(), "f|postgres");
        let strange = path(&stranger.file());
        let unknown = [("sslmode", "verify-ca"), ("sslrootcert", strange.as_str())];
        assert!(psql(&with(&url, &unknown)).unwrap_err().contains("verify failed"), "{major}");
    }
}

#[test]
fn certificates_that_are_wrong_in_one_way_each() {
    let authority = Authority::new("the test's own").unwrap();
    let root = path(&authority.file());
    let right = authority.server(&["127.0.0.1"]).unwrap();
    let options = Options::new().tls(&right).hba("hostnossl all all 127.0.0.1/32 reject");
    let server = Server::start(Major::V18, &options).unwrap();
    let url = server.url("postgres");
    let full = [("sslmode", "verify-full"), ("sslrootcert", root.as_str())];
    let ca = [("sslmode", "verify-ca"), ("sslrootcert", root.as_str())];
    psql(&with(&url, &full)).unwrap();
    assert!(psql(&with(&url, &[("sslmode", "disable")])).unwrap_err().contains("no encryption"));

    let show = |certificate: &Certificate| server.set_certificate(certificate).unwrap();
    show(&authority.server(&["db.example.com"]).unwrap());
    psql(&with(&url, &ca)).unwrap();
    assert!(psql(&with(&url, &full)).unwrap_err().contains("does not match host name"));

    show(&authority.expired_server(&["127.0.0.1"]).unwrap());
    assert!(psql(&with(&url, &ca)).unwrap_err().contains("verify failed"));
    psql(&with(&url, &[("sslmode", "require")])).unwrap();

    show(&authority.server_by_common_name("127.0.0.1").unwrap());
    psql(&with(&url, &full)).unwrap();

    let revoked = path(&authority.revoke(&[&right]).unwrap());
    let with_list = [full[0], full[1], ("sslcrl", revoked.as_str())];
    psql(&with(&url, &with_list)).unwrap();
    show(&right);
    assert!(psql(&with(&url, &with_list)).unwrap_err().contains("verify failed"));
}

#[test]
fn clients_show_certificates() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let authority = Authority::new("the test's own").unwrap();
        let certificate = authority.server(&["127.0.0.1"]).unwrap();
        let options =
            Options::new().tls(&certificate).hba("hostssl all +certified 127.0.0.1/32 cert");
        let server = Server::start(major, &options).unwrap();
        server.execute("create role certified").wait().unwrap();
        let role = Role::create(&server, "shown", "in role certified").unwrap();
        let url = server.url_as("postgres", &role.name, "not asked for");
        let right = authority.client(&role.name).unwrap();
        let wrong = authority.client("somebody else").unwrap();
        let strange = Authority::new("a stranger").unwrap().client(&role.name).unwrap();
        let with_certificate = |certificate: &Certificate| {
            let (file, key) = (path(&certificate.file), path(&certificate.key));
            psql(&with(&url, &[("sslmode", "require"), ("sslcert", &file), ("sslkey", &key)]))
        };
        assert_eq!(with_certificate(&right).unwrap(), format!("t|{}", role.name), "{major}");
        assert!(with_certificate(&wrong).unwrap_err().contains("failed"), "{major}");
        with_certificate(&strange).unwrap_err();
        assert!(psql(&url).unwrap_err().contains("certificate"), "{major}");
    }
}
