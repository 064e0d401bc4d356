//! How two majors write the same schema differently, and how each such difference is undone.
//!
//! Invariants: a mend is looked at only for statements that are not equal as they stand, between the
//! versions that it names and for the kinds that it is for; what it leaves alone must be equal, so
//! nothing else hides behind it.

use crate::schema::entry::Kind;
use crate::version::ServerVersion;

type Tokens = Vec<String>;

/// One version difference.
pub(super) struct Mend {
    pub(super) name: &'static str,
    pub(super) reason: &'static str,
    /// Between which versions it occurs, the older first.
    pub(super) between: fn(ServerVersion, ServerVersion) -> bool,
    /// Changes the statements of the older and of the newer side so that they agree, if this is
    /// all they differ in.
    pub(super) apply: fn(&Kind, &mut Tokens, &mut Tokens),
}

macro_rules! since {
    ($major:literal) => {
        |old, new| !old.at_least($major) && new.at_least($major)
    };
}

/// The list.
pub(super) const MENDS: &[Mend] = &[
    Mend {
        name: "inherited column order",
        reason: "a child that inherits has its parent's columns first when it is made anew; \
                 nothing refers to columns by their place",
        between: |_, _| true,
        apply: inherited_columns,
    },
    Mend {
        name: "operator back link",
        reason: "making an operator writes its commutator and negator also into that other \
                 operator, if that names none itself; the order of making decides",
        between: |_, _| true,
        apply: operator_links,
    },
    // Before what pairs literals.
    Mend {
        name: "bit literals",
        reason: "before 11 a constant of a bit type has a B before it, which makes it one of type \
                 bit when it is read, so one of type bit varying is a cast from then on",
        between: |old, _| !old.at_least(11),
        apply: |_, old, new| [old, new].into_iter().for_each(bit_literals),
    },
    Mend {
        name: "nameless columns",
        reason: "10 writes AS \"?column?\" behind an expression that was given no name",
        between: since!(10),
        apply: |_, _, new| remove_all(new, &["AS", "?column?"]),
    },
    Mend {
        name: "untyped literals",
        reason: "10 takes a literal of no type in a view's columns for text, and says so",
        between: since!(10),
        apply: untyped_literals,
    },
    Mend {
        name: "index expression brackets",
        reason: "10 leaves out the brackets around COALESCE and the like in an index, since they \
                 look like functions",
        between: since!(10),
        apply: index_brackets,
    },
    Mend {
        name: "execute function",
        reason: "12 writes EXECUTE FUNCTION in triggers where older servers wrote EXECUTE PROCEDURE",
        between: since!(12),
        apply: execute_function,
    },
    Mend {
        name: "function cost",
        reason: "12 writes COST and ROWS with as few digits as tell the number",
        between: since!(12),
        apply: function_cost,
    },
    Mend {
        name: "multirange type name",
        reason: "from 14 on every range type has a multirange type, and its definition says so",
        between: since!(14),
        apply: multirange_name,
    },
    Mend {
        name: "procedure arguments",
        reason: "14 writes IN before a procedure's arguments",
        between: since!(14),
        apply: procedure_arguments,
    },
    Mend {
        name: "subscript handler",
        reason: "14 has a subscript handler for each type that has elements, and its definition \
                 says so",
        between: since!(14),
        apply: subscript_handler,
    },
    // Its work is done before statements are compared one by one: see `families`.
    Mend {
        name: super::families::NAME,
        reason: "from 14 on what an operator class can do without belongs to its family",
        between: since!(14),
        apply: |_, _, _| {},
    },
    Mend {
        name: "xmlserialize indent",
        reason: "16 brought the option INDENT of XMLSERIALIZE, and writes NO INDENT without it",
        between: since!(16),
        apply: |_, _, new| xmlserialize_indent(new),
    },
    Mend {
        name: "view column qualifiers",
        reason: "16 leaves out the table's name before a column where only one table is read",
        between: since!(16),
        apply: qualifiers,
    },
    Mend {
        name: "maintain privilege",
        reason: "17 brought MAINTAIN: ALL includes it, and a list of all other privileges is no \
                 longer ALL",
        between: since!(17),
        apply: maintain,
    },
    Mend {
        name: "not null name",
        reason: "18 names NOT NULL constraints, and pg_dump writes the name of those whose \
                 generated name was cut",
        between: since!(18),
        apply: |kind, _, new| not_null_names(kind, new),
    },
];

/// The name of what explains an entry that one side has too much.
pub(super) fn explains_extra(
    tokens: &[String],
    kind: &Kind,
    (source, target): (ServerVersion, ServerVersion),
) -> Option<&'static str> {
    let brings_maintain = !source.at_least(17) && target.at_least(17);
    let only_maintain =
        tokens.len() > 3 && tokens.starts_with(&words(&["GRANT", "MAINTAIN", "ON"]));
    (*kind == Kind::Acl && brings_maintain && only_maintain).then_some("maintain privilege")
}

fn words(words: &[&str]) -> Tokens {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn position(tokens: &[String], words: &[&str]) -> Option<usize> {
    tokens.windows(words.len()).position(|window| window.iter().eq(words))
}

fn remove_all(tokens: &mut Tokens, words: &[&str]) {
    while let Some(at) = position(tokens, words) {
        tokens.drain(at..at + words.len());
    }
}

/// Edits the items of the first list in brackets.
fn edit_first_list(tokens: &mut Tokens, edit: impl FnOnce(&mut Vec<Tokens>)) {
    let Some(open) = tokens.iter().position(|token| token == "(") else { return };
    let mut depth = 0_u32;
    let mut items = vec![Tokens::new()];
    for (at, token) in tokens.iter().enumerate().skip(open + 1) {
        match token.as_str() {
            ")" if depth == 0 => {
                edit(&mut items);
                let joined = items.join(&",".to_owned());
                tokens.splice(open + 1..at, joined);
                return;
            }
            "," if depth == 0 => {
                items.push(Tokens::new());
                continue;
            }
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(token.clone());
        }
    }
}

fn inherited_columns(kind: &Kind, old: &mut Tokens, new: &mut Tokens) {
    for tokens in [old, new] {
        if *kind == Kind::Table && position(tokens, &[")", "INHERITS", "("]).is_some() {
            edit_first_list(tokens, |items| items.sort());
        }
    }
}

/// Takes away a COMMUTATOR or NEGATOR that the other side does not name at all.
fn operator_links(kind: &Kind, old: &mut Tokens, new: &mut Tokens) {
    if *kind != Kind::Operator {
        return;
    }
    for link in ["COMMUTATOR", "NEGATOR"] {
        let names = |tokens: &Tokens| tokens.iter().any(|token| token == link);
        let (here, there) = (names(old), names(new));
        let without = |tokens: &mut Tokens| {
            edit_first_list(tokens, |items| {
                items.retain(|item| item.first().is_none_or(|first| first != link));
            });
        };
        match (here, there) {
            (true, false) => without(old),
            (false, true) => without(new),
            _ => {}
        }
    }
}

/// Only where the type follows.
fn bit_literals(tokens: &mut Tokens) {
    for at in 0..tokens.len() {
        if let Some(bits) = tokens[at].strip_prefix('B')
            && bits.starts_with('\'')
            && tokens[at + 1..].starts_with(&words(&[":", ":"]))
        {
            tokens[at] = bits.to_owned();
        }
    }
    let cast = words(&[":", ":", "bit", ")", ":", ":", "bit", "varying"]);
    let mut at = 1;
    while at < tokens.len() {
        let is_cast = tokens[at].starts_with('\'')
            && tokens[at - 1] == "("
            && tokens[at + 1..].starts_with(&cast);
        if is_cast {
            tokens.drain(at + 1..at + 5);
            tokens.remove(at - 1);
        }
        at += 1;
    }
}

/// Both are `float4` on the server.
fn function_cost(kind: &Kind, old: &mut Tokens, new: &mut Tokens) {
    if !matches!(kind, Kind::Function | Kind::Procedure) {
        return;
    }
    let number = |tokens: &Tokens, word: &str| {
        let begin = tokens.iter().position(|token| token == word)? + 1;
        let of_number = |token: &&String| {
            token.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | '-' | '+'))
        };
        let end = begin + tokens[begin..].iter().take_while(of_number).count();
        let value = tokens[begin..end].concat().parse::<f32>().ok()?;
        Some((begin..end, value.to_bits()))
    };
    for word in ["COST", "ROWS"] {
        if let (Some((here, one)), Some((there, other))) = (number(old, word), number(new, word))
            && one == other
        {
            old.splice(here, new[there].to_vec());
        }
    }
}

fn subscript_handler(kind: &Kind, old: &mut Tokens, new: &mut Tokens) {
    let has_elements = position(old, &["ELEMENT", "="]).is_some();
    if *kind == Kind::Type && has_elements {
        let default = words(&["SUBSCRIPT", "=", "raw_array_subscript_handler"]);
        edit_first_list(new, |items| items.retain(|item| *item != default));
    }
}

fn xmlserialize_indent(new: &mut Tokens) {
    let mut at = 0;
    while let Some(found) = position(&new[at..], &["XMLSERIALIZE", "("]) {
        at += found + 1;
        let mut depth = 0_u32;
        let end = new.iter().enumerate().skip(at).find_map(|(place, token)| {
            match token.as_str() {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            (depth == 0).then_some(place)
        });
        if let Some(end) = end
            && new[..end].ends_with(&words(&["NO", "INDENT"]))
        {
            new.drain(end - 2..end);
        }
    }
}

/// What is written like a function and is none (Postgres's `func_expr_common_subexpr`), as far as
/// it can stand in an index.
const LIKE_FUNCTIONS: [&str; 4] = ["COALESCE", "GREATEST", "LEAST", "NULLIF"];

/// From the last to the first, since literals meet by their order.
fn untyped_literals(kind: &Kind, old: &mut Tokens, new: &mut Tokens) {
    if !matches!(kind, Kind::View | Kind::MaterializedView | Kind::Rule) {
        return;
    }
    let literals = |tokens: &Tokens| -> Vec<usize> {
        let is_literal = |token: &String| token.starts_with('\'') || token.starts_with("E'");
        (0..tokens.len()).filter(|at| is_literal(&tokens[*at])).collect()
    };
    let pairs = literals(old).into_iter().zip(literals(new)).rev().collect::<Vec<_>>();
    for (in_old, in_new) in pairs {
        let typed = new[in_new + 1..].starts_with(&words(&[":", ":", "text"]));
        if typed && old.get(in_old + 1).is_none_or(|next| next != ":") {
            new.drain(in_new + 1..in_new + 4);
        }
    }
}

fn index_brackets(kind: &Kind, old: &mut Tokens, _: &mut Tokens) {
    if !matches!(kind, Kind::Index | Kind::Constraint) {
        return;
    }
    let is =
        |tokens: &Tokens, at: usize, token: &str| tokens.get(at).is_some_and(|one| one == token);
    let mut at = 0;
    while at < old.len() {
        let wrapped = is(old, at, "(")
            && old.get(at + 1).is_some_and(|name| LIKE_FUNCTIONS.contains(&name.as_str()))
            && is(old, at + 2, "(");
        let mut depth = 0_u32;
        let end = old.iter().enumerate().skip(at + 2).find_map(|(place, token)| {
            match token.as_str() {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            (depth == 0).then_some(place)
        });
        if let (true, Some(end)) = (wrapped, end)
            && is(old, end + 1, ")")
        {
            old.remove(end + 1);
            old.remove(at);
        }
        at += 1;
    }
}

fn execute_function(kind: &Kind, old: &mut Tokens, _: &mut Tokens) {
    if matches!(kind, Kind::Trigger | Kind::EventTrigger)
        && let Some(at) = position(old, &["EXECUTE", "PROCEDURE"])
    {
        "FUNCTION".clone_into(&mut old[at + 1]);
    }
}

fn multirange_name(kind: &Kind, _: &mut Tokens, new: &mut Tokens) {
    if *kind == Kind::Type && position(new, &["AS", "RANGE", "("]).is_some() {
        edit_first_list(new, |items| {
            items.retain(|item| item.first().is_none_or(|first| first != "multirange_type_name"));
        });
    }
}

fn procedure_arguments(_: &Kind, _: &mut Tokens, new: &mut Tokens) {
    let of_procedure = new.iter().take(12).any(|token| token == "PROCEDURE");
    let mut at = 1;
    while of_procedure && at < new.len() {
        if matches!(new[at - 1].as_str(), "(" | ",") && new[at] == "IN" {
            new.remove(at);
        }
        at += 1;
    }
}

/// Takes away, in what the older side reads, each qualifier that the newer side leaves out. It
/// must be the name of something that the statement reads.
fn qualifiers(kind: &Kind, old: &mut Tokens, new: &mut Tokens) {
    if !matches!(kind, Kind::View | Kind::MaterializedView | Kind::Rule) {
        return;
    }
    let read: std::collections::HashSet<&String> = old
        .iter()
        .enumerate()
        .filter(|(at, _)| old.get(at + 1).is_none_or(|next| next != "."))
        .map(|(_, token)| token)
        .collect();
    // What XMLTABLE gives has this name, if it was given none.
    let xmltable = (read.contains(&"XMLTABLE".to_owned())).then_some("xmltable");
    let is_read = |token: &String| read.contains(token) || xmltable == Some(token.as_str());
    let mut kept = Tokens::with_capacity(old.len());
    let mut at = 0;
    while let Some(token) = old.get(at) {
        let dot = old.get(at + 1).is_some_and(|next| next == ".");
        let column = old.get(at + 2);
        let there = new.get(kept.len());
        let qualified_there = new.get(kept.len() + 1).is_some_and(|next| next == ".");
        if dot && column.is_some() && column == there && !qualified_there && is_read(token) {
            at += 2;
        }
        kept.extend(old.get(at).cloned());
        at += 1;
    }
    *old = kept;
}

/// All privileges on a table that were there before MAINTAIN.
const ALL_BEFORE: [&str; 7] =
    ["SELECT", "INSERT", "REFERENCES", "DELETE", "TRIGGER", "TRUNCATE", "UPDATE"];

/// Writes each GRANT and REVOKE of the newer side as the older one would.
fn maintain(kind: &Kind, old: &mut Tokens, new: &mut Tokens) {
    if !matches!(kind, Kind::Acl | Kind::DefaultAcl) {
        return;
    }
    let mut all: Vec<Tokens> = new.split(|token| token == ";").map(<[String]>::to_vec).collect();
    let mut olds: Vec<Tokens> = old.split(|token| token == ";").map(<[String]>::to_vec).collect();
    all.retain(|statement| !statement.starts_with(&words(&["GRANT", "MAINTAIN", "ON"])));
    for statement in all.iter_mut().chain(&mut olds) {
        let Some(begin) = statement.iter().position(|token| token == "GRANT" || token == "REVOKE")
        else {
            continue;
        };
        let Some(end) = statement.iter().position(|token| token == "ON") else { continue };
        if end <= begin
            || statement.get(end + 1).is_some_and(|on| !matches!(on.as_str(), "TABLE" | "TABLES"))
        {
            continue;
        }
        let list = statement[begin + 1..end].iter().filter(|token| *token != ",");
        let less: Tokens = list.filter(|token| *token != "MAINTAIN").cloned().collect();
        let less = if less == words(&["ALL"]) { words(&ALL_BEFORE) } else { less };
        statement.splice(begin + 1..end, less);
    }
    *new = all.join(&";".to_owned());
    *old = olds.join(&";".to_owned());
}

fn not_null_names(kind: &Kind, new: &mut Tokens) {
    if !matches!(kind, Kind::Table | Kind::ForeignTable) {
        return;
    }
    let mut at = 0;
    while let Some([constraint, name, not, null]) = new.get(at..at + 4) {
        let generated = name.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with("_not_null");
        if constraint == "CONSTRAINT" && not == "NOT" && null == "NULL" && generated {
            new.drain(at..at + 2);
        }
        at += 1;
    }
}
