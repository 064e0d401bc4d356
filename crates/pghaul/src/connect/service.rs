//! Connection service files (Postgres manual, 34.17): named bundles of parameters.

use std::path::{Path, PathBuf};

use super::conninfo::Pair;
use super::environment::Environment;

/// Where a system-wide file may lie when `PGSYSCONFDIR` does not say: libpq has its folder
/// compiled in, so these are the ones of Debian's packages, of PGDG's RPMs and of a plain build.
const SYSTEM_FOLDERS: [&str; 3] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc"];

/// A service that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServiceTrouble {
    #[error("the service is in none of these files: {}", list(.0))]
    NotFound(Vec<PathBuf>),
    #[error("no service file was found; looked for {}", list(.0))]
    NoFile(Vec<PathBuf>),
    #[error("cannot read the service file {}", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    #[error("{}, line {line}: {why}", .file.display())]
    Syntax { file: PathBuf, line: usize, why: &'static str },
}

fn list(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The parameters of a service. `named` is a file given by `servicefile` or `PGSERVICEFILE`; it
/// takes the place of the one in the home folder, and the system-wide one is looked at last.
pub(super) fn look_up(
    service: &str,
    named: Option<&Path>,
    environment: &Environment,
) -> Result<Vec<Pair>, ServiceTrouble> {
    let personal = named.map(Path::to_owned).or_else(|| environment.in_home(".pg_service.conf"));
    let system = match environment.variable("PGSYSCONFDIR") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => SYSTEM_FOLDERS.iter().map(PathBuf::from).collect(),
    };
    let candidates: Vec<PathBuf> = personal
        .into_iter()
        .chain(system.into_iter().map(|folder| folder.join("pg_service.conf")))
        .collect();
    let mut read = Vec::new();
    for file in &candidates {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && named != Some(file.as_path()) =>
            {
                continue;
            }
            Err(error) => return Err(ServiceTrouble::Unreadable(file.clone(), error)),
        };
        if let Some(pairs) = find(&text, service, file)? {
            return Ok(pairs);
        }
        read.push(file.clone());
    }
    if read.is_empty() {
        return Err(ServiceTrouble::NoFile(candidates));
    }
    Err(ServiceTrouble::NotFound(read))
}

/// The section `[service]` of a file's text.
fn find(text: &str, service: &str, file: &Path) -> Result<Option<Vec<Pair>>, ServiceTrouble> {
    let mut found: Option<Vec<Pair>> = None;
    for (at, line) in text.lines().enumerate() {
        let syntax = |why| Err(ServiceTrouble::Syntax { file: file.to_owned(), line: at + 1, why });
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if header.strip_prefix(service).is_some_and(|after| after.starts_with(']')) {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(pairs) = &mut found else { continue };
        if line.starts_with("ldap://") || line.starts_with("ldaps://") {
            return syntax("pghaul does not look services up by LDAP");
        }
        let Some((keyword, value)) = line.split_once('=') else {
            return syntax("not of the form keyword=value");
        };
        if keyword == "service" || keyword == "servicefile" {
            return syntax("a service cannot name another service");
        }
        // The first value of a parameter counts, as in libpq.
        if !pairs.iter().any(|(known, _)| known == keyword) {
            pairs.push((keyword.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# comment
[other]
host=elsewhere
[prod]
host=db.example.com
  port=5433
password=a = b#c
host=second
[prod-old]
host=old
[broken]
no equals sign
[nested]
service=prod
";

    #[test]
    fn a_section_ends_where_the_next_begins_and_the_first_value_counts() {
        let pairs = find(FILE, "prod", Path::new("f")).unwrap().unwrap();
        let shown: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(shown, ["host=db.example.com", "port=5433", "password=a = b#c"]);
        assert!(find(FILE, "pro", Path::new("f")).unwrap().is_none());
    }

    #[test]
    fn bad_lines_are_named_by_number() {
        for (service, expected) in [
            ("broken", "f, line 12: not of the form keyword=value"),
            ("nested", "f, line 14: a service cannot name another service"),
        ] {
            let error = find(FILE, service, Path::new("f")).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn the_named_file_goes_before_the_home_folder_and_the_system_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sys")).unwrap();
        std::fs::write(at(".pg_service.conf"), "[a]\nhost=home\n").unwrap();
        std::fs::write(at("named"), "[a]\nhost=named\n").unwrap();
        std::fs::write(at("sys/pg_service.conf"), "[a]\nhost=sys\n[b]\nhost=sysb\n").unwrap();
        let environment = Environment::given(
            [("PGSYSCONFDIR", at("sys").to_str().unwrap())],
            Some(folder.path().to_owned()),
        );
        let host = |service: &str, named: Option<PathBuf>| {
            look_up(service, named.as_deref(), &environment).map(|pairs| pairs[0].1.clone())
        };
        assert_eq!(host("a", None).unwrap(), "home");
        assert_eq!(host("a", Some(at("named"))).unwrap(), "named");
        assert_eq!(host("b", Some(at("named"))).unwrap(), "sysb");
        assert!(
            matches!(host("c", None), Err(ServiceTrouble::NotFound(files)) if files.len() == 2)
        );
        assert!(matches!(host("a", Some(at("absent"))), Err(ServiceTrouble::Unreadable(..))));
    }
}
