//! How single differences between two majors' statements are undone.
//!
//! Invariants: each function touches only the kind of statement it is for, and says whether it
//! changed anything; what it leaves alone must be equal, so nothing else can hide behind it.

use super::super::catalog::Fact;
use super::super::statements::Tokens;

/// All privileges on a table that were there before MAINTAIN.
const ALL_BEFORE_MAINTAIN: [&str; 7] =
    ["SELECT", "INSERT", "REFERENCES", "DELETE", "TRIGGER", "TRUNCATE", "UPDATE"];

fn starts(tokens: &[String], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token == word)
}

fn find(tokens: &[String], words: &[&str]) -> Option<usize> {
    tokens.windows(words.len()).position(|window| window.iter().eq(words))
}

/// The list within the first parentheses: where it begins, where it ends, and its items.
fn first_list(tokens: &[String]) -> Option<(usize, usize, Vec<Tokens>)> {
    let begin = 1 + tokens.iter().position(|token| token == "(")?;
    let mut items = vec![Tokens::new()];
    let mut depth = 0_u32;
    for (place, token) in tokens.iter().enumerate().skip(begin) {
        match token.as_str() {
            ")" if depth == 0 => return Some((begin, place, items)),
            "," if depth == 0 => {
                items.push(Tokens::new());
                continue;
            }
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        items.last_mut()?.push(token.clone());
    }
    None
}

/// Rewrites the list within the first parentheses.
fn rewrite_list(tokens: &mut Tokens, rewrite: impl FnOnce(Vec<Tokens>) -> Vec<Tokens>) -> bool {
    let Some((begin, end, items)) = first_list(tokens) else { return false };
    let rewritten = rewrite(items).join(&",".to_owned());
    let changed = tokens.get(begin..end) != Some(rewritten.as_slice());
    tokens.splice(begin..end, rewritten);
    changed
}

/// Sorts the columns of a child of inheritance.
pub(super) fn sort_inherited_columns(source: &mut Tokens, target: &mut Tokens) -> bool {
    let mut changed = false;
    for tokens in [source, target] {
        let is_table = starts(tokens, &["CREATE", "TABLE"])
            || starts(tokens, &["CREATE", "UNLOGGED", "TABLE"]);
        if is_table && find(tokens, &[")", "INHERITS", "("]).is_some() {
            changed |= rewrite_list(tokens, |mut items| {
                items.sort();
                items
            });
        }
    }
    changed
}

/// Expressions of the grammar that are written like functions.
const FUNCTION_LIKE: [&str; 4] = ["COALESCE", "GREATEST", "LEAST", "NULLIF"];

/// Takes away the parentheses around a whole item of an index that is such an expression.
pub(super) fn drop_function_like_parentheses(source: &mut Tokens, _: &mut Tokens) -> bool {
    if !starts(source, &["CREATE", "INDEX"]) && !starts(source, &["CREATE", "UNIQUE", "INDEX"]) {
        return false;
    }
    let mut changed = false;
    while let Some((open, close)) = function_like_item(source) {
        source.remove(close);
        source.remove(open);
        changed = true;
    }
    changed
}

/// Where the parentheses of the first such item are.
fn function_like_item(tokens: &[String]) -> Option<(usize, usize)> {
    (1..tokens.len().saturating_sub(2)).find_map(|open| {
        let is_item = matches!(tokens[open - 1].as_str(), "(" | ",") && tokens[open] == "(";
        if !is_item || !FUNCTION_LIKE.contains(&tokens[open + 1].as_str()) {
            return None;
        }
        let inner = open + 2 + first_list(&tokens[open + 2..])?.1;
        (tokens.get(inner + 1)? == ")").then_some((open, inner + 1))
    })
}

/// The same in the definition of an index as the catalog has it.
pub(super) fn function_like_definition(fact: &Fact<'_>) -> bool {
    let (Some(source), Some(target)) = (fact.source, fact.target) else { return false };
    let tokens = |text: &str| super::super::statements::split(text).into_iter().next();
    let (Some(mut source), Some(mut target)) = (tokens(source), tokens(target)) else {
        return false;
    };
    fact.fact == "definition"
        && drop_function_like_parentheses(&mut source, &mut target)
        && source == target
}

/// Takes away a COMMUTATOR or NEGATOR that the other side's operator does not name.
pub(super) fn drop_operator_links(source: &mut Tokens, target: &mut Tokens) -> bool {
    if !starts(source, &["CREATE", "OPERATOR"]) || !starts(target, &["CREATE", "OPERATOR"]) {
        return false;
    }
    let links = |tokens: &Tokens| -> Vec<Tokens> {
        let items = first_list(tokens).map(|(.., items)| items).unwrap_or_default();
        items.into_iter().filter(is_link).collect()
    };
    let (here, there) = (links(source), links(target));
    let keep = |others: Vec<Tokens>| {
        move |items: Vec<Tokens>| {
            items.into_iter().filter(|item| !is_link(item) || others.contains(item)).collect()
        }
    };
    let changed = rewrite_list(source, keep(there));
    rewrite_list(target, keep(here)) || changed
}

fn is_link(item: &Tokens) -> bool {
    starts(item, &["COMMUTATOR"]) || starts(item, &["NEGATOR"])
}

/// Takes away the name that stands for no name.
pub(super) fn drop_nameless(_: &mut Tokens, target: &mut Tokens) -> bool {
    let before = target.len();
    while let Some(place) = find(target, &["AS", "\"?column?\""]) {
        target.drain(place..place + 2);
    }
    target.len() != before
}

/// Takes away one token.
pub(super) fn remove_token(tokens: &mut Tokens, token: &str) -> bool {
    let before = tokens.len();
    tokens.retain(|other| other != token);
    tokens.len() != before
}

/// Writes FUNCTION for PROCEDURE in a trigger of the source.
pub(super) fn execute_function(source: &mut Tokens, _: &mut Tokens) -> bool {
    let is_trigger = starts(source, &["CREATE", "TRIGGER"])
        || starts(source, &["CREATE", "CONSTRAINT", "TRIGGER"]);
    let place = find(source, &["EXECUTE", "PROCEDURE"]).filter(|_| is_trigger);
    let word = place.and_then(|place| source.get_mut(place + 1));
    word.map(|word| "FUNCTION".clone_into(word)).is_some()
}

/// Takes IN away from the arguments of a procedure of the target.
pub(super) fn drop_in_of_procedures(_: &mut Tokens, target: &mut Tokens) -> bool {
    let of_procedure = target.iter().take(12).any(|token| token == "PROCEDURE");
    let before = target.len();
    let mut place = 1;
    while of_procedure && place < target.len() {
        let begins = target.get(place - 1).is_some_and(|token| token == "(" || token == ",");
        if begins && target.get(place).is_some_and(|token| token == "IN") {
            target.remove(place);
        }
        place += 1;
    }
    target.len() != before
}

/// Takes the quotes from the type's name where the target has none.
pub(super) fn json_without_quotes(source: &mut Tokens, target: &mut Tokens) -> bool {
    let mut changed = false;
    for (here, there) in source.iter_mut().zip(target) {
        if here == "\"json\"" && there == "json" {
            here.clone_from(there);
            changed = true;
        }
    }
    changed
}

/// Takes away the multirange's name from a range of the target.
pub(super) fn drop_multirange_name(_: &mut Tokens, target: &mut Tokens) -> bool {
    starts(target, &["CREATE", "TYPE"])
        && find(target, &["AS", "RANGE", "("]).is_some()
        && rewrite_list(target, |mut items| {
            items.retain(|item| !starts(item, &["multirange_type_name"]));
            items
        })
}

/// Takes away, in the source's queries, the qualifier before each column that the target has
/// without. What is dropped must be the name of something that the statement reads.
pub(super) fn drop_qualifiers(source: &mut Tokens, target: &mut Tokens) -> bool {
    let reads = [
        &["CREATE", "VIEW"][..],
        &["CREATE", "OR"],
        &["CREATE", "MATERIALIZED"],
        &["CREATE", "RULE"],
    ];
    if !reads.iter().any(|words| starts(source, words) && starts(target, words)) {
        return false;
    }
    let at = |tokens: &Tokens, place: usize| tokens.get(place).cloned().unwrap_or_default();
    let mut kept = Tokens::new();
    let mut place = 0;
    while place < source.len() {
        let (here, there) = (at(source, place), at(target, kept.len()));
        let qualifies = at(source, place + 1) == "."
            && at(source, place + 2) == there
            && at(target, kept.len() + 1) != "."
            && is_read(source, &here);
        if qualifies {
            place += 2;
        }
        kept.push(at(source, place));
        place += 1;
    }
    let changed = kept.len() != source.len();
    *source = kept;
    changed
}

/// Whether a name also stands where it is not the qualifier of something.
fn is_read(tokens: &Tokens, name: &str) -> bool {
    let stands = |(place, token): (usize, &String)| {
        token == name && tokens.get(place + 1).is_none_or(|next| next != ".")
    };
    tokens.iter().enumerate().any(stands)
}

/// Takes MAINTAIN out of a GRANT or REVOKE of the target; what became ALL by it, or is no longer
/// ALL without it, becomes the source's list.
pub(super) fn without_maintain(source: &mut Tokens, target: &mut Tokens) -> bool {
    let privileges = |tokens: &Tokens| {
        let begin = tokens.iter().position(|token| token == "GRANT" || token == "REVOKE")?;
        let end = tokens.iter().position(|token| token == "ON")?;
        tokens.get(begin + 1..end).map(|list| (begin + 1, list.to_vec()))
    };
    let (Some((_, here)), Some((begin, there))) = (privileges(source), privileges(target)) else {
        return false;
    };
    let end = begin + there.len();
    let words =
        |list: &Tokens| -> Tokens { list.iter().filter(|token| *token != ",").cloned().collect() };
    let all_before = words(&here).iter().eq(ALL_BEFORE_MAINTAIN.iter());
    if there == ["ALL"] && all_before {
        target.splice(begin..end, here);
        return true;
    }
    let less: Tokens = words(&there).into_iter().filter(|token| token != "MAINTAIN").collect();
    if less.len() == words(&there).len() || less != words(&here) {
        return false;
    }
    target.splice(begin..end, here);
    true
}

/// A GRANT of MAINTAIN and nothing else.
pub(super) fn grants_maintain_only(target: &Tokens) -> bool {
    starts(target, &["GRANT", "MAINTAIN", "ON", "TABLE"])
}

/// Whether privileges, as the catalog's query writes them, are equal but for MAINTAIN.
pub(super) fn equal_but_maintain(fact: &Fact<'_>) -> bool {
    let less = |text: Option<&str>| {
        let lines = text.unwrap_or_default().split("; ").filter_map(|line| {
            let (grantee, rest) = line.split_once('=')?;
            let (list, grantor) = rest.split_once('/')?;
            let list: Vec<_> = list
                .split(',')
                .filter(|privilege| privilege.trim_end_matches('*') != "MAINTAIN")
                .collect();
            (!list.is_empty()).then(|| format!("{grantee}={}/{grantor}", list.join(",")))
        });
        lines.collect::<std::collections::BTreeSet<_>>()
    };
    less(fact.source) == less(fact.target)
}

/// Takes the names of NOT NULL constraints out of a table of the target.
pub(super) fn drop_not_null_names(_: &mut Tokens, target: &mut Tokens) -> bool {
    let mut changed = false;
    let mut place = 0;
    while let Some([constraint, name, not, null]) = target.get(place..place + 4) {
        let generated = name
            .trim_matches('"')
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .ends_with("_not_null");
        if constraint == "CONSTRAINT" && not == "NOT" && null == "NULL" && generated {
            target.drain(place..place + 2);
            changed = true;
        }
        place += 1;
    }
    changed
}

/// Whether the target's text is the source's with one phrase for another.
pub(super) fn agree(fact: &Fact<'_>, here: &str, there: &str) -> bool {
    fact.source.map(|text| text.replace(here, there)).as_deref() == fact.target
}

#[cfg(test)]
mod tests {
    use super::super::super::statements::split;
    use super::*;

    fn mended(mend: fn(&mut Tokens, &mut Tokens) -> bool, source: &str, target: &str) -> bool {
        let (mut source, mut target) = (split(source).remove(0), split(target).remove(0));
        mend(&mut source, &mut target);
        source == target
    }

    #[test]
    fn qualifiers_go_where_the_target_has_none_and_only_there() {
        let source = "CREATE VIEW a.v AS SELECT t.id, t.t, f(t.id) FROM s.t WHERE (t.id > 0)";
        let target = "CREATE VIEW a.v AS SELECT id, t, f(id) FROM s.t WHERE (id > 0)";
        assert!(mended(drop_qualifiers, source, target));
        let other = "CREATE VIEW a.v AS SELECT id, t, f(t) FROM s.t WHERE (id > 0)";
        assert!(!mended(drop_qualifiers, source, other));
        let other = "CREATE VIEW a.v AS SELECT id, t, f(id) FROM t WHERE (id > 0)";
        assert!(!mended(drop_qualifiers, source, other), "a lost schema is no lost qualifier");
        let other = "CREATE VIEW a.v AS SELECT u.id, t, f(id) FROM s.t WHERE (id > 0)";
        assert!(!mended(drop_qualifiers, source, other));
    }

    #[test]
    fn maintain_hides_no_other_privilege() {
        let all =
            "REVOKE SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE ON TABLE t FROM o";
        assert!(mended(without_maintain, all, "REVOKE ALL ON TABLE t FROM o"));
        let some = "GRANT SELECT,TRIGGER,UPDATE ON TABLE t TO o";
        assert!(mended(
            without_maintain,
            some,
            "GRANT SELECT,TRIGGER,MAINTAIN,UPDATE ON TABLE t TO o"
        ));
        assert!(!mended(without_maintain, some, "GRANT SELECT,MAINTAIN,UPDATE ON TABLE t TO o"));
        assert!(!mended(without_maintain, some, "GRANT ALL ON TABLE t TO o"));
        let fact = |source, target| Fact { object: "", fact: "", source, target };
        assert!(equal_but_maintain(&fact(
            Some("a=SELECT/o; o=SELECT*/o"),
            Some("a=SELECT/o; b=MAINTAIN/o; o=MAINTAIN*,SELECT*/o")
        )));
        assert!(!equal_but_maintain(&fact(Some("a=SELECT/o"), Some("a=MAINTAIN,SELECT*/o"))));
        assert!(equal_but_maintain(&fact(None, Some("a=MAINTAIN/o"))));
    }

    #[test]
    fn only_links_of_operators_are_dropped() {
        let source = "CREATE OPERATOR a.< ( FUNCTION = a.f, LEFTARG = integer )";
        let target =
            "CREATE OPERATOR a.< ( FUNCTION = a.f, LEFTARG = integer, NEGATOR = OPERATOR(a.>) )";
        assert!(mended(drop_operator_links, source, target));
        let other =
            "CREATE OPERATOR a.< ( FUNCTION = a.f, LEFTARG = bigint, NEGATOR = OPERATOR(a.>) )";
        assert!(!mended(drop_operator_links, source, other));
    }

    #[test]
    fn columns_are_sorted_only_under_inherits() {
        let (ab, ba) = (
            "CREATE TABLE t ( a numeric(1,2), b text )",
            "CREATE TABLE t ( b text, a numeric(1,2) )",
        );
        assert!(!mended(sort_inherited_columns, ab, ba));
        let inherits = |table: &str| format!("{table} INHERITS ( p )");
        assert!(mended(sort_inherited_columns, &inherits(ab), &inherits(ba)));
    }

    #[test]
    fn names_of_not_null_are_dropped_but_not_the_constraint() {
        let source = "CREATE TABLE t ( a integer NOT NULL )";
        assert!(mended(
            drop_not_null_names,
            source,
            "CREATE TABLE t ( a integer CONSTRAINT t_a_not_null1 NOT NULL )"
        ));
        assert!(!mended(
            drop_not_null_names,
            source,
            "CREATE TABLE t ( a integer CONSTRAINT chosen NOT NULL )"
        ));
        assert!(!mended(drop_not_null_names, source, "CREATE TABLE t ( a integer )"));
    }
}
