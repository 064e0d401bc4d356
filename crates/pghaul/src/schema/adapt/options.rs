//! Options in brackets: of publications, subscriptions and range types.

use super::{Change, Statement, position_of};
use crate::schema::edit::List;
use crate::schema::scan::Token;
use crate::version::ServerVersion;

/// An option of a publication or subscription, the major version that it came with, and its value
/// that does what servers before it do anyway.
struct Introduced {
    name: &'static str,
    major: u32,
    harmless: &'static [&'static str],
}

const fn since(major: u32, name: &'static str, harmless: &'static [&'static str]) -> Introduced {
    Introduced { name, major, harmless }
}

/// Postgres manual, `CREATE PUBLICATION` and `CREATE SUBSCRIPTION`, of 10 to 18.
const INTRODUCED: [Introduced; 10] = [
    since(13, "publish_via_partition_root", &["false"]),
    since(14, "binary", &["false"]),
    since(14, "streaming", &["off", "false"]),
    since(15, "two_phase", &["off", "false"]),
    since(15, "disable_on_error", &["false"]),
    since(16, "password_required", &["true", "false"]),
    since(16, "run_as_owner", &["true"]),
    since(16, "origin", &["any"]),
    since(17, "failover", &["false"]),
    since(18, "publish_generated_columns", &["none"]),
];

/// Takes away options that the target does not know.
pub(super) fn drop_unknown(
    statement: &Statement<'_, '_>,
    target: ServerVersion,
    change: &mut Change<'_>,
) {
    let tokens = statement.tokens;
    let Some(with) = position_of(tokens, &["WITH"]) else { return };
    let options = List::in_brackets(tokens, with + 1);
    for element in &options.elements {
        let option = &tokens[element.clone()];
        let Some(value) = option.get(2) else { continue };
        if let Some(known) = unknown(option, target) {
            if !known.harmless.iter().any(|harmless| is_value(value, harmless)) {
                change.losses.push(format!(
                    "{} = {}, unknown before {}",
                    known.name, value.text, known.major
                ));
            }
        } else if option[0].is_word("streaming")
            && is_value(value, "parallel")
            && !target.at_least(16)
        {
            change.edits.replace(value.start..value.end(), "on");
            change.losses.push("streaming = parallel, unknown before 16: it is on".to_owned());
        }
    }
    let is_unknown = |option: &[Token<'_>]| unknown(option, target).is_some();
    let all = options.elements.iter().all(|element| is_unknown(&tokens[element.clone()]));
    match (tokens.get(with), tokens.last()) {
        // An empty list is no list.
        (Some(first), Some(last)) if all => change.edits.remove(first.start..last.end()),
        _ => {
            options.remove(tokens, &mut change.edits, is_unknown);
        }
    }
}

fn unknown(option: &[Token<'_>], target: ServerVersion) -> Option<&'static Introduced> {
    INTRODUCED.iter().find(|known| option[0].is_word(known.name) && !target.at_least(known.major))
}

fn is_value(token: &Token<'_>, value: &str) -> bool {
    token.text.trim_matches('\'').eq_ignore_ascii_case(value)
}

/// Range types name their multirange type from 14 on.
pub(super) fn drop_multirange_name(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    let tokens = statement.tokens;
    let Some(range) = position_of(tokens, &["AS", "RANGE"]) else { return };
    let options = List::in_brackets(tokens, range + 2);
    let before = options.elements.len();
    let left = options
        .remove(tokens, &mut change.edits, |option| option[0].is_word("multirange_type_name"));
    if left < before {
        change.losses.push("its multirange type, unknown before 14".to_owned());
    }
}
