//! The statements of a scan: what is read of every row, how candidates are confirmed, how the
//! server groups where pghaul cannot.
//!
//! Invariants: key expressions stand in a select of their own, so that no name of ours meets a
//! column; keys are compared by the operator class and collation of the index; rows are fetched by
//! ctid or in the heap's order, which the pins of a reading session keep so; texts come as hex,
//! since a database without an encoding holds any bytes.

use pghaul_rows::Tid;
use pghaul_rows::duplicates::Member;
use pghaul_rows::key::Nulls;

use super::index::UniqueIndex;
use super::key::{Image, Key};
use crate::name::RelationName;

/// What is fetched of rows beside their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// The primary key.
    #[default]
    Hidden,
    /// The key of the index too.
    Shown,
}

/// Characters of a key that are shown at most.
const SHOWN: u32 = 1000;

/// Reads ctid and, for each index, the images of its keys, then the sizes of those whose images do
/// not show them; of one relation, or of these blocks of it. The indexes are of one table; where
/// there are several, the keys of a row that one of them does not cover are NULL (see
/// [`can_share`]).
pub(super) fn read(
    indexes: &[&UniqueIndex],
    relation: &RelationName,
    blocks: Option<Blocks>,
) -> String {
    let covered = |index: &UniqueIndex, field: String| match index_conditions(index).pop() {
        Some(condition) if indexes.len() > 1 => format!("case when {condition} then {field} end"),
        _ => field,
    };
    let mut fields = Vec::new();
    for index in indexes {
        let images = index.keys.iter().filter_map(|key| key.image_of(&key.value()));
        let sizes = index.keys.iter().filter(|key| key.is_hashed()).map(size);
        fields.extend(images.chain(sizes).map(|field| covered(index, field)));
    }
    let mut conditions = match indexes {
        [index] => conditions(index),
        _ => any_of(indexes),
    };
    if let Some(Blocks { from, until }) = blocks {
        conditions.push(format!("ctid >= '({from},0)'"));
        conditions.extend(until.map(|until| format!("ctid < '({until},0)'")));
    }
    format!(
        "copy (select ctid, {} from only {}{}) to stdout (format binary)",
        fields.join(", "),
        relation.quoted(),
        where_all(&conditions),
    )
}

/// Whether the keys of an index can be read together with those of others: not if a NULL that stands
/// for a row outside of its condition would equal others.
pub(super) fn can_share(index: &UniqueIndex) -> bool {
    index.definition.nulls == Nulls::Distinct || index.definition.predicate.is_none()
}

/// The rows that some of the indexes cover; nothing if one covers all.
fn any_of(indexes: &[&UniqueIndex]) -> Vec<String> {
    let each: Option<Vec<String>> = indexes
        .iter()
        .map(|index| index.definition.predicate.as_ref())
        .map(|sql| Some(format!("({})", sql?)))
        .collect();
    each.into_iter().map(|conditions| format!("({})", conditions.join(" or "))).collect()
}

/// Counts the rows whose keys need more than `bytes` in an index, and gives leaf and ctid of the
/// first of them. The size of a value is that of the heap, where it is compressed as in an index.
pub(super) fn long_keys(index: &UniqueIndex, bytes: u32, first: usize) -> String {
    let sizes: Vec<String> =
        index.keys.iter().map(|key| format!("coalesce({}, 0)", size(key))).collect();
    let mut conditions = index_conditions(index);
    conditions.push(format!("{} > {bytes}", sizes.join(" + ")));
    let relation = if index.definition.is_partitioned() { "tableoid::int8" } else { "0::int8" };
    format!(
        "select {relation}, ctid, pg_catalog.count(*) over () from {}{} limit {first}",
        index.definition.from(),
        where_all(&conditions),
    )
}

fn size(key: &Key) -> String {
    format!("pg_catalog.pg_column_size({})", key.expression)
}

/// Blocks of a heap; without an end, all from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) from: u32,
    pub(super) until: Option<u32>,
}

/// The estimate of how many rows [`read`] will give.
pub(super) fn explain(index: &UniqueIndex) -> String {
    format!("explain select ctid from {}{}", index.definition.from(), condition(index))
}

/// Members of candidate groups, a number for each group, and the relations in which they lie.
/// Gives the place in the list from 1, whether the key is that of the first of its group, the
/// primary key, and the key if it is shown.
pub(super) fn confirm(
    index: &UniqueIndex,
    members: &[(u32, Member)],
    relations: &[(u32, &RelationName)],
    keys: Keys,
) -> String {
    let sources: Vec<String> = relations
        .iter()
        .map(|(relation, name)| {
            let tids = tids(members.iter().map(|(_, member)| member), *relation);
            format!(
                "(select {relation}::int8 as rel, ctid as tid, {} from only {} \
                 where ctid = any ({tids}) offset 0)",
                columns(index, keys).join(", "),
                name.quoted()
            )
        })
        .collect();
    let list = |of: &dyn Fn(&(u32, Member)) -> String| {
        members.iter().map(of).collect::<Vec<_>>().join(",")
    };
    format!(
        "select c.pos, coalesce({}, false){} \
           from unnest('{{{}}}'::pg_catalog.tid[], '{{{}}}'::int8[], '{{{}}}'::int4[]) \
                with ordinality c (tid, rel, grp, pos) \
           join ({}) r on r.tid = c.tid and r.rel = c.rel \
         window w as (partition by c.grp order by c.pos)",
        same(index, "r.k", &|place| format!("pg_catalog.first_value(r.k{place}) over w")),
        texts(index, keys),
        list(&|(_, member)| quoted(member.tid)),
        list(&|(_, member)| member.relation.to_string()),
        list(&|(group, _)| group.to_string()),
        sources.join(" union all "),
    )
}

/// All groups, put in order and compared by the server; or those among the rows whose images are
/// those of one row, less the rows that equal it. Gives the leaf, the ctid, whether a group begins,
/// the primary key, and the key if it is shown. `None` if the server cannot be asked for the order.
pub(super) fn grouped(
    index: &UniqueIndex,
    but: Option<(Member, &RelationName)>,
    keys: Keys,
) -> Option<String> {
    let order: Vec<String> = index
        .keys
        .iter()
        .enumerate()
        .map(|(place, key)| {
            let less = key.less.as_ref()?;
            Some(format!("r.k{place}{} using {less}", key.collate()))
        })
        .collect::<Option<_>>()?;
    let relation = if index.definition.is_partitioned() { "tableoid::int8" } else { "0::int8" };
    let rows = format!(
        "select {relation} as rel, ctid as tid, {} from {}{}",
        columns(index, keys).join(", "),
        index.definition.from(),
        condition(index),
    );
    let rows = match but {
        None => rows,
        Some((first, name)) => format!(
            "select r.* from ({rows}) r cross join (select {} from only {} where ctid = '{}') f \
             where {} and not coalesce({}, false)",
            values(index, "f").join(", "),
            name.quoted(),
            first.tid,
            same_image(index),
            same(index, "r.k", &|place| format!("f.f{place}")),
        ),
    };
    let beside = |function: &str| {
        let equal =
            same(index, "r.k", &|place| format!("pg_catalog.{function}(r.k{place}) over w"));
        // Where there is no row, there is no NULL that a NULL could equal.
        format!(
            "coalesce(pg_catalog.{function}(1) over w operator(pg_catalog.=) 1 and {equal}, false)"
        )
    };
    Some(format!(
        "select g.rel, g.tid, not g.same{} from (select r.*, {} as same, {} as followed from ({rows}) r \
         window w as (order by {}, r.rel, r.tid)) g where g.same or g.followed",
        texts(index, keys).replace("r.", "g."),
        beside("lag"),
        beside("lead"),
        order.join(", "),
    ))
}

/// The rows that the index covers, less those whose key has a NULL and so equals no other, as far
/// as that can be said in SQL.
fn condition(index: &UniqueIndex) -> String {
    where_all(&conditions(index))
}

fn where_all(conditions: &[String]) -> String {
    if conditions.is_empty() {
        String::new()
    } else {
        format!(" where {}", conditions.join(" and "))
    }
}

fn index_conditions(index: &UniqueIndex) -> Vec<String> {
    index.definition.predicate.iter().map(|sql| format!("({sql})")).collect()
}

fn conditions(index: &UniqueIndex) -> Vec<String> {
    let mut conditions = index_conditions(index);
    if index.definition.nulls == Nulls::Distinct {
        conditions.extend(
            index
                .keys
                .iter()
                .filter(|key| !key.is_composite)
                .map(|key| format!("({}) is not null", key.expression)),
        );
    }
    conditions
}

/// The values of the keys, as `k0`, `k1`, ….
fn values(index: &UniqueIndex, alias: &str) -> Vec<String> {
    let of = |(place, key): (usize, &Key)| format!("{} as {alias}{place}", key.value());
    index.keys.iter().enumerate().map(of).collect()
}

fn columns(index: &UniqueIndex, keys: Keys) -> Vec<String> {
    let mut columns = values(index, "k");
    let hex = |text: &str| format!("pg_catalog.encode(pg_catalog.textsend({text}), 'hex')");
    for (place, column) in index.definition.primary_key.iter().enumerate() {
        let text = hex(&format!("({})::pg_catalog.text", column.quoted()));
        columns.push(format!("{text} as p{place}"));
    }
    if keys == Keys::Shown {
        for (place, key) in index.keys.iter().enumerate() {
            let text = hex(&format!(
                "pg_catalog.\"left\"(({})::pg_catalog.text, {SHOWN})",
                key.expression
            ));
            columns.push(format!("{text} as x{place}"));
        }
    }
    columns
}

/// The texts that [`columns`] made, each after a comma.
fn texts(index: &UniqueIndex, keys: Keys) -> String {
    let mut names: Vec<String> =
        (0..index.definition.primary_key.len()).map(|place| format!(", r.p{place}")).collect();
    if keys == Keys::Shown {
        names.extend((0..index.keys.len()).map(|place| format!(", r.x{place}")));
    }
    names.concat()
}

/// Whether two keys are equal: true, or false or NULL.
fn same(index: &UniqueIndex, left: &str, right: &dyn Fn(usize) -> String) -> String {
    let each: Vec<String> = index
        .keys
        .iter()
        .enumerate()
        .map(|(place, key)| equal(index, key, &format!("{left}{place}"), &right(place)))
        .collect();
    format!("({})", each.join(" and "))
}

fn equal(index: &UniqueIndex, key: &Key, left: &str, right: &str) -> String {
    let equal = format!("{left}{} {} {right}", key.collate(), key.equal);
    match index.definition.nulls {
        Nulls::Distinct => format!("({equal})"),
        // `is null` of a composite looks at its fields, this does not.
        Nulls::NotDistinct => format!(
            "({equal} or ({left} is not distinct from null and {right} is not distinct from null))"
        ),
    }
}

/// Whether the images of `r` are those of `f`.
fn same_image(index: &UniqueIndex) -> String {
    let each: Vec<String> = index
        .keys
        .iter()
        .enumerate()
        .map(|(place, key)| match key.image {
            Some(Image::Hash { .. }) => {
                let image =
                    |alias: &str| key.image_of(&format!("{alias}{place}")).unwrap_or_default();
                format!("{} is not distinct from {}", image("r.k"), image("f.f"))
            }
            _ => equal(index, key, &format!("r.k{place}"), &format!("f.f{place}")),
        })
        .collect();
    each.join(" and ")
}

fn quoted(tid: Tid) -> String {
    format!("\"{tid}\"")
}

fn tids<'a>(members: impl Iterator<Item = &'a Member>, relation: u32) -> String {
    let list: Vec<String> = members
        .filter(|member| member.relation == relation)
        .map(|member| quoted(member.tid))
        .collect();
    format!("'{{{}}}'::pg_catalog.tid[]", list.join(","))
}
