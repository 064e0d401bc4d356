//! Encodings, locales and collations.

use std::collections::HashSet;

use super::{Row, rows};
use crate::connect::Session;
use crate::error::Error;
use crate::finding::Finding;
use crate::preflight::{Carry, Intent, rules};

/// How a database reads and sorts text.
pub(crate) struct Locale {
    pub(crate) encoding: String,
    pub(crate) provider: String,
    pub(crate) name: String,
    pub(crate) ctype: String,
    /// How it sorts some texts; empty where nobody asked.
    pub(crate) probe: String,
}

impl Locale {
    /// Asks a server.
    pub(crate) async fn of(session: &Session) -> Result<Self, Error> {
        let sql = session.version().sql(include_str!("../locale.sql"));
        let found = rows(session, "look at the database's locale", &sql).await?;
        let text =
            |column| found.first().map(|row| row.text(column)).unwrap_or_default().to_owned();
        Ok(Self {
            encoding: text(1),
            provider: text(2),
            name: text(3),
            ctype: text(4),
            probe: text(5),
        })
    }

    fn described(&self) -> String {
        if same_locale(&self.name, &self.ctype) || self.provider != "libc" {
            format!("{} ({})", self.name, self.provider)
        } else {
            format!("{}, ctype {} ({})", self.name, self.ctype, self.provider)
        }
    }
}

/// `en_US.UTF-8` and `en_US.utf8` are one locale.
pub(super) fn same_locale(a: &str, b: &str) -> bool {
    let plain = |name: &str| {
        let plain = name.to_ascii_lowercase().replace('-', "");
        if plain == "posix" { "c".to_owned() } else { plain }
    };
    plain(a) == plain(b)
}

pub(super) async fn source(source: &Session, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let locale = Locale::of(source).await?;
    if locale.encoding == "SQL_ASCII" {
        let message = "the source's encoding is SQL_ASCII: its bytes may be anything";
        findings.push(rules::SQL_ASCII.found(message));
    }
    Ok(())
}

pub(super) async fn both(
    source: &Session,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    databases(&Locale::of(source).await?, target, findings).await?;
    if intent.schema == Carry::Along {
        collations(source, target, findings).await?;
    }
    Ok(())
}

/// How the source's database and the target's differ.
pub(in crate::preflight) async fn databases(
    from: &Locale,
    target: &Session,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let to = Locale::of(target).await?;
    // Everything has its place in UTF8; from SQL_ASCII there is a finding already.
    if from.encoding != to.encoding && to.encoding != "UTF8" && from.encoding != "SQL_ASCII" {
        findings.push(rules::ENCODING_DIFFERS.found(format!(
            "the source's encoding is {}, the target's {}",
            from.encoding, to.encoding
        )));
    }
    let same = from.provider == to.provider
        && same_locale(&from.name, &to.name)
        && same_locale(&from.ctype, &to.ctype);
    if !same {
        findings.push(rules::LOCALE_DIFFERS.found(format!(
            "the source's locale is {}, the target's {}",
            from.described(),
            to.described()
        )));
    } else if !from.probe.is_empty() && from.probe != to.probe {
        findings.push(
            rules::SORT_ORDER_DIFFERS
                .found(format!("{} sorts differently on source and target", from.described())),
        );
    }
    Ok(())
}

/// Collations that statements of the source name must be there on the target; those that users
/// made are created there, which needs their locale.
async fn collations(
    source: &Session,
    target: &Session,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let used = source.version().sql(include_str!("../collations_used.sql"));
    let used = rows(source, "list the collations in use", &used).await?;
    if used.is_empty() {
        return Ok(());
    }
    let present = collations_present(target).await?;
    let names: HashSet<(&str, &str)> =
        present.iter().map(|row| (row.text(0), row.text(1))).collect();
    let has_icu = present.iter().any(|row| row.text(2) == "icu");
    let has_libc = |locale: &str| {
        same_locale(locale, "C")
            || present.iter().any(|row| row.text(2) == "libc" && same_locale(row.text(3), locale))
    };
    for row in &used {
        let (schema, name, locale) = (row.text(0), row.text(1), row.text(3));
        if names.contains(&(schema, name)) {
            continue;
        }
        let why = match (row.is_true(4), row.text(2)) {
            (false, _) => "the target has no such collation".to_owned(),
            (true, "icu") if !has_icu => "the target is built without ICU".to_owned(),
            (true, "icu") => continue,
            (true, "builtin") if !target.version().at_least(17) => {
                "the target has no builtin collations (17 and newer)".to_owned()
            }
            (true, "builtin") => continue,
            (true, _) if has_libc(locale) => continue,
            (true, _) => format!("the target's system has no locale {locale}"),
        };
        findings.push(rules::COLLATION_MISSING.found(why).about(qualified(row)));
    }
    Ok(())
}

/// The collations that the target's database can use.
pub(in crate::preflight) async fn collations_present(target: &Session) -> Result<Vec<Row>, Error> {
    let sql = target.version().sql(include_str!("../collations_present.sql"));
    rows(target, "list the collations of the target", &sql).await
}

fn qualified(row: &Row) -> String {
    format!("{}.{}", row.text(0), row.text(1))
}

#[cfg(test)]
mod tests {
    use super::same_locale;

    #[test]
    fn spellings_of_a_locale() {
        assert!(same_locale("en_US.UTF-8", "en_US.utf8"));
        assert!(same_locale("C", "POSIX"));
        assert!(!same_locale("en_US.UTF-8", "en_GB.UTF-8"));
        assert!(!same_locale("C", "C.UTF-8"));
    }
}
