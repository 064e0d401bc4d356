//! What cannot be connected to: each kind of trouble, what it says, and that no password shows.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use pghaul::connect::{Endpoint, Environment, Purpose, Side, Trouble, trouble};
use pghaul::error::ErrorKind;
use pghaul_testbed::{Database, Major, Role, Server};

use super::{bare, refused, told};

#[tokio::test]
async fn a_wrong_password() {
    for major in [Major::OLDEST, Major::V10, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        let role = Role::create(server, "wrong", "").unwrap();
        let error = refused(&server.url_as("postgres", &role.name, "hunter2")).await;
        assert_eq!(trouble(&error), Some(Trouble::Authentication));
        assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Connect, Some("28P01")));
        let told = told(&error);
        assert!(told.starts_with(&format!("cannot connect to the source, {}@", role.name)));
        assert!(told.contains("password authentication failed"), "{told}");
        assert!(!told.contains("hunter2") && !format!("{error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn no_password() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        let url = format!("postgresql://postgres@127.0.0.1:{}/postgres", server.port());
        let error = refused(&url).await;
        assert_eq!(trouble(&error), Some(Trouble::Authentication), "{}", told(&error));
        assert!(told(&error).contains("password missing"), "{}", told(&error));
    }
}

#[tokio::test]
async fn a_password_file_gives_the_password_unless_others_may_read_it() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let role = Role::create(server, "passfile", "").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let escaped = role.password.replace('\\', "\\\\").replace(':', "\\:");
    let line = format!("127.0.0.1:{}:postgres:{}:{escaped}\n", server.port(), role.name);
    for (name, mode, works) in [("good", 0o600, true), ("open", 0o644, false)] {
        let file = folder.path().join(name);
        std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(mode)
            .open(&file)
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
        let variables = [
            ("PGPASSFILE", file.to_str().unwrap()),
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", &server.port().to_string()),
            ("PGUSER", &role.name),
        ];
        let environment = Environment::given(variables, None);
        let endpoint = Endpoint::parse_in(Side::Target, "dbname=postgres", &environment).unwrap();
        match endpoint.connect(Purpose::Write, "t").await {
            Ok(_) => assert!(works),
            Err(error) => {
                assert!(!works, "{error:?}");
                let told = told(&error);
                assert!(told.contains("was ignored: its group or others may read it"), "{told}");
            }
        }
    }
    // The file in the home folder, and its line for another host.
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(folder.path().join("good"), home.path().join(".pgpass")).unwrap();
    let environment = Environment::given([("USER", "x")], Some(home.path().to_owned()));
    let connect = async |host: &str| {
        let url = format!("postgresql://{}@{host}:{}/postgres", role.name, server.port());
        let endpoint = Endpoint::parse_in(Side::Source, &url, &environment).unwrap();
        endpoint.connect(Purpose::Read, "t").await
    };
    assert!(connect("127.0.0.1").await.is_ok());
    assert_eq!(trouble(&connect("localhost").await.err().unwrap()), Some(Trouble::Authentication));
}

#[tokio::test]
async fn a_service_gives_everything() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let base = Database::new(server, "service").unwrap();
    let home = tempfile::tempdir().unwrap();
    let text = format!(
        "[mine]\nhost=127.0.0.1\nport={}\nuser=postgres\npassword={}\ndbname={}\n",
        server.port(),
        server.password(),
        base.name()
    );
    std::fs::write(home.path().join(".pg_service.conf"), text).unwrap();
    let environment = Environment::given([("USER", "x")], Some(home.path().to_owned()));
    let endpoint = Endpoint::parse_in(Side::Source, "service=mine", &environment).unwrap();
    let session = endpoint.connect(Purpose::Read, "t").await.unwrap();
    let found = super::value(&session, "select current_database()").await;
    assert_eq!(found.as_deref(), Some(base.name()));
}

#[tokio::test]
async fn no_such_database() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let error = refused(&server.url("absent")).await;
    assert_eq!(trouble(&error), Some(Trouble::NoDatabase));
    assert_eq!(error.sqlstate(), Some("3D000"));
}

#[tokio::test]
async fn nobody_listens() {
    let (_closed, free) = super::closed_port();
    let error = refused(&format!("postgresql://u:hunter2@127.0.0.1:{free}/d")).await;
    assert_eq!(trouble(&error), Some(Trouble::Unreachable));
    let told = told(&error);
    assert!(told.contains(&format!("127.0.0.1:{free}: Connection refused")), "{told}");
    assert!(!told.contains("hunter2"));
    let error = refused("postgresql://u@name.invalid/d").await;
    assert_eq!(trouble(&error), Some(Trouble::Unreachable));
    let error = refused("host=/nonexistent user=u").await;
    assert_eq!(trouble(&error), Some(Trouble::Unreachable));
}

#[tokio::test]
async fn somebody_listens_and_never_answers() {
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    let error = refused(&format!("postgresql://u@127.0.0.1:{port}/d?connect_timeout=2")).await;
    assert_eq!(trouble(&error), Some(Trouble::Unreachable));
    assert!(told(&error).contains("no answer within 2 s (connect_timeout)"), "{}", told(&error));
}

#[tokio::test]
async fn no_connection_is_free() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let role = Role::create(server, "limited", "connection limit 1").unwrap();
    let url = server.url_as("postgres", &role.name, &role.password);
    let held = super::connect(&url, Purpose::Read).await.unwrap();
    let error = refused(&url).await;
    assert_eq!(trouble(&error), Some(Trouble::TooManyConnections));
    assert_eq!(error.sqlstate(), Some("53300"));
    drop(held);
}

#[tokio::test]
async fn a_server_that_stops() {
    let server = Server::start(Major::NEWEST, &pghaul_testbed::Options::new()).unwrap();
    let held = super::connect(&server.url("postgres"), Purpose::Read).await.unwrap();
    // A smart shutdown waits for the session that is held, and refuses new ones.
    let pid = std::fs::read_to_string(server.data_dir().join("postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap();
    assert!(std::process::Command::new("kill").args(["-TERM", pid]).status().unwrap().success());
    let error = loop {
        match super::connect(&server.url("postgres"), Purpose::Read).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(trouble(&error), Some(Trouble::NotAccepting), "{}", told(&error));
    assert_eq!(error.sqlstate(), Some("57P03"));
    drop(held);
}

/// Forwards to a server, and lets it say that it is of another version.
async fn as_if_it_were(server: &Server, version: &'static str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let told = server.version().to_owned();
    assert_eq!(told.len(), version.len(), "messages keep their lengths");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, to) = (listener.local_addr().unwrap().port(), server.port());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = tokio::net::TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let told = told.clone();
            tokio::spawn(async move {
                let ((mut from, mut back), (mut answers, mut requests)) =
                    (client.split(), server.split());
                let asks = tokio::io::copy(&mut from, &mut requests);
                let answer = async {
                    let mut chunk = vec![0; 1 << 16];
                    while let Ok(length @ 1..) = answers.read(&mut chunk).await {
                        let places = chunk[..length].windows(told.len());
                        let place = places.enumerate().find(|(_, at)| *at == told.as_bytes());
                        if let Some(place) = place.map(|(at, _)| at) {
                            chunk[place..place + told.len()].copy_from_slice(version.as_bytes());
                        }
                        if back.write_all(&chunk[..length]).await.is_err() {
                            break;
                        }
                    }
                };
                let _ = tokio::join!(asks, answer);
            });
        }
    });
    server.url("postgres").replace(&format!(":{to}/"), &format!(":{port}/"))
}

#[tokio::test]
async fn a_server_older_or_newer_than_we_know() {
    for (major, version) in
        [(Major::OLDEST, "9.5.25"), (Major::NEWEST, "19.0"), (Major::NEWEST, "20.1")]
    {
        let server = Server::shared(major).unwrap();
        let error = refused(&as_if_it_were(server, version).await).await;
        assert_eq!(error.kind(), ErrorKind::Preflight);
        let told = told(&error);
        assert!(told.starts_with("the source, postgres@127.0.0.1:"), "{told}");
        let says = format!("is PostgreSQL {version}; pghaul works with 9.6 to 18");
        assert!(told.contains(&says), "{told}");
        assert!(!told.contains(server.password()));
    }
    let server = Server::shared(Major::NEWEST).unwrap();
    let same = as_if_it_were(server, server.version()).await;
    super::connect(&same, Purpose::Catalog).await.unwrap();
}

#[test]
fn the_connection_string_itself() {
    for text in ["host=a gssencmode=require", "host=a nonsense=1", "postgresql://h:x/"] {
        let error = Endpoint::parse_in(Side::Target, text, &bare()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("of the target"), "{error}");
    }
}
