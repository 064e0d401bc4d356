//! Where programs of Postgres are, and what version each says it is.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::run::forget_postgres_variables;
use crate::version::ServerVersion;

const PROGRAM: &str = "pg_dump";
/// Printing a version takes milliseconds, unless a network folder is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Folders of Debian, the PGDG packages for Red Hat, Homebrew on its three prefixes, MacPorts and
/// Postgres.app. A star stands for anything within one name.
const FOLDERS: [&str; 9] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/opt/libpq/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// A `pg_dump` that is there, which does not mean that it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its version, or why it does not tell.
    pub version: Result<ServerVersion, String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Ok(version) => write!(f, "{} ({version})", self.path.display()),
            Err(why) => write!(f, "{} ({why})", self.path.display()),
        }
    }
}

/// All `pg_dump`s of this machine: those on `PATH`, then those in the folders where distributions
/// put them. Each program once, whatever links lead to it.
pub async fn find() -> Vec<Found> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(FOLDERS.iter().flat_map(|pattern| expand(pattern)));
    find_in(&folders).await
}

async fn find_in(folders: &[PathBuf]) -> Vec<Found> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for folder in folders {
        let path = folder.join(format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX));
        let Ok(real) = path.canonicalize() else { continue };
        // Debian's wrapper chooses a version by what it is asked to do. The programs it chooses
        // from are found in their own folders.
        if real.file_name().is_some_and(|name| name == "pg_wrapper") || !seen.insert(real) {
            continue;
        }
        let version = ask_version(&path).await;
        found.push(Found { path, version });
    }
    found
}

/// All folders that a pattern stands for, the highest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        folders = match part.split_once('*') {
            None => folders.into_iter().map(|folder| folder.join(part)).collect(),
            Some((before, after)) => folders
                .iter()
                .flat_map(|folder| entries(folder))
                .filter(|path| {
                    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
                        name.len() >= before.len() + after.len()
                            && name.starts_with(before)
                            && name.ends_with(after)
                    })
                })
                .collect(),
        };
    }
    folders
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.reverse();
    paths
}

/// What `pg_dump --version` says.
pub(super) async fn ask_version(path: &Path) -> Result<ServerVersion, String> {
    let mut command = Command::new(path);
    forget_postgres_variables(&mut command);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("it does not run: {error}")),
        Err(_) => return Err(format!("it did not answer within {} s", PATIENCE.as_secs())),
    };
    if !output.status.success() {
        return Err(format!("it does not run: {}", output.status));
    }
    parse_version(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| "it does not say its version".to_owned())
}

/// Reads `pg_dump (PostgreSQL) 18.6 (Debian 18.6-1)`, `… 9.6.24`, `… 19beta1`.
fn parse_version(text: &str) -> Option<ServerVersion> {
    let (program, rest) = text.trim().split_once(") ")?;
    if !program.contains(PROGRAM) {
        return None;
    }
    let word = rest.split_whitespace().next()?;
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let mut parts = word[..end].split('.').map(|part| part.parse::<u32>().ok());
    let (first, second, third) = (parts.next()??, parts.next().flatten(), parts.next().flatten());
    let num = if first < 10 {
        first * 10_000 + second? * 100 + third.unwrap_or(0)
    } else {
        first.checked_mul(10_000)? + second.unwrap_or(0)
    };
    Some(ServerVersion::from_num(num))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn versions_of_all_shapes() {
        for (text, num) in [
            ("pg_dump (PostgreSQL) 18.6\n", 180_006),
            ("pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", 150_014),
            ("pg_dump (PostgreSQL) 9.6.24", 90_624),
            ("pg_dump (PostgreSQL) 19beta1", 190_000),
            ("pg_dump (EnterpriseDB) 16.2.0", 160_002),
        ] {
            assert_eq!(parse_version(text), Some(ServerVersion::from_num(num)), "{text}");
        }
        for text in ["", "pg_dump", "psql (PostgreSQL) 18.6", "pg_dump (PostgreSQL) x"] {
            assert_eq!(parse_version(text), None, "{text}");
        }
    }

    fn program(folder: &Path, name: &str, script: &str) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        pghaul_testbed::script(&path, script).unwrap();
        path
    }

    #[tokio::test]
    async fn each_program_once_and_no_wrapper() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        program(&at("one"), "pg_dump", "echo 'pg_dump (PostgreSQL) 15.4'");
        program(&at("broken"), "pg_dump", "exit 3");
        program(&at("share"), "pg_wrapper", "echo 'pg_dump (PostgreSQL) 18.1'");
        for (folder, to) in [("link", at("one/pg_dump")), ("wrapped", at("share/pg_wrapper"))] {
            std::fs::create_dir(at(folder)).unwrap();
            symlink(to, at(folder).join("pg_dump")).unwrap();
        }
        let folders = ["nowhere", "wrapped", "link", "one", "broken"].map(at);
        let found = find_in(&folders).await;
        let shown: Vec<_> = found
            .iter()
            .map(|one| {
                (
                    one.path.strip_prefix(root.path()).unwrap().display().to_string(),
                    one.version.clone().ok(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("link/pg_dump".to_owned(), Some(ServerVersion::from_num(150_004))),
                ("broken/pg_dump".to_owned(), None)
            ]
        );
    }

    #[test]
    fn stars_stand_for_versions() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["pgsql-9.6/bin", "pgsql-18/bin", "other/bin"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let pattern = format!("{}/pgsql-*/bin", root.path().display());
        let names: Vec<_> = expand(&pattern)
            .iter()
            .map(|path| path.strip_prefix(root.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["pgsql-9.6/bin", "pgsql-18/bin"]);
    }
}
