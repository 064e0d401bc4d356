//! Random tables with planted duplicates, under random key types, nulls and collations: the groups
//! equal those of a GROUP BY over the heap on the same server.

use std::collections::BTreeSet;

use pghaul::duplicates::ScanOptions;
use pghaul_testbed::{Database, Major};

use super::{Groups, Rows, scan};
use crate::harness::database;

/// A type of key, the first major that has it, an operator class if not the default, and values
/// of it, some of which are equal though they look different.
struct KeyType {
    name: &'static str,
    since: Major,
    more: &'static str,
    values: &'static [&'static str],
}

const fn of(name: &'static str, values: &'static [&'static str]) -> KeyType {
    KeyType { name, since: Major::V9_6, more: "", values }
}

const fn with(name: &'static str, more: &'static str, values: &'static [&'static str]) -> KeyType {
    KeyType { name, since: Major::V9_6, more, values }
}

const fn since(major: Major, name: &'static str, values: &'static [&'static str]) -> KeyType {
    KeyType { name, since: major, more: "", values }
}

const TEXTS: &[&str] = &["a", "A", "á", "b", "", " ", "ab", "aB", "ä", "straße", "STRASSE"];
const NUMERICS: &[&str] =
    &["1", "1.0", "1.00", "100", "1e2", "0", "-0.0", "NaN", "-1.5", "12345678901234567890.10"];
const FLOATS: &[&str] = &["0", "-0", "NaN", "1", "1.5", "Infinity", "-Infinity"];

static TYPES: &[KeyType] = &[
    of("bool", &["t", "f"]),
    of("int2", &["1", "2", "-3"]),
    of("int4", &["1", "2", "3", "-4"]),
    of("int8", &["1", "2", "10000000000"]),
    of("text", TEXTS),
    with("text", "text_pattern_ops", TEXTS),
    with("text", "collate \"C\"", TEXTS),
    KeyType { since: Major::V12, ..with("text", "collate loose", TEXTS) },
    KeyType {
        since: Major::V12,
        ..with("text[]", "collate loose", &["{a,b}", "{A,B}", "{á,b}", "{b}"])
    },
    KeyType { since: Major::V12, ..with("varchar(20)", "collate loose", TEXTS) },
    of("varchar(20)", TEXTS),
    with("varchar(20)", "varchar_pattern_ops", TEXTS),
    of("char(7)", &["a", "a ", " a", "b", "", "  "]),
    with("char(7)", "bpchar_pattern_ops", &["a", "a ", " a", "b", "", "  "]),
    of("bpchar", &["a", "a ", " a", "b", "", "  "]),
    of("bpchar[]", &["{a}", "{\"a \"}", "{b,\"\"}", "{b,\" \"}"]),
    of("name", &["a", "b", "A"]),
    of("\"char\"", &["a", "b"]),
    of("bytea", &["\\x00", "\\x", "\\x0001"]),
    of("numeric", NUMERICS),
    of("numeric[]", &["{1,1.0}", "{1.00,1}", "{1}", "{}", "{NULL}", "[0:1]={1,1}"]),
    of("float4", FLOATS),
    of("float8", FLOATS),
    of("float8[]", &["{0,1}", "{-0,1}", "{NaN}", "{{0},{1}}"]),
    of("uuid", &["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"]),
    of("date", &["2026-01-01", "infinity", "0001-01-01 BC"]),
    of("time", &["00:00", "23:59:59.5"]),
    of("timetz", &["12:00+00", "13:00+01", "12:00+01"]),
    of("timestamp", &["2026-01-01", "-infinity", "2026-01-01 00:00:00.000001"]),
    of("timestamptz", &["2026-01-01 00:00+00", "2026-01-01 01:00+01", "infinity"]),
    of(
        "interval",
        &[
            "1 day",
            "24 hours",
            "30 days",
            "1 mon",
            "29 days 24:00",
            "-1 day",
            "1 mon -30 days",
            "0",
        ],
    ),
    of("interval[]", &["{1 day}", "{24 hours}", "{1 mon}"]),
    of("inet", &["10.0.0.1", "10.0.0.1/32", "10.0.0.1/8", "::1"]),
    of("cidr", &["10.0.0.0/8", "10.0.0.0/16"]),
    of("macaddr", &["08:00:2b:01:02:03", "08:00:2b:01:02:04"]),
    since(Major::V10, "macaddr8", &["08:00:2b:01:02:03:04:05", "08:00:2b:ff:fe:03:04:05"]),
    of("money", &["1", "1.00", "2"]),
    of("bit(3)", &["101", "111"]),
    of("varbit", &["1", "10", "100"]),
    of("oid", &["1", "2"]),
    of("oidvector", &["1 2", "1", ""]),
    of("pg_lsn", &["0/1", "0/2"]),
    since(Major::V13, "xid8", &["1", "2"]),
    since(Major::V14, "tid", &["(0,1)", "(0,2)"]),
    of("jsonb", &["1", "1.0", "{\"a\": 1}", "{\"a\": 1.00}", "[]", "{}", "\"x\"", "null"]),
    of("tsvector", &["a:1 b:2", "b:2 a:1", "a", "a:1A"]),
    of("tsquery", &["a & b", "b & a", "a:A", "a", "!a"]),
    of("int4range", &["[1,3)", "[1,2]", "(0,3)", "empty", "(,)", "[1,)"]),
    of("numrange", &["[1,2)", "[1.0,2.00)", "empty", "(,1.0]", "(,1]"]),
    of("tstzrange[]", &["{}", "{\"[2026-01-01 00:00+00,)\"}", "{\"[2026-01-01 01:00+01,)\"}"]),
    since(Major::V14, "nummultirange", &["{}", "{[1,2)}", "{[1.0,1.5),[1.50,2)}", "{(,)}"]),
    of("mood", &["sad", "happy"]),
    of("mood[]", &["{sad}", "{happy,NULL}"]),
    of("pair", &["(1,a)", "(1.0,a)", "(,)", "(,a)", "(2,b)"]),
    of("pair[]", &["{}", "{\"(1,a)\"}", "{\"(1.00,a)\"}"]),
    of("deep", &["(\"(1,a)\",x,{0})", "(\"(1.0,a)\",x,{-0})", "(,\"x \",)", "(,x,)"]),
    of("price", &["1", "1.0", "2"]),
    of("prices", &["{1}", "{1.0}", "{1,2}"]),
    of("citext", &["a", "A", "b", "ß"]),
    of("citext[]", &["{a}", "{A}", "{b}"]),
    of("insensitive", &["(a,1)", "(A,1.0)", "(b,1)", "(,)"]),
    of("hstore", &["a=>1", "\"a\"=>\"1\"", "b=>NULL", ""]),
    of("ltree", &["a.b", "a", "a.B"]),
];

const SETUP: &str = "
    create extension citext; create extension hstore; create extension ltree;
    create type mood as enum ('sad', 'happy');
    create type pair as (n numeric, t text);
    create type deep as (p pair, c char(3), f float8[]);
    create type insensitive as (c citext, n numeric);
    create domain price as numeric;
    create domain prices as numeric[] check (array_length(value, 1) < 10);";

/// Small, fast, and the same everywhere (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % limit as u64).unwrap()
    }
}

struct Table {
    name: String,
    create: String,
    /// GROUP BY over the heap.
    oracle: String,
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn table(major: Major, number: usize, random: &mut Random) -> Table {
    let types: Vec<&KeyType> = TYPES.iter().filter(|known| known.since <= major).collect();
    let width = 1 + random.below(3);
    // The first goes through all types, so that none is left to chance.
    let picked: Vec<&KeyType> = (0..width)
        .map(|place| {
            if place == 0 { types[number % types.len()] } else { types[random.below(types.len())] }
        })
        .collect();
    let name = format!("t{number}");
    let columns: Vec<String> =
        picked.iter().enumerate().map(|(at, key)| format!("c{at} {}", key.name)).collect();
    let values: Vec<String> = picked
        .iter()
        .map(|key| {
            let mut values: Vec<String> = key.values.iter().map(|value| quote(value)).collect();
            if random.below(2) == 0 {
                values.push("null".to_owned());
            }
            format!(
                "(array[{}]::text[])[1 + floor(random() * {})::int]::{}",
                values.join(", "),
                values.len(),
                key.name
            )
        })
        .collect();
    let nulls_equal = major >= Major::V15 && random.below(3) == 0;
    let predicate = (random.below(3) == 0).then_some("n % 7 <> 0");
    let keys: Vec<String> = picked
        .iter()
        .enumerate()
        .map(|(at, key)| {
            let expression = if random.below(4) == 0 {
                format!("(case when n >= 0 then c{at} end)")
            } else {
                format!("c{at}")
            };
            format!("{expression} {}", key.more)
        })
        .collect();
    // In GROUP BY, a collation counts and an operator class cannot stand.
    let grouped: Vec<String> = keys
        .iter()
        .map(|key| match key.find("_ops") {
            Some(_) => key.rsplit_once(' ').unwrap().0.to_owned(),
            None => key.clone(),
        })
        .collect();
    let mut conditions: Vec<String> = predicate.iter().map(|sql| (*sql).to_owned()).collect();
    if !nulls_equal {
        conditions.extend((0..width).map(|at| format!("c{at} is distinct from null")));
    }
    let rows = 40 + random.below(160);
    let create = format!(
        "create table {name} (n int, {columns});
         insert into {name} select g, {values} from generate_series(1, {rows}) g;
         delete from {name} where n % 11 = 0;
         create index {name}_key on {name} ({keys}) {predicate};
         update pg_index set indisunique = true {nulls} where indexrelid = '{name}_key'::regclass;",
        columns = columns.join(", "),
        values = values.join(", "),
        keys = keys.join(", "),
        predicate = predicate.map(|sql| format!("where {sql}")).unwrap_or_default(),
        nulls = if nulls_equal { ", indnullsnotdistinct = true" } else { "" },
    );
    let oracle = format!(
        "select string_agg(ctid::text, ' ') from {name} {} group by {} having count(*) > 1",
        if conditions.is_empty() {
            String::new()
        } else {
            format!("where {}", conditions.join(" and "))
        },
        grouped.join(", "),
    );
    Table { name, create, oracle }
}

async fn fill(database: &Database<'_>, tables: &[Table], major: Major) {
    let mut sql = SETUP.to_owned();
    if major >= Major::V12 {
        sql.push_str(
            "create collation loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);",
        );
    }
    sql.push_str("select setseed(0.5);");
    database.execute(sql).await.unwrap();
    for table in tables {
        database
            .execute(&table.create)
            .await
            .unwrap_or_else(|error| panic!("{major}: {error}\n{}", table.create));
    }
}

async fn groups_are_those_of_group_by(major: Major, count: usize, seed: u64) {
    let database = database(major, "duplicates_property");
    let mut random = Random(seed);
    let tables: Vec<Table> = (0..count).map(|number| table(major, number, &mut random)).collect();
    fill(&database, &tables, major).await;
    let found = scan(&database.url(), ScanOptions::default()).await.unwrap();
    let session = database.connect().await.unwrap();
    session
        .execute("set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off")
        .await
        .unwrap();
    let mut expected = Groups::new();
    for table in &tables {
        let rows = session
            .query_text(&table.oracle)
            .await
            .unwrap_or_else(|error| panic!("{major}: {error}\n{}", table.oracle));
        let groups: BTreeSet<Rows> = rows
            .into_iter()
            .map(|row| {
                let tids = row[0].clone().unwrap();
                tids.split(' ')
                    .map(|tid| (format!("public.{}", table.name), tid.to_owned()))
                    .collect()
            })
            .collect();
        expected.insert(format!("public.{}_key", table.name), groups);
    }
    for table in &tables {
        let index = format!("public.{}_key", table.name);
        assert_eq!(found.get(&index), expected.get(&index), "{major}\n{}", table.create);
    }
    let total: usize = expected.values().map(BTreeSet::len).sum();
    assert!(total > count, "{major}: only {total} groups in {count} tables");
    assert_eq!(found.len(), tables.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_9_6() {
    groups_are_those_of_group_by(Major::V9_6, 90, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_10() {
    groups_are_those_of_group_by(Major::V10, 70, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_14() {
    groups_are_those_of_group_by(Major::V14, 90, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_17() {
    groups_are_those_of_group_by(Major::V17, 70, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_18() {
    groups_are_those_of_group_by(Major::V18, 90, 5).await;
}
