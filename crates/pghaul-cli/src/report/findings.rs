//! Findings for people: the gravest first, each with its remedy.

use std::collections::BTreeMap;

use anstyle::Style;
use pghaul::{Finding, Severity};

use crate::console::Detail;
use crate::console::style::{BAD, FAINT, LABEL, STRONG, WARNING, paint};
use crate::quantity::counted;
use crate::report;

/// Objects named of findings that are the same but for their object.
const NAMED: usize = 5;

/// The findings as a paragraph; empty if there are none.
pub fn text(findings: &[Finding], detail: Detail) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", paint(STRONG, headline(findings)));
    for (finding, objects) in grouped(findings) {
        let severity = paint(style_of(finding.severity), report::severity(finding.severity));
        text.push_str(&format!("  {severity} {}: {}\n", finding.code, finding.message));
        let shown = if detail >= Detail::Verbose { objects.len() } else { NAMED };
        for object in objects.iter().take(shown) {
            text.push_str(&format!("    {object}\n"));
        }
        if objects.len() > shown {
            let more = format!("and {} more; -v names all", objects.len() - shown);
            text.push_str(&format!("    {}\n", paint(FAINT, more)));
        }
        text.push_str(&format!("    {} {}\n", paint(LABEL, "remedy:"), finding.remedy));
    }
    text
}

fn headline(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|one| one.severity == severity).count();
    let parts: Vec<String> = [
        (count(Severity::Blocker), "blocker", "blockers"),
        (count(Severity::Warning), "warning", "warnings"),
        (count(Severity::Note), "note", "notes"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| counted(count, one, many))
    .collect();
    format!("Found: {}", parts.join(", "))
}

/// A hundred tables with one problem are one paragraph.
fn grouped(findings: &[Finding]) -> Vec<(&Finding, Vec<&str>)> {
    let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut groups: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for finding in findings {
        let key = (finding.code, finding.message.as_str(), finding.remedy.as_str());
        let place = *places.entry(key).or_insert(groups.len());
        if place == groups.len() {
            groups.push((finding, Vec::new()));
        }
        groups[place].1.extend(finding.object.as_deref());
    }
    groups.sort_by_key(|(finding, _)| std::cmp::Reverse(finding.severity));
    groups
}

fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Note => FAINT,
        Severity::Warning => WARNING,
        Severity::Blocker => BAD,
    }
}
