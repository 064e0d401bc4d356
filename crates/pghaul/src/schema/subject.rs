//! Which relations an entry is about: the one that it makes or belongs to, and others that its
//! statement names.
//!
//! Read from the statement itself, which is what will run; a tag joins names with blanks and
//! cannot be taken apart again.

use super::adapt::{begins_with, position_of};
use super::edit::List;
use super::entry::{Entry, Kind};
use super::scan::{Token, qualified_name, scan, statements};
use crate::name::RelationName;

/// The relations of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The table, view or sequence that the entry makes, or that what it makes is a part of.
    pub relation: Option<RelationName>,
    /// Other relations that the statement cannot do without and locks: the one that a foreign
    /// key refers to, the partition that is attached, the parents of a child, the table that owns
    /// a sequence.
    pub others: Vec<RelationName>,
}

impl Subject {
    /// Reads an entry. Comments, privileges and labels have no subject of their own: they belong
    /// to the entries that they depend on.
    pub fn of(entry: &Entry) -> Self {
        let own = || {
            let namespace = entry.namespace()?;
            Some(RelationName::new(namespace, entry.tag.as_str()))
        };
        match entry.kind {
            Kind::View | Kind::MaterializedView | Kind::StatisticsData => {
                Self { relation: own(), others: Vec::new() }
            }
            Kind::Table | Kind::ForeignTable => {
                Self { relation: own(), others: parents(entry).unwrap_or_default() }
            }
            Kind::Sequence => {
                // An identity's sequence is made by its table's statement.
                let table = first_statement(entry, altered_table);
                Self { relation: own(), others: table.into_iter().collect() }
            }
            _ => first_statement(entry, |tokens| read(&entry.kind, tokens)).unwrap_or_default(),
        }
    }
}

/// Whether an entry makes a partitioned table.
pub(super) fn is_partitioned(entry: &Entry) -> bool {
    entry.kind == Kind::Table
        && match entry.relkind {
            Some(relkind) => relkind == 'p',
            None => first_statement(entry, |tokens| {
                position_of(tokens, &["PARTITION", "BY"]).map(|_| ())
            })
            .is_some(),
        }
}

fn first_statement<R>(entry: &Entry, read: impl Fn(&[Token<'_>]) -> Option<R>) -> Option<R> {
    let tokens = scan(&entry.defn)?;
    read(statements(&tokens).first()?)
}

fn read(kind: &Kind, tokens: &[Token<'_>]) -> Option<Subject> {
    let name_behind = |words: &[&str]| {
        let at = position_of(tokens, words)? + words.len();
        // `ON ONLY table`
        let only = tokens.get(at).is_some_and(|token| token.is_word("ONLY"));
        relation(qualified_name(tokens, at + usize::from(only))?)
    };
    let of = |relation: Option<RelationName>| {
        Some(Subject { relation: Some(relation?), others: Vec::new() })
    };
    match kind {
        Kind::Default | Kind::Constraint | Kind::CheckConstraint | Kind::RowSecurity => {
            of(altered_table(tokens))
        }
        Kind::FkConstraint => Some(Subject {
            relation: altered_table(tokens),
            others: name_behind(&["REFERENCES"]).into_iter().collect(),
        }),
        Kind::TableAttach => Some(Subject {
            relation: altered_table(tokens),
            others: name_behind(&["ATTACH", "PARTITION"]).into_iter().collect(),
        }),
        // The trigger of a partition that differs from its parent's is only switched.
        Kind::Trigger if tokens.first()?.is_word("ALTER") => of(altered_table(tokens)),
        Kind::Trigger => Some(Subject {
            relation: name_behind(&["ON"]),
            others: name_behind(&["FROM"]).into_iter().collect(),
        }),
        Kind::Index | Kind::Policy => of(name_behind(&["ON"])),
        Kind::Rule => of(name_behind(&["TO"]).or_else(|| name_behind(&["VIEW"]))),
        Kind::Statistics => of(name_behind(&["FROM"])),
        Kind::PublicationTable => of(name_behind(&["ADD", "TABLE"])),
        Kind::SequenceOwnedBy => {
            let sequence = relation(qualified_name(tokens, 2)?);
            let by = position_of(tokens, &["OWNED", "BY"])? + 2;
            let column = qualified_name(tokens, by)?;
            let table = relation(column.get(..column.len().checked_sub(2)?)?);
            Some(Subject { relation: sequence, others: table.into_iter().collect() })
        }
        _ => None,
    }
}

/// The table of `ALTER [FOREIGN] TABLE [ONLY] name …`. Not a domain.
pub(super) fn altered_table(tokens: &[Token<'_>]) -> Option<RelationName> {
    let rest = match () {
        () if begins_with(tokens, &["ALTER", "TABLE"]) => 2,
        () if begins_with(tokens, &["ALTER", "FOREIGN", "TABLE"]) => 3,
        () if begins_with(tokens, &["ALTER", "VIEW"]) => 2,
        () => return None,
    };
    let only = tokens.get(rest)?.is_word("ONLY");
    relation(qualified_name(tokens, rest + usize::from(only))?)
}

/// The parents of `CREATE TABLE … INHERITS (a, b)`.
fn parents(entry: &Entry) -> Option<Vec<RelationName>> {
    first_statement(entry, |tokens| {
        let open = position_of(tokens, &["INHERITS"])? + 1;
        let list = List::in_brackets(tokens, open);
        Some(list.elements.into_iter().filter_map(|one| relation(&tokens[one])).collect())
    })
}

/// `schema . name`, as pg_dump writes every relation.
fn relation(tokens: &[Token<'_>]) -> Option<RelationName> {
    match tokens {
        [schema, _, name] => Some(RelationName::new(schema.name()?, name.name()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::entry::tests::entry;

    fn subject(kind: Kind, defn: &str) -> (String, Vec<String>) {
        let subject = Subject::of(&entry(kind, defn));
        (
            subject.relation.map(|name| name.quoted()).unwrap_or_default(),
            subject.others.iter().map(RelationName::quoted).collect(),
        )
    }

    #[test]
    fn the_relation_is_read_from_the_statement() {
        for (kind, defn) in [
            (
                Kind::Constraint,
                "ALTER TABLE ONLY \"S 2\".\"t \"\" on\"\n    ADD CONSTRAINT \"a on b.c\" PRIMARY KEY (id);",
            ),
            (
                Kind::Default,
                "ALTER TABLE ONLY \"S 2\".\"t \"\" on\" ALTER COLUMN a SET DEFAULT nextval('x.y'::regclass);",
            ),
            (
                Kind::Index,
                "CREATE UNIQUE INDEX \"on x.y\" ON ONLY \"S 2\".\"t \"\" on\" USING btree (a);",
            ),
            (
                Kind::Trigger,
                "CREATE CONSTRAINT TRIGGER \"ON\" AFTER INSERT OR UPDATE OF \"on\" ON \"S 2\".\"t \"\" on\" DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f.on();",
            ),
            (Kind::Trigger, "ALTER TABLE \"S 2\".\"t \"\" on\" DISABLE TRIGGER x;"),
            (Kind::Rule, "CREATE RULE r AS\n    ON UPDATE TO \"S 2\".\"t \"\" on\" DO NOTHING;"),
            (Kind::Rule, "CREATE OR REPLACE VIEW \"S 2\".\"t \"\" on\" AS\n SELECT 1;"),
            (
                Kind::Policy,
                "CREATE POLICY p ON \"S 2\".\"t \"\" on\" FOR SELECT TO r USING ((a IN ( SELECT 1 FROM x.y)));",
            ),
            (Kind::RowSecurity, "ALTER TABLE \"S 2\".\"t \"\" on\" ENABLE ROW LEVEL SECURITY;"),
            (
                Kind::Statistics,
                "CREATE STATISTICS a.b (mcv) ON lower(c), d FROM \"S 2\".\"t \"\" on\";",
            ),
            (
                Kind::PublicationTable,
                "ALTER PUBLICATION p ADD TABLE ONLY \"S 2\".\"t \"\" on\" (a) WHERE (b);",
            ),
        ] {
            assert_eq!(subject(kind, defn), ("\"S 2\".\"t \"\" on\"".to_owned(), vec![]), "{defn}");
        }
    }

    #[test]
    fn what_else_is_needed() {
        for (kind, defn, others) in [
            (
                Kind::FkConstraint,
                "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT \"references x.y\" FOREIGN KEY (b) REFERENCES c.u(id);",
                vec!["c.u"],
            ),
            (
                Kind::TableAttach,
                "ALTER TABLE ONLY a.t ATTACH PARTITION c.u FOR VALUES IN ('x');",
                vec!["c.u"],
            ),
            (
                Kind::Trigger,
                "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a.t FROM c.u NOT DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f.g();",
                vec!["c.u"],
            ),
            (Kind::SequenceOwnedBy, "ALTER SEQUENCE a.t OWNED BY c.u.id;", vec!["c.u"]),
        ] {
            let others = others.iter().map(|name| format!("\"{}\"", name.replace('.', "\".\"")));
            assert_eq!(subject(kind, defn), ("\"a\".\"t\"".to_owned(), others.collect()), "{defn}");
        }
        let mut child = entry(
            Kind::Table,
            "CREATE TABLE a.t (\n)\nINHERITS (c.u, \"c\".\"v, w\")\nWITH (fillfactor='70');",
        );
        (child.namespace, child.tag) = (Some("a".to_owned()), "t".to_owned());
        let names = [RelationName::new("c", "u"), RelationName::new("c", "v, w")];
        assert_eq!(Subject::of(&child).others, names);
    }

    #[test]
    fn a_domain_is_no_table() {
        assert_eq!(
            subject(
                Kind::CheckConstraint,
                "ALTER DOMAIN a.d\n    ADD CONSTRAINT c CHECK (a.f(VALUE)) NOT VALID;"
            )
            .0,
            ""
        );
    }

    #[test]
    fn partitioned_tables_of_old_archives_too() {
        let is = |defn: &str| is_partitioned(&entry(Kind::Table, defn));
        assert!(is("CREATE TABLE a.t (\n    b integer\n)\nPARTITION BY RANGE (b);"));
        assert!(!is("CREATE TABLE a.t (\n    b text DEFAULT 'x)\nPARTITION BY RANGE (b);'\n);"));
    }
}
