//! Which of the `pg_dump`s that were found is the best one.

use super::{Found, PgDump};
use crate::error::{Error, ErrorKind};
use crate::version::ServerVersion;

/// Chooses: the target's major version where there is one, since what it writes needs no
/// adapting; never below the source's major version, since such a one refuses; else the newest.
/// Of several of one major version the newest, of equal ones the one that was found first. Without
/// a target (a dump to an archive) the newest. One that is newer than pghaul itself is not taken
/// unless it is the only one given: its statements may be of a kind that pghaul does not know.
///
/// # Errors
/// [`ErrorKind::Preflight`] when none will do; says which were found and how to get one.
pub fn choose(
    found: &[Found],
    source: ServerVersion,
    target: Option<ServerVersion>,
) -> Result<PgDump, Error> {
    let only_one = found.len() == 1;
    let wanted = target.map(ServerVersion::major);
    let mut best: Option<(bool, ServerVersion, &Found)> = None;
    for one in found {
        let Ok(version) = one.version else { continue };
        let known = version < ServerVersion::TOO_NEW || only_one;
        if version < first_of_major(source) || !known {
            continue;
        }
        let of_target = Some(version.major()) == wanted;
        if best.is_none_or(|(of, newest, _)| (of_target, version) > (of, newest)) {
            best = Some((of_target, version, one));
        }
    }
    match best {
        Some((_, version, one)) => Ok(PgDump { path: one.path.clone(), version }),
        None => Err(none_will_do(found, source, target)),
    }
}

/// The oldest version of the same major version. (`major()` itself has no order: 9.6 is 906.)
fn first_of_major(version: ServerVersion) -> ServerVersion {
    let minors = if version.at_least(10) { 10_000 } else { 100 };
    ServerVersion::from_num(version.num() / minors * minors)
}

fn none_will_do(found: &[Found], source: ServerVersion, target: Option<ServerVersion>) -> Error {
    let needed = major(source);
    let best = major(target.map_or(source, |target| target.max(source)));
    let error = Error::new(
        ErrorKind::Preflight,
        format!(
            "cannot read the schema of PostgreSQL {source} without pg_dump {needed} or newer"
        ),
    )
    .with_hint(format!(
        "install the client programs of PostgreSQL {best} (Debian and Ubuntu: postgresql-client-{best}; \
         Red Hat and its kin: postgresql{}; Homebrew: postgresql@{best} or libpq), or name a pg_dump \
         with --pg-dump PATH",
        best.replace('.', "")
    ));
    let list: Vec<String> = found.iter().map(ToString::to_string).collect();
    error.caused_by(if list.is_empty() {
        "no pg_dump was found on PATH or in the folders of the distributions".to_owned()
    } else {
        format!("found: {}", list.join(", "))
    })
}

/// A major version as people write it.
pub(crate) fn major(version: ServerVersion) -> String {
    match version.major() {
        old @ 900..=999 => format!("9.{}", old % 100),
        new => new.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn found(versions: &[(&str, u32)]) -> Vec<Found> {
        versions
            .iter()
            .map(|(path, num)| Found {
                path: path.into(),
                version: Ok(ServerVersion::from_num(*num)),
            })
            .collect()
    }

    fn chosen(versions: &[(&str, u32)], source: u32, target: Option<u32>) -> Option<String> {
        choose(
            &found(versions),
            ServerVersion::from_num(source),
            target.map(ServerVersion::from_num),
        )
        .ok()
        .map(|chosen| chosen.path().display().to_string())
    }

    #[test]
    fn the_targets_major_else_the_newest_never_below_the_source() {
        let all = [("a", 150_004), ("b", 180_001), ("c", 140_020), ("d", 160_002), ("e", 190_000)];
        assert_eq!(chosen(&all, 90_624, Some(140_000)).as_deref(), Some("c"));
        assert_eq!(chosen(&all, 100_023, Some(170_000)).as_deref(), Some("b"));
        assert_eq!(chosen(&all, 140_000, Some(130_000)).as_deref(), Some("b"));
        assert_eq!(chosen(&all, 160_000, Some(140_000)).as_deref(), Some("b"));
        assert_eq!(chosen(&all, 160_000, None).as_deref(), Some("b"));
        assert_eq!(chosen(&[("a", 150_004)], 160_000, Some(170_000)), None);
        assert_eq!(chosen(&[("e", 190_000)], 160_000, Some(170_000)).as_deref(), Some("e"));
    }

    #[test]
    fn the_newest_minor_then_the_first_found() {
        let all = [("a", 180_001), ("b", 180_006), ("c", 180_006)];
        assert_eq!(chosen(&all, 90_624, Some(180_000)).as_deref(), Some("b"));
    }

    #[test]
    fn a_refusal_names_what_was_found_what_is_needed_and_the_remedy() {
        let mut all = found(&[("/x/pg_dump", 150_004)]);
        all.push(Found { path: "/y/pg_dump".into(), version: Err("it does not run".into()) });
        let error =
            choose(&all, ServerVersion::from_num(160_002), Some(ServerVersion::from_num(170_000)))
                .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Preflight);
        let text = format!("{error}; {}; {}", error.source().unwrap(), error.hint().unwrap());
        for part in [
            "16.2",
            "pg_dump 16",
            "/x/pg_dump (15.4)",
            "/y/pg_dump (it does not run)",
            "postgresql-client-17",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let none = choose(&[], ServerVersion::from_num(90_624), None).unwrap_err();
        assert!(none.to_string().contains("pg_dump 9.6"));
    }
}
