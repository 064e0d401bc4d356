//! What differs between two entries, in words.
//!
//! Invariant: of statements that may hold a password, or code, nothing is shown.

use super::{Canonical, Leniency, same_access_method, same_owner};
use crate::schema::entry::Kind;
use crate::version::ServerVersion;

/// Tokens shown before and behind the first that differs.
const BEFORE: usize = 3;
const BEHIND: usize = 8;
/// Characters shown of each side.
const WIDTH: usize = 120;

pub(super) fn what_differs(
    one: &Canonical<'_>,
    other: &Canonical<'_>,
    versions: (ServerVersion, ServerVersion),
    leniency: Leniency,
) -> String {
    let mut what = Vec::new();
    if !same_owner(one.entry, other.entry, versions, leniency) {
        let name = |owner: Option<&str>| owner.unwrap_or("nobody").to_owned();
        what.push(format!(
            "its owner is {} here and {} there",
            name(one.entry.owner()),
            name(other.entry.owner())
        ));
    }
    if one.entry.tablespace != other.entry.tablespace {
        what.push("its tablespace differs".to_owned());
    }
    if !same_access_method(one.entry, other.entry, versions) {
        what.push("its access method differs".to_owned());
    }
    if one.tokens != other.tokens {
        let text = if may_be_shown(&one.entry.kind) {
            let at = one.tokens.iter().zip(&other.tokens).take_while(|(a, b)| a == b).count();
            format!("`{}` here, `{}` there", around(&one.tokens, at), around(&other.tokens, at))
        } else {
            "its definition differs".to_owned()
        };
        what.push(text);
    }
    what.join("; ")
}

/// Kinds whose statements are made of names, types and conditions.
fn may_be_shown(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Acl
            | Kind::CheckConstraint
            | Kind::Collation
            | Kind::Constraint
            | Kind::Default
            | Kind::DefaultAcl
            | Kind::Domain
            | Kind::Extension
            | Kind::FkConstraint
            | Kind::Index
            | Kind::IndexAttach
            | Kind::Operator
            | Kind::RowSecurity
            | Kind::Schema
            | Kind::Sequence
            | Kind::SequenceOwnedBy
            | Kind::Statistics
            | Kind::Table
            | Kind::TableAttach
            | Kind::Trigger
            | Kind::Type
    )
}

fn around(tokens: &[String], at: usize) -> String {
    let begin = at.saturating_sub(BEFORE);
    let end = (at + BEHIND).min(tokens.len());
    let text = tokens.get(begin..end).unwrap_or_default().join(" ");
    let text: String = text.chars().take(WIDTH).collect();
    let (before, behind) =
        (if begin > 0 { "… " } else { "" }, if end < tokens.len() { " …" } else { "" });
    format!("{before}{text}{behind}")
}
