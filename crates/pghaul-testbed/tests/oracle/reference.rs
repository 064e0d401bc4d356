//! Sources of every type, and what Postgres' own tools make of them.

use std::process::Command;

use futures::{SinkExt, StreamExt};
use pghaul_testbed::every_type::{Families, create_roles, load};
use pghaul_testbed::{CreateOptions, Database, Major, Server, clients};

/// Tables whose rows text cannot carry, or not into every major.
const BINARY_ONLY: [&str; 2] = ["times.interval_ends", "texts.one_byte_char"];

/// A database of every type.
pub(crate) fn source(major: Major, families: &Families) -> Database<'static> {
    let database = Database::new(Server::shared(major).unwrap(), "source").unwrap();
    load(&database, families).wait().unwrap();
    database
}

/// What `pg_dump` and `pg_restore` make of a database, without an error.
pub(crate) async fn reference(source: &Database<'_>, target: Major) -> Database<'static> {
    let server = Server::shared(target).unwrap();
    create_roles(server).await.unwrap();
    let options = CreateOptions { template: Some("template0".to_owned()), ..Default::default() };
    let copy = Database::create(server, "target", &options).unwrap();
    let programs = clients().unwrap();
    let archive = tempfile::NamedTempFile::new().unwrap();
    let mut dump = Command::new(programs.pg_dump());
    // An older server leaves a name bare that is a keyword on a newer one.
    dump.args(["--quote-all-identifiers", "--format=custom", "--file"]).arg(archive.path());
    dump.args(BINARY_ONLY.map(|table| format!("--exclude-table-data={table}")));
    run(dump.arg(source.url()));
    let mut restore = Command::new(programs.pg_restore());
    run(restore.arg("--exit-on-error").arg("--dbname").arg(copy.url()).arg(archive.path()));
    for table in BINARY_ONLY {
        let there = format!("select to_regclass('{table}') is not null");
        if source.value(there).await.unwrap().unwrap() == "t" {
            copy_binary(source, &copy, table).await;
        }
    }
    copy
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn copy_binary(source: &Database<'_>, target: &Database<'_>, table: &str) {
    let (source, target) = (source.connect().await.unwrap(), target.connect().await.unwrap());
    let out = format!("copy {table} to stdout (format binary)");
    let rows = source.client().copy_out(out.as_str()).await.unwrap();
    let into = format!("copy {table} from stdin (format binary)");
    let sink = target.client().copy_in(into.as_str()).await.unwrap();
    futures::pin_mut!(rows, sink);
    while let Some(bytes) = rows.next().await {
        sink.send(bytes.unwrap()).await.unwrap();
    }
    sink.close().await.unwrap();
}
