//! The comparison of schemas agrees with the testbed's oracle, which shares nothing with it.

use std::collections::BTreeSet;

use pghaul::schema::compare::version_differences;
use pghaul::verify::VerifyOptions;
use pghaul::verify::options::Scope;
use pghaul_testbed::Major;
use pghaul_testbed::every_type::{self, Families};

use super::{options, verify};
use crate::harness::{clone, database};

#[tokio::test(flavor = "multi_thread")]
async fn every_version_difference_of_the_list_occurs() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (from, to) in [(Major::V9_6, Major::V18), (Major::V11, Major::V18)] {
        let source = database(from, "list_src");
        let target = database(to, "list_dst");
        every_type::load(&source, &Families::default()).await.unwrap();
        source
            .execute("create table public.listed (a text); create index on public.listed (coalesce(a, '')); \
                 create view public.untyped as select a, 'x' as b, 'y' as c from public.listed; \
                 create table public.bits (a bit(2) default '01', b bit varying(5) default '1'); \
                 create function public.cheap() returns int language sql cost 0.0000001 as 'select 1'; \
                 create type public.pair; \
                 create function public.pair_in(cstring) returns public.pair \
                   language internal immutable strict as 'point_in'; \
                 create function public.pair_out(public.pair) returns cstring \
                   language internal immutable strict as 'point_out'; \
                 create type public.pair (input = public.pair_in, output = public.pair_out, \
                   internallength = 16, element = float8, alignment = double); \
                 create operator class public.own_ops for type int4 using btree as \
                   operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, \
                   function 1 btint4cmp(int4, int4), function 2 btint4sortsupport(internal); \
                 create view public.shown as select xmlserialize(content '<a/>'::xml as text) as a")
            .await
            .unwrap();
        every_type::create_roles(target.server()).await.unwrap();
        clone(&source.url(), &target.url(), crate::harness::options()).await.unwrap();
        let schema_only = VerifyOptions { scope: Scope::SchemaOnly, ..options() };
        let compared = verify(&source.url(), &target.url(), schema_only).await.unwrap();
        compared.assert_equal();
        let note =
            compared.outcome.findings.iter().find(|one| one.code == "version_differences").unwrap();
        let names = note.message.split_once(": ").unwrap().1;
        seen.extend(names.split(", ").map(str::to_owned));
    }
    let listed: BTreeSet<String> = version_differences().map(|one| one.name.to_owned()).collect();
    assert_eq!(seen, listed, "entries that no longer occur, or are not listed");
}
