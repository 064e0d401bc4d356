//! The three ways to get duplicates past a unique index, by a few words in `pg_index`.
//!
//! Invariant: whatever happens, `pg_index` says in the end what it said before, and what is wrong is
//! the index, or the heap below it. Only `indcheckxmin` is off in the end: it would keep plans away
//! from the index until all transactions that are running now have ended.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::catalog::UniqueIndex;
use super::copies::{Copies, Source};
use super::{Copied, Damage, Group, run};
use crate::error::{Error, Result};
use crate::servers::quote_literal;

/// How duplicates get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipe {
    /// The copies are not in the index: `indisready` and `indisvalid` are off while they come, as
    /// after a crash or a bad disk. Any index.
    MissingEntries,
    /// The copies are in the index: `indisunique` is off while they come, as if the check had
    /// failed. Any index.
    DoubleEntries,
    /// The index was built in another order than the one it is read in, as after a change of the
    /// C library's collations, and the normal check does not see the key that is there. A key
    /// whose right place by both orders is the same is seen, and another is taken instead. From
    /// the second copy on the check would find the first; these come as with
    /// [`Recipe::DoubleEntries`].
    WrongOrder(Order),
}

/// The order that an index was built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Descending where it should ascend: nearly no key is found. Any index, any major, any
    /// locale.
    Reversed,
    /// That of a locale of the C library, such as `en_US.UTF-8` in a database of the locale C:
    /// the more like life, the more the data has capitals and punctuation. Indexes with a text
    /// key, those with `text_pattern_ops` too. The locale must be there, and its order another
    /// than the index's own.
    Locale(String),
}

pub(super) async fn plant(
    client: &Client,
    damage: &Damage,
    target: &UniqueIndex,
    copies: &Copies,
    originals: Vec<Copied>,
) -> Result<Vec<Group>> {
    match &damage.recipe {
        Recipe::MissingEntries => {
            let flags = ["indisready", "indisvalid"];
            insert_without(client, target, &flags, copies, originals, 1..=damage.extra).await
        }
        Recipe::DoubleEntries => {
            insert_without(client, target, &["indisunique"], copies, originals, 1..=damage.extra)
                .await
        }
        Recipe::WrongOrder(order) => {
            build_in_wrong_order(client, target, order).await?;
            let mut groups = insert_unseen(client, damage, target, copies, originals).await?;
            let more = 2..=damage.extra;
            if !more.is_empty() {
                let originals = groups.iter().map(|group| group.original.clone()).collect();
                let added =
                    insert_without(client, target, &["indisunique"], copies, originals, more)
                        .await?;
                for (group, more) in groups.iter_mut().zip(added) {
                    group.copies.extend(more.copies);
                }
            }
            Ok(groups)
        }
    }
}

/// Inserts the copies of these numbers while flags of the index are off. All or nothing.
async fn insert_without(
    client: &Client,
    target: &UniqueIndex,
    flags: &[&str],
    copies: &Copies,
    originals: Vec<Copied>,
    numbers: std::ops::RangeInclusive<usize>,
) -> Result<Vec<Group>> {
    let per_group = numbers.clone().count();
    let before = (numbers.start() - 1) * originals.len();
    let mut sources = Vec::with_capacity(originals.len() * per_group);
    for original in &originals {
        for copy in numbers.clone() {
            sources.push(source(original, copy, before + sources.len() + 1)?);
        }
    }
    let to = |value: &str| {
        flags.iter().map(|flag| format!("{flag} = {value}")).collect::<Vec<_>>().join(", ")
    };
    run(client, "begin").await?;
    let inserted = async {
        set_in_catalog(client, target, &to("false")).await?;
        let inserted =
            copies.insert(client, &sources).await.map_err(|cause| copies.failed(&cause))?;
        set_in_catalog(client, target, &to("true")).await?;
        Ok(inserted)
    }
    .await;
    run(client, if inserted.is_ok() { "commit" } else { "rollback" }).await?;
    let mut inserted = inserted?.into_iter();
    Ok(originals
        .into_iter()
        .map(|original| Group { original, copies: inserted.by_ref().take(per_group).collect() })
        .collect())
}

/// Inserts one copy each with the check on, until as many are in as wanted.
async fn insert_unseen(
    client: &Client,
    damage: &Damage,
    target: &UniqueIndex,
    copies: &Copies,
    originals: Vec<Copied>,
) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    let tried = originals.len();
    for original in originals {
        if groups.len() == damage.groups {
            break;
        }
        match copies.insert(client, &[source(&original, 1, groups.len() + 1)?]).await {
            Ok(copies) => groups.push(Group { original, copies }),
            Err(cause) if is_seen(&cause, target) => {}
            Err(cause) => return Err(copies.failed(&cause)),
        }
    }
    if groups.len() < damage.groups {
        return Err(Error::new(format!(
            "the wrong order of {} let in only {} of {} groups, {tried} keys tried",
            target.name,
            groups.len(),
            damage.groups
        )));
    }
    Ok(groups)
}

fn source(original: &Copied, copy: usize, number: usize) -> Result<Source> {
    let too_many = |_| Error::new(format!("{number} copies are too many"));
    Ok(Source {
        tid: original.tid.clone(),
        parent: None,
        copy: i32::try_from(copy).map_err(too_many)?,
        number: i64::try_from(number).map_err(too_many)?,
    })
}

/// Whether this index refused a key because it is there.
fn is_seen(cause: &tokio_postgres::Error, target: &UniqueIndex) -> bool {
    let named = |db: &tokio_postgres::error::DbError| {
        // Without quotes and without the schema.
        let bare = |name: &str| name.replace('"', "");
        db.constraint().is_some_and(|name| bare(&target.name).ends_with(&bare(name)))
    };
    cause.code() == Some(&SqlState::UNIQUE_VIOLATION) && cause.as_db_error().is_some_and(named)
}

/// The catalog names another order while the index is built, and does not call it unique, so that
/// duplicates from before do not hinder. Each step is a transaction of its
/// own: an index that was built in this transaction keeps what the session knows of it.
async fn build_in_wrong_order(client: &Client, target: &UniqueIndex, order: &Order) -> Result<()> {
    let name = quote_literal(&target.name);
    let row = client
        .query_one(
            "select indcollation::text, indclass::text, indoption::text, \
             exists (select from unnest(indcollation::oid[]) c where c <> 0) \
             from pg_index where indexrelid = $1::text::regclass",
            &[&target.name],
        )
        .await
        .map_err(|cause| Error::server(format!("cannot look at the index {name}"), &cause))?;
    let before: Vec<String> = (0..3).map(|column| row.get(column)).collect();
    let [collation, class, option] = before.as_slice() else {
        return Err(Error::new("an index has three vectors"));
    };
    let right = format!(
        "indisunique = true, indcollation = '{collation}', indclass = '{class}', \
         indoption = '{option}'"
    );
    let wrong = match order {
        Order::Reversed => include_str!("reversed.sql").to_owned(),
        Order::Locale(_) if !row.get::<_, bool>(3) => {
            return Err(Error::new(format!("no key of {name} has a collation")));
        }
        Order::Locale(locale) => {
            let collation = create_collation(client, locale).await?;
            include_str!("collated.sql").replace(":collation", &collation)
        }
    };
    set_in_catalog(client, target, &format!("indisunique = false, {wrong}")).await?;
    let built = run(client, &format!("reindex index {}", target.name)).await;
    set_in_catalog(client, target, &right).await?;
    if matches!(order, Order::Locale(_)) {
        run(client, "drop collation pg_temp.other").await?;
    }
    built
}

/// Makes a collation for this session and gives its OID, as text.
async fn create_collation(client: &Client, locale: &str) -> Result<String> {
    run(client, "drop collation if exists pg_temp.other").await?;
    let create = format!("create collation pg_temp.other (locale = {})", quote_literal(locale));
    run(client, &create).await?;
    let sql = "select oid::text from pg_collation where collnamespace = pg_my_temp_schema()";
    let row = client
        .query_one(sql, &[])
        .await
        .map_err(|cause| Error::server("cannot look at the collations", &cause))?;
    Ok(row.get(0))
}

async fn set_in_catalog(client: &Client, target: &UniqueIndex, assignments: &str) -> Result<()> {
    let sql = format!(
        "update pg_index set {assignments}, indcheckxmin = false where indexrelid = {}::regclass",
        quote_literal(&target.name)
    );
    run(client, &sql).await
}
