//! The schema: `pg_dump --schema-only` of both sides, statement by statement, in any order.
//!
//! Invariants: both dumps come from one program, which quotes all names, since which of them must
//! be quoted differs between majors; settings that hold for later statements (the
//! session's user, tablespace, access method) are made part of these; a statement that occurs
//! twice must occur twice on both sides.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use tokio_postgres::config::Host;

use super::differences::{self, Matched};
use super::side::Side;
use super::statements::{self, Tokens};
use super::{Options, Report};
use crate::error::{Doing, Error, Result};

pub(super) async fn compare(
    pg_dump: &Path,
    source: &Side,
    target: &Side,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let here = in_context(statements::split(&dump(pg_dump, source, options).await?));
    let there = in_context(statements::split(&dump(pg_dump, target, options).await?));
    report.statements = here.len();
    let (mut missing, mut more) = remove_equal(here, there);
    let versions = (source.version, target.version);
    for Matched { source, target, entries } in differences::explain(versions, &missing, &more) {
        report.list_entries_used.extend(entries);
        remove(&mut missing, source.as_ref());
        remove(&mut more, target.as_ref());
    }
    for statement in &missing {
        let shown = statements::shown(statement);
        report.differences.push(format!("schema: on the source only: {shown}"));
    }
    for statement in &more {
        let shown = statements::shown(statement);
        report.differences.push(format!("schema: on the target only: {shown}"));
    }
    Ok(())
}

fn remove(statements: &mut Vec<Tokens>, statement: Option<&Tokens>) {
    let place = statement.and_then(|this| statements.iter().position(|other| other == this));
    if let Some(place) = place {
        statements.remove(place);
    }
}

async fn dump(pg_dump: &Path, side: &Side, options: &Options) -> Result<String> {
    let mut command = tokio::process::Command::new(pg_dump);
    command.args(["--schema-only", "--encoding=UTF8", "--quote-all-identifiers", "--no-password"]);
    for schema in &options.ignored_schemas {
        // A pattern: in double quotes it is a name (Postgres manual, pg_dump, Patterns).
        command.arg(format!("--exclude-schema=\"{}\"", schema.replace('"', "\"\"")));
    }
    if !options.owners {
        command.arg("--no-owner");
    }
    if !options.privileges {
        command.arg("--no-privileges");
    }
    let config = &side.config;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(folder)) => folder.to_string_lossy().into_owned(),
        None => String::new(),
    };
    let password = config.get_password().map(String::from_utf8_lossy).unwrap_or_default();
    command
        .env("PGHOST", host)
        .env("PGPORT", config.get_ports().first().copied().unwrap_or(5432).to_string())
        .env("PGUSER", config.get_user().unwrap_or_default())
        .env("PGDATABASE", config.get_dbname().unwrap_or_default())
        .env("PGPASSWORD", password.as_ref())
        .env("PGOPTIONS", "-c standard_conforming_strings=on")
        .stdin(Stdio::null());
    let output = command.output().await.doing(|| format!("cannot run {}", pg_dump.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        return Err(Error::new(format!("pg_dump of the {} failed", side.name)).explained(said));
    }
    String::from_utf8(output.stdout).doing(|| format!("the dump of the {} is no UTF-8", side.name))
}

/// Moves what earlier statements have set into the statements that it is for, and drops the
/// settings of the dump's own session.
fn in_context(dump: Vec<Tokens>) -> Vec<Tokens> {
    let mut context: BTreeMap<&str, String> = BTreeMap::new();
    let mut all = Vec::new();
    for mut tokens in dump {
        let words: Vec<_> = tokens.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["SET", "default_tablespace", "=", value] => {
                context.insert("tablespace", (*value).to_owned());
            }
            ["SET", "default_table_access_method", "=", value] => {
                context.insert("access method", (*value).to_owned());
            }
            ["SET", "SESSION", "AUTHORIZATION", "DEFAULT"]
            | ["RESET", "SESSION", "AUTHORIZATION"] => {
                context.remove("user");
            }
            ["SET", "SESSION", "AUTHORIZATION", user] => {
                context.insert("user", (*user).to_owned());
            }
            ["SET", ..] | ["SELECT", "pg_catalog", ".", "set_config", ..] => {}
            [first, second, ..] => {
                let (first, second) = (*first, *second);
                let stored =
                    first == "CREATE" && matches!(second, "TABLE" | "UNLOGGED" | "MATERIALIZED");
                let placed = stored || matches!(second, "INDEX" | "UNIQUE") || first == "ALTER";
                let mut applies = Vec::new();
                for (what, value) in &context {
                    let counts = match *what {
                        "access method" => stored,
                        "tablespace" => placed && value != "''",
                        _ => true,
                    };
                    if counts {
                        applies.push(format!("[{what} {value}]"));
                    }
                }
                tokens.extend(applies);
                all.push(tokens);
            }
            _ => all.push(tokens),
        }
    }
    all
}

/// What is left of each side when equal statements have been taken away in pairs.
fn remove_equal(here: Vec<Tokens>, there: Vec<Tokens>) -> (Vec<Tokens>, Vec<Tokens>) {
    let mut counts: BTreeMap<Tokens, usize> = BTreeMap::new();
    for statement in there {
        *counts.entry(statement).or_default() += 1;
    }
    let mut missing = Vec::new();
    for statement in here {
        match counts.get_mut(&statement) {
            Some(count) if *count > 0 => *count -= 1,
            _ => missing.push(statement),
        }
    }
    let more = counts
        .into_iter()
        .flat_map(|(statement, count)| std::iter::repeat_n(statement, count))
        .collect();
    (missing, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_part_of_the_statements_they_are_for() {
        let dump = "SET default_table_access_method = heap; SET statement_timeout = 0;
            CREATE TABLE a (); CREATE INDEX i ON a (); SET SESSION AUTHORIZATION r;
            GRANT ALL ON TABLE a TO b; RESET SESSION AUTHORIZATION; GRANT ALL ON TABLE a TO b;";
        let found: Vec<_> =
            in_context(statements::split(dump)).iter().map(|tokens| tokens.join(" ")).collect();
        assert_eq!(
            found,
            [
                "CREATE TABLE a ( ) [access method heap]",
                "CREATE INDEX i ON a ( )",
                "GRANT ALL ON TABLE a TO b [user r]",
                "GRANT ALL ON TABLE a TO b",
            ]
        );
    }

    #[test]
    fn a_statement_that_occurs_twice_must_occur_twice() {
        let split = |text| statements::split(text);
        let (missing, more) = remove_equal(split("a; a; b;"), split("c; b; a;"));
        assert_eq!((missing, more), (split("a;"), split("c;")));
    }
}
