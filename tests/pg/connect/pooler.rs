//! Poolers that share server sessions are refused, and nothing stays set in the sessions that
//! they share; what only changes ports is not refused. Tried by hand with PgBouncer 1.18 too, in
//! all three pool modes, by TCP and sockets, with server_round_robin off and on.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pghaul::connect::Purpose;
use pghaul::error::ErrorKind;
use pghaul_testbed::{Major, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::{connect, refused, told};

/// Which free server session a client gets.
#[derive(Clone, Copy, PartialEq)]
enum Gives {
    LastUsed,
    LongestFree,
}

/// A pooler by transaction: real server sessions, handed to whoever has the next transaction.
#[derive(Clone)]
struct Pooler {
    socket: PathBuf,
    gives: Gives,
    free: Arc<Mutex<VecDeque<Backend>>>,
}

struct Backend {
    stream: UnixStream,
    /// What the server said about itself, as messages.
    parameters: Vec<u8>,
}

async fn message<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut whole = head.to_vec();
    whole.resize(usize::try_from(length).unwrap() + 1, 0);
    stream.read_exact(&mut whole[5..]).await?;
    Ok(whole)
}

fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::from_iter(kind);
    whole.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    whole.extend(body);
    whole
}

impl Backend {
    async fn open(socket: &PathBuf) -> Self {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        let startup = b"\0\x03\0\0user\0postgres\0database\0postgres\0client_encoding\0UTF8\0\0";
        stream.write_all(&framed(None, startup)).await.unwrap();
        let mut parameters = Vec::new();
        loop {
            let message = message(&mut stream).await.unwrap();
            match message[0] {
                b'S' => parameters.extend(message),
                b'Z' => return Self { stream, parameters },
                b'E' => panic!("{}", String::from_utf8_lossy(&message)),
                _ => {}
            }
        }
    }
}

impl Pooler {
    async fn start(server: &Server, gives: Gives) -> (Self, u16) {
        let socket = server.socket_dir().join(format!(".s.PGSQL.{}", server.port()));
        let pooler = Self { socket, gives, free: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = pooler.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let pooler = serving.clone();
                tokio::spawn(async move { pooler.serve(client).await });
            }
        });
        (pooler, port)
    }

    async fn take(&self) -> Backend {
        let free = match self.gives {
            Gives::LastUsed => self.free.lock().unwrap().pop_back(),
            Gives::LongestFree => self.free.lock().unwrap().pop_front(),
        };
        match free {
            Some(backend) => backend,
            None => Backend::open(&self.socket).await,
        }
    }

    /// Until the client goes away.
    async fn serve(&self, mut client: TcpStream) -> Option<()> {
        loop {
            let length = client.read_u32().await.ok()?;
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            client.read_exact(&mut body).await.ok()?;
            if body[..4] != 80_877_103_u32.to_be_bytes() {
                break;
            }
            client.write_all(b"N").await.ok()?;
        }
        let backend = self.take().await;
        let mut welcome = framed(Some(b'R'), &[0, 0, 0, 0]);
        welcome.extend(&backend.parameters);
        welcome.extend(framed(Some(b'K'), &[0, 0, 0, 7, 0, 0, 0, 7]));
        welcome.extend(framed(Some(b'Z'), b"I"));
        self.free.lock().unwrap().push_back(backend);
        client.write_all(&welcome).await.ok()?;

        let mut held: Option<Backend> = None;
        loop {
            let request = message(&mut client).await.ok()?;
            if request[0] == b'X' {
                return None;
            }
            let mut backend = match held.take() {
                Some(backend) => backend,
                None => self.take().await,
            };
            backend.stream.write_all(&request).await.ok()?;
            if !matches!(request[0], b'Q' | b'S') {
                held = Some(backend);
                continue;
            }
            loop {
                let answer = message(&mut backend.stream).await.ok()?;
                client.write_all(&answer).await.ok()?;
                if answer[0] == b'Z' {
                    match answer[5] {
                        b'I' => self.free.lock().unwrap().push_back(backend),
                        _ => held = Some(backend),
                    }
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn poolers_by_transaction_are_refused_and_left_as_they_were() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        for gives in [Gives::LastUsed, Gives::LongestFree] {
            for sessions_before in [0, 1, 3] {
                let (pooler, port) = Pooler::start(server, gives).await;
                for _ in 0..sessions_before {
                    let backend = Backend::open(&pooler.socket).await;
                    pooler.free.lock().unwrap().push_back(backend);
                }
                let url = format!("postgresql://postgres@127.0.0.1:{port}/postgres");
                let error = refused(&url).await;
                assert_eq!(error.kind(), ErrorKind::Preflight, "{}", told(&error));
                assert!(told(&error).contains("pool_mode = session"), "{}", told(&error));

                let mut backends: Vec<_> = pooler.free.lock().unwrap().drain(..).collect();
                assert!(!backends.is_empty());
                for backend in &mut backends {
                    let show = framed(Some(b'Q'), b"show default_transaction_read_only\0");
                    backend.stream.write_all(&show).await.unwrap();
                    let mut seen = Vec::new();
                    while let Ok(answer) = message(&mut backend.stream).await {
                        if answer[0] == b'D' {
                            seen = answer[11..].to_vec();
                        }
                        if answer[0] == b'Z' {
                            break;
                        }
                    }
                    assert_eq!(seen, b"off");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_only_forwards_is_not_refused() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let to = server.port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let url = server.url("postgres").replace(&format!(":{to}/"), &format!(":{port}/"));
    for _ in 0..3 {
        connect(&url, Purpose::Write).await.unwrap();
    }
}
