//! What legitimately differs between two majors, each with its reason.
//!
//! Invariants: an entry mends only what it names and only between the versions it names; it is
//! looked at only for statements and facts that are not equal as they stand; of the entries that
//! make two statements equal, only those are reported without which they would not be.

mod mends;

use super::catalog::Fact;
use super::statements::Tokens;
use mends::{
    agree, drop_function_like_parentheses, drop_in_of_procedures, drop_multirange_name,
    drop_nameless, drop_not_null_names, drop_operator_links, drop_qualifiers, equal_but_maintain,
    execute_function, function_like_definition, grants_maintain_only, json_without_quotes,
    remove_token, sort_inherited_columns, without_maintain,
};

/// One way in which a faithful copy's schema may differ from its original.
#[derive(Clone, Copy)]
pub struct VersionDifference {
    /// What reports call it.
    pub name: &'static str,
    /// Where it comes from.
    pub reason: &'static str,
    /// Between which `server_version_num` it occurs.
    between: fn(u32, u32) -> bool,
    /// Changes a statement of the source, one of the target, or both, so that they agree if this
    /// is all they differ in; says whether anything was changed.
    statement: Option<fn(&mut Tokens, &mut Tokens) -> bool>,
    /// Whether it explains a statement that the target has and the source has not.
    more: Option<fn(&Tokens) -> bool>,
    /// Whether it explains a fact of the catalogs.
    fact: Option<fn(&Fact<'_>) -> bool>,
}

impl std::fmt::Debug for VersionDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// The list.
pub const VERSION_DIFFERENCES: &[VersionDifference] = &[
    VersionDifference {
        name: "inherited column order",
        reason: "a child made before it inherited gets its parent's columns first when it is made \
                 anew with INHERITS; nothing refers to columns by their place",
        between: |_, _| true,
        statement: Some(sort_inherited_columns),
        more: None,
        fact: None,
    },
    VersionDifference {
        name: "operator back link",
        reason: "making an operator writes its commutator and negator also into that other \
                 operator, if that names none itself; the order of making decides",
        between: |_, _| true,
        statement: Some(drop_operator_links),
        more: None,
        fact: None,
    },
    VersionDifference {
        name: "extension version",
        reason: "CREATE EXTENSION without a version takes the newest that the server has",
        between: |source, target| source / 10_000 < target / 10_000,
        statement: None,
        more: None,
        fact: Some(|fact| fact.object.starts_with("extension ") && fact.fact == "version"),
    },
    VersionDifference {
        name: "nameless columns",
        reason: "10 writes AS \"?column?\" behind an expression that was given no name",
        between: |source, target| source < 100_000 && target >= 100_000,
        statement: Some(drop_nameless),
        more: None,
        fact: None,
    },
    VersionDifference {
        name: "parentheses of function-like expressions",
        reason: "9.6 puts COALESCE and its like in an index into parentheses of their own; newer \
                 servers know that they look like functions",
        between: |source, target| source < 100_000 && target >= 100_000,
        statement: Some(drop_function_like_parentheses),
        more: None,
        fact: Some(function_like_definition),
    },
    VersionDifference {
        name: "row oids",
        reason: "12 dropped WITH OIDS; the hidden column is not carried, which preflight says",
        between: |source, target| source < 120_000 && target >= 120_000,
        statement: None,
        more: None,
        fact: Some(|fact| fact.fact == "oids" && fact.target.is_none()),
    },
    VersionDifference {
        name: "table access method",
        reason: "before 12 there was none to name; what was heap without a name is heap",
        between: |source, target| source < 120_000 && target >= 120_000,
        statement: Some(|_, target| remove_token(target, "[access method \"heap\"]")),
        more: None,
        fact: None,
    },
    VersionDifference {
        name: "execute function",
        reason: "12 writes EXECUTE FUNCTION where older servers wrote EXECUTE PROCEDURE",
        between: |source, target| source < 120_000 && target >= 120_000,
        statement: Some(execute_function),
        more: None,
        fact: Some(|fact| {
            fact.fact == "definition" && agree(fact, " EXECUTE PROCEDURE ", " EXECUTE FUNCTION ")
        }),
    },
    VersionDifference {
        name: "multirange type name",
        reason: "from 14 on every range type has a multirange type, and its definition says so",
        between: |source, target| source < 140_000 && target >= 140_000,
        statement: Some(drop_multirange_name),
        more: None,
        fact: None,
    },
    VersionDifference {
        name: "procedure arguments",
        reason: "14 writes IN before a procedure's arguments",
        between: |source, target| source < 140_000 && target >= 140_000,
        statement: Some(drop_in_of_procedures),
        more: None,
        fact: None,
    },
    VersionDifference {
        name: "json type name",
        reason: "17 counts json among the standard's types, whose names are never quoted",
        between: |source, target| source < 170_000 && target >= 170_000,
        statement: Some(json_without_quotes),
        more: None,
        fact: Some(|fact| agree(fact, "\"json\"", "json")),
    },
    VersionDifference {
        name: "view column qualifiers",
        reason: "16 leaves out the table's name before a column where only one table is read",
        between: |source, target| source < 160_000 && target >= 160_000,
        statement: Some(drop_qualifiers),
        more: None,
        fact: None,
    },
    VersionDifference {
        name: "maintain privilege",
        reason: "17 brought MAINTAIN: owners have it by default, ALL includes it, and a list of \
                 all other privileges is no longer ALL",
        between: |source, target| source < 170_000 && target >= 170_000,
        statement: Some(without_maintain),
        more: Some(grants_maintain_only),
        fact: Some(|fact| fact.fact == "privileges" && equal_but_maintain(fact)),
    },
    VersionDifference {
        name: "not null name",
        reason: "18 names NOT NULL constraints; pg_dump writes the name of those whose generated \
                 name was cut",
        between: |source, target| source < 180_000 && target >= 180_000,
        statement: Some(drop_not_null_names),
        more: None,
        fact: None,
    },
];

/// Statements that the list makes equal.
pub(super) struct Matched {
    pub(super) source: Option<Tokens>,
    pub(super) target: Option<Tokens>,
    pub(super) entries: Vec<&'static str>,
}

/// Finds, for statements of the source that the target lacks, what became of them.
pub(super) fn explain(versions: (u32, u32), missing: &[Tokens], more: &[Tokens]) -> Vec<Matched> {
    let list: Vec<_> = VERSION_DIFFERENCES
        .iter()
        .filter(|entry| (entry.between)(versions.0, versions.1))
        .collect();
    let mut matched = Vec::new();
    let mut taken = vec![false; more.len()];
    for source in missing {
        let candidates =
            more.iter().enumerate().filter(|(_, target)| source.first() == target.first());
        for (place, target) in candidates {
            if taken.get(place).copied().unwrap_or(true) {
                continue;
            }
            if let Some(entries) = entries_needed(&list, source, target) {
                if let Some(taken) = taken.get_mut(place) {
                    *taken = true;
                }
                let (source, target) = (Some(source.clone()), Some(target.clone()));
                matched.push(Matched { source, target, entries });
                break;
            }
        }
    }
    for (target, _) in more.iter().zip(&taken).filter(|(_, taken)| !**taken) {
        let entry = list.iter().find(|entry| entry.more.is_some_and(|explains| explains(target)));
        if let Some(entry) = entry {
            let entries = vec![entry.name];
            matched.push(Matched { source: None, target: Some(target.clone()), entries });
        }
    }
    matched
}

/// The fewest entries under which two statements agree.
fn entries_needed(
    list: &[&VersionDifference],
    source: &Tokens,
    target: &Tokens,
) -> Option<Vec<&'static str>> {
    let agree = |list: &[&VersionDifference]| {
        let (mut source, mut target) = (source.clone(), target.clone());
        for entry in list {
            if let Some(mend) = entry.statement {
                mend(&mut source, &mut target);
            }
        }
        source == target
    };
    let mut needed = list.to_vec();
    if !agree(&needed) {
        return None;
    }
    let mut place = 0;
    while place < needed.len() {
        let mut fewer = needed.clone();
        fewer.remove(place);
        if agree(&fewer) {
            needed = fewer;
        } else {
            place += 1;
        }
    }
    Some(needed.iter().map(|entry| entry.name).collect())
}

/// The entry that explains a fact which is not the same on both sides.
pub(super) fn explain_fact(versions: (u32, u32), fact: &Fact<'_>) -> Option<&'static str> {
    VERSION_DIFFERENCES
        .iter()
        .filter(|entry| (entry.between)(versions.0, versions.1))
        .find(|entry| entry.fact.is_some_and(|explains| explains(fact)))
        .map(|entry| entry.name)
}
