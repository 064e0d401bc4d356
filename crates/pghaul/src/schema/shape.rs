//! Whether an entry's statements have the shape that `pg_dump` gives entries of its kind.
//!
//! Statements run with the rights of whoever runs pghaul, often a superuser's, and hold names that
//! any user of the source could choose. `pg_dump` quotes names; where it forgets one, a name can
//! end its statement and begin another. (18.6 forgets those of `NOT NULL` constraints of inherited
//! columns, tried.) So each statement must begin as one of its kind does, and change no other
//! table than its entry's.

use super::adapt::begins_with;
use super::entry::{Entry, Kind};
use super::scan::{Token, scan, statements};
use super::subject::{Subject, altered_table};

/// Words that may or may not stand behind CREATE.
const OPTIONAL: [&str; 8] =
    ["OR", "REPLACE", "UNLOGGED", "UNIQUE", "TRUSTED", "PROCEDURAL", "CONSTRAINT", "DEFAULT"];

/// Whether the entry is what `pg_dump` writes.
pub(super) fn is_sound(entry: &Entry) -> bool {
    let Some(tokens) = scan(&entry.defn) else { return false };
    let allowed = beginnings(&entry.kind);
    let subject = Subject::of(entry);
    let tables: Vec<_> = subject.relation.iter().chain(&subject.others).collect();
    statements(&tokens).into_iter().all(|statement| {
        let begins = allowed.iter().any(|words| begins_like(statement, words));
        let own = tables.is_empty()
            || altered_table(statement).is_none_or(|table| tables.contains(&&table));
        begins && own
    })
}

fn begins_like(statement: &[Token<'_>], words: &[&str]) -> bool {
    let is_optional = |token: &&Token<'_>| !OPTIONAL.iter().any(|word| token.is_word(word));
    match statement.first() {
        Some(first) if first.is_word("CREATE") && words.first() == Some(&"CREATE") => {
            let rest = statement[1..].iter().filter(is_optional).copied();
            let rest: Vec<Token<'_>> = rest.take(words.len()).collect();
            begins_with(&rest, &words[1..])
        }
        _ => begins_with(statement, words),
    }
}

/// How statements of a kind begin, less the optional words.
fn beginnings(kind: &Kind) -> &'static [&'static [&'static str]] {
    match kind {
        Kind::AccessMethod => &[&["CREATE", "ACCESS", "METHOD"]],
        Kind::Acl => &[
            &["GRANT"],
            &["REVOKE"],
            &["SET", "SESSION", "AUTHORIZATION"],
            &["RESET", "SESSION", "AUTHORIZATION"],
        ],
        Kind::Aggregate => &[&["CREATE", "AGGREGATE"]],
        Kind::Cast => &[&["CREATE", "CAST"]],
        Kind::CheckConstraint | Kind::Constraint | Kind::FkConstraint => &[
            &["ALTER", "TABLE"],
            &["ALTER", "FOREIGN", "TABLE"],
            &["ALTER", "DOMAIN"],
            &["ALTER", "INDEX"],
        ],
        Kind::Collation => &[&["CREATE", "COLLATION"]],
        Kind::Comment => &[&["COMMENT", "ON"]],
        Kind::Conversion => &[&["CREATE", "CONVERSION"]],
        Kind::Default => &[&["ALTER", "TABLE"], &["ALTER", "FOREIGN", "TABLE"], &["ALTER", "VIEW"]],
        Kind::DefaultAcl => &[&["ALTER", "DEFAULT", "PRIVILEGES"]],
        Kind::Domain => &[&["CREATE", "DOMAIN"]],
        Kind::EventTrigger => &[&["CREATE", "EVENT", "TRIGGER"], &["ALTER", "EVENT", "TRIGGER"]],
        Kind::Extension => &[&["CREATE", "EXTENSION"]],
        Kind::ForeignDataWrapper => &[&["CREATE", "FOREIGN", "DATA", "WRAPPER"]],
        Kind::Function => &[&["CREATE", "FUNCTION"], &["ALTER", "FUNCTION"]],
        Kind::Index => &[&["CREATE", "INDEX"], &["ALTER", "TABLE"], &["ALTER", "INDEX"]],
        Kind::IndexAttach => &[&["ALTER", "INDEX"]],
        Kind::MaterializedView => &[
            &["CREATE", "MATERIALIZED", "VIEW"],
            &["ALTER", "TABLE"],
            &["ALTER", "MATERIALIZED", "VIEW"],
        ],
        Kind::Operator => &[&["CREATE", "OPERATOR"]],
        Kind::OperatorClass => &[&["CREATE", "OPERATOR", "CLASS"]],
        Kind::OperatorFamily => {
            &[&["CREATE", "OPERATOR", "FAMILY"], &["ALTER", "OPERATOR", "FAMILY"]]
        }
        Kind::Policy => &[&["CREATE", "POLICY"]],
        Kind::ProceduralLanguage => &[&["CREATE", "LANGUAGE"]],
        Kind::Procedure => &[&["CREATE", "PROCEDURE"], &["ALTER", "PROCEDURE"]],
        Kind::Publication => &[&["CREATE", "PUBLICATION"]],
        Kind::PublicationTable | Kind::PublicationSchema => &[&["ALTER", "PUBLICATION"]],
        Kind::RowSecurity | Kind::TableAttach => &[&["ALTER", "TABLE"]],
        Kind::Rule => &[&["CREATE", "RULE"], &["CREATE", "VIEW"], &["ALTER", "TABLE"]],
        Kind::Schema => &[&["CREATE", "SCHEMA"]],
        Kind::SecurityLabel => &[&["SECURITY", "LABEL"]],
        Kind::Sequence => &[&["CREATE", "SEQUENCE"], &["ALTER", "TABLE"], &["ALTER", "SEQUENCE"]],
        Kind::SequenceOwnedBy => &[&["ALTER", "SEQUENCE"]],
        Kind::Server => &[&["CREATE", "SERVER"]],
        Kind::ShellType | Kind::Type => &[&["CREATE", "TYPE"]],
        Kind::Statistics => &[&["CREATE", "STATISTICS"], &["ALTER", "STATISTICS"]],
        Kind::StatisticsData => &[&["SELECT"]],
        Kind::Subscription => &[&["CREATE", "SUBSCRIPTION"], &["ALTER", "SUBSCRIPTION"]],
        Kind::SubscriptionTable => &[&["ALTER", "SUBSCRIPTION"]],
        Kind::Table | Kind::ForeignTable => &[
            &["CREATE", "TABLE"],
            &["CREATE", "FOREIGN", "TABLE"],
            &["ALTER", "TABLE"],
            &["ALTER", "FOREIGN", "TABLE"],
        ],
        Kind::TextSearchConfiguration => &[
            &["CREATE", "TEXT", "SEARCH", "CONFIGURATION"],
            &["ALTER", "TEXT", "SEARCH", "CONFIGURATION"],
        ],
        Kind::TextSearchDictionary => &[&["CREATE", "TEXT", "SEARCH", "DICTIONARY"]],
        Kind::TextSearchParser => &[&["CREATE", "TEXT", "SEARCH", "PARSER"]],
        Kind::TextSearchTemplate => &[&["CREATE", "TEXT", "SEARCH", "TEMPLATE"]],
        Kind::Transform => &[&["CREATE", "TRANSFORM"]],
        Kind::Trigger => &[&["CREATE", "TRIGGER"], &["ALTER", "TABLE"], &["ALTER", "TRIGGER"]],
        Kind::UserMapping => &[&["CREATE", "USER", "MAPPING"]],
        Kind::View => &[&["CREATE", "VIEW"], &["ALTER", "TABLE"], &["ALTER", "VIEW"]],
        // Never run.
        Kind::Blob
        | Kind::BlobComments
        | Kind::BlobMetadata
        | Kind::Blobs
        | Kind::Database
        | Kind::DatabaseProperties
        | Kind::Encoding
        | Kind::MaterializedViewData
        | Kind::SearchPath
        | Kind::SequenceSet
        | Kind::StdStrings
        | Kind::TableData
        | Kind::Unknown(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::entry::tests::entry;

    fn sound(kind: Kind, defn: &str) -> bool {
        let mut entry = entry(kind, defn);
        (entry.namespace, entry.tag) = (Some("a".to_owned()), "t".to_owned());
        is_sound(&entry)
    }

    #[test]
    fn a_name_that_breaks_out_is_seen() {
        for (kind, defn) in [
            (
                Kind::Table,
                "CREATE TABLE a.t (\n    CONSTRAINT x NOT NULL b); ALTER ROLE r SUPERUSER; CREATE TABLE a.y (CONSTRAINT z NOT NULL b\n)\nINHERITS (a.p);",
            ),
            (
                Kind::Table,
                "CREATE TABLE a.t (\n    CONSTRAINT x NOT NULL b); ALTER TABLE a.other OWNER TO r; ALTER TABLE a.t ADD COLUMN (\n    b integer\n);",
            ),
            (Kind::Table, "CREATE TABLE a.t (\n    CONSTRAINT x' NOT NULL b\n);"),
            (Kind::Comment, "COMMENT ON TABLE a.t IS 'x'; GRANT r TO s;"),
            (
                Kind::Function,
                "CREATE FUNCTION a.t() RETURNS int\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT 1;\nEND; DROP TABLE a.t;",
            ),
            (Kind::Unknown("NEW".to_owned()), "CREATE NEW x;"),
        ] {
            assert!(!sound(kind, defn), "{defn}");
        }
    }

    #[test]
    fn what_pg_dump_writes_is_sound() {
        for (kind, defn) in [
            (
                Kind::Table,
                "CREATE UNLOGGED TABLE a.t (\n    b integer\n);\nALTER TABLE ONLY a.t ALTER COLUMN b SET STATISTICS 7;\n",
            ),
            (
                Kind::Function,
                "CREATE FUNCTION a.t() RETURNS int\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT 1;\n SELECT CASE WHEN true THEN 1 END;\nEND;",
            ),
            (
                Kind::ProceduralLanguage,
                "CREATE OR REPLACE TRUSTED PROCEDURAL LANGUAGE l HANDLER a.h;",
            ),
            (
                Kind::Index,
                "CREATE UNIQUE INDEX i ON a.t USING btree (b);\n\nALTER TABLE a.t CLUSTER ON i;\n",
            ),
            (
                Kind::Trigger,
                "CREATE CONSTRAINT TRIGGER g AFTER INSERT ON a.t FOR EACH ROW EXECUTE FUNCTION a.f();\n\nALTER TABLE a.t DISABLE TRIGGER g;\n",
            ),
            (Kind::Schema, "-- *not* creating schema, since initdb creates it\n"),
            (
                Kind::Acl,
                "SET SESSION AUTHORIZATION r;\nGRANT ALL ON TABLE a.t TO s;\nRESET SESSION AUTHORIZATION;\n",
            ),
        ] {
            assert!(sound(kind, defn), "{defn}");
        }
    }
}
