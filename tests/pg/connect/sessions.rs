//! What a session can do beside statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use pghaul::connect::{Purpose, Trouble, trouble};
use pghaul::error::ErrorKind;
use pghaul_testbed::{Database, Major, Options, Server};
use tokio::net::{TcpListener, TcpStream};

use super::{connect, endpoint, until_it_sleeps, value};

#[tokio::test]
async fn a_statement_is_cancelled_from_outside() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        let session = connect(&server.url("postgres"), Purpose::Read).await.unwrap();
        let token = session.cancel_token();
        let sleep = session.batch("sleep", "select pg_sleep(600)");
        let cancel = async {
            until_it_sleeps(server, session.pid()).await;
            token.cancel().await.unwrap();
        };
        let (slept, ()) = futures::join!(sleep, cancel);
        assert_eq!(slept.unwrap_err().sqlstate(), Some("57014"));
        assert_eq!(value(&session, "select 1").await.as_deref(), Some("1"), "it lives on");
    }
}

#[tokio::test]
async fn the_death_of_a_session_is_told_while_nothing_is_asked_of_it() {
    let server = Server::shared(Major::V14).unwrap();
    let session = connect(&server.url("postgres"), Purpose::Catalog).await.unwrap();
    assert!(!session.is_closed());
    let kill = format!("select pg_terminate_backend({})", session.pid());
    server.query_text(kill).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), session.closed()).await.unwrap();
    let words = session.last_words().unwrap();
    assert!(words.contains("terminating connection") && words.contains("57P01"), "{words}");
    let error = session.batch("ask", "select 1").await.unwrap_err();
    assert!(error.connection_lost());
    assert!(error.hint().unwrap().contains("terminating connection"), "{error:?}");
    assert!(session.is_closed());
}

#[tokio::test]
async fn warnings_are_kept_and_notices_are_not() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let session = connect(&server.url("postgres"), Purpose::Catalog).await.unwrap();
    let raise = "do $$ begin raise notice 'low'; raise warning 'high' using detail = 'secret'; \
                 end $$";
    session.batch("warn", raise).await.unwrap();
    let warnings = session.take_warnings();
    assert_eq!(warnings.len(), 1);
    assert_eq!((&*warnings[0].sqlstate, &*warnings[0].message), ("01000", "high"));
    assert!(!format!("{warnings:?}").contains("secret"));
    assert!(session.take_warnings().is_empty());
}

#[tokio::test]
async fn rows_of_several_statements_come_as_text() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let session = connect(&server.url("postgres"), Purpose::Catalog).await.unwrap();
    let rows = session.simple_rows("ask", "select 1, null; select true").await.unwrap();
    assert_eq!(rows, [vec![Some("1".to_owned()), None], vec![Some("t".to_owned())]]);
}

#[tokio::test]
async fn sessions_are_named_for_the_run_within_what_servers_keep() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let endpoint = endpoint(&format!("{}?application_name=mine", server.url("postgres")));
    let plain = endpoint.connect(Purpose::Catalog, "keeper").await.unwrap();
    assert_eq!(value(&plain, "show application_name").await.as_deref(), Some("pghaul keeper"));
    let run = endpoint.for_run("r7");
    let long = run.connect(Purpose::Read, &"ü".repeat(60)).await.unwrap();
    let name = value(&long, "show application_name").await.unwrap();
    assert_eq!(name, format!("pghaul r7 {}", "?".repeat(53)));
}

#[tokio::test]
async fn the_session_knows_server_and_database() {
    for major in Major::ALL {
        let server = Server::shared(major).unwrap();
        let base = Database::new(server, "identity").unwrap();
        let endpoint = endpoint(&base.url());
        assert_eq!(endpoint.identity().await, None);
        let session = endpoint.connect(Purpose::Catalog, "t").await.unwrap();
        let expected = base
            .query_text(
                "select (select system_identifier from pg_control_system()), \
                 (select oid from pg_database where datname = current_database()), \
                 (select timeline_id from pg_control_checkpoint())",
            )
            .await
            .unwrap();
        let identity = session.identity();
        let found = [
            identity.system_identifier.unwrap().to_string(),
            identity.database_oid.to_string(),
            identity.timeline.unwrap().to_string(),
        ];
        assert_eq!(found.map(Some).as_slice(), expected[0]);
        assert!(!identity.in_recovery && session.writes_by_default());
        assert_eq!(endpoint.identity().await.as_ref(), Some(identity));
    }
}

#[tokio::test]
async fn a_database_of_the_same_name_made_anew_is_another_one() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let base = Database::new(server, "again").unwrap();
    let endpoint = endpoint(&base.url());
    drop(endpoint.connect(Purpose::Catalog, "t").await.unwrap());
    endpoint.connect(Purpose::Catalog, "t").await.unwrap();
    server
        .query_text(format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
            base.name()
        ))
        .await
        .unwrap();
    server.execute(format!("drop database \"{}\"", base.name())).await.unwrap();
    server.execute(format!("create database \"{}\"", base.name())).await.unwrap();
    let error = endpoint.connect(Purpose::Catalog, "t").await.err().unwrap();
    assert_eq!(trouble(&error), Some(Trouble::AnotherServer));
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(super::told(&error).contains("another server answers: its database OID is"));
}

/// As when a name or a virtual address moves to a server that was made anew.
#[tokio::test]
async fn another_server_behind_the_same_address_is_refused() {
    let one = Server::shared(Major::NEWEST).unwrap();
    let other = Server::shared(Major::V14).unwrap();
    let leads_to = Arc::new(AtomicU16::new(one.port()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let now = Arc::clone(&leads_to);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let to = now.load(Ordering::Relaxed);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let role = "create role moved login superuser password 'same'";
    one.execute(role).await.unwrap();
    other.execute(role).await.unwrap();
    let endpoint = endpoint(&format!("postgresql://moved:same@127.0.0.1:{port}/postgres"));
    endpoint.connect(Purpose::Catalog, "t").await.unwrap();
    leads_to.store(other.port(), Ordering::Relaxed);
    let error = endpoint.connect(Purpose::Catalog, "t").await.err().unwrap();
    assert_eq!(trouble(&error), Some(Trouble::AnotherServer), "{}", super::told(&error));
    assert!(super::told(&error).contains("its system identifier is"));
    leads_to.store(one.port(), Ordering::Relaxed);
    endpoint.connect(Purpose::Catalog, "t").await.unwrap();
}

#[tokio::test]
async fn a_restart_does_not_make_another_server() {
    let server = Server::start(Major::NEWEST, &Options::new()).unwrap();
    let endpoint = endpoint(&server.url("postgres"));
    endpoint.connect(Purpose::Catalog, "t").await.unwrap();
    server.crash().unwrap();
    server.start_again().unwrap();
    endpoint.connect(Purpose::Catalog, "t").await.unwrap();
}
