//! Owners, grantees, and what only a superuser can create.

use std::collections::{BTreeMap, HashMap};

use super::rows;
use super::servers::Rights;
use crate::connect::Session;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::preflight::{Carry, Intent, rules};

pub(super) async fn both(
    source: &Session,
    target: &Session,
    rights: Rights,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    needed(source, target, intent, findings).await?;
    let (rule, side) = match rights {
        Rights::Superuser => return Ok(()),
        Rights::Managed => (rules::SUPERUSER_OBJECT_MANAGED, target.side()),
        Rights::Ordinary => (rules::SUPERUSER_OBJECT, target.side()),
    };
    let sql = include_str!("../superuser_objects.sql");
    for row in rows(source, "list what only superusers create", sql).await? {
        // Nothing needs one, so it comes along with everything or not at all.
        if intent.others == Carry::Not && row.text(1) == "event trigger" {
            continue;
        }
        let message = format!(
            "only a superuser can create this {}; the role on the {side} is none",
            row.text(1)
        );
        let finding = rule.found(message).about(row.text(0));
        findings.push(match intent.others {
            Carry::Along => finding,
            // Whether a table that is asked for needs it is not looked for here.
            Carry::Not => Finding { severity: finding.severity.min(Severity::Warning), ..finding },
        });
    }
    Ok(())
}

async fn needed(
    source: &Session,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let givable = if target.version().at_least(16) {
        include_str!("../roles_givable_16.sql")
    } else {
        include_str!("../roles_givable_96.sql")
    };
    let givable = rows(target, "list the roles of the target", givable).await?;
    let givable: HashMap<&str, bool> =
        givable.iter().map(|row| (row.text(0), row.is_true(1))).collect();
    let sql = include_str!("../roles_needed.sql");
    let rows = rows(source, "list the roles in use", sql).await?;
    let mut needed: BTreeMap<(&str, bool), i64> = BTreeMap::new();
    for row in &rows {
        let of_relation = !row.text(3).is_empty();
        let comes_along = if of_relation {
            (intent.wanted)(&RelationName::new(row.text(2), row.text(3)))
        } else {
            intent.others == Carry::Along
        };
        if comes_along {
            *needed.entry((row.text(0), row.is_true(1))).or_default() += row.number(4);
        }
    }
    for ((role, owns), objects) in needed {
        let rule = match (owns, givable.get(role)) {
            (true, None) if intent.owners == Carry::Along => rules::ROLE_MISSING,
            (true, Some(false)) if intent.owners == Carry::Along => rules::ROLE_NOT_GIVABLE,
            (false, None) if intent.privileges == Carry::Along => rules::GRANTEE_MISSING,
            _ => continue,
        };
        let message = match (owns, givable.get(role)) {
            (true, None) => format!("it owns {objects} objects and is not on the target"),
            (true, Some(_)) => {
                format!(
                    "it owns {objects} objects, and the role on the target may not give them to it"
                )
            }
            (false, _) => format!(
                "privileges or policies of {objects} objects name it, and it is not on the target"
            ),
        };
        findings.push(rule.found(message).about(role));
    }
    Ok(())
}
