//! Running `pg_dump` and reading its archive's table of contents.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::PgDump;
use super::complaint::readable;
use crate::connect::Side;
use crate::connect::startup_options;
use crate::error::{Error, ErrorKind};
use crate::name::RelationName;
use crate::schema::tag::plain_tags;
use crate::schema::{Entry, Kind, Toc, TocError};
use crate::version::ServerVersion;

/// A schema of a million objects takes about this much.
const LARGEST_ARCHIVE: u64 = 2 << 30;
/// Bytes of names of excluded relations: Linux takes 2 MiB of arguments and environment.
const LARGEST_EXCLUSION: usize = 1 << 20;
/// As much of stderr as is looked at; the rest is read and thrown away.
const LARGEST_COMPLAINT: u64 = 256 << 10;

/// Settings that decide how the server prints definitions, or that could end the dump halfway.
/// `pg_dump` sets the others itself.
const SETTINGS: [(&str, &str); 3] = [
    ("standard_conforming_strings", "on"),
    ("default_transaction_read_only", "on"),
    ("array_nulls", "on"),
];

/// What every dump is asked for. All identifiers are quoted, by the server too: an older one leaves
/// a name bare that a newer one takes for a key word, and a check of a column `system_user` would
/// become one of `SYSTEM_USER` without an error (15 to 16, tried).
const ARGUMENTS: [&str; 5] = [
    "--format=custom",
    "--compress=0",
    "--encoding=UTF8",
    "--no-password",
    "--quote-all-identifiers",
];

/// What to dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Everything but rows.
    Schema,
    /// Everything but rows, and the planner's statistics, for targets of 18 and newer. Needs a
    /// `pg_dump` of 18 or newer.
    SchemaAndStatistics,
}

/// One run of `pg_dump`.
pub struct DumpRequest {
    /// The server that is dumped, for messages.
    pub side: Side,
    /// `PGHOST`, `PGPASSWORD` and so on (Postgres manual, 32.15): all that the child gets to know
    /// about the connection. They must name one server, the one that the run is pinned to.
    pub environment: Vec<(String, OsString)>,
    /// The exported snapshot to read under. Without one, `pg_dump` takes its own.
    pub snapshot: Option<String>,
    /// What to dump.
    pub contents: Contents,
    /// Relations to leave out, which are not locked then. Nothing that is dumped may need them: see
    /// [`alone`](crate::schema::alone). If they are too many for a command line, some are dumped.
    pub exclude: Vec<RelationName>,
    /// How long to wait for a table that somebody holds with ACCESS EXCLUSIVE; for ever if `None`.
    pub lock_wait: Option<std::time::Duration>,
    /// The server's version, where it is known: then none of its timeouts ends the program's
    /// session, not even before its first statement.
    pub server: Option<ServerVersion>,
}

/// What came of it.
#[derive(Debug)]
pub struct Dumped {
    /// The archive's table of contents, with the tags as people read them.
    pub toc: Toc,
    /// What `pg_dump` warned about, one line each.
    pub warnings: Vec<String>,
}

impl PgDump {
    /// Dumps a schema. Dropping the future ends the program.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] when its server goes away or does not let it in for now,
    /// [`ErrorKind::Preflight`] when it fails or when its archive cannot be read. The cause holds
    /// its complaints, without details, queries or passwords.
    pub async fn dump(&self, request: &DumpRequest) -> Result<Dumped, Error> {
        let mut output = self.run(request, true).await?;
        if !output.success && output.complaints.iter().any(|line| refuses_options(line)) {
            // A pooler between us and the server. What the settings are good for is checked when
            // the table of contents is read.
            output = self.run(request, false).await?;
        }
        if !output.success {
            return Err(self.failed(request, &output.complaints));
        }
        let mut toc =
            Toc::read(&output.archive).map_err(|why| self.unreadable(request.side, why))?;
        plain_tags(&mut toc.entries);
        toc.entries.retain(|entry| !is_comment_of_initdb(entry));
        Ok(Dumped { toc, warnings: output.complaints })
    }

    async fn run(&self, request: &DumpRequest, with_settings: bool) -> Result<Output, Error> {
        let mut command = Command::new(&self.path);
        forget_postgres_variables(&mut command);
        command
            .args(self.arguments(request)?)
            .envs(request.environment.iter().map(|(name, value)| (name, value)))
            // So that what it says can be read line by line.
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if with_settings {
            command.env("PGOPTIONS", options(request));
        }
        let cannot = |what: &str, why: std::io::Error| {
            Error::new(ErrorKind::Preflight, format!("cannot {what} {}", self.path.display()))
                .caused_by(why)
        };
        let mut child = command.spawn().map_err(|why| cannot("start", why))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (archive, complaints, status) = tokio::join!(
            read_bounded(stdout, LARGEST_ARCHIVE),
            read_bounded(stderr, LARGEST_COMPLAINT),
            child.wait(),
        );
        let archive = archive.map_err(|why| cannot("read from", why))?;
        let complaints = complaints.map_err(|why| cannot("read from", why))?;
        let status = status.map_err(|why| cannot("wait for", why))?;
        if archive.cut {
            return Err(Error::new(
                ErrorKind::Preflight,
                format!(
                    "cannot read what pg_dump wrote about the {}: more than 2 GiB",
                    request.side
                ),
            ));
        }
        let program = self.path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Output {
            success: status.success(),
            archive: archive.bytes,
            complaints: readable(&complaints.bytes, &program, &secrets(request)),
        })
    }

    fn arguments(&self, request: &DumpRequest) -> Result<Vec<OsString>, Error> {
        let mut arguments: Vec<OsString> = ARGUMENTS.map(OsString::from).to_vec();
        match request.contents {
            Contents::Schema => arguments.push("--schema-only".into()),
            Contents::SchemaAndStatistics if self.version.at_least(18) => {
                arguments.extend(["--no-data".into(), "--statistics".into()]);
            }
            Contents::SchemaAndStatistics => {
                return Err(Error::new(
                    ErrorKind::Preflight,
                    format!(
                        "cannot carry the planner's statistics with pg_dump {}: it is older than 18",
                        self.version
                    ),
                ));
            }
        }
        if let Some(snapshot) = &request.snapshot {
            arguments.push(format!("--snapshot={snapshot}").into());
        }
        let mut room = LARGEST_EXCLUSION;
        for relation in &request.exclude {
            // A pattern; in double quotes it is a name (Postgres manual, psql, Patterns).
            let argument = format!("--exclude-table={}", relation.quoted());
            let Some(left) = room.checked_sub(argument.len()) else { break };
            room = left;
            arguments.push(argument.into());
        }
        if let Some(wait) = request.lock_wait {
            arguments.push(format!("--lock-wait-timeout={}", wait.as_millis()).into());
        }
        Ok(arguments)
    }

    fn unreadable(&self, side: Side, why: TocError) -> Error {
        let hint = match why {
            TocError::NotUtf8 { .. } => NOT_UTF8,
            _ => "try another pg_dump: name it with --pg-dump PATH",
        };
        Error::new(
            ErrorKind::Preflight,
            format!("cannot read what pg_dump {} wrote about the {side}", self.version),
        )
        .caused_by(why)
        .with_hint(hint)
    }

    fn failed(&self, request: &DumpRequest, complaints: &[String]) -> Error {
        let why = if complaints.is_empty() {
            "it said nothing that can be shown".to_owned()
        } else {
            complaints.join("; ")
        };
        let error = Error::new(
            ErrorKind::Preflight,
            format!("cannot read the schema of the {} with pg_dump {}", request.side, self.version),
        );
        let error = match () {
            () if why.contains("invalid byte sequence") => error.with_hint(NOT_UTF8),
            // pg_dump waits under a statement timeout.
            () if lost_its_server(&why) => error.with_kind(ErrorKind::Connect),
            () if request.lock_wait.is_some() && why.contains("timeout") => {
                error.with_hint("another session holds a table exclusively: end it or wait for it")
            }
            () => error,
        };
        error.caused_by(why)
    }
}

const NOT_UTF8: &str = "the database checks no encoding (SQL_ASCII): find the name, comment or body \
                        that is not UTF-8 and change it";

struct Output {
    success: bool,
    archive: Vec<u8>,
    complaints: Vec<String>,
}

/// What libpq and a server say when a connection breaks, or cannot be had for now (57P01 to 57P03,
/// 53300), and when a standby's replay is in a query's way (40001): there is no SQLSTATE to go by.
fn lost_its_server(why: &str) -> bool {
    [
        "connection to server",
        "server closed the connection",
        "could not connect to server",
        "could not receive data from server",
        "could not send data to server",
        "terminating connection",
        "the database system is",
        "SSL connection has been closed",
        "too many clients",
        "conflict with recovery",
    ]
    .iter()
    .any(|word| why.contains(word))
        && !["authentication", "does not exist", "certificate", "pg_hba"]
            .iter()
            .any(|word| why.contains(word))
}

/// Takes away every variable that libpq would read, so that a `PGHOST` or `PGSERVICE` of the
/// user's shell cannot lead the child to another server.
pub(super) fn forget_postgres_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
}

/// The comment that every new database has on schema `public`. `pg_dump` leaves it out, unless it
/// quotes identifiers (18.6, tried); only the schema's owner could set it again.
fn is_comment_of_initdb(entry: &Entry) -> bool {
    entry.kind == Kind::Comment
        && entry.tag == "SCHEMA public"
        && entry.defn.contains(" IS 'standard public schema';")
}

/// The user's own options first: ours win.
fn options(request: &DumpRequest) -> OsString {
    let mut options = variable(request, "PGOPTIONS").map(OsStr::to_owned).unwrap_or_default();
    for (name, value) in SETTINGS {
        options.push(format!(" -c {name}={value}"));
    }
    if let Some(version) = request.server {
        options.push(format!(" {}", startup_options(version)));
    }
    options
}

fn secrets(request: &DumpRequest) -> Vec<String> {
    ["PGPASSWORD", "PGSSLPASSWORD"]
        .iter()
        .filter_map(|name| variable(request, name)?.to_str())
        .filter(|secret| !secret.is_empty())
        .map(str::to_owned)
        .collect()
}

fn variable<'a>(request: &'a DumpRequest, name: &str) -> Option<&'a OsStr> {
    request.environment.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_os_str())
}

/// What pgbouncer says about `options`.
fn refuses_options(line: &str) -> bool {
    line.contains("unsupported startup parameter")
}

struct Bounded {
    bytes: Vec<u8>,
    cut: bool,
}

/// Reads to the end, so that the writer never waits, and keeps the beginning.
async fn read_bounded(
    from: Option<impl AsyncRead + Unpin>,
    limit: u64,
) -> Result<Bounded, std::io::Error> {
    let mut bytes = Vec::new();
    let Some(mut from) = from else { return Ok(Bounded { bytes, cut: false }) };
    (&mut from).take(limit).read_to_end(&mut bytes).await?;
    let rest = tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(Bounded { bytes, cut: rest > 0 })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    /// A program that does what it is told instead of dumping.
    async fn program(folder: &std::path::Path, script: &str) -> PgDump {
        let path = folder.join("pg_dump");
        let version = "case $1 in --version) echo 'pg_dump (PostgreSQL) 18.1'; exit;; esac";
        let text = format!("{version}\ncd {}\n{script}", folder.display());
        pghaul_testbed::script(&path, &text).unwrap();
        PgDump::named(&path).await.unwrap()
    }

    fn request() -> DumpRequest {
        let variables = [("PGHOST", "h"), ("PGPASSWORD", "hunter2"), ("PGOPTIONS", "-c a=b")];
        DumpRequest {
            side: Side::Source,
            environment: variables.map(|(name, value)| (name.to_owned(), value.into())).to_vec(),
            snapshot: Some("00000003-1".to_owned()),
            contents: Contents::Schema,
            exclude: vec![RelationName::new("a", "t \"1")],
            lock_wait: Some(Duration::from_secs(3)),
            server: None,
        }
    }

    #[tokio::test]
    async fn the_password_is_in_the_environment_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo \"$@\" > arguments; env > environment; \
                      echo \"pg_dump: error: no hunter2\" >&2; exit 1";
        let error = program(folder.path(), script).await.dump(&request()).await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let arguments = read("arguments");
        assert!(!arguments.contains("hunter2"));
        for argument in [
            "--schema-only",
            "--encoding=UTF8",
            "--snapshot=00000003-1",
            "--exclude-table=\"a\".\"t \"\"1\"",
            "--lock-wait-timeout=3000",
            "--no-password",
        ] {
            assert!(arguments.contains(argument), "{argument} in {arguments}");
        }
        let environment = read("environment");
        let options = "PGOPTIONS=-c a=b -c standard_conforming_strings=on";
        assert!(environment.contains(options), "{environment}");
        assert!(environment.contains("PGPASSWORD=hunter2"));
    }

    #[tokio::test]
    async fn a_pooler_that_knows_no_options_is_asked_without_them() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo \"$PGOPTIONS\" >> tries; \
                      echo 'pg_dump: error: connection failed: FATAL:  unsupported startup parameter: options' >&2; exit 1";
        let error = program(folder.path(), script).await.dump(&request()).await.unwrap_err();
        assert!(format!("{error:?}").contains("unsupported startup parameter"), "{error:?}");
        let tries = std::fs::read_to_string(folder.path().join("tries")).unwrap();
        let tries: Vec<&str> = tries.lines().collect();
        assert_eq!(tries.len(), 2);
        assert!(
            tries[0].contains("standard_conforming_strings") && tries[1] == "-c a=b",
            "{tries:?}"
        );
    }

    #[tokio::test]
    async fn what_is_no_archive_is_an_error_whatever_the_exit_code() {
        let folder = tempfile::tempdir().unwrap();
        let error = program(folder.path(), "echo PGDMP").await.dump(&request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Preflight);
        assert!(error.to_string().contains("what pg_dump 18.1 wrote"), "{error}");
    }

    #[tokio::test]
    async fn it_ends_with_the_future() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path(), "echo $$ > pid; exec sleep 600").await;
        let pid = folder.path().join("pid");
        let running = tokio::spawn(async move { program.dump(&request()).await.map(|_| ()) });
        let pid: u32 = wait_for(|| std::fs::read_to_string(&pid).ok()?.trim().parse().ok()).await;
        running.abort();
        let process = PathBuf::from(format!("/proc/{pid}"));
        let status = || std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        wait_for(|| (!process.exists() || status().contains(") Z ")).then_some(())).await;
    }

    async fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
        for _ in 0..1_000 {
            if let Some(seen) = look() {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not happen within 10 s");
    }
}
