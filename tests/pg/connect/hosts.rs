//! Host lists, sockets, and the server that is pinned.

use pghaul::connect::{Purpose, Trouble, trouble};
use pghaul_testbed::{Major, Options, Server};

use super::{closed_port, connect, endpoint, refused, told, value};

fn url(server: &Server, ports: &[u16], more: &str) -> String {
    let password: String = server.password().bytes().map(|b| format!("%{b:02X}")).collect();
    let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgresql://postgres:{password}@{}/postgres?{more}", hosts.join(","))
}

async fn port_of(url: &str) -> String {
    let session = connect(url, Purpose::Catalog).await.unwrap();
    value(&session, "show port").await.unwrap()
}

#[tokio::test]
async fn the_first_host_that_answers_is_taken_and_pinned() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let (_closed, port) = closed_port();
    let endpoint = endpoint(&url(server, &[port, server.port()], ""));
    assert!(endpoint.describe().contains(','));
    let first = endpoint.connect(Purpose::Catalog, "t").await.unwrap();
    assert_eq!(value(&first, "show port").await.unwrap(), server.port().to_string());
    assert_eq!(endpoint.describe(), format!("postgres@127.0.0.1:{}/postgres", server.port()));
}

#[tokio::test]
async fn all_hosts_are_named_when_none_answers() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let ((_one, one), (_other, other)) = (closed_port(), closed_port());
    let ports = [one, other];
    let error = refused(&url(server, &ports, "")).await;
    assert_eq!(trouble(&error), Some(Trouble::Unreachable));
    for port in ports {
        assert!(told(&error).contains(&format!("127.0.0.1:{port}: Connection refused")));
    }
}

#[tokio::test]
async fn a_wrong_password_ends_the_list() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let (_closed, port) = closed_port();
    let url = format!(
        "postgresql://postgres:wrong@127.0.0.1:{},127.0.0.1:{port}/postgres",
        server.port()
    );
    assert_eq!(trouble(&refused(&url).await), Some(Trouble::Authentication));
}

#[tokio::test]
async fn unix_sockets() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        let folder = server.socket_dir().to_str().unwrap();
        let encoded = folder.replace('/', "%2F");
        for url in [
            format!("host={folder} port={} user=postgres sslmode=require", server.port()),
            format!("postgresql://postgres@{encoded}:{}/postgres", server.port()),
            format!("postgresql:///postgres?host={folder}&port={}&user=postgres", server.port()),
        ] {
            let session = connect(&url, Purpose::Read).await.unwrap();
            let address = value(&session, "select inet_client_addr()").await;
            assert_eq!(address, None);
            assert!(!session.is_encrypted());
        }
    }
}

#[tokio::test]
async fn the_kind_of_session_asked_for_is_looked_for_in_the_list() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let old = Server::start(
        Major::V10,
        &Options::new().set("default_transaction_read_only", "on").hba("host all all all trust"),
    )
    .unwrap();
    let (writes, reads) = (server.port(), old.port());
    let both = [reads, writes];
    for (wanted, expected) in [
        ("any", reads),
        ("read-write", writes),
        ("read-only", reads),
        ("primary", reads),
        ("prefer-standby", reads),
    ] {
        let url = url(server, &both, &format!("target_session_attrs={wanted}"));
        assert_eq!(port_of(&url).await, expected.to_string(), "{wanted}");
    }
    let error = refused(&url(server, &both, "target_session_attrs=standby")).await;
    assert_eq!(trouble(&error), Some(Trouble::WrongSession));
    assert!(told(&error).contains("the server is not a standby"), "{}", told(&error));
}
