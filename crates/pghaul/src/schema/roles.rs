//! The roles that a schema names: owners, grantees and grantors, those of policies, default
//! privileges and user mappings. They belong to the whole server, so no schema dump makes them.

use std::collections::BTreeMap;

use super::adapt::{begins_with, position_of};
use super::edit::List;
use super::emit::given_owner;
use super::entry::{Entry, Kind};
use super::scan::{Token, TokenKind, scan, statements};
use super::step::{Privileges, StepOptions, is_skipped};
use crate::connect::Session;
use crate::error::Error;
use crate::name::Ident;

/// How a role is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleUse {
    /// How many objects it will own.
    pub owns: usize,
    /// How many other entries name it.
    pub named: usize,
    /// The first object that it owns or that names it, for people.
    pub example: String,
}

/// All roles that the steps for these entries name.
pub fn roles(entries: &[Entry], options: &StepOptions<'_>) -> BTreeMap<Ident, RoleUse> {
    let mut roles: BTreeMap<Ident, RoleUse> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !is_skipped(entry)) {
        if let Some(owner) = given_owner(entry, &options.emit) {
            let role = roles.entry(Ident::new(owner)).or_default();
            role.owns += 1;
            role.see(entry);
        }
        let is_privilege = matches!(entry.kind, Kind::Acl | Kind::DefaultAcl);
        if is_privilege && options.privileges == Privileges::Leave {
            continue;
        }
        for name in named(entry) {
            let role = roles.entry(Ident::new(name)).or_default();
            role.named += 1;
            role.see(entry);
        }
    }
    roles
}

impl RoleUse {
    fn see(&mut self, entry: &Entry) {
        if self.example.is_empty() {
            self.example = entry.to_string();
        }
    }
}

/// The roles that an entry's statements name, less the owner.
fn named(entry: &Entry) -> Vec<String> {
    let mut names = Vec::new();
    if !matches!(entry.kind, Kind::Acl | Kind::DefaultAcl | Kind::Policy | Kind::UserMapping) {
        return names;
    }
    let Some(tokens) = scan(&entry.defn) else { return names };
    for statement in statements(&tokens) {
        match entry.kind {
            Kind::Acl | Kind::DefaultAcl => privileges(statement, &mut names),
            Kind::Policy => {
                if let Some(to) = position_of(statement, &["TO"]) {
                    let list = List::read(statement, to + 1, |token| {
                        token.is_word("USING") || token.is_word("WITH")
                    });
                    names.extend(
                        list.elements.iter().filter_map(|one| role(&statement[one.clone()])),
                    );
                }
            }
            // `CREATE USER MAPPING FOR role SERVER …`
            Kind::UserMapping => names.extend(statement.get(4..5).and_then(role)),
            _ => {}
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn privileges(statement: &[Token<'_>], names: &mut Vec<String>) {
    if begins_with(statement, &["SET", "SESSION", "AUTHORIZATION"]) {
        names.extend(statement.get(3..4).and_then(role));
        return;
    }
    let mut from = 0;
    if begins_with(statement, &["ALTER", "DEFAULT", "PRIVILEGES", "FOR", "ROLE"]) {
        names.extend(statement.get(5..6).and_then(role));
        from = 6;
    }
    // Behind the object, so that no privilege and no name before it is taken for a key word.
    let Some(on) = position_of(&statement[from..], &["ON"]) else { return };
    from += on + 1;
    let rest = &statement[from..];
    let to = ["TO", "FROM"].iter().filter_map(|word| position_of(rest, &[word])).min();
    let Some(to) = to else { return };
    let list = List::read(rest, to + 1, |token| token.is_word("WITH"));
    names.extend(list.elements.iter().filter_map(|one| role(&rest[one.clone()])));
}

/// A role by name. `PUBLIC` is none, in quotes either (Postgres manual, `CREATE ROLE`: the name is
/// reserved); `CURRENT_USER` is none without quotes.
fn role(tokens: &[Token<'_>]) -> Option<String> {
    let token = tokens.first()?;
    if token.kind == TokenKind::Literal {
        // `SET SESSION AUTHORIZATION 'r'`, in old archives.
        return Some(token.text.trim_matches('\'').replace("''", "'"));
    }
    let special = ["PUBLIC", "CURRENT_USER", "SESSION_USER", "CURRENT_ROLE"];
    let is_special = special.iter().any(|word| token.is_word(word));
    if is_special { None } else { token.name().filter(|name| name != "public") }
}

/// What stands in the way of using a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleTrouble {
    /// The target has none of this name.
    Missing,
    /// The role that runs cannot become it, so it cannot give it objects (Postgres manual, `ALTER
    /// TABLE`: "you must be able to SET ROLE to the new owning role").
    NotMember,
}

/// Which of the roles cannot be used by the role that the session runs as. Membership is only
/// asked of owners.
///
/// # Errors
/// What the server said.
pub async fn role_troubles(
    target: &Session,
    roles: &BTreeMap<Ident, RoleUse>,
) -> Result<Vec<(Ident, RoleTrouble)>, Error> {
    let names: Vec<&str> = roles.keys().map(Ident::as_str).collect();
    // 16 tells apart who inherits a role's privileges and who may become it.
    let how = if target.version().at_least(16) { "SET" } else { "MEMBER" };
    let rows =
        target.query("ask for roles", include_str!("roles/usable.sql"), &[&names, &how]).await?;
    let mut usable: BTreeMap<String, bool> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(roles
        .iter()
        .filter_map(|(role, used)| {
            let trouble = match usable.remove(role.as_str()) {
                None => RoleTrouble::Missing,
                Some(false) if used.owns > 0 => RoleTrouble::NotMember,
                Some(_) => return None,
            };
            Some((role.clone(), trouble))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::entry::tests::entry;

    #[test]
    fn roles_are_read_from_statements() {
        for (kind, defn, expected) in [
            (
                Kind::Acl,
                "REVOKE ALL ON TABLE a.\"to x\" FROM a_owner;\nSET SESSION AUTHORIZATION \"G;\";\nGRANT SELECT(b),UPDATE ON TABLE a.t TO \"R, s\" WITH GRANT OPTION;\nGRANT ALL ON FUNCTION a.f(\"to\" integer) TO PUBLIC;\nRESET SESSION AUTHORIZATION;\n",
                vec!["G;", "R, s", "a_owner"],
            ),
            (
                Kind::DefaultAcl,
                "ALTER DEFAULT PRIVILEGES FOR ROLE revoke IN SCHEMA a GRANT ALL ON TABLES TO \"on\";\n",
                vec!["on", "revoke"],
            ),
            (
                Kind::Policy,
                "CREATE POLICY p ON a.t FOR SELECT TO r, \"S\", PUBLIC USING ((b IN ( SELECT 1)));",
                vec!["S", "r"],
            ),
            (Kind::Policy, "CREATE POLICY p ON a.t USING (true);", vec![]),
            (
                Kind::UserMapping,
                "CREATE USER MAPPING FOR \"U\" SERVER s OPTIONS (password 'x');",
                vec!["U"],
            ),
            (Kind::UserMapping, "CREATE USER MAPPING FOR PUBLIC SERVER s;", vec![]),
            (Kind::UserMapping, "CREATE USER MAPPING FOR \"public\" SERVER \"s\";", vec![]),
            (
                Kind::Acl,
                "GRANT ALL ON TABLE \"a\".\"t\" TO \"current_user\";",
                vec!["current_user"],
            ),
            (Kind::Table, "CREATE TABLE a.t ();", vec![]),
        ] {
            assert_eq!(named(&entry(kind, defn)), expected, "{defn}");
        }
    }
}
