//! Running the binary, and making its output the same every time.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use expect_test::Expect;
use pghaul_testbed::{Database, Major, Server, clients};

/// A command line to come.
pub(crate) struct Pghaul {
    command: Command,
}

/// What the binary did.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `pghaul` with these arguments.
pub(crate) fn pghaul(arguments: &[&str]) -> Pghaul {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaul"));
    command.env_clear().env("HOME", "/nonexistent").env("USER", "nobody").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Pghaul { command }
}

/// `pghaul clone` between two databases, with the testbed's `pg_dump`.
pub(crate) fn clone(source: &Database<'_>, target: &Database<'_>, more: &[&str]) -> Pghaul {
    pghaul(&["clone"])
        .arg("--pg-dump")
        .arg(clients().unwrap().pg_dump())
        .args(more)
        .source(&source.url())
        .target(&target.url())
}

impl Pghaul {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn source(self, url: &str) -> Self {
        self.env("PGHAUL_SOURCE", url)
    }

    pub(crate) fn target(self, url: &str) -> Self {
        self.env("PGHAUL_TARGET", url)
    }

    pub(crate) fn stdout(mut self, stdout: Stdio) -> Self {
        self.command.stdout(stdout);
        self
    }

    pub(crate) fn stdin(mut self, stdin: Stdio) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// The same, with a limit in KiB for each file that it writes.
    pub(crate) fn with_files_of_at_most(self, kib: &str) -> Self {
        self.by_script(&format!("ulimit -f {kib}; exec \"$0\" \"$@\""))
    }

    /// The same, by a user whom the permissions of files bind, which those of root do not.
    pub(crate) fn bound_by_permissions(self) -> Self {
        self.by_script(
            "if [ \"$(id -u)\" = 0 ]; then \
               exec setpriv --inh-caps=-all --bounding-set=-all \"$0\" \"$@\"; \
             else exec \"$0\" \"$@\"; fi",
        )
    }

    fn by_script(self, script: &str) -> Self {
        let mut command = Command::new("bash");
        command.arg("-c").arg(script);
        command.arg(self.command.get_program()).args(self.command.get_args());
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("PATH", "/usr/bin:/bin");
        let set = self.command.get_envs();
        command.envs(set.filter_map(|(name, value)| Some((name, value?))));
        Self { command }
    }

    pub(crate) fn run(mut self) -> Output {
        let output = self.command.output().unwrap();
        Output {
            code: code(output.status),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stderr, read: String::new() }
    }
}

/// A binary at work.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    read: String,
}

impl Running {
    /// Waits until a line on stderr contains `text`.
    pub(crate) fn wait_for(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            let count = self.stderr.read_line(&mut line).unwrap();
            assert!(count > 0, "ended before it said {text:?}:\n{}", self.read);
            self.read.push_str(&line);
            if line.contains(text) {
                return;
            }
        }
    }

    /// Waits for this many lines of facts on stderr; false if it ended before.
    pub(crate) fn wait_for_facts(&mut self, count: usize) -> bool {
        let mut told = 0;
        while told < count {
            let before = self.read.len();
            if self.stderr.read_line(&mut self.read).unwrap() == 0 {
                return false;
            }
            told += usize::from(is_fact(&self.read[before..]));
        }
        true
    }

    /// Waits until SIGTERM is caught (15 is bit 14 of the mask in `/proc`).
    pub(crate) fn wait_for_handlers(&mut self) {
        let catches = |status: String| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            u64::from_str_radix(mask.unwrap().trim(), 16).unwrap() >> 14 & 1 == 1
        };
        while !catches(
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap(),
        ) {
            assert!(self.is_alive());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The next line on stdout.
    pub(crate) fn line(&mut self) -> String {
        let stdout = self.child.stdout.as_mut().unwrap();
        let mut line = Vec::new();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// SIGKILL, and all is over.
    pub(crate) fn kill(mut self) -> Killed {
        self.child.kill().unwrap();
        let by_us = self.child.wait().unwrap().code().is_none();
        self.stderr.read_to_string(&mut self.read).unwrap();
        Killed { by_us, stderr: self.read }
    }

    /// `kill -SIGNAL`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn end(mut self) -> Output {
        self.stderr.read_to_string(&mut self.read).unwrap();
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        Output { code: code(self.child.wait().unwrap()), stdout, stderr: self.read }
    }
}

/// Whether a line of `--progress json` tells a fact, of which every run has as many, and not how far
/// it is or what holds it up, of which a busy machine makes more.
pub(crate) fn is_fact(line: &str) -> bool {
    let passing = ["progress", "waiting", "retrying", "no_answer"];
    !passing.iter().any(|event| line.contains(&format!("\"event\":\"{event}\"")))
}

/// What was left of a binary.
#[derive(Debug)]
pub(crate) struct Killed {
    /// False if it had ended by itself.
    pub(crate) by_us: bool,
    pub(crate) stderr: String,
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| panic!("the binary ended by {status}"))
}

impl Output {
    /// Code and both streams as one text, without what differs from run to run.
    pub(crate) fn snapshot(&self, databases: &[&Database<'_>]) -> String {
        let mut text = format!("exit code {}\n", self.code);
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text.push_str(&format!("--- {name}\n{}", steady(stream, databases)));
            }
        }
        text
    }

    /// Compares [`Output::snapshot`] with what a test expects.
    pub(crate) fn expect(&self, databases: &[&Database<'_>], expected: &Expect) {
        expected.assert_eq(&self.snapshot(databases));
    }

    /// The object on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

/// Replaces names of databases, ports, versions, times and run names.
pub(crate) fn steady(text: &str, databases: &[&Database<'_>]) -> String {
    let mut text = text.to_owned();
    for (number, database) in (1..).zip(databases) {
        text = text.replace(database.name(), &format!("DB{number}"));
        text = text.replace(&format!(":{}", database.server().port()), ":PORT");
    }
    for major in Major::ALL {
        if let Some(server) = databases.iter().find(|one| one.server().major() == major) {
            text = text.replace(server.server().version(), &format!("{major}.X"));
        }
    }
    if let Some((before, after)) = text.split_once("\"duration_ms\":") {
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        text = format!("{before}\"duration_ms\":TIME{after}");
    }
    let mut steady = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        steady.push_str(before);
        let number = from.split(|c: char| !(c.is_ascii_digit() || c == '.')).next().unwrap();
        let after = &from[number.len()..];
        let unit = [" ms", " s", " min", " h"].into_iter().find(|unit| {
            after.strip_prefix(unit).is_some_and(|more| !more.starts_with(char::is_alphanumeric))
        });
        match unit {
            Some(unit) => {
                steady.push_str("TIME");
                rest = &after[unit.len()..];
            }
            None => {
                steady.push_str(number);
                rest = after;
            }
        }
    }
    steady.push_str(rest);
    steady = steady.replace("TIME TIME", "TIME");
    // How far it is, said every ten seconds: seldom here, but on a busy machine.
    let lines = steady.lines().filter(|line| !line.starts_with("TIME: "));
    // Lines of nothing but spaces do not survive in a snapshot.
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The newest server, which most tests use for both sides: what they test is the command line.
pub(crate) fn server() -> &'static Server {
    Server::shared(Major::NEWEST).unwrap()
}

/// An empty database on it.
pub(crate) fn database(hint: &str) -> Database<'static> {
    Database::new(server(), hint).unwrap()
}

/// A database with some tables, keys and a view.
pub(crate) fn filled(hint: &str) -> Database<'static> {
    let database = database(hint);
    database.execute(SMALL).wait().unwrap();
    database
}

const SMALL: &str = "
    create table people (id int8 primary key, name text not null);
    insert into people select i, 'person ' || i from generate_series(1, 1000) i;
    create unique index people_name on people (name);
    create table letters (
        id int8 primary key, sender int8 references people, body text, sent oid
    );
    insert into letters select i, i % 1000 + 1, repeat('x', 100), 7 from generate_series(1, 2000) i;
    create index letters_sender on letters (sender);
    create materialized view senders as select distinct sender from letters;
";
