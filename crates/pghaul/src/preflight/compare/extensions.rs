//! Extensions that the target must have.

use std::collections::HashMap;

use super::servers::Rights;
use super::{Row, rows};
use crate::connect::Session;
use crate::error::Error;
use crate::finding::Finding;
use crate::preflight::rules;

pub(super) async fn both(
    source: &Session,
    target: &Session,
    rights: Rights,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let used = include_str!("../extensions_used.sql");
    let used = rows(source, "list the extensions in use", used).await?;
    let used: Vec<(&str, Option<&str>)> =
        used.iter().map(|row| (row.text(0), Some(row.text(1)))).collect();
    needed(&used, target, rights, findings).await
}

/// Whether the target has these extensions, in these versions where they are known.
pub(in crate::preflight) async fn needed(
    used: &[(&str, Option<&str>)],
    target: &Session,
    rights: Rights,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    if used.is_empty() {
        return Ok(());
    }
    let sql = if target.version().at_least(13) {
        include_str!("../extensions_available_13.sql")
    } else {
        include_str!("../extensions_available_96.sql")
    };
    let available = match rows(target, "list the extensions of the target", sql).await {
        Ok(available) => available,
        // One broken control file is enough for the server to refuse the whole list.
        Err(error) if !error.connection_lost() => {
            findings.push(
                rules::EXTENSIONS_UNKNOWN
                    .found("the target cannot list the extensions that it has"),
            );
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let available: HashMap<&str, &Row> = available.iter().map(|row| (row.text(0), row)).collect();
    for (name, version) in used.iter().copied() {
        let Some(there) = available.get(name) else {
            let message = format!("the target has no extension {name}");
            findings.push(rules::EXTENSION_MISSING.found(message).about(name));
            continue;
        };
        let is_installed = !there.text(2).is_empty();
        let offered = if is_installed { there.text(2) } else { there.text(1) };
        if !is_installed && !there.is_true(3) {
            let rule = match rights {
                Rights::Superuser => None,
                Rights::Managed => Some(rules::EXTENSION_NEEDS_SUPERUSER_MANAGED),
                Rights::Ordinary => Some(rules::EXTENSION_NEEDS_SUPERUSER),
            };
            findings.extend(rule.map(|rule| {
                rule.found(format!("only a superuser can create extension {name}")).about(name)
            }));
        }
        if let Some(version) = version.filter(|version| *version != offered) {
            let rule = if is_older(offered, version) {
                rules::EXTENSION_OLDER
            } else {
                rules::EXTENSION_VERSION
            };
            let message = format!("version {version} on the source, {offered} on the target");
            findings.push(rule.found(message).about(name));
        }
    }
    Ok(())
}

/// Versions of extensions are free text; numbers in them compare as numbers.
fn is_older(a: &str, b: &str) -> bool {
    let parts = |version: &str| -> Vec<u64> {
        version
            .split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().unwrap_or(u64::MAX))
            .collect()
    };
    parts(a) < parts(b)
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_compare_by_their_numbers() {
        assert!(is_older("1.9", "1.10"));
        assert!(is_older("3.1.4", "3.2"));
        assert!(!is_older("1.5", "1.4"));
        assert!(!is_older("1.4", "1.4"));
    }
}
