//! What was found, in the state of a run: for `status`, and for the result of whoever finishes it.
//!
//! Invariant: what was known before the run began is stored with it, in one transaction, and stays as
//! it is; all other findings are those of the process that ended last.

use super::Session;
use crate::error::Error;
use crate::finding::{Finding, Severity, stored_code};
use crate::name::literal;

/// Stores what was known before the run began, in the open transaction.
pub(super) async fn note_known_before(target: &Session, findings: &[Finding]) -> Result<(), Error> {
    insert_findings(target, "store what was found before", (0, findings), Known::Before).await
}

/// Stores what was found in the run, for `status` and for whoever is told later, instead of what was
/// stored of it before; what was known before the run began stays. `known`: how much that is.
///
/// # Errors
/// What the target said.
pub(crate) async fn store_findings(
    target: &Session,
    findings: &[Finding],
    known: usize,
) -> Result<(), Error> {
    let doing = "store the findings";
    target.batch(doing, "begin; delete from pghaul.finding where not known_before").await?;
    let first = i64::try_from(known).unwrap_or(i64::MAX);
    insert_findings(target, doing, (first, findings), Known::InTheRun).await?;
    // Of indexes that are built by now.
    let sql = "delete from pghaul.duplicate_row d where not exists (select 1 from pghaul.finding f \
               where f.code = 'duplicates' and f.object = d.object); commit";
    target.batch(doing, sql).await
}

/// When something was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Before,
    InTheRun,
}

/// Inserts findings in the open transaction, all in one statement if the target can hold them.
async fn insert_findings(
    target: &Session,
    doing: &str,
    (first, findings): (i64, &[Finding]),
    known: Known,
) -> Result<(), Error> {
    const BACK: &str = "rollback to savepoint pghaul_findings";
    if findings.is_empty() {
        return Ok(());
    }
    let rows: Vec<String> =
        (first..).zip(findings).map(|(id, finding)| finding_row(id, finding, known)).collect();
    let insert = |rows: &str| format!("insert into pghaul.finding values {rows}");
    // In a message of its own: one that cannot be converted does nothing at all.
    target.batch(doing, "savepoint pghaul_findings").await?;
    match target.batch(doing, &insert(&rows.join(", "))).await {
        // The target's encoding lacks a character of ours, or of the source's.
        Err(error) if error.sqlstate() == Some("22P05") => target.batch(doing, BACK).await?,
        other => return other,
    }
    for ((id, finding), row) in (first..).zip(findings).zip(&rows) {
        match target.batch(doing, &insert(row)).await {
            Err(error) if error.sqlstate() == Some("22P05") => {
                target.batch(doing, BACK).await?;
                let row = finding_row(id, &in_ascii(finding), known);
                target.batch(doing, &insert(&row)).await?;
            }
            other => other?,
        }
        target.batch(doing, "savepoint pghaul_findings").await?;
    }
    Ok(())
}

fn finding_row(id: i64, finding: &Finding, known: Known) -> String {
    let severity = severity_name(finding.severity);
    format!(
        "({id}, {}, {}, {}, {}, {}, {})",
        literal(finding.code),
        literal(&severity),
        finding.object.as_deref().map_or("null".to_owned(), literal),
        literal(&finding.message),
        literal(&finding.remedy),
        known == Known::Before,
    )
}

fn in_ascii(finding: &Finding) -> Finding {
    let plain = |text: &str| {
        let text = text.replace('…', "...");
        text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect::<String>()
    };
    Finding {
        object: finding.object.as_deref().map(plain),
        message: plain(&finding.message),
        remedy: plain(&finding.remedy),
        ..finding.clone()
    }
}

/// Reads what was found, and how much of it, which comes first, was known before the run began.
///
/// # Errors
/// What the target said.
pub(crate) async fn load_findings(target: &Session) -> Result<(Vec<Finding>, usize), Error> {
    let rows = target
        .query(
            "read the run's findings",
            "select code, severity, object, message, remedy, known_before \
               from pghaul.finding order by id",
            &[],
        )
        .await?;
    let known = rows.iter().filter(|row| row.get(5)).count();
    let severity = |name: &str| {
        [Severity::Note, Severity::Blocker]
            .into_iter()
            .find(|severity| severity_name(*severity) == name)
            .unwrap_or(Severity::Warning)
    };
    let findings = rows.iter().map(|row| Finding {
        code: stored_code(row.get(0)),
        severity: severity(row.get(1)),
        object: row.get(2),
        message: row.get(3),
        remedy: row.get(4),
    });
    Ok((findings.collect(), known))
}

fn severity_name(severity: Severity) -> String {
    format!("{severity:?}").to_lowercase()
}
