//! Which row of a group stays, and whether somebody must be asked.
//!
//! Invariants: rows are only merged where the rules, or their equality, say that they are one; a
//! doubt is a question; ties end at the lowest key, then the lowest ctid.

use std::ops::Range;

use pghaul_rows::{RowDigest, Tid};
use sha2::{Digest, Sha256};

use super::Without;
use super::answers::{Answer, AnswerFor};
use super::groups::{Fate, Group, GroupsWriter};
use super::mapped::{key_in, values_of};
use super::mapping::Mapped;
use super::sets::{Components, Sets};
use super::work::{ROWS_AT_ONCE, Work, text_of};
use crate::duplicates::references::Reference;
use crate::duplicates::rules::{Keep, Others, ReferenceKind, Removed, State as ColumnState};
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, literal};

/// What is known of a row while its group is decided.
struct Facts {
    tid: Tid,
    /// By the place of the wanted column.
    values: Vec<Option<String>>,
    /// What the steps of the rule see, in their order.
    steps: Vec<Option<String>>,
    digest: Option<RowDigest>,
}

/// What is looked at in a table.
struct Wanted {
    /// Columns, as text.
    columns: Vec<String>,
    /// Identities from other tables: expression and what to join.
    joined: Vec<(String, String)>,
    steps: Vec<Keep>,
}

impl Wanted {
    fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|other| other == column)
    }

    /// What some columns of a row are together.
    fn key(&self, row: &Facts, columns: &[String]) -> Option<String> {
        key_in(columns, |column| row.values[self.place(column)?].as_deref())
    }
}

/// A step of a rule as something to sort by, ascending, NULL last.
fn step_expression(step: &Keep) -> (String, &'static str) {
    let column = format!("t.{}", Ident::new(step.column()).quoted());
    match step {
        Keep::First { is, .. } => (
            match is {
                ColumnState::Null => format!("({column} is not null)"),
                ColumnState::NotNull => format!("({column} is null)"),
                ColumnState::True => format!("({column} is not true)"),
                ColumnState::Present => {
                    format!("({column} is null or pg_catalog.format('%s', {column}) = '')")
                }
            },
            "asc",
        ),
        Keep::Lowest { .. } => (column, "asc"),
        Keep::Highest { .. } => (column, "desc"),
        Keep::Order { values, .. } => {
            let list: Vec<String> = values.iter().map(|value| literal(value)).collect();
            (
                format!(
                    "pg_catalog.array_position(array[{}]::text[], pg_catalog.format('%s', {column}))",
                    list.join(", ")
                ),
                "asc",
            )
        }
    }
}

impl Work<'_> {
    /// Decides about all groups of a table: rows that share a key, and those that merging makes
    /// equal.
    pub(super) async fn decide(&mut self, table: usize, sets: Sets) -> Result<(), Error> {
        let components = sets.components(&self.states[table].removed);
        self.find_telling(table, &components).await?;
        let mut groups = GroupsWriter::new(&self.options.spill_dir);
        let mut at = 0;
        while at < components.len() {
            let mut rows = 0;
            let mut end = at;
            while end < components.len()
                && (end == at || rows + components.get(end).0.len() <= ROWS_AT_ONCE)
            {
                rows += components.get(end).0.len();
                end += 1;
            }
            for group in self.decide_some(table, (&components, at..end)).await? {
                groups.push(&group)?;
            }
            at = end;
        }
        self.states[table].rows = components.rows();
        self.states[table].groups = groups.finish()?;
        Ok(())
    }

    async fn decide_some(
        &mut self,
        table: usize,
        (components, some): (&Components, Range<usize>),
    ) -> Result<Vec<Group>, Error> {
        let components: Vec<(&[Tid], u64)> = some.map(|at| components.get(at)).collect();
        let wanted = self.wanted(table);
        let mut by_group = self.facts(table, &components, &wanted).await?;
        let facts = &self.tables.list[table];
        let tids = components.iter().flat_map(|(rows, _)| rows.iter().copied());
        let digests = self.digests.read(self.session, &facts.name, tids).await?;
        let mut groups = Vec::new();
        let mut asked = Vec::new();
        for ((_, found_by), rows) in components.iter().zip(&mut by_group) {
            for row in rows.iter_mut() {
                row.digest = digests.get(&row.tid).copied();
            }
            // Rows that went between two looks cannot be: one snapshot. But be sure.
            rows.retain(|row| row.digest.is_some());
            if rows.len() > 1 {
                let rows = std::mem::take(rows);
                groups.push(self.decide_one(table, *found_by, rows, &wanted, &mut asked)?);
            }
        }
        // Only questions that somebody answers are looked for again.
        asked.retain(|question| self.answers.to(question).is_some());
        self.asked.extend(asked);
        Ok(groups)
    }

    fn wanted(&self, table: usize) -> Wanted {
        let facts = &self.tables.list[table];
        let mut columns: Vec<String> = Vec::new();
        let mut want = |column: &str| {
            if facts.has(column) && !columns.iter().any(|other| other == column) {
                columns.push(column.to_owned());
            }
        };
        for reference in self.tables.to(table) {
            reference.parent_columns.iter().for_each(|column| want(column));
        }
        if let Some(key) = self.single_key(table) {
            want(&key);
        }
        for reference in self.tables.of(table) {
            if reference.kind == ReferenceKind::Key {
                reference.columns.iter().for_each(|column| want(column));
                if let Some(type_) = &reference.type_ {
                    want(&type_.column);
                }
            }
        }
        for column in &facts.rule.agree {
            want(column);
        }
        for identity in facts.rule.identity.iter().filter(|identity| identity.table.is_none()) {
            want(&identity.column);
        }
        for ask in &facts.rule.ask {
            want(&ask.when);
        }
        let joined = facts
            .rule
            .identity
            .iter()
            .filter_map(|identity| {
                let other = self.tables.place(&crate::duplicates::rules::table_name(
                    identity.table.as_deref()?,
                ))?;
                let (by, key) = (identity.by.as_deref()?, self.single_key(table)?);
                let there = &self.tables.list[other];
                (there.has(by) && there.has(&identity.column)).then(|| {
                    let column = Ident::new(&identity.column).quoted();
                    let by = Ident::new(by).quoted();
                    let join = format!(
                        "(select x.{by} as key, pg_catalog.string_agg(distinct x.{column}::text, ' ') \
                         as value from only {} as x group by x.{by})",
                        there.name.quoted()
                    );
                    (join, Ident::new(key).quoted())
                })
            })
            .collect();
        let steps = self.steps(table);
        Wanted { columns, joined, steps }
    }

    /// The steps by which the row that stays is chosen.
    fn steps(&self, table: usize) -> Vec<Keep> {
        let facts = &self.tables.list[table];
        if facts.has_rule {
            return facts.rule.keep.clone();
        }
        match &self.options.without_rules {
            Without::Report => Vec::new(),
            Without::Lowest => {
                self.single_key(table).map(|lowest| Keep::Lowest { lowest }).into_iter().collect()
            }
            Without::Newest => self
                .single_key(table)
                .map(|highest| Keep::Highest { highest })
                .into_iter()
                .collect(),
            Without::Column(column) if facts.has(column) => {
                vec![Keep::Highest { highest: column.clone() }]
            }
            Without::Column(_) => Vec::new(),
        }
    }

    /// The primary key, if it is one column.
    pub(super) fn single_key(&self, table: usize) -> Option<String> {
        let primary = self.tables.list[table].uniques.iter().find(|unique| unique.primary)?;
        match primary.reads.as_slice() {
            [column] => Some(column.clone()),
            _ => None,
        }
    }

    async fn facts(
        &self,
        table: usize,
        components: &[(&[Tid], u64)],
        wanted: &Wanted,
    ) -> Result<Vec<Vec<Facts>>, Error> {
        let facts = &self.tables.list[table];
        let mut ctids = Vec::new();
        let mut numbers: Vec<i32> = Vec::new();
        for (number, (rows, _)) in (0_i32..).zip(components) {
            ctids.extend(rows.iter().map(ToString::to_string));
            numbers.extend(rows.iter().map(|_| number));
        }
        let mut values: Vec<String> = wanted.columns.iter().map(|column| text_of(column)).collect();
        let mut joins = String::new();
        for (number, (join, key)) in wanted.joined.iter().enumerate() {
            joins.push_str(&format!(" left join {join} as j{number} on j{number}.key = t.{key}"));
            values.push(format!("j{number}.value"));
        }
        let steps: Vec<(String, &str)> = wanted.steps.iter().map(step_expression).collect();
        let shown: Vec<String> = steps.iter().map(|(step, _)| format!("({step})::text")).collect();
        let mut sort = vec!["n.number".to_owned()];
        sort.extend(steps.iter().map(|(step, order)| format!("{step} {order} nulls last")));
        if let Some(key) = self.single_key(table) {
            sort.push(format!("t.{}", Ident::new(key).quoted()));
        }
        sort.push("t.ctid".to_owned());
        let sql = format!(
            "select n.number, t.ctid::text, array[{}]::text[], array[{}]::text[] \
               from only {} as t{joins} \
               join rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int4[])) \
                 as n (row, number) \
                 on n.row = t.ctid::text \
              where t.ctid = any ($1::text[]::pg_catalog.tid[]) \
              order by {}",
            values.join(", "),
            shown.join(", "),
            facts.name.quoted(),
            sort.join(", ")
        );
        let doing = format!("look at duplicates of `{}`", facts.name);
        let mut by_group: Vec<Vec<Facts>> = components.iter().map(|_| Vec::new()).collect();
        for row in self.session.query(&doing, &sql, &[&ctids, &numbers]).await? {
            let number = usize::try_from(row.get::<_, i32>(0)).unwrap_or(usize::MAX);
            let tid = Tid::from_text(row.get::<_, &str>(1).as_bytes());
            if let (Some(group), Some(tid)) = (by_group.get_mut(number), tid) {
                group.push(Facts { tid, values: row.get(2), steps: row.get(3), digest: None });
            }
        }
        Ok(by_group)
    }

    fn decide_one(
        &self,
        table: usize,
        found_by: u64,
        mut rows: Vec<Facts>,
        wanted: &Wanted,
        asked: &mut Vec<String>,
    ) -> Result<Group, Error> {
        let facts = &self.tables.list[table];
        let mut because = why(&rows, &wanted.steps);
        let collision = found_by == 0;
        let waits = || self.is_referred_to(table) && self.keeps_moves_apart(table);
        if collision && (wanted.steps.is_empty() || waits()) {
            rows.sort_by_key(|row| self.moves(table, row, wanted));
            because = "it was there already".to_owned();
        }
        // A row that refers to its twin cannot be the one that stays: it would refer to itself.
        let bound: Vec<bool> =
            rows.iter().map(|row| self.refers_to_twin(table, row, &rows, wanted)).collect();
        let all_bound = bound.iter().all(|bound| *bound);
        if bound.contains(&true) && !all_bound {
            if bound[0] {
                because = "it does not refer to its twin".to_owned();
            }
            let (free, tied): (Vec<_>, Vec<_>) =
                rows.into_iter().zip(bound).partition(|(_, bound)| !bound);
            rows = free.into_iter().chain(tied).map(|(row, _)| row).collect();
        }
        let mut question = self.question(table, found_by, &rows, wanted);
        if all_bound {
            question = Some("they refer to each other in a circle".to_owned());
        }
        let mut digests: Vec<RowDigest> = rows.iter().filter_map(|row| row.digest).collect();
        digests.sort_unstable();
        let name = question_name(&facts.name.to_string(), &digests);
        let mut fate = Fate::Merge;
        if question.is_some() || self.answers.to(&name).is_some() {
            asked.push(name.clone());
        }
        if let Some(answer) = self.answers.to(&name) {
            fate = apply_answer(&name, answer, &mut rows)?;
            because = "the answer says so".to_owned();
        } else if let Some(why) = question {
            fate = Fate::Ask(name.clone(), why);
        }
        let tids: Vec<Tid> = rows.iter().map(|row| row.tid).collect();
        if self.is_withheld(table, &tids) {
            let why = "merging it would make rows that refer to it equal, which cannot be merged";
            fate = Fate::Ask(name, why.to_owned());
        }
        Ok(Group { rows: tids, found_by, because, fate, collision })
    }

    /// Whether rows of other tables refer to this one.
    pub(super) fn is_referred_to(&self, table: usize) -> bool {
        self.tables.to(table).next().is_some()
    }

    /// Whether an index forbids that a row comes to refer to what another one, which goes last, still
    /// refers to. What only the rules keep unique does not.
    fn keeps_moves_apart(&self, table: usize) -> bool {
        let active = self.active(table);
        let moves = |column: &String| active.iter().any(|reference| reference.is_from(column));
        let uniques = &self.tables.list[table].uniques;
        uniques.iter().any(|unique| !unique.by_rule && unique.reads.iter().any(moves))
    }

    /// Whether a column of its own refers to it.
    fn refers_to_itself(&self, table: usize) -> bool {
        self.tables.of(table).any(|reference| reference.is_to_itself())
    }

    /// Whether foreign keys of this database refer to it.
    pub(super) fn has_foreign_keys(&self, table: usize) -> bool {
        self.tables.to(table).any(|reference| reference.foreign_key.is_some())
    }

    /// The value of a column as it will be.
    fn mapped_value(
        &self,
        table: usize,
        row: &Facts,
        column: &str,
        wanted: &Wanted,
    ) -> Option<String> {
        let value = row.values.get(wanted.place(column)?)?.clone()?;
        for reference in self.active(table) {
            let place = reference.columns.iter().position(|own| own == column);
            let Some(place) = place.filter(|_| reference.kind == ReferenceKind::Key) else {
                continue;
            };
            if let Some(type_) = &reference.type_ {
                let is = wanted.place(&type_.column).and_then(|at| row.values[at].as_deref());
                if is != Some(type_.value.as_str()) {
                    continue;
                }
            }
            let key = wanted.key(row, &reference.columns);
            if let Some(Mapped { new: Some(new), .. }) =
                key.and_then(|key| self.mapping(reference)?.get(&key))
            {
                return values_of(&new, reference.columns.len())
                    .get(place)
                    .map(ToString::to_string);
            }
        }
        Some(value)
    }

    /// Whether any of its references changes.
    fn moves(&self, table: usize, row: &Facts, wanted: &Wanted) -> bool {
        self.active(table).iter().any(|reference| {
            reference.columns.iter().any(|column| {
                let Some(at) = wanted.place(column) else { return false };
                self.mapped_value(table, row, column, wanted) != row.values[at]
            })
        })
    }

    /// Whether it goes with another row of its group, if that goes.
    fn refers_to_twin(&self, table: usize, row: &Facts, rows: &[Facts], wanted: &Wanted) -> bool {
        self.tables
            .of(table)
            .filter(|reference| {
                reference.is_to_itself()
                    && reference.removed == Removed::Remove
                    && reference.kind == ReferenceKind::Key
                    && reference.type_.is_none()
            })
            .any(|reference| {
                let key = wanted.key(row, &reference.columns);
                key.is_some()
                    && rows.iter().any(|twin| wanted.key(twin, &reference.parent_columns) == key)
            })
    }

    /// Why somebody must be asked, if so.
    fn question(
        &self,
        table: usize,
        found_by: u64,
        rows: &[Facts],
        wanted: &Wanted,
    ) -> Option<String> {
        let facts = &self.tables.list[table];
        if let Some(why) = self.pulled_apart(table, rows, wanted) {
            return Some(why);
        }
        let equal = rows.windows(2).all(|pair| pair[0].digest == pair[1].digest);
        if !equal && self.share_a_key(table, found_by, rows, wanted) {
            return Some("equal ids with different content".to_owned());
        }
        if found_by != 0
            && self.has_foreign_keys(table)
            && self.refers_to_itself(table)
            && self
                .release(table, found_by, self.share_a_key(table, found_by, rows, wanted))
                .is_none()
        {
            return Some(
                "there is no value that they could have until they are deleted".to_owned(),
            );
        }
        if !facts.has_rule && !equal {
            let alone = !self.is_referred_to(table);
            return match self.options.without_rules {
                Without::Report => Some("no rule says which row stays".to_owned()),
                _ if !alone => {
                    Some("other rows refer to the table and no rule says how to merge".to_owned())
                }
                _ if wanted.steps.is_empty() => {
                    Some("the column to keep by is not there".to_owned())
                }
                _ => None,
            };
        }
        for (place, unique) in facts.uniques.iter().enumerate() {
            if found_by & (1 << place.min(63)) != 0 && unique.others == Others::Ask && !equal {
                let because = facts.rule.indexes.iter().find_map(|index| {
                    let same = index.columns.len() == unique.reads.len()
                        && index.columns.iter().all(|column| unique.reads.contains(column));
                    index.because.clone().filter(|_| same)
                });
                return Some(
                    because.unwrap_or_else(|| format!("the rules ask about {}", unique.name)),
                );
            }
        }
        for ask in &facts.rule.ask {
            let at = wanted.place(&ask.when)?;
            let holds = |row: &Facts| {
                let value = row.values[at].as_deref();
                match ask.is {
                    ColumnState::Null => value.is_none(),
                    ColumnState::NotNull => value.is_some(),
                    ColumnState::True => value == Some("t"),
                    ColumnState::Present => value.is_some_and(|text| !text.is_empty()),
                }
            };
            if rows.iter().any(holds) && !equal {
                return Some(ask.because.clone());
            }
        }
        for column in &facts.rule.agree {
            let value = |row: &Facts| self.mapped_value(table, row, column, wanted);
            if rows.windows(2).any(|pair| value(&pair[0]) != value(&pair[1])) {
                return Some(format!("they differ in {column}"));
            }
        }
        (!self.are_identified(table, rows, wanted) && !equal)
            .then(|| "nothing shows that they are one".to_owned())
    }

    /// Whether two rows have one value of a key by which others refer to them.
    fn share_a_key(&self, table: usize, found_by: u64, rows: &[Facts], wanted: &Wanted) -> bool {
        self.are_twins(table, found_by)
            || self.names_of_rows(table).iter().any(|columns| {
                let mut keys: Vec<String> =
                    rows.iter().filter_map(|row| wanted.key(row, columns)).collect();
                keys.sort_unstable();
                keys.windows(2).any(|pair| pair[0] == pair[1])
            })
    }

    /// Whether all rows of a group share a key by which others refer to them, by the word of the
    /// index that found them: its equality may be wider than that of texts (`citext`, 1.0 and 1.00).
    pub(super) fn are_twins(&self, table: usize, found_by: u64) -> bool {
        let uniques = self.tables.list[table].uniques.iter().enumerate();
        found_by.count_ones() == 1
            && uniques
                .filter(|(place, _)| found_by & (1 << (*place).min(63)) != 0)
                .all(|(_, unique)| unique.predicate.is_none() && self.is_shared_key(table, unique))
    }

    /// By which columns rows are named: the primary key of one column, and what others refer to.
    pub(super) fn names_of_rows(&self, table: usize) -> Vec<Vec<String>> {
        let mut names: Vec<Vec<String>> =
            self.tables.to(table).map(|reference| reference.parent_columns.clone()).collect();
        names.extend(self.single_key(table).map(|key| vec![key]));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether rows that refer to these would have to change a column by which they refer to
    /// something else too: what is one for them need not be one for it.
    fn pulled_apart(&self, table: usize, rows: &[Facts], wanted: &Wanted) -> Option<String> {
        for reference in self.tables.to(table).filter(|reference| reference.columns.len() > 1) {
            for (column, referred) in reference.columns.iter().zip(&reference.parent_columns) {
                let at = wanted.place(referred)?;
                let differs = rows.windows(2).any(|pair| pair[0].values[at] != pair[1].values[at]);
                // By the same columns they refer to another leaf of the same partition tree.
                let shared =
                    |other: &Reference| other.is_from(column) && other.columns != reference.columns;
                if differs && self.tables.of(reference.child).any(shared) {
                    let child = &self.tables.list[reference.child].name;
                    return Some(format!(
                        "they differ in {referred}, and by {column} rows of {child} refer to others too"
                    ));
                }
            }
        }
        None
    }

    /// Whether each row agrees with the first in something that identifies it.
    fn are_identified(&self, table: usize, rows: &[Facts], wanted: &Wanted) -> bool {
        let identity = &self.tables.list[table].rule.identity;
        if identity.is_empty() {
            return true;
        }
        let own = identity.iter().filter(|identity| identity.table.is_none());
        let mut places: Vec<usize> =
            own.filter_map(|identity| wanted.place(&identity.column)).collect();
        places.extend((0..wanted.joined.len()).map(|number| wanted.columns.len() + number));
        let Some((first, others)) = rows.split_first() else { return true };
        others.iter().all(|row| {
            places.iter().any(|at| {
                let value = row.values[*at].as_deref();
                value.is_some_and(|text| !text.is_empty()) && value == first.values[*at].as_deref()
            })
        })
    }
}

/// Puts the row that the answer keeps first.
fn apply_answer(question: &str, answer: &Answer, rows: &mut [Facts]) -> Result<Fate, Error> {
    let wrong = |why: String| {
        Error::new(ErrorKind::Usage, format!("cannot use the answer to question {question}: {why}"))
            .with_hint("take the ctids from the question in a plan made now")
    };
    let at = rows.iter().position(|row| row.tid.to_string() == answer.keep);
    let Some(at) = at else {
        return Err(wrong(format!("{} is none of its rows", answer.keep)));
    };
    rows[..=at].rotate_right(1);
    Ok(match answer.others {
        AnswerFor::Merge => Fate::Merge,
        AnswerFor::Rename => Fate::Rename,
        AnswerFor::NewKey => {
            let mut keys = Vec::new();
            for row in &rows[1..] {
                let key = answer.new_keys.get(&row.tid.to_string());
                keys.push(
                    key.cloned()
                        .ok_or_else(|| wrong(format!("`new_keys` has nothing for {}", row.tid)))?,
                );
            }
            Fate::NewKeys(keys)
        }
    })
}

/// The same as long as the rows are.
fn question_name(table: &str, digests: &[RowDigest]) -> String {
    let mut hash = Sha256::new();
    hash.update(table.as_bytes());
    for digest in digests {
        hash.update(digest.to_be_bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn why(rows: &[Facts], steps: &[Keep]) -> String {
    let [first, second, ..] = rows else { return String::new() };
    for (at, step) in steps.iter().enumerate() {
        if first.steps.get(at) != second.steps.get(at) {
            return step.because();
        }
    }
    "lowest key".to_owned()
}

impl Work<'_> {
    /// Rows in the order of some steps, and why the first is the first.
    pub(super) async fn ordered(
        &self,
        table: usize,
        rows: &[Tid],
        steps: Vec<Keep>,
    ) -> Result<(Vec<Tid>, String), Error> {
        let wanted = Wanted { columns: Vec::new(), joined: Vec::new(), steps };
        let component = [(rows, 0)];
        let facts = self.facts(table, &component, &wanted).await?.pop().unwrap_or_default();
        let because = why(&facts, &wanted.steps);
        Ok((facts.into_iter().map(|row| row.tid).collect(), because))
    }
}
