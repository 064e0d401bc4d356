//! What a dry run says of each table: how it travels, and why.

use std::collections::BTreeMap;

use pghaul::plan::format_name;
use pghaul::run::PreparedClone;
use pghaul_testbed::every_type::{self, Families};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major};

use crate::harness::{database, options, prepare};

/// Format and reason by table.
fn said(prepared: &PreparedClone) -> BTreeMap<String, (&'static str, String)> {
    let tables = prepared.plan().tables.iter();
    let said = tables.map(|table| {
        let format = &table.format;
        (table.name.to_string(), (format_name(format.format), format.reason.clone()))
    });
    said.collect()
}

/// Tables of a database that can hold rows of their own.
async fn tables(source: &Database<'_>) -> usize {
    let sql = "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace \
               where relkind = 'r' and relpersistence <> 't' and nspname not like 'pg\\_%' \
                 and nspname <> 'information_schema' and not exists (select from pg_depend d \
                   where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype = 'e')";
    source.value(sql).await.unwrap().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tables_of_mastodon_go_binary() {
    for version in [Version::V3_5_3, Version::V4_2_0] {
        let source = database(Major::V9_6, "formats_src");
        mastodon::create(&source, Shape { version, statuses: 20, seed: 1 }).await.unwrap();
        let target = database(Major::V18, "formats_dst");
        let prepared = prepare(&source.url(), &target.url(), options()).await.unwrap();
        let said = said(&prepared);
        assert_eq!(said.len(), tables(&source).await);
        for (table, (format, reason)) in said {
            assert_eq!(format, "binary", "{table}: {reason}");
            assert_eq!(reason, "every type has the same bytes on both servers", "{table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_has_its_format_and_its_reason() {
    for (from, to) in [(Major::V10, Major::V13), (Major::V18, Major::V18)] {
        let source = database(from, "reasons_src");
        every_type::load(&source, &Families::default()).await.unwrap();
        source
            .execute(
                "create schema why; create type why.mood as enum ('sad', 'ok'); \
                 create type why.pair as (a int, r regclass); \
                 create domain why.place as regclass; \
                 create table why.plain (a int, t text, m why.mood); \
                 create table why.names (a int, c regclass); \
                 create table why.moods (m why.mood[]); \
                 create table why.pairs (p why.pair); \
                 create table why.places (p why.place); \
                 create table why.search (q tsquery); \
                 create table why.acl (a aclitem[])",
            )
            .await
            .unwrap();
        let target = database(to, "reasons_dst");
        every_type::create_roles(target.server()).await.unwrap();
        let prepared = prepare(&source.url(), &target.url(), options()).await.unwrap();
        let said = said(&prepared);
        let of = |name: &str| said[&format!("why.{name}")].clone();
        let text = |reason: &str| ("text", reason.to_owned());
        assert_eq!(of("plain").0, "binary");
        let reg = "the bytes of regclass mean something else on another server";
        assert_eq!(of("names"), text(&format!("column c: {reg}")));
        assert_eq!(of("pairs"), text(&format!("column p: {reg}")));
        assert_eq!(of("places"), text(&format!("column p: {reg}")));
        assert_eq!(
            of("search"),
            text("column q: no server reads the bytes of an empty tsquery back")
        );
        assert_eq!(of("acl").0, "text");
        // An array names its element's type by an OID, which targets before 14 look at.
        match to {
            Major::V13 => assert!(of("moods").1.contains("targets before 14 refuse")),
            _ => assert_eq!(of("moods").0, "binary"),
        }
        for (table, (format, reason)) in &said {
            let why = match *format {
                "binary" => reason == "every type has the same bytes on both servers",
                _ => reason.starts_with("column ") && reason.contains(": "),
            };
            assert!(why, "{table} goes {format}: {reason}");
        }
    }
}
