//! Members of operator families: what a class holds on one server, and its family on the other.
//!
//! Up to 14 a class has all operators and functions that it was made with; from then on its access
//! method says which of them it can do without, and these belong to the family.
//!
//! Invariant: members are set aside only where those of a family and all its classes together are
//! the same on both sides, so nothing hides behind it.

use std::collections::BTreeMap;

use super::{Canonical, Identity};
use crate::schema::entry::Kind;

/// What results call it.
pub(super) const NAME: &str = "operator family members";

type Tokens = Vec<String>;

/// The entries of one side that hold members of one family.
#[derive(Default)]
struct Family {
    members: Vec<Tokens>,
    /// Of each entry, its place among those of its identity, and its tokens without members.
    holders: Vec<(Identity, usize, Tokens)>,
}

/// Takes the members out of the statements of families that have the same ones on both sides;
/// says whether that made any statement equal that was not.
pub(super) fn set_members_aside<'a>(
    left: &mut BTreeMap<Identity, Vec<Canonical<'a>>>,
    right: &mut BTreeMap<Identity, Vec<Canonical<'a>>>,
) -> bool {
    let (here, mut there) = (families(left), families(right));
    let mut explained = false;
    for (name, mut one) in here {
        let Some(mut other) = there.remove(&name) else { continue };
        one.members.sort();
        other.members.sort();
        if one.members != other.members {
            continue;
        }
        explained |= one.holders.iter().any(|(identity, at, _)| {
            let tokens = |side: &BTreeMap<Identity, Vec<Canonical<'a>>>| {
                side.get(identity).and_then(|some| some.get(*at)).map(|one| one.tokens.clone())
            };
            tokens(left) != tokens(right)
        });
        for (side, family) in [(&mut *left, one), (&mut *right, other)] {
            for (identity, at, tokens) in family.holders {
                if let Some(holder) = side.get_mut(&identity).and_then(|some| some.get_mut(at)) {
                    holder.tokens = tokens;
                }
            }
        }
    }
    explained
}

/// The families by their names with the access method, as statements write them.
fn families(side: &BTreeMap<Identity, Vec<Canonical<'_>>>) -> BTreeMap<Tokens, Family> {
    let mut all: BTreeMap<Tokens, Family> = BTreeMap::new();
    for (identity, entries) in side {
        for (at, one) in entries.iter().enumerate() {
            let parts = match one.entry.kind {
                Kind::OperatorClass => of_class(&one.tokens),
                Kind::OperatorFamily => of_family(&one.tokens),
                _ => None,
            };
            let Some((name, members, rest)) = parts else { continue };
            let family = all.entry(name).or_default();
            family.members.extend(members);
            family.holders.push((identity.clone(), at, rest));
        }
    }
    all
}

/// `CREATE OPERATOR CLASS c [DEFAULT] FOR TYPE t USING method FAMILY f AS members;`
fn of_class(tokens: &[String]) -> Option<(Tokens, Vec<Tokens>, Tokens)> {
    let find = |word: &str, from: usize| {
        tokens.iter().skip(from).position(|token| token == word).map(|at| at + from)
    };
    let using = find("USING", 0)?;
    let family = find("FAMILY", using)?;
    let members = find("AS", family)?;
    let name = [&tokens[family + 1..members], &tokens[using + 1..family]].concat();
    let (held, others): (Vec<Tokens>, Vec<Tokens>) =
        items(&tokens[members + 1..]).into_iter().partition(|item| {
            item.first().is_some_and(|word| word == "OPERATOR" || word == "FUNCTION")
        });
    let rest = [&tokens[..=members], &others.concat()[..]].concat();
    Some((name, held, rest))
}

/// `CREATE OPERATOR FAMILY f USING method;`, and, if it has members of its own, `ALTER OPERATOR
/// FAMILY f USING method ADD members;`
fn of_family(tokens: &[String]) -> Option<(Tokens, Vec<Tokens>, Tokens)> {
    let end = tokens.iter().position(|token| token == ";")?;
    let using = tokens[..end].iter().position(|token| token == "USING")?;
    let name = [tokens.get(3..using)?, &tokens[using + 1..end]].concat();
    let members = tokens[end..].iter().position(|token| token == "ADD");
    let members = members.map(|at| items(&tokens[end + at + 1..])).unwrap_or_default();
    Some((name, members, tokens[..=end].to_vec()))
}

/// What stands between commas, those within brackets apart, up to the semicolon.
fn items(tokens: &[String]) -> Vec<Tokens> {
    let mut depth = 0_u32;
    let mut items = vec![Tokens::new()];
    for token in tokens.iter().take_while(|token| *token != ";") {
        match token.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                items.push(Tokens::new());
                continue;
            }
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(token.clone());
        }
    }
    items.retain(|item| !item.is_empty());
    items
}
