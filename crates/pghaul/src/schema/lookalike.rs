//! The statement of an index or a constraint, for another table than its own.

use super::adapt::begins_with;
use super::scan::{qualified_name, scan, span, statements};
use crate::name::RelationName;

/// The first of the statements, `CREATE [UNIQUE] INDEX … ON [ONLY] table …` or `ALTER TABLE [ONLY]
/// table ADD CONSTRAINT …`, for another table. `None` for what does not look so.
pub(crate) fn lookalike(sql: &str, table: &RelationName) -> Option<String> {
    let tokens = scan(sql)?;
    let statement = *statements(&tokens).first()?;
    let mut at = match () {
        () if begins_with(statement, &["ALTER", "TABLE"]) => 2,
        () if begins_with(statement, &["CREATE", "INDEX"])
            || begins_with(statement, &["CREATE", "UNIQUE", "INDEX"]) =>
        {
            statement.iter().position(|token| token.is_word("ON"))? + 1
        }
        () => return None,
    };
    at += usize::from(statement.get(at)?.is_word("ONLY"));
    let (whole, name) = (span(statement), span(qualified_name(statement, at)?));
    Some(format!(
        "{}{}{}",
        &sql[whole.start..name.start],
        table.quoted(),
        &sql[name.end..whole.end]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_is_another() {
        let other = RelationName::new("s", "other");
        for (sql, expected) in [
            (
                "CREATE UNIQUE INDEX \"ON\" ON public.t USING btree (lower(t.a)) WHERE (a > 0);\n",
                "CREATE UNIQUE INDEX \"ON\" ON \"s\".\"other\" USING btree (lower(t.a)) WHERE (a > 0)",
            ),
            (
                "ALTER TABLE ONLY public.\"T\"\n    ADD CONSTRAINT c EXCLUDE USING gist (r WITH &&);",
                "ALTER TABLE ONLY \"s\".\"other\"\n    ADD CONSTRAINT c EXCLUDE USING gist (r WITH &&)",
            ),
        ] {
            assert_eq!(lookalike(sql, &other).as_deref(), Some(expected));
        }
        assert_eq!(lookalike("DROP TABLE t", &other), None);
    }
}
