//! Types, access methods and settings that one version or build has and another has not.

use std::collections::{HashMap, HashSet};

use super::servers::Rights;
use super::{Row, rows};
use crate::connect::Session;
use crate::error::Error;
use crate::finding::Finding;
use crate::name::RelationName;
use crate::preflight::rules::{self, Rule};
use crate::preflight::{Carry, Intent};
use crate::version::ServerVersion;

pub(super) async fn source(
    source: &Session,
    target: ServerVersion,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let sql = include_str!("../type_columns.sql");
    for row in rows(source, "list columns of special types", sql).await? {
        let (column, name, kind) = (row.text(2), row.text(3), row.text(5));
        let Some(rule) = rule_of(name, row.is_true(4), target) else { continue };
        let message = format!("its column {column} holds values of type {name}");
        let object = match kind {
            // Of what holds no rows here, only the definition can be wrong.
            "c" | "f" if rule != rules::TYPE_REMOVED || intent.schema == Carry::Not => None,
            "c" if intent.others == Carry::Not => None,
            "c" => Some(RelationName::new(row.text(0), row.text(1))),
            _ => wanted(&row, intent),
        };
        findings.extend(object.map(|object| rule.found(message).about(object)));
    }
    Ok(())
}

/// What a type of `pg_catalog` means for a table that has a column of it.
fn rule_of(name: &str, is_row: bool, target: ServerVersion) -> Option<Rule> {
    match name {
        _ if is_row => Some(rules::TYPE_OF_SYSTEM),
        "abstime" | "reltime" | "tinterval" | "smgr" => {
            target.at_least(12).then_some(rules::TYPE_REMOVED)
        }
        "unknown" => target.at_least(10).then_some(rules::TYPE_REMOVED),
        "aclitem" => Some(rules::TYPE_REFERENCE),
        name if name.starts_with("reg") => Some(rules::TYPE_REFERENCE),
        _ => Some(rules::TYPE_INTERNAL),
    }
}

/// The table of a row, if it is meant.
fn wanted(row: &Row, intent: &Intent<'_>) -> Option<RelationName> {
    let table = RelationName::new(row.text(0), row.text(1));
    (intent.wanted)(&table).then_some(table)
}

pub(super) async fn both(
    source: &Session,
    target: &Session,
    rights: Rights,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    xml(source, target, intent, findings).await?;
    money(source, target, intent, findings).await?;
    if intent.schema == Carry::Along {
        lz4(source, target, intent, findings).await?;
        access_methods(source, target, intent, findings).await?;
        function_settings(source, target, rights, findings).await?;
    }
    Ok(())
}

async fn xml(
    source: &Session,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let sql = include_str!("../xml_columns.sql");
    let columns = rows(source, "list columns of type xml", sql).await?;
    if columns.is_empty() {
        return Ok(());
    }
    match target.batch("try xml", "select '<a/>'::pg_catalog.xml").await {
        Err(error) if error.sqlstate() == Some("0A000") => {}
        other => return other,
    }
    for row in &columns {
        let Some(table) = wanted(row, intent) else { continue };
        let message =
            format!("its column {} is of type xml, the target is built without", row.text(2));
        findings.push(rules::XML_UNSUPPORTED.found(message).about(table));
    }
    Ok(())
}

async fn money(
    source: &Session,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let sql = include_str!("../money_columns.sql");
    let columns = rows(source, "list columns of type money", sql).await?;
    if columns.is_empty() {
        return Ok(());
    }
    let by_default = "select reset_val from pg_catalog.pg_settings where name = 'lc_monetary'";
    let doing = "ask for lc_monetary";
    let (from, to) =
        (rows(source, doing, by_default).await?, rows(target, doing, by_default).await?);
    let locale = |rows: &[Row]| rows.first().map(|row| row.text(0).to_owned()).unwrap_or_default();
    let (from, to) = (locale(&from), locale(&to));
    if super::locale::same_locale(&from, &to) {
        return Ok(());
    }
    for row in &columns {
        let Some(table) = wanted(row, intent) else { continue };
        let message = format!(
            "its column {} is of type money; lc_monetary is {from} on the source, {to} on the target",
            row.text(2)
        );
        findings.push(rules::MONEY.found(message).about(table));
    }
    Ok(())
}

async fn lz4(
    source: &Session,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    // Before 14 there is no such clause, and it is left out of statements.
    if !source.version().at_least(14) || !target.version().at_least(14) {
        return Ok(());
    }
    let known = "select 'lz4' = any (enumvals) from pg_catalog.pg_settings \
                 where name = 'default_toast_compression'";
    let known = rows(target, "ask for lz4", known).await?;
    if known.first().is_some_and(|row| row.is_true(0)) {
        return Ok(());
    }
    let sql = include_str!("../lz4_columns.sql");
    for row in rows(source, "list columns compressed by lz4", sql).await? {
        let Some(table) = wanted(&row, intent) else { continue };
        let message = format!("its column {} compresses by lz4, the target cannot", row.text(2));
        findings.push(rules::LZ4_UNSUPPORTED.found(message).about(table));
    }
    Ok(())
}

async fn access_methods(
    source: &Session,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let sql = include_str!("../access_methods.sql");
    let used = rows(source, "list access methods in use", sql).await?;
    if used.is_empty() {
        return Ok(());
    }
    // An extension of the same name may bring it along; then there is no finding about that.
    let offered = "select name from pg_catalog.pg_available_extensions";
    let present = include_str!("../available_access_methods.sql");
    let present = rows(target, "list the target's access methods", present).await?;
    let offered = rows(target, "list the target's extensions", offered).await.unwrap_or_default();
    let known: HashSet<&str> = present
        .iter()
        .map(|row| row.text(1))
        .chain(offered.iter().map(|row| row.text(0)))
        .collect();
    for row in &used {
        let Some(table) = wanted(row, intent) else { continue };
        let (method, own) = (row.text(2), row.is_true(3));
        // One that no extension brought is created with the tables that are stored by it.
        let rule = if own || known.contains(method) {
            rules::ACCESS_METHOD
        } else {
            rules::ACCESS_METHOD_MISSING
        };
        findings.push(rule.found(format!("it is stored by access method {method}")).about(table));
    }
    Ok(())
}

async fn function_settings(
    source: &Session,
    target: &Session,
    rights: Rights,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let sql = include_str!("../function_settings.sql");
    let used = rows(source, "list settings of functions", sql).await?;
    if used.is_empty() {
        return Ok(());
    }
    let known =
        rows(target, "list the target's settings", include_str!("../settings_known.sql")).await?;
    let known: HashMap<String, bool> =
        known.iter().map(|row| (row.text(0).to_lowercase(), row.is_true(1))).collect();
    for row in &used {
        let (function, setting) = (row.text(0), row.text(1));
        let finding = match known.get(&setting.to_lowercase()) {
            Some(true) => continue,
            // A name with a dot is taken for a setting of a module that is not loaded.
            None if setting.contains('.') => continue,
            None => rules::FUNCTION_SETTING
                .found(format!("it sets {setting}, which the target does not know")),
            Some(false) if rights == Rights::Superuser => continue,
            Some(false) => rules::FUNCTION_SETTING_DENIED
                .found(format!("it sets {setting}, which only a superuser may")),
        };
        findings.push(finding.about(function));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_type_means_depends_on_the_target() {
        let (old, new) = (ServerVersion::from_num(90_624), ServerVersion::from_num(180_000));
        for (name, old_rule, new_rule) in [
            ("abstime", None, Some(rules::TYPE_REMOVED)),
            ("unknown", None, Some(rules::TYPE_REMOVED)),
            ("regclass", Some(rules::TYPE_REFERENCE), Some(rules::TYPE_REFERENCE)),
            ("aclitem", Some(rules::TYPE_REFERENCE), Some(rules::TYPE_REFERENCE)),
            ("pg_node_tree", Some(rules::TYPE_INTERNAL), Some(rules::TYPE_INTERNAL)),
        ] {
            assert_eq!(rule_of(name, false, old), old_rule, "{name}");
            assert_eq!(rule_of(name, false, new), new_rule, "{name}");
        }
        assert_eq!(rule_of("sql_identifier", true, new), Some(rules::TYPE_OF_SYSTEM));
    }
}
