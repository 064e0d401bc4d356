//! The text made from the entries is the one that `pg_restore --verbose` writes, byte for byte.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::process::Command;

use pghaul::name::Ident;
use pghaul::schema::step::is_skipped;
use pghaul::schema::{Emitter, Entry, Kind, Toc};
use pghaul::version::ServerVersion;
use pghaul_testbed::{Database, Major, Server, clients};

use super::{carried, environment, every_type, rich};

/// Names without quotes where `pg_restore` writes none: what it thinks of key words is what the
/// newest server says of them.
struct Quoting(HashSet<String>);

impl Quoting {
    fn new() -> Self {
        let newest = Server::shared(Major::NEWEST).unwrap();
        let words = "select word from pg_get_keywords() where catcode <> 'U'";
        let rows = newest.query_text(words).wait().unwrap();
        Self(rows.into_iter().flatten().flatten().collect())
    }

    fn is_plain(&self, name: &str) -> bool {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
            && !self.0.contains(name)
    }

    /// One of our own statements, in which quotes only ever quote names.
    fn relaxed(&self, statement: &str) -> String {
        let mut relaxed = String::new();
        let mut rest = statement;
        while let Some((before, from)) = rest.split_once('"') {
            relaxed.push_str(before);
            let mut end = from.find('"').unwrap();
            while from[end + 1..].starts_with('"') {
                end += 2 + from[end + 2..].find('"').unwrap();
            }
            let name = &from[..end];
            match self.is_plain(name) {
                true => relaxed.push_str(name),
                false => write!(relaxed, "\"{name}\"").unwrap(),
            }
            rest = &from[end + 1..];
        }
        relaxed + rest
    }
}

/// `pg_restore` makes three passes.
fn pass(entry: &Entry) -> u8 {
    match entry.kind {
        Kind::Acl | Kind::DefaultAcl => 1,
        Kind::EventTrigger => 2,
        Kind::Comment | Kind::SecurityLabel if entry.tag.starts_with("EVENT TRIGGER ") => 2,
        _ => 0,
    }
}

fn ours(toc: &Toc, quoting: &Quoting) -> String {
    let emitter = Emitter::new(&toc.entries, carried(ServerVersion::from_num(180_006)));
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    let mut settings: HashMap<&str, &str> = HashMap::new();
    let mut text = String::new();
    for wanted in 0..3 {
        for entry in toc.entries.iter().filter(|entry| pass(entry) == wanted && !is_skipped(entry))
        {
            let emitted = emitter.emit(entry);
            assert!(emitted.losses.is_empty(), "{entry}: {:?}", emitted.losses);
            for (name, value) in &emitted.settings {
                if settings.insert(name, value) == Some(value) {
                    continue;
                }
                let value = match value.is_empty() {
                    true => "''".to_owned(),
                    false => quoting.relaxed(&Ident::new(*value).quoted()),
                };
                write!(text, "SET {name} = {value};\n\n").unwrap();
            }
            writeln!(
                text,
                "--\n-- TOC entry {} (class {} OID {})",
                entry.dump_id, entry.table_oid, entry.oid
            )
            .unwrap();
            if !entry.dependencies.is_empty() {
                let ids = entry.dependencies.iter().map(ToString::to_string);
                writeln!(text, "-- Dependencies: {}", ids.collect::<Vec<_>>().join(" ")).unwrap();
            }
            let dash = || "-".to_owned();
            write!(
                text,
                "-- Name: {}; Type: {}; Schema: {}; Owner: {}",
                one_line(&entry.tag),
                entry.kind,
                entry.namespace.as_deref().map_or_else(dash, one_line),
                entry.owner.as_deref().map_or_else(dash, one_line),
            )
            .unwrap();
            if let Some(tablespace) = entry.tablespace.as_deref().filter(|name| !name.is_empty()) {
                write!(text, "; Tablespace: {}", one_line(tablespace)).unwrap();
            }
            write!(text, "\n-- Data Pos: 0\n--\n\n{}\n\n", emitted.definition).unwrap();
            for statement in &emitted.after {
                write!(text, "{}\n\n", quoting.relaxed(statement)).unwrap();
            }
        }
    }
    text
}

/// Between the settings at the beginning and the remark at the end.
fn theirs(archive: &std::path::Path) -> String {
    let output = Command::new(clients().unwrap().pg_restore())
        .args(["--verbose", "--file=-"])
        .arg(archive)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, text) = text.split_once("\nSET row_security = off;\n\n").unwrap();
    let (text, _) = text.rsplit_once("-- Completed on").unwrap();
    text.to_owned()
}

fn check(source: &Database<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let status = Command::new(clients().unwrap().pg_dump())
        .args(["--format=custom", "--schema-only", "--encoding=UTF8", "--no-password", "--file"])
        .arg(&archive)
        .envs(environment(source))
        .status()
        .unwrap();
    assert!(status.success());
    let toc = Toc::read(&std::fs::read(&archive).unwrap()).unwrap();
    assert!(toc.entries.len() > 100);
    let (ours, theirs) = (ours(&toc, &Quoting::new()), theirs(&archive));
    for (at, (our, their)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(our, their, "line {at}");
    }
    assert_eq!(ours, theirs);
}

#[test]
fn of_9_6() {
    check(&rich(Major::V9_6));
    check(&every_type(Major::V9_6));
}

#[test]
fn of_14() {
    check(&rich(Major::V14));
    check(&every_type(Major::V14));
}

#[test]
fn of_18() {
    check(&every_type(Major::V18));
    let source = rich(Major::V18);
    let server = Server::shared(Major::V18).unwrap();
    let tablespace = server.unique_name("Space \" ");
    let folder = server.new_folder("tablespace").unwrap();
    let quoted = Ident::new(&tablespace).quoted();
    server
        .execute(format!("create tablespace {quoted} location '{}'", folder.display()))
        .wait()
        .unwrap();
    source
        .execute(format!(
            "create table app.spaced (a int primary key using index tablespace {quoted}) tablespace {quoted}; \
             create index spaced_a on app.spaced (a) tablespace {quoted}; \
             create table app.spaced_parts (a int) partition by list (a) tablespace {quoted}"
        ))
        .wait()
        .unwrap();
    check(&source);
}
