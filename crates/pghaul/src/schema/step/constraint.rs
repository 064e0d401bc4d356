//! Constraints taken apart: the index of a key before its constraint, a foreign key before its
//! validation, and what an index's entry says beside the index.

use std::ops::Range;

use crate::schema::adapt::{begins_with, position_of};
use crate::schema::edit::List;
use crate::schema::scan::{Token, qualified_name, scan, span, statements};

/// The statements of an index's or a key's entry, by when they can run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyParts {
    /// `CREATE UNIQUE INDEX …`
    pub(super) index: String,
    /// `ALTER TABLE … ADD CONSTRAINT … USING INDEX …`, and what follows.
    pub(super) constraint: String,
}

/// Takes a primary key or a unique constraint apart. `None` where the two cannot be had apart:
/// exclusion constraints and keys `WITHOUT OVERLAPS`, which no `CREATE INDEX` can make, and
/// whatever does not look as `pg_dump` writes it. The caller sees to it that the table is not a
/// partitioned one, of which Postgres refuses it.
pub(super) fn key_parts(definition: &str) -> Option<KeyParts> {
    let tokens = scan(definition)?;
    let all = statements(&tokens);
    let statement = *all.first()?;
    if !begins_with(statement, &["ALTER", "TABLE", "ONLY"]) {
        return None;
    }
    let table = qualified_name(statement, 3)?;
    let add = 3 + table.len();
    if !begins_with(statement.get(add..)?, &["ADD", "CONSTRAINT"]) {
        return None;
    }
    let name = statement.get(add + 2)?;
    let mut at = add + 3;
    let kind = match () {
        () if begins_with(statement.get(at..)?, &["PRIMARY", "KEY"]) => at..at + 2,
        () if begins_with(statement.get(at..)?, &["UNIQUE"]) => at..at + 1,
        () => return None,
    };
    at = kind.end;
    let nulls = match begins_with(statement.get(at..)?, &["NULLS", "NOT", "DISTINCT"]) {
        true => " NULLS NOT DISTINCT",
        false => "",
    };
    at += if nulls.is_empty() { 0 } else { 3 };
    let text = |range: Range<usize>| Some(&definition[span(statement.get(range)?)]);

    let columns = brackets(statement, at)?;
    if position_of(&statement[columns.start + 1..columns.end - 1], &["WITHOUT", "OVERLAPS"])
        .is_some()
    {
        return None;
    }
    let mut index = format!(
        "CREATE UNIQUE INDEX {} ON {} USING btree {}",
        name.text,
        &definition[span(table)],
        text(columns.clone())?
    );
    at = columns.end;
    if begins_with(statement.get(at..)?, &["INCLUDE"]) {
        let included = brackets(statement, at + 1)?;
        index.push_str(&format!(" INCLUDE {}", text(included.clone())?));
        at = included.end;
    }
    index.push_str(nulls);
    if begins_with(statement.get(at..)?, &["WITH"]) {
        let options = brackets(statement, at + 1)?;
        index.push_str(&format!(" WITH {}", text(options.clone())?));
        at = options.end;
    }
    index.push_str(";\n");
    let deferral = statement.get(at..)?;
    if !deferral.iter().all(|token| {
        ["NOT", "DEFERRABLE", "INITIALLY", "DEFERRED", "IMMEDIATE"]
            .iter()
            .any(|word| token.is_word(word))
    }) {
        return None;
    }
    let mut constraint = format!(
        "ALTER TABLE ONLY {} ADD CONSTRAINT {} {} USING INDEX {}",
        &definition[span(table)],
        name.text,
        text(kind)?,
        name.text
    );
    for word in deferral {
        constraint.push_str(&format!(" {}", word.text));
    }
    constraint.push(';');
    constraint.push_str(behind(definition, statement));
    Some(KeyParts { index, constraint })
}

/// The tokens of a bracket that opens at `open`, with its brackets.
fn brackets(tokens: &[Token<'_>], open: usize) -> Option<Range<usize>> {
    if !tokens.get(open)?.is_symbol('(') {
        return None;
    }
    let list = List::in_brackets(tokens, open);
    let close = list.elements.last().map_or(open + 1, |last| last.end);
    tokens.get(close)?.is_symbol(')').then_some(open..close + 1)
}

/// What follows the first statement and its semicolon.
fn behind<'a>(definition: &'a str, first: &[Token<'_>]) -> &'a str {
    let rest = &definition[span(first).end..];
    rest.trim_start().strip_prefix(';').unwrap_or(rest)
}

/// Splits an index's entry into what makes the index and what changes its table: `CLUSTER ON`
/// and `REPLICA IDENTITY` lock the table against readers.
pub(super) fn index_and_role(definition: &str) -> Option<(String, String)> {
    let tokens = scan(definition)?;
    let all = statements(&tokens);
    let (mut index, mut role) = (String::new(), String::new());
    for statement in all {
        let part = if begins_with(statement, &["ALTER", "TABLE"]) { &mut role } else { &mut index };
        part.push_str(&definition[span(statement)]);
        part.push_str(";\n");
    }
    (!role.is_empty()).then_some((index, role))
}

/// A foreign key in two statements.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ForeignKeyParts {
    /// The entry's statements, `NOT VALID` added.
    pub(super) add: String,
    /// `ALTER TABLE … VALIDATE CONSTRAINT …`
    pub(super) validate: String,
}

/// Takes a foreign key apart. `None` if it is to stay as it is: not valid or not enforced on the
/// source, or about periods. Before 18 those of partitioned tables, which `pg_dump` writes without ONLY, cannot be
/// `NOT VALID`: `of_partitioned` says whether the target can.
pub(super) fn foreign_key_parts(definition: &str, of_partitioned: bool) -> Option<ForeignKeyParts> {
    let tokens = scan(definition)?;
    let all = statements(&tokens);
    let statement = *all.first()?;
    let plain = begins_with(statement, &["ALTER", "TABLE", "ONLY"]);
    let from = match plain {
        true => 3,
        false if of_partitioned && begins_with(statement, &["ALTER", "TABLE"]) => 2,
        false => return None,
    };
    let table = qualified_name(statement, from)?;
    let add = from + table.len();
    if !begins_with(statement.get(add..)?, &["ADD", "CONSTRAINT"]) {
        return None;
    }
    let name = statement.get(add + 2)?;
    if ["VALID", "ENFORCED"].iter().any(|word| position_of(statement, &["NOT", word]).is_some()) {
        return None;
    }
    // VALIDATE is content with a period that is overlapped and not covered (18.6, tried).
    if statement.iter().any(|token| token.is_word("PERIOD")) {
        return None;
    }
    let end = span(statement).end;
    Some(ForeignKeyParts {
        add: format!("{} NOT VALID{}", &definition[..end], &definition[end..]),
        validate: format!(
            "ALTER TABLE {} VALIDATE CONSTRAINT {};\n",
            &definition[span(table)],
            name.text
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(definition: &str) -> (String, String) {
        let parts = key_parts(definition).unwrap();
        (parts.index, parts.constraint)
    }

    #[test]
    fn a_key_is_an_index_and_a_constraint() {
        assert_eq!(
            parts("ALTER TABLE ONLY a.\"t;\"\n    ADD CONSTRAINT \"k \"\"(\" PRIMARY KEY (\"x)\", y);\n"),
            (
                "CREATE UNIQUE INDEX \"k \"\"(\" ON a.\"t;\" USING btree (\"x)\", y);\n".to_owned(),
                "ALTER TABLE ONLY a.\"t;\" ADD CONSTRAINT \"k \"\"(\" PRIMARY KEY USING INDEX \"k \"\"(\";\n".to_owned()
            )
        );
        assert_eq!(
            parts("ALTER TABLE ONLY a.t\n    ADD CONSTRAINT k UNIQUE NULLS NOT DISTINCT (x) INCLUDE (y, \"with\") WITH (fillfactor='70') DEFERRABLE INITIALLY DEFERRED;\n\nALTER TABLE ONLY a.t CLUSTER ON k;\n\nALTER TABLE ONLY a.t REPLICA IDENTITY USING INDEX k;\n"),
            (
                "CREATE UNIQUE INDEX k ON a.t USING btree (x) INCLUDE (y, \"with\") NULLS NOT DISTINCT WITH (fillfactor='70');\n".to_owned(),
                "ALTER TABLE ONLY a.t ADD CONSTRAINT k UNIQUE USING INDEX k DEFERRABLE INITIALLY DEFERRED;\n\nALTER TABLE ONLY a.t CLUSTER ON k;\n\nALTER TABLE ONLY a.t REPLICA IDENTITY USING INDEX k;\n".to_owned()
            )
        );
    }

    #[test]
    fn what_no_index_can_stand_for_stays_whole() {
        for definition in [
            "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT k EXCLUDE USING gist (x WITH &&);\n",
            "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT k UNIQUE (id, during WITHOUT OVERLAPS);\n",
            "ALTER TABLE a.t\n    ADD CONSTRAINT k PRIMARY KEY (id);\n",
            "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT k PRIMARY KEY (id) SOMETHING NEW;\n",
            "ALTER TABLE a.t\n    ADD CONSTRAINT k NOT NULL c NOT VALID;\n",
        ] {
            assert_eq!(key_parts(definition), None, "{definition}");
        }
    }

    #[test]
    fn a_foreign_key_is_added_then_validated() {
        let parts = foreign_key_parts(
            "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT \"f; NOT VALID\" FOREIGN KEY (x) REFERENCES a.u(id) DEFERRABLE;\n",
            false,
        );
        assert_eq!(
            parts.unwrap(),
            ForeignKeyParts {
                add: "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT \"f; NOT VALID\" FOREIGN KEY (x) REFERENCES a.u(id) DEFERRABLE NOT VALID;\n".to_owned(),
                validate: "ALTER TABLE a.t VALIDATE CONSTRAINT \"f; NOT VALID\";\n".to_owned(),
            }
        );
    }

    #[test]
    fn foreign_keys_that_stay_as_they_are() {
        let on_parent =
            "ALTER TABLE a.t\n    ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES a.u(id);\n";
        assert_eq!(foreign_key_parts(on_parent, false), None);
        assert!(foreign_key_parts(on_parent, true).is_some());
        for tail in ["NOT VALID", "NOT ENFORCED"] {
            let definition = format!(
                "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES a.u(id) {tail};\n"
            );
            assert_eq!(foreign_key_parts(&definition, true), None, "{tail}");
        }
        let of_periods = |column: &str| {
            let definition = format!(
                "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT f FOREIGN KEY (x, {column}) REFERENCES a.u(id, d);\n"
            );
            foreign_key_parts(&definition, true)
        };
        assert_eq!(of_periods("PERIOD \"during\""), None);
        assert!(of_periods("\"PERIOD\"").is_some(), "a column of that name");
    }

    #[test]
    fn roles_of_an_index_come_apart_from_it() {
        assert_eq!(
            index_and_role("CREATE UNIQUE INDEX i ON a.t USING btree (x);\n\nALTER TABLE a.t CLUSTER ON i;\n\nALTER INDEX a.i ALTER COLUMN 1 SET STATISTICS 9;\n"),
            Some((
                "CREATE UNIQUE INDEX i ON a.t USING btree (x);\nALTER INDEX a.i ALTER COLUMN 1 SET STATISTICS 9;\n".to_owned(),
                "ALTER TABLE a.t CLUSTER ON i;\n".to_owned()
            ))
        );
        assert_eq!(index_and_role("CREATE INDEX i ON a.t USING btree (x);\n"), None);
    }
}
