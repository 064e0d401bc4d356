//! The servers themselves: each major starts, answers, stops, starts again; databases, roles
//! and settings do what they say.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use pghaul_testbed::{CreateOptions, Database, Major, Options, Role, Server};

#[test]
fn every_major_starts_and_answers() {
    let mut identifiers = BTreeSet::new();
    for major in Major::ALL {
        let server = Server::shared(major).unwrap();
        let version = server.value("show server_version").wait().unwrap().unwrap();
        assert_eq!(version, server.version());
        assert!(version.starts_with(&format!("{major}.")), "{version}");
        assert_eq!(server.major(), major);
        let identifier = "select system_identifier from pg_control_system()";
        identifiers.insert(server.value(identifier).wait().unwrap());
    }
    assert_eq!(identifiers.len(), Major::ALL.len());
}

#[test]
fn two_servers_of_a_major_are_not_the_same_server_and_are_closed_to_others() {
    let identifier = "select system_identifier from pg_control_system()";
    for major in [Major::OLDEST, Major::NEWEST] {
        let own = Server::start(major, &Options::default()).unwrap();
        let shared = Server::shared(major).unwrap();
        assert_ne!(own.value(identifier).wait().unwrap(), shared.value(identifier).wait().unwrap());
        let folder = own.socket_dir().to_owned();
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "whoever reaches the socket is the superuser");
        drop(own);
        assert!(!folder.exists(), "a dropped server leaves nothing");
    }
}

#[tokio::test]
async fn a_database_for_each_test_by_url_with_its_password() {
    for major in Major::ALL {
        let server = Server::shared(major).unwrap();
        let one = Database::new(server, "it's \"Ünï/?%:\" @ ").unwrap();
        let two = Database::new(server, "it's \"Ünï/?%:\" @ ").unwrap();
        assert_ne!(one.name(), two.name());
        let role = Role::create(server, "rôle's ", "").unwrap();
        for (url, user) in [(one.url(), "postgres"), (one.url_as(&role), role.name.as_str())] {
            let (client, connection) =
                tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            let row = client.query_one("select current_database()::text, current_user::text, inet_client_addr() is not null", &[]).await.unwrap();
            assert_eq!(row.get::<_, String>(0), one.name());
            assert_eq!(row.get::<_, String>(1), user);
            assert!(row.get::<_, bool>(2), "over TCP");
            drop(client);
            connection.await.unwrap().unwrap();
        }
        let wrong = server.url_as(one.name(), &role.name, "wrong");
        let refused = tokio_postgres::connect(&wrong, tokio_postgres::NoTls).await;
        let refused = refused.err().unwrap();
        assert_eq!(refused.code().unwrap().code(), "28P01", "{major} asks for the password");
    }
}

#[test]
fn a_call_on_a_connection_of_its_own_leaves_no_session_behind() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let database = Database::new(Server::shared(major).unwrap(), "own").unwrap();
        database.execute("create table t (i int)").wait().unwrap();
        let held = database.connect().wait().unwrap();
        let others = "select count(*) from pg_stat_activity \
                      where datname = current_database() and pid <> pg_backend_pid()";
        for number in 1..=50 {
            database.execute(format!("insert into t values ({number})")).wait().unwrap();
            assert_eq!(held.value(others).wait().unwrap().as_deref(), Some("0"), "{major}");
            // Before 15 counters travel by way of another process.
            if major >= Major::V15 {
                let told = "select n_tup_ins from pg_stat_user_tables where relname = 't'";
                assert_eq!(held.value(told).wait().unwrap(), Some(number.to_string()));
            }
        }
    }
}

#[test]
fn a_dropped_database_is_gone_a_kept_one_stays() {
    let server = Server::shared(Major::V14).unwrap();
    let dropped = Database::new(server, "dropped").unwrap();
    let held = dropped.connect().wait().unwrap();
    let name = dropped.name().to_owned();
    let kept = Database::new(server, "kept").unwrap().keep();
    drop(dropped);
    let there = |name: &str| {
        let sql = format!("select count(*) from pg_database where datname = '{name}'");
        server.value(sql).wait().unwrap().unwrap()
    };
    while there(&name) == "1" {
        std::thread::sleep(Duration::from_millis(10));
    }
    held.execute("select 1").wait().unwrap_err();
    assert_eq!(there(&kept), "1");
}

#[test]
fn create_options_reach_the_server() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        let owner = Role::create(server, "owner", "nocreatedb").unwrap();
        let first = Database::new(server, "first").unwrap();
        first.execute("create table copied ()").wait().unwrap();
        let template = first.keep();
        let options = CreateOptions {
            owner: Some(owner.name.clone()),
            template: Some(template),
            more: Some("connection limit 7".to_owned()),
            ..CreateOptions::default()
        };
        let second = Database::create(server, "second", &options).unwrap();
        let sql = "select pg_get_userbyid(datdba), datconnlimit, to_regclass('copied') \
                   from pg_database where datname = current_database()";
        let row = second.query_text(sql).wait().unwrap().remove(0);
        assert_eq!(row, [Some(owner.name), Some("7".to_owned()), Some("copied".to_owned())]);

        let latin = CreateOptions { encoding: Some("LATIN1".into()), ..Default::default() };
        let latin = Database::create(server, "latin", &latin).unwrap();
        assert_eq!(latin.value("show server_encoding").wait().unwrap().unwrap(), "LATIN1");
        assert_eq!(latin.value("select 'é'").wait().unwrap().unwrap(), "é");
    }
}

#[test]
fn a_server_goes_on_where_it_was_after_each_kind_of_end() {
    for major in Major::ALL {
        let server = Server::start(major, &Options::default()).unwrap();
        let database = Database::new(&server, "kept").unwrap();
        database.execute("create table t (i int); insert into t values (1)").wait().unwrap();
        let url = database.url();
        server.stop_fast().unwrap();
        assert!(!server.is_running());
        server.start_again().unwrap();
        database.execute("insert into t values (2)").wait().unwrap();
        server.crash().unwrap();
        database.execute("select 1").wait().unwrap_err();
        server.start_again().unwrap();
        assert!(server.log().contains("was not properly shut down"), "{major} recovers");
        assert_eq!(database.value("select count(*) from t").wait().unwrap().unwrap(), "2");
        assert_eq!(database.url(), url);
        server.start_again().unwrap_err();

        let session = database.connect().wait().unwrap();
        let pid = session.value("select pg_backend_pid()").wait().unwrap().unwrap();
        server.kill_backend(pid.parse().unwrap()).unwrap();
        session.execute("select pg_sleep(30)").wait().unwrap_err();
        server.stop_fast().unwrap();
        assert!(server.log().contains("was terminated by signal 9"), "{major}");
    }
}

/// Of a server that is ending: a client that came meanwhile and says nothing.
fn silent_client_of_an_ending(server: &Server, end: impl FnOnce() + Send) -> TcpStream {
    let session = server.connect("postgres").wait().unwrap();
    let pid = session.value("select pg_backend_pid()").wait().unwrap().unwrap();
    // Standing still, it does not end before the server kills it after five seconds.
    assert!(
        Command::new("sh").args(["-c", &format!("kill -STOP {pid}")]).status().unwrap().success()
    );
    let before = server.log().len();
    std::thread::scope(|scope| {
        scope.spawn(end);
        while !server.log()[before..].contains("received immediate shutdown request") {
            std::thread::sleep(Duration::from_millis(10));
        }
        let client = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        client
    })
}

/// Whoever served this client has ended.
fn assert_abandoned(mut client: TcpStream) {
    match client.read(&mut [0]) {
        Ok(0) => {}
        Ok(_) => panic!("somebody answers"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}

fn a_server_that_does_not_end(major: Major) {
    let options = Options::new().set("authentication_timeout", "600s");
    let server = Server::start(major, &options).unwrap();
    server.execute("create table t (i int); insert into t values (1)").wait().unwrap();
    let client = silent_client_of_an_ending(&server, || server.crash().unwrap());
    assert!(!server.is_running());
    // From 18 on it does not wait for such clients.
    let killed = server.log().contains("the testbed killed the server");
    assert_eq!(killed, major < Major::V18, "{major}: {}", server.log());
    assert_abandoned(client);
    server.start_again().unwrap();
    assert_eq!(server.value("select count(*) from t").wait().unwrap().as_deref(), Some("1"));
}

/// One whose process is gone, and with it who knows the server.
fn a_dropped_server_that_does_not_end(major: Major) {
    let options = Options::new().set("authentication_timeout", "600s");
    let server = Server::start(major, &options).unwrap();
    let folder = server.socket_dir().to_owned();
    let client = silent_client_of_an_ending(&server, || {
        let sh = format!("kill -QUIT $(cat {}/server.pid)", folder.display());
        assert!(Command::new("sh").args(["-c", &sh]).status().unwrap().success());
    });
    drop(server);
    assert_abandoned(client);
    assert!(!folder.exists(), "a dropped server leaves nothing");
}

#[test]
fn a_server_that_does_not_end_is_killed_with_all_its_processes() {
    std::thread::scope(|scope| {
        for major in [Major::OLDEST, Major::V14, Major::NEWEST] {
            scope.spawn(move || a_server_that_does_not_end(major));
        }
        scope.spawn(|| a_dropped_server_that_does_not_end(Major::V14));
    });
}

#[test]
fn settings_hold_from_the_start_and_change_while_it_runs() {
    for major in [Major::OLDEST, Major::V12, Major::NEWEST] {
        let options = Options::new()
            .set("work_mem", "5MB")
            .set("max_connections", "33")
            .set("log_statement", "all")
            .hba("host all refused 127.0.0.1/32 reject")
            .durable()
            .with_checksums();
        let server = Server::start(major, &options).unwrap();
        let show = |name: &str| server.value(format!("show {name}")).wait().unwrap().unwrap();
        assert_eq!(
            ["work_mem", "max_connections", "wal_level", "fsync", "data_checksums"].map(show),
            ["5MB", "33", "logical", "on", "on"]
        );
        assert!(server.log().contains("statement: show work_mem"), "{}", server.log());

        server.set("work_mem", "6MB").unwrap();
        assert_eq!(show("work_mem"), "6MB");
        server.set("work_mem", "many").unwrap_err();
        assert_eq!(show("work_mem"), "6MB");
        server.set("no_such_setting", "1").unwrap_err();
        server.set("max_connections", "44").unwrap();
        assert_eq!(show("max_connections"), "33");
        server.restart().unwrap();
        assert_eq!([show("work_mem"), show("max_connections")], ["6MB", "44"]);

        server.execute("create role refused login").wait().unwrap();
        let database = Database::new(&server, "d").unwrap();
        let role = Role { name: "refused".to_owned(), password: "x".to_owned() };
        let error = database.connect_as(&role).wait().err().unwrap();
        assert_eq!(error.sqlstate(), Some("28000"), "{error}");
    }
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let options = Options::new().set("shared_buffers", "none");
    let error = Server::start(Major::V18, &options).err().unwrap();
    assert!(error.to_string().contains("shared_buffers"), "{error}");
    let error = Server::start(Major::V18, &Options::new().initdb("--nonsense")).err().unwrap();
    assert!(error.to_string().contains("nonsense"), "{error}");
}
