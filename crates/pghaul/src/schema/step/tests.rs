//! The rules that steps state, on entries as `pg_dump` 18.6 writes them.

use std::collections::HashSet;

use super::*;
use crate::name::Ident;
use crate::schema::emit::{Owners, RunsAs, Tablespaces};
use crate::schema::entry::{Section, tests::entry};
use crate::schema::owner_grant::Place;
use crate::version::ServerVersion;

struct Archive(Vec<Entry>);

impl Archive {
    /// Adds an entry of schema `a`; gives its number.
    fn add(&mut self, kind: Kind, tag: &str, defn: &str, needs: &[i32]) -> i32 {
        let section = match kind {
            Kind::Schema | Kind::Table | Kind::Function | Kind::TableAttach => Section::PreData,
            Kind::Acl | Kind::Comment => Section::None,
            _ => Section::PostData,
        };
        let number = i32::try_from(self.0.len()).unwrap() + 1;
        self.0.push(Entry {
            dump_id: DumpId(number),
            tag: tag.to_owned(),
            namespace: (kind != Kind::Schema).then(|| "a".to_owned()),
            section,
            dependencies: needs.iter().map(|id| DumpId(*id)).collect(),
            ..entry(kind, defn)
        });
        number
    }

    fn table(&mut self, name: &str) -> i32 {
        self.add(Kind::Table, name, &format!("CREATE TABLE a.{name} (\n    id integer\n);\n"), &[])
    }

    fn steps(&self, validation: Validation, grants: &[OwnerGrant]) -> Vec<Step> {
        let options = StepOptions {
            emit: EmitOptions {
                target: ServerVersion::from_num(140_000),
                owners: Owners::Carry,
                tablespaces: Tablespaces::Carry,
                runs_as: RunsAs::Superuser,
            },
            privileges: Privileges::Carry,
            subscriptions: Subscriptions::Leave,
            keys: Keys::IndexFirst,
            validation,
            refresh: &HashSet::from([name("m"), name("n")]),
            owner_grants: grants,
        };
        steps(&self.0, &options).unwrap()
    }
}

fn name(name: &str) -> RelationName {
    RelationName::new("a", name)
}

fn names(list: &[&str]) -> BTreeSet<RelationName> {
    list.iter().map(|one| name(one)).collect()
}

fn at(steps: &[Step], key: &str) -> StepId {
    let found = steps.iter().position(|step| step.key == key);
    StepId(found.unwrap_or_else(|| panic!("no {key} in {steps:#?}")))
}

fn step<'a>(steps: &'a [Step], key: &str) -> &'a Step {
    &steps[at(steps, key).0]
}

fn key(table: &str) -> String {
    format!("ALTER TABLE ONLY a.{table}\n    ADD CONSTRAINT {table}_pkey PRIMARY KEY (id);\n")
}

#[test]
fn a_foreign_key_waits_for_its_keys_constraint_and_for_both_tables() {
    let mut archive = Archive(Vec::new());
    let (t, u) = (archive.table("t"), archive.table("u"));
    let pkey = archive.add(Kind::Constraint, "u u_pkey", &key("u"), &[u]);
    let index =
        archive.add(Kind::Index, "t_x", "CREATE INDEX t_x ON a.t USING btree (id);\n", &[t]);
    archive.add(
        Kind::FkConstraint,
        "t f",
        "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES a.u(id);\n",
        &[t, pkey, u],
    );
    archive.add(Kind::Comment, "INDEX t_x", "COMMENT ON INDEX a.t_x IS 'x';\n", &[index]);
    let steps = archive.steps(Validation::Now, &[]);
    let (index, pkey) = (at(&steps, "INDEX a.t_x"), at(&steps, "CONSTRAINT a.u u_pkey"));

    let key_index = step(&steps, "CONSTRAINT a.u u_pkey, index");
    assert_eq!((key_index.stage, key_index.rows.clone()), (Stage::Index, Rows::Of(names(&["u"]))));
    assert!(key_index.locks.is_empty());
    let constraint = &steps[pkey.0];
    assert_eq!(constraint.after, [at(&steps, "CONSTRAINT a.u u_pkey, index")]);
    assert_eq!(constraint.locks, names(&["u"]));

    let foreign_key = step(&steps, "FK CONSTRAINT a.t f");
    assert_eq!(foreign_key.after, [pkey]);
    assert_eq!(foreign_key.behind, [at(&steps, "CONSTRAINT a.u u_pkey, index"), index]);
    assert_eq!(foreign_key.rows, Rows::Of(names(&["t", "u"])));
    assert_eq!(foreign_key.locks, names(&["t", "u"]));
    assert!(foreign_key.sql().contains("NOT VALID"));

    let validation = step(&steps, "FK CONSTRAINT a.t f, validation");
    assert_eq!(validation.after, [pkey, at(&steps, "FK CONSTRAINT a.t f")]);
    assert_eq!(validation.locks, names(&["t"]));

    let comment = step(&steps, "COMMENT a.INDEX t_x");
    assert_eq!((comment.stage, comment.after.clone()), (Stage::PostData, vec![index]));
    let later = archive.steps(Validation::Later, &[]);
    assert!(!later.iter().any(|step| step.makes == Makes::Validation));
}

#[test]
fn a_tree_is_one_family() {
    let mut archive = Archive(Vec::new());
    let root = archive.add(
        Kind::Table,
        "root",
        "CREATE TABLE a.root (\n    id integer\n)\nPARTITION BY LIST (id);\n",
        &[],
    );
    let leaf = archive.table("leaf");
    archive.add(
        Kind::TableAttach,
        "leaf",
        "ALTER TABLE ONLY a.root ATTACH PARTITION a.leaf FOR VALUES IN (1);\n",
        &[root, leaf],
    );
    let above = archive.add(Kind::Constraint, "root root_pkey", &key("root"), &[root]);
    let below = archive.add(Kind::Constraint, "leaf leaf_pkey", &key("leaf"), &[leaf, above]);
    archive.add(
        Kind::IndexAttach,
        "leaf_pkey",
        "ALTER INDEX a.root_pkey ATTACH PARTITION a.leaf_pkey;\n",
        &[above, below],
    );
    archive.add(
        Kind::FkConstraint,
        "root f",
        "ALTER TABLE a.root\n    ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES a.leaf(id);\n",
        &[root, leaf],
    );
    let steps = archive.steps(Validation::Now, &[]);
    // USING INDEX is refused on a partitioned table.
    let above = step(&steps, "CONSTRAINT a.root root_pkey");
    assert_eq!(above.rows, Rows::Of(names(&["leaf", "root"])));
    assert!(!steps.iter().any(|step| step.key == "CONSTRAINT a.root root_pkey, index"));
    // The build waits for its rows alone, the constraint for its parent's.
    assert_eq!(step(&steps, "CONSTRAINT a.leaf leaf_pkey, index").after, []);
    let below = step(&steps, "CONSTRAINT a.leaf leaf_pkey");
    assert!(below.after.contains(&at(&steps, "CONSTRAINT a.root root_pkey")));
    assert_eq!((&above.locks, &below.locks), (&names(&["leaf", "root"]), &names(&["leaf"])));
    let attach = step(&steps, "INDEX ATTACH a.leaf_pkey");
    assert!(attach.alone);
    assert_eq!(attach.after.len(), 2);
    // Both lock the root, and what the other needs.
    let attach = at(&steps, "INDEX ATTACH a.leaf_pkey");
    assert!(step(&steps, "FK CONSTRAINT a.root f").behind.contains(&attach));
    assert!(!above.behind.contains(&attach), "that one waits for this one");
}

#[test]
fn an_index_that_needs_a_function_that_needs_its_tables_key_is_no_circle() {
    let mut archive = Archive(Vec::new());
    let table = archive.table("t");
    let pkey = archive.add(Kind::Constraint, "t t_pkey", &key("t"), &[table]);
    let function = archive.add(
        Kind::Function,
        "f()",
        "CREATE FUNCTION a.f() RETURNS int\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT 1;\nEND;\n",
        &[pkey],
    );
    archive.0.last_mut().unwrap().section = Section::PostData;
    archive.add(
        Kind::Index,
        "i",
        "CREATE INDEX i ON a.t USING btree (a.f());\n",
        &[table, function],
    );
    let steps = archive.steps(Validation::Now, &[]);
    let index = at(&steps, "INDEX a.i");
    assert_eq!(steps[index.0].after, [at(&steps, "FUNCTION a.f()")]);
    assert!(!step(&steps, "CONSTRAINT a.t t_pkey").behind.contains(&index));
}

#[test]
fn views_are_refreshed_after_those_that_they_read() {
    let mut archive = Archive(Vec::new());
    let m = archive.add(
        Kind::MaterializedView,
        "m",
        "CREATE MATERIALIZED VIEW a.m AS\n SELECT 1\n  WITH NO DATA;\n",
        &[],
    );
    let v = archive.add(Kind::View, "v", "CREATE VIEW a.v AS\n SELECT 1;\n", &[m]);
    archive.add(
        Kind::MaterializedView,
        "n",
        "CREATE MATERIALIZED VIEW a.n AS\n SELECT 1\n  WITH NO DATA;\n",
        &[v],
    );
    archive.add(
        Kind::MaterializedView,
        "empty",
        "CREATE MATERIALIZED VIEW a.empty AS\n SELECT 1\n  WITH NO DATA;\n",
        &[v],
    );
    archive.add(Kind::Acl, "TABLE m", "GRANT SELECT ON TABLE a.m TO r;\n", &[m]);
    let steps = archive.steps(Validation::Now, &[]);
    let first = at(&steps, "MATERIALIZED VIEW a.m, refresh");
    assert_eq!(step(&steps, "MATERIALIZED VIEW a.n, refresh").after, [first]);
    assert_eq!(steps.iter().filter(|step| step.stage == Stage::Refresh).count(), 2);
    assert!(at(&steps, "ACL a.TABLE m") < first);
}

#[test]
fn owner_grants_are_given_once_the_schema_is_there_and_taken_back_before_privileges() {
    let mut archive = Archive(Vec::new());
    archive.add(Kind::Schema, "a", "CREATE SCHEMA a;\n", &[]);
    let table = archive.table("t");
    archive.add(Kind::Acl, "TABLE t", "GRANT SELECT ON TABLE a.t TO r;\n", &[table]);
    let grant = |schema: &str| OwnerGrant {
        place: Place::Schema(Ident::new(schema)),
        owner: Ident::new("R"),
    };
    let steps = archive.steps(Validation::Now, &[grant("a"), grant("public")]);
    let keys: Vec<&str> = steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "CREATE on schema public for R, given",
            "SCHEMA a",
            "CREATE on schema a for R, given",
            "TABLE a.t",
            "CREATE on schema a for R, taken back",
            "CREATE on schema public for R, taken back",
            "ACL a.TABLE t",
        ]
    );
    assert_eq!(steps[2].sql(), "GRANT CREATE ON SCHEMA \"a\" TO \"R\";\n");
}

#[test]
fn a_kind_that_is_unknown_is_an_error() {
    let mut archive = Archive(Vec::new());
    archive.add(
        Kind::Unknown("PROPERTY GRAPH".to_owned()),
        "g",
        "CREATE PROPERTY GRAPH a.g;\n",
        &[],
    );
    let options = StepOptions {
        emit: EmitOptions {
            target: ServerVersion::from_num(180_000),
            owners: Owners::Carry,
            tablespaces: Tablespaces::Carry,
            runs_as: RunsAs::Superuser,
        },
        privileges: Privileges::Carry,
        subscriptions: Subscriptions::Leave,
        keys: Keys::IndexFirst,
        validation: Validation::Now,
        refresh: &HashSet::new(),
        owner_grants: &[],
    };
    let error = steps(&archive.0, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    assert!(error.to_string().contains("PROPERTY GRAPH a.g"), "{error}");
}

#[test]
fn debug_shows_no_statement() {
    let mut archive = Archive(Vec::new());
    archive.add(
        Kind::UserMapping,
        "u",
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (\n    password 'hunter2'\n);\n",
        &[],
    );
    let steps = archive.steps(Validation::Now, &[]);
    assert!(steps[0].sql().contains("hunter2"));
    assert!(!format!("{steps:?}").contains("hunter2"));
}
