//! The names of entries, as people read them.
//!
//! Under `--quote-all-identifiers` some tags hold quotes that nobody needs: those of comments,
//! privileges and labels name their object with its kind (`SCHEMA "public"`), those of functions
//! and casts hold types. Step keys, findings and the recognition of what belongs to the database
//! itself go by tags, so they lose these quotes.
//!
//! Invariant: tags are for people and for selecting; what runs is never made from a tag that has
//! been through here.

use super::entry::{Entry, Kind};
use super::scan::{Token, TokenKind, scan};

/// Takes quotes away where a name needs none, in those tags that hold quoted names.
pub fn plain_tags(entries: &mut [Entry]) {
    for entry in entries {
        match entry.kind {
            Kind::Acl | Kind::Cast | Kind::Comment | Kind::SecurityLabel | Kind::Transform => {
                entry.tag = plain(&entry.tag);
            }
            // The name stands bare before the brackets, whatever it holds.
            Kind::Aggregate | Kind::Function | Kind::Procedure => {
                if let Some(name) = routine(entry)
                    && let Some(arguments) = entry.tag.strip_prefix(name.as_str())
                {
                    entry.tag = format!("{name}{}", plain(arguments));
                }
            }
            _ => {}
        }
    }
}

/// The name in `DROP FUNCTION schema.name(…)`.
fn routine(entry: &Entry) -> Option<String> {
    let tokens = scan(entry.drop_stmt.as_deref()?)?;
    match tokens.get(2..)? {
        [_, dot, name, ..] if dot.is_symbol('.') => name.name(),
        [name, ..] => name.name(),
        [] => None,
    }
}

/// A text that is not SQL stays as it is.
fn plain(text: &str) -> String {
    let Some(tokens) = scan(text) else { return text.to_owned() };
    let mut plain = String::with_capacity(text.len());
    let mut from = 0;
    for token in tokens.iter().filter(|token| needs_no_quotes(token)) {
        plain.push_str(&text[from..token.start]);
        plain.push_str(token.text.trim_matches('"'));
        from = token.end();
    }
    plain.push_str(&text[from..]);
    plain
}

fn needs_no_quotes(token: &Token<'_>) -> bool {
    let inner = token.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    token.kind == TokenKind::QuotedName
        && inner.is_some_and(|name| {
            name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::entry::tests::entry;

    fn tag(kind: Kind, tag: &str, drop_stmt: Option<&str>) -> String {
        let mut one = entry(kind, "");
        (one.tag, one.drop_stmt) = (tag.to_owned(), drop_stmt.map(str::to_owned));
        let mut entries = [one];
        plain_tags(&mut entries);
        entries[0].tag.clone()
    }

    #[test]
    fn needless_quotes_go() {
        for (kind, quoted, expected) in [
            (Kind::Comment, "SCHEMA \"public\"", "SCHEMA public"),
            (Kind::Comment, "DATABASE \"Shop\"", "DATABASE \"Shop\""),
            (Kind::Acl, "COLUMN \"t\".\"a b\"", "COLUMN t.\"a b\""),
            (Kind::Comment, "FUNCTION \"f\"(\"text\", integer)", "FUNCTION f(text, integer)"),
            (Kind::Cast, "CAST (\"app\".\"mood\" AS \"text\")", "CAST (app.mood AS text)"),
            (Kind::Comment, "TABLE \"a\"\"b\"", "TABLE \"a\"\"b\""),
            // Tables are called what their tag says.
            (Kind::Table, "\"t\"", "\"t\""),
        ] {
            assert_eq!(tag(kind, quoted, None), expected);
        }
    }

    #[test]
    fn a_function_is_called_what_it_is_called() {
        assert_eq!(
            tag(
                Kind::Function,
                "\"f\"(\"text\")",
                Some("DROP FUNCTION \"app\".\"\"\"f\"\"\"(\"text\");\n")
            ),
            "\"f\"(text)"
        );
    }
}
