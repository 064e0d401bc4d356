//! The health of indexes, and their rebuild, on servers of the majors where it differs.

mod build;
mod health;
mod interrupted;
mod obstacles;
mod trees;

use std::collections::BTreeMap;
use std::sync::Arc;

use pghaul::Error;
use pghaul::connect::{Endpoint, Environment, Side};
use pghaul::event::Observer;
use pghaul::rebuild::{IndexEnd, Need, PreparedRebuild, RebuildOptions, Rebuilt, Selection};
use pghaul::run::Stop;
use pghaul_testbed::{CreateOptions, Database, Major, Server, locales};

/// The majors that differ: no concurrent rebuild and no amcheck, amcheck, both, `checkunique`.
pub(crate) const MAJORS: [Major; 5] = [Major::V9_6, Major::V10, Major::V14, Major::V17, Major::V18];

/// Of [`MAJORS`], the ones where it differs; all where `PGHAUL_TEST_MAJORS` is set.
pub(crate) fn majors(usually: &[Major]) -> Vec<Major> {
    Major::tried(usually, &MAJORS)
}

pub(crate) fn endpoint(url: &str) -> Endpoint {
    let nothing = Environment::given([("USER", "nobody")], None);
    Endpoint::parse_in(Side::Database, url, &nothing).unwrap()
}

pub(crate) fn database(major: Major, hint: &str) -> Database<'static> {
    Database::new(Server::shared(major).unwrap(), hint).unwrap()
}

/// A database whose text is not in the order of its bytes.
pub(crate) fn linguistic(major: Major, hint: &str) -> Database<'static> {
    let options = CreateOptions {
        locale: Some(locales().unwrap().linguistic().unwrap().to_owned()),
        ..CreateOptions::default()
    };
    Database::create(Server::shared(major).unwrap(), hint, &options).unwrap()
}

/// Every index.
pub(crate) fn all() -> RebuildOptions {
    RebuildOptions { need: Need::All, ..RebuildOptions::default() }
}

/// These indexes.
pub(crate) fn named(indexes: &[&str]) -> RebuildOptions {
    let indexes = indexes.iter().map(|&name| name.to_owned()).collect();
    let selection = Selection { indexes, ..Selection::default() };
    RebuildOptions { selection, ..RebuildOptions::default() }
}

pub(crate) async fn rebuild(database: &Database<'_>, options: RebuildOptions) -> Rebuilt {
    rebuild_as(&database.url(), options).await.unwrap()
}

pub(crate) async fn rebuild_as(url: &str, options: RebuildOptions) -> Result<Rebuilt, Error> {
    pghaul::rebuild::rebuild(endpoint(url), options, Arc::new(()), Stop::default()).await
}

pub(crate) async fn rebuild_watched(
    database: &Database<'_>,
    options: RebuildOptions,
    observer: Arc<dyn Observer>,
    stop: Stop,
) -> Result<Rebuilt, Error> {
    PreparedRebuild::new(endpoint(&database.url()), options).await?.run(observer, stop).await
}

/// What came of each index.
pub(crate) fn ends(rebuilt: &Rebuilt) -> BTreeMap<String, &'static str> {
    rebuilt.indexes.iter().map(|one| (one.index.name.to_string(), one.end.name())).collect()
}

pub(crate) fn assert_all_rebuilt(rebuilt: &Rebuilt, context: &str) {
    for one in &rebuilt.indexes {
        assert!(
            matches!(one.end, IndexEnd::Rebuilt { .. }),
            "{context} {}: {:?} {:#?}",
            one.index.name,
            one.end,
            rebuilt.findings
        );
    }
}

/// Everything that makes an index what it is, but where it lies on disk: one text for each.
pub(crate) async fn described(database: &Database<'_>) -> BTreeMap<String, String> {
    let sql = "
        select x.relname
             , pg_get_indexdef(x.oid) || ' | ' || concat_ws(' | '
             , i.indisvalid, i.indisready, i.indisprimary, i.indisclustered, i.indisreplident
             , i.indimmediate
             , (select conname || ' ' || pg_get_constraintdef(o.oid) || coalesce(obj_description(o.oid), '')
                  from pg_constraint o
                 where o.conindid = x.oid and o.conrelid = i.indrelid and o.contype in ('p', 'u', 'x'))
             , obj_description(x.oid, 'pg_class')
             , (select spcname from pg_tablespace s where s.oid = x.reltablespace)
             , x.reloptions::text
             , t.relreplident
             , (select string_agg(attnum || ':' || attstattarget, ',' order by attnum)
                  from pg_attribute a where a.attrelid = x.oid and a.attstattarget >= 0)
             , (select string_agg(k.conname, ',' order by k.conname) from pg_constraint k
                 where k.contype = 'f' and k.conindid = x.oid)
             , (select inhparent::regclass from pg_inherits h where h.inhrelid = x.oid))
          from pg_index i
          join pg_class x on x.oid = i.indexrelid
          join pg_class t on t.oid = i.indrelid
          join pg_namespace n on n.oid = x.relnamespace
         where n.nspname !~ '^pg_|^information_schema$'";
    let rows = database.query_text(sql).await.unwrap();
    rows.into_iter()
        .map(|mut row| (row[0].take().unwrap(), row[1].take().unwrap_or_default()))
        .collect()
}

/// Where each index lies on disk.
pub(crate) async fn files(database: &Database<'_>) -> BTreeMap<String, String> {
    let sql = "select x.relname, x.relfilenode::text from pg_class x join pg_namespace n \
               on n.oid = x.relnamespace where x.relkind = 'i' and n.nspname !~ '^pg_'";
    let rows = database.query_text(sql).await.unwrap();
    rows.into_iter().map(|mut row| (row[0].take().unwrap(), row[1].take().unwrap())).collect()
}

/// Lets amcheck look at every btree index and table, as thoroughly as this major can.
pub(crate) async fn assert_sound(database: &Database<'_>, context: &str) {
    let major = database.server().major();
    let invalid = "select string_agg(indexrelid::regclass::text, ', ') from pg_index \
                   where not (indisvalid and indisready and indislive)";
    assert_eq!(database.value(invalid).await.unwrap(), None, "{context}: not valid");
    if major < Major::V10 {
        return;
    }
    let check = if major >= Major::V11 {
        "bt_index_check(i.indexrelid, true)"
    } else {
        "bt_index_check(i.indexrelid)"
    };
    let mut sql = format!(
        "create extension if not exists amcheck;
         select {check} from pg_index i join pg_class x on x.oid = i.indexrelid
           join pg_am a on a.oid = x.relam
          where a.amname = 'btree' and x.relkind = 'i' and x.relnamespace = 'public'::regnamespace;"
    );
    if major >= Major::V14 {
        sql.push_str(
            "select v.* from pg_class t, verify_heapam(t.oid) v where t.relkind in ('r', 'm')
                and t.relnamespace = 'public'::regnamespace",
        );
    }
    let rows = database.query_text(sql).await;
    let rows = rows.unwrap_or_else(|error| panic!("{context}: {error}"));
    let words: Vec<_> = rows.into_iter().filter(|row| row.len() > 1).collect();
    assert!(words.is_empty(), "{context}: {words:?}");
}
