//! Three hosts work on one run; one dies, one is cut off without a word.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use pghaul_testbed::containers::{Host, Setup, program};
use pghaul_testbed::{Major, clients, images};

use crate::pair::Pair;

/// An image in which the binary and its `pg_dump` run.
fn image() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| {
        let pghaul = Path::new(env!("CARGO_BIN_EXE_pghaul"));
        let pg_dump = clients().unwrap().pg_dump();
        images::build_programs("pghaul-test-client:latest", &[pghaul, &pg_dump]).unwrap()
    })
}

async fn start(pair: &Pair, verb: &str, more: &[&str]) -> Host {
    let pghaul = Path::new(env!("CARGO_BIN_EXE_pghaul")).canonicalize().unwrap();
    let pg_dump = clients().unwrap().pg_dump().canonicalize().unwrap();
    let mut command = vec![
        pghaul.to_str().unwrap(),
        verb,
        "--pg-dump",
        pg_dump.to_str().unwrap(),
        "--progress",
        "json",
        "--jobs",
        "1",
        "--max-rate",
        "400kB",
    ];
    command.extend(more);
    let (source, target) = (pair.source.url("app"), pair.target.url("app"));
    let urls = [("PGHAUL_SOURCE", source.as_str()), ("PGHAUL_TARGET", target.as_str())];
    program(&pair.network, image(), &command, &urls).await.unwrap()
}

async fn wait_for(pair: &Pair, first: &Host, question: &str) {
    for _ in 0..600 {
        if let Ok(Some(answer)) = pair.target.value("app", question).await
            && answer == "t"
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (stdout, stderr) = first.output().await.unwrap();
    panic!("never: {question}\n{stdout}{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hosts_share_a_run_that_two_of_them_do_not_survive() {
    let pair = Pair::new(Major::V14, &Setup::default()).await;
    let first = start(&pair, "clone", &["--json", "--part-size", "256KiB"]).await;
    wait_for(&pair, &first, "select phase = 'data' from pghaul.run").await;
    let killed = start(&pair, "worker", &[]).await;
    let cut_off = start(&pair, "worker", &[]).await;
    let workers = "select count(distinct worker) = 3 from pghaul.receipt";
    wait_for(&pair, &first, workers).await;
    killed.kill().unwrap();
    cut_off.cut_off().unwrap();
    let code = first.wait().unwrap();
    let (stdout, stderr) = first.output().await.unwrap();
    assert_eq!(code, "0", "{stdout}{stderr}");
    let once = "select count(*) = (select count(*) from pghaul.part) from pghaul.receipt";
    assert_eq!(pair.target.value("app", once).await.unwrap().as_deref(), Some("t"));
    assert_eq!(pair.target.value("app", workers).await.unwrap().as_deref(), Some("t"));
    let output = pair.command(&["clone", "--resume"]).run();
    pair.assert_arrived(&output).await;
}
