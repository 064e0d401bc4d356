//! R1, R2 and R3 of the testbed on int and text keys: all planted groups, none else; and a query
//! through the index that answers differently.

use std::collections::BTreeSet;

use pghaul_testbed::damage::{Damage, Order, Planted, Recipe};
use pghaul_testbed::{Database, Major};

use super::{Rows, of, scan};
use crate::harness::database;

/// The majors of the issue.
pub(crate) const MAJORS: [Major; 5] = [Major::V9_6, Major::V10, Major::V14, Major::V17, Major::V18];

async fn people(database: &Database<'_>) {
    database
        .execute(
            "create table people (id int primary key, email text not null, note text);
             create unique index people_email on people (email);
             insert into people select g, 'user' || g || '@x', 'original' from generate_series(1, 1500) g;
             analyze people",
        )
        .await
        .unwrap();
}

/// What was planted, as groups of ctids.
fn planted_groups(planted: &Planted, table: &str) -> BTreeSet<Rows> {
    planted
        .groups
        .iter()
        .map(|group| {
            std::iter::once(&group.original)
                .chain(&group.copies)
                .map(|row| (table.to_owned(), row.tid.clone()))
                .collect()
        })
        .collect()
}

/// How many keys a look-up through the index finds other rows for than the heap has.
async fn wrong_lookups(database: &Database<'_>, key: &str) -> usize {
    let session = database.connect().await.unwrap();
    let sql = |settings: &str| {
        format!(
            "{settings}; select k::text, (select count(*) from people p where p.{key} = d.k) \
             from (select distinct {key} as k from people offset 0) d order by 1"
        )
    };
    let index = "set enable_seqscan = off; set enable_indexscan = on; set enable_bitmapscan = off";
    let heap = "set enable_seqscan = on; set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off";
    session.execute("set enable_hashjoin = off").await.unwrap();
    let by_index = session.query_text(sql(index)).await.unwrap();
    let by_heap = session.query_text(sql(heap)).await.unwrap();
    by_index.iter().zip(&by_heap).filter(|(index, heap)| index != heap).count()
}

/// How many rows a join with every key gives, whose planner believes that the key is unique, and how
/// many rows the table has.
async fn joined(database: &Database<'_>, key: &str) -> (String, String) {
    let join = format!(
        "select count(*) from (select distinct {key} as k from people offset 0) d \
         left join people p on p.{key} = d.k"
    );
    let trusting = database.value(join).await.unwrap().unwrap();
    (trusting, database.value("select count(*) from people").await.unwrap().unwrap())
}

async fn finds_what_was_planted(major: Major, index: &str, key: &str, recipe: Recipe) {
    let database = database(major, "duplicates_damage");
    people(&database).await;
    let session = database.connect().await.unwrap();
    let planted = Damage::new(index, recipe.clone())
        .groups(25)
        .extra(2)
        .plant(&session)
        .await
        .unwrap_or_else(|error| panic!("{major} {index} {recipe:?}: {error}"));
    if recipe == Recipe::DoubleEntries {
        // The index has every row; what is wrong is that the planner believes it.
        let answers = joined(&database, key).await;
        assert_eq!(answers, ("1500".to_owned(), "1550".to_owned()), "{major} {index}");
    } else {
        let wrong = wrong_lookups(&database, key).await;
        assert!(wrong >= 25, "{major} {index}: only {wrong} look-ups go wrong");
    }
    let groups = scan(&database.url(), of(&["people_pkey", "people_email"])).await.unwrap();
    let expected = planted_groups(&planted, "public.people");
    assert_eq!(expected.len(), 25);
    for (name, found) in &groups {
        let expected = if name.ends_with(index) { expected.clone() } else { BTreeSet::new() };
        assert_eq!(found, &expected, "{major} {name} {recipe:?}");
    }
    assert_eq!(groups.len(), 2);
}

async fn everywhere(recipe: Recipe) {
    for major in MAJORS {
        for (index, key) in [("people_pkey", "id"), ("people_email", "email")] {
            finds_what_was_planted(major, index, key, recipe.clone()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_index_does_not_have() {
    everywhere(Recipe::MissingEntries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_index_has_twice() {
    everywhere(Recipe::DoubleEntries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_order_of_the_index_hid() {
    everywhere(Recipe::WrongOrder(Order::Reversed)).await;
}
