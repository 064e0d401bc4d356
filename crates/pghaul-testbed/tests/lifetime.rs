//! Servers end with the process that started them, however that ends.
#![expect(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::NoTls;

/// The program of this crate, with two servers up.
struct Up {
    program: Child,
    urls: Vec<String>,
    data: Vec<PathBuf>,
}

impl Up {
    async fn begin() -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_pghaul-testbed"))
            .args(["up", "9.6", "18"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(program.stdout.as_mut().unwrap()).lines();
        let urls: Vec<_> = lines
            .map(Result::unwrap)
            .take_while(|line| !line.contains("Ctrl-C"))
            .map(|line| line.split_whitespace().last().unwrap().to_owned())
            .collect();
        assert_eq!(urls.len(), 2);
        let mut data = Vec::new();
        for url in &urls {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            let row = client.query_one("show data_directory", &[]).await.unwrap();
            data.push(PathBuf::from(row.get::<_, String>(0)));
            drop(client);
            connection.await.unwrap().unwrap();
        }
        Self { program, urls, data }
    }

    fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.program.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.program.wait().unwrap();
    }

    async fn assert_all_is_gone(&self) {
        for (data, url) in self.data.iter().zip(&self.urls) {
            let folder = data.parent().unwrap();
            eventually(|| !folder.exists()).await;
            let refused = tokio_postgres::connect(url, NoTls).await.err().unwrap();
            assert!(refused.as_db_error().is_none(), "nobody answers: {refused}");
        }
    }
}

async fn eventually(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(30), "not within 30 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[tokio::test]
async fn killed_with_sigkill() {
    let mut up = Up::begin().await;
    // A backend in the middle of a statement must not survive either.
    let (client, connection) = tokio_postgres::connect(&up.urls[1], NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let row = client.query_one("select pg_backend_pid()::text", &[]).await.unwrap();
    let backend = row.get::<_, String>(0);
    let statement =
        tokio::spawn(async move { client.batch_execute("select pg_sleep(3600)").await });
    let postmasters: Vec<_> = up
        .data
        .iter()
        .map(|data| std::fs::read_to_string(data.join("../server.pid")).unwrap())
        .map(|pid| pid.trim().to_owned())
        .collect();
    assert!(postmasters.iter().all(|pid| is_alive(pid)));
    up.signal(Signal::KILL);
    let ended = tokio::time::timeout(Duration::from_secs(30), statement).await;
    ended.expect("the statement ends").unwrap().unwrap_err();
    let _ = connection.await.unwrap();
    eventually(|| !is_alive(&backend) && !postmasters.iter().any(|pid| is_alive(pid))).await;
    up.assert_all_is_gone().await;
}

#[tokio::test]
async fn interrupted_as_by_ctrl_c() {
    let mut up = Up::begin().await;
    up.signal(Signal::INT);
    up.assert_all_is_gone().await;
}

#[tokio::test]
async fn terminated() {
    let mut up = Up::begin().await;
    up.signal(Signal::TERM);
    up.assert_all_is_gone().await;
}
