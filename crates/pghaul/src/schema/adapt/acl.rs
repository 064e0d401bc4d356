//! Privileges: those that the target does not know, and grantors for a role that is no superuser.

use super::{Change, Statement, begins_with};
use crate::schema::edit::List;
use crate::schema::scan::Token;

/// `SET SESSION AUTHORIZATION` is for superusers; a member of the role can `SET ROLE`. The
/// grantor is the same. Only at the start of a statement: everywhere else these words are names.
pub(super) fn take_role(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    let tokens = statement.tokens;
    for (words, role) in [
        (["SET", "SESSION", "AUTHORIZATION"], "SET ROLE"),
        (["RESET", "SESSION", "AUTHORIZATION"], "RESET ROLE"),
    ] {
        if begins_with(tokens, &words) {
            change.edits.replace(tokens[0].start..tokens[2].end(), role);
        }
    }
}

/// MAINTAIN came with 17. A statement that gives or takes nothing else goes as a whole.
pub(super) fn drop_maintain(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    let tokens = statement.tokens;
    let Some(from) = privileges(tokens) else { return };
    let privileges = List::read(tokens, from, |token| token.is_word("ON"));
    let is_maintain = |element: &[Token<'_>]| element[0].is_word("MAINTAIN");
    if !privileges.elements.iter().any(|element| is_maintain(&tokens[element.clone()])) {
        return;
    }
    change.losses.push("privilege MAINTAIN, unknown before 17".to_owned());
    if privileges.elements.iter().all(|element| is_maintain(&tokens[element.clone()])) {
        statement.remove(&mut change.edits);
    } else {
        privileges.remove(tokens, &mut change.edits, is_maintain);
    }
}

/// Where the privileges begin in `GRANT …`, `REVOKE [GRANT OPTION FOR] …`, `ALTER DEFAULT
/// PRIVILEGES FOR ROLE r [IN SCHEMA s] GRANT …`.
fn privileges(tokens: &[Token<'_>]) -> Option<usize> {
    let mut at = 0;
    if begins_with(tokens, &["ALTER", "DEFAULT", "PRIVILEGES"]) {
        at = 3;
        for words in [["FOR", "ROLE"], ["IN", "SCHEMA"]] {
            if begins_with(tokens.get(at..)?, &words) {
                at += 3;
            }
        }
    }
    let verb = tokens.get(at)?;
    if !verb.is_word("GRANT") && !verb.is_word("REVOKE") {
        return None;
    }
    at += 1;
    if begins_with(tokens.get(at..)?, &["GRANT", "OPTION", "FOR"]) {
        at += 3;
    }
    Some(at)
}
