//! Groups: the row that stays, and what becomes of the others.
//!
//! Invariant: whatever is deleted is either referred to by nothing, or gives up the keys that it
//! shares first.

use std::collections::{BTreeMap, HashMap};

use pghaul_rows::Tid;

use super::roles::{Role, Roles, RolesWriter};
use super::{Emit, Rows, row_line};
use crate::duplicates::plan::file::{
    GroupLine, KeptLine, Line, OtherLine, QuestionLine, Then, Values,
};
use crate::duplicates::plan::groups::{Fate, Group};
use crate::duplicates::plan::release::cleared_column;
use crate::duplicates::plan::work::{ROWS_AT_ONCE, Work};
use crate::duplicates::tables::Unique;
use crate::error::Error;

impl Work<'_> {
    pub(super) async fn write_groups(
        &mut self,
        emit: &mut Emit<'_>,
        table: usize,
    ) -> Result<Roles, Error> {
        let mut roles = RolesWriter::new(&self.options.spill_dir);
        let groups = std::mem::take(&mut self.states[table].groups);
        if !groups.is_empty() {
            self.find_lowest(table).await?;
        }
        let mut all = groups.read();
        let mut at = 0;
        loop {
            let some: Vec<Group> = all.by_ref().take(ROWS_AT_ONCE / 4).collect::<Result<_, _>>()?;
            if some.is_empty() {
                break;
            }
            let tids: Vec<Tid> = some.iter().flat_map(|group| group.rows.iter().copied()).collect();
            let rows = self.rows(table, &tids).await?;
            let merged = self.merged_values(table, &some).await?;
            for (place, group) in (at..).zip(&some) {
                self.write_group(emit, (table, place), group, &rows, &merged, &mut roles).await?;
            }
            at += some.len();
        }
        let count = groups.len();
        self.states[table].groups = groups;
        self.write_removed(emit, table, count, &mut roles).await?;
        let mut all = Roles::default();
        all.add(roles)?;
        self.write_clears(emit, table, &mut all).await?;
        Ok(all)
    }

    async fn write_group(
        &mut self,
        emit: &mut Emit<'_>,
        (table, place): (usize, usize),
        group: &Group,
        rows: &Rows,
        merged: &HashMap<Tid, Values>,
        roles: &mut RolesWriter,
    ) -> Result<(), Error> {
        let facts = &self.tables.list[table];
        let name = facts.name.to_string();
        let by = self.found_by(table, group);
        if let Fate::Ask(question, because) = &group.fate {
            return emit.ask(&QuestionLine {
                question: question.clone(),
                table: name,
                by,
                because: because.clone(),
                rows: group.rows.iter().filter_map(|tid| row_line(*tid, rows)).collect(),
            });
        }
        let Some((first, others)) = group.rows.split_first() else { return Ok(()) };
        let number = emit.numbers.give(table, place);
        // Where nothing is merged, it takes in nothing.
        let stays = if group.fate == Fate::Merge { Role::Stays } else { Role::Changes };
        roles.push(*first, number, stays)?;
        let taken = self.taken(table, merged.get(first).filter(|_| group.fate == Fate::Merge));
        let mut lines = Vec::new();
        for (at, other) in others.iter().enumerate() {
            let (then, set) = match &group.fate {
                Fate::Rename => (Then::Change, self.renamed(emit, table, *other).await?),
                Fate::NewKeys(keys) => {
                    let column = self.column_of_key(table)?;
                    (Then::Change, Values::from([(column, keys.get(at).cloned())]))
                }
                _ => gives_up(self.fate_of(table, group, at + 1, rows, number)?, &taken),
            };
            let role = match then {
                Then::Change => Role::Changes,
                Then::Delete => Role::GoesFirst,
                Then::Twin if self.has_foreign_keys(table) => Role::GoesFirst,
                Then::Release | Then::DeleteLast | Then::Twin | Then::MoveFirst => Role::GoesLast,
            };
            if then == Then::MoveFirst {
                emit.first.insert(number);
            }
            roles.push(*other, number, role)?;
            if then == Then::Change {
                emit.counts.changed += 1;
            } else {
                emit.counts.deleted += 1;
            }
            if let Some(row) = row_line(*other, rows) {
                lines.push(OtherLine { row, then, set });
            }
        }
        let Some(row) = row_line(*first, rows) else { return Ok(()) };
        let set = match group.fate {
            Fate::Merge => merged.get(first).cloned().unwrap_or_default(),
            _ => Values::new(),
        };
        emit.counts.groups += 1;
        emit.counts.collisions += u64::from(group.collision);
        emit.counts.changed += u64::from(!set.is_empty());
        emit.writer.line(&Line::Group(GroupLine {
            group: number,
            table: name,
            by,
            keep: Some(KeptLine { row, because: group.because.clone(), set }),
            others: lines,
        }))
    }

    /// Columns of what a row takes in that an index keeps apart, and that can be NULL: the others must have
    /// given up their values by then.
    fn taken(&self, table: usize, set: Option<&Values>) -> Vec<String> {
        let facts = &self.tables.list[table];
        let kept_apart = |name: &String| {
            let index = |unique: &Unique| !unique.by_rule && unique.reads.contains(name);
            let column = facts.column(name);
            column.is_some_and(|c| !c.not_null && !c.always) && facts.uniques.iter().any(index)
        };
        set.into_iter().flat_map(Values::keys).filter(|name| kept_apart(name)).cloned().collect()
    }

    fn found_by(&self, table: usize, group: &Group) -> Vec<String> {
        let facts = &self.tables.list[table];
        let names: Vec<String> = facts
            .uniques
            .iter()
            .enumerate()
            .filter(|(place, _)| group.found_by & (1 << (*place).min(63)) != 0)
            .map(|(_, unique)| unique.name.name.as_str().to_owned())
            .collect();
        if names.is_empty() { vec!["merging what they refer to".to_owned()] } else { names }
    }

    /// What becomes of a row that is merged into another.
    fn fate_of(
        &mut self,
        table: usize,
        group: &Group,
        at: usize,
        rows: &Rows,
        number: u32,
    ) -> Result<(Then, Values), Error> {
        let names = |tid: &Tid| rows.get(tid).map(|known| known.names.as_slice());
        let own = names(&group.rows[at]).unwrap_or_default();
        let before = || group.rows[..at].iter().filter_map(names);
        let are_twins = self.are_twins(table, group.found_by);
        let twin = are_twins
            || own
                .iter()
                .enumerate()
                .any(|(place, name)| name.is_some() && before().any(|other| other[place] == *name));
        // Whatever refers to it refers to one that stays for now, by whichever name.
        let wholly = are_twins && own.len() == 1 || before().any(|other| other == own);
        if twin && !self.has_foreign_keys(table) {
            return Ok((Then::Delete, Values::new()));
        }
        if !self.is_referred_to(table) {
            return Ok((Then::Delete, Values::new()));
        }
        if group.found_by == 0 {
            return Ok((Then::DeleteLast, Values::new()));
        }
        match self.release(table, group.found_by, twin) {
            Some(columns) => {
                let set = self.released(table, &columns, (number, at));
                Ok((if wholly { Then::Twin } else { Then::Release }, set))
            }
            None if !self.has_foreign_keys(table) => Ok((Then::Delete, Values::new())),
            None if wholly => Ok((Then::Twin, Values::new())),
            None => Ok((Then::MoveFirst, Values::new())),
        }
    }

    async fn write_removed(
        &mut self,
        emit: &mut Emit<'_>,
        table: usize,
        groups: usize,
        roles: &mut RolesWriter,
    ) -> Result<(), Error> {
        let removed: Vec<(Tid, &str)> =
            self.states[table].removed.iter().map(|(tid, why)| (*tid, *why)).collect();
        let last = self.is_referred_to(table);
        for (chunk_at, chunk) in removed.chunks(ROWS_AT_ONCE).enumerate() {
            let tids: Vec<Tid> = chunk.iter().map(|(tid, _)| *tid).collect();
            let rows = self.rows(table, &tids).await?;
            for (at, (tid, why)) in chunk.iter().enumerate() {
                let number = emit.numbers.give(table, groups + chunk_at * ROWS_AT_ONCE + at);
                let Some(row) = row_line(*tid, &rows) else { continue };
                let (then, role) = if last {
                    (Then::DeleteLast, Role::GoesLast)
                } else {
                    (Then::Delete, Role::GoesFirst)
                };
                roles.push(*tid, number, role)?;
                emit.counts.groups += 1;
                emit.counts.collisions += 1;
                emit.counts.deleted += 1;
                emit.writer.line(&Line::Group(GroupLine {
                    group: number,
                    table: self.tables.list[table].name.to_string(),
                    by: vec![(*why).to_owned()],
                    keep: None,
                    others: vec![OtherLine { row, then, set: Values::new() }],
                }))?;
            }
        }
        Ok(())
    }

    async fn write_clears(
        &mut self,
        emit: &mut Emit<'_>,
        table: usize,
        roles: &mut Roles,
    ) -> Result<(), Error> {
        let clears = std::mem::take(&mut self.states[table].clears);
        let tables = self.tables;
        let facts = &tables.list[table];
        let mut cleared: Vec<Tid> = clears.values().flatten().flatten().copied().collect();
        cleared.sort_unstable();
        let known = roles.of(|tid| cleared.binary_search(&tid).is_ok())?;
        let mut known: BTreeMap<Tid, (u32, Role)> = known.into_iter().collect();
        let mut more = RolesWriter::new(&self.options.spill_dir);
        for (place, groups) in clears {
            let unique = &facts.uniques[place];
            for rows in groups {
                // Who is merged into another gives the key to nobody.
                let rows: Vec<Tid> = rows
                    .into_iter()
                    .filter(|tid| {
                        known.get(tid).is_none_or(|(_, role)| {
                            !matches!(role, Role::GoesFirst | Role::GoesLast)
                        })
                    })
                    .collect();
                if rows.len() < 2 {
                    continue;
                }
                let (ordered, because) = self.ordered(table, &rows, facts.keep_for(unique)).await?;
                let lines = self.rows(table, &ordered).await?;
                let by = vec![unique.name.name.as_str().to_owned()];
                let Some(column) = cleared_column(facts, unique) else {
                    emit.ask(&QuestionLine {
                        question: format!("{}-{}", unique.name.name, ordered[0]),
                        table: facts.name.to_string(),
                        by,
                        because: "the key cannot be NULL".to_owned(),
                        rows: ordered.iter().filter_map(|tid| row_line(*tid, &lines)).collect(),
                    })?;
                    continue;
                };
                let number = emit.numbers.next();
                let Some((first, others)) = ordered.split_first() else { continue };
                for tid in &ordered {
                    match known.get(tid) {
                        Some((other, _)) => emit.links.link(&[number, *other]),
                        None => {
                            known.insert(*tid, (number, Role::Changes));
                            more.push(*tid, number, Role::Changes)?;
                        }
                    }
                }
                let Some(row) = row_line(*first, &lines) else { continue };
                let set = Values::from([(column, None)]);
                emit.counts.groups += 1;
                emit.counts.changed += others.len() as u64;
                emit.writer.line(&Line::Group(GroupLine {
                    group: number,
                    table: facts.name.to_string(),
                    by,
                    keep: Some(KeptLine { row, because, set: Values::new() }),
                    others: others
                        .iter()
                        .filter_map(|tid| row_line(*tid, &lines))
                        .map(|row| OtherLine { row, then: Then::Change, set: set.clone() })
                        .collect(),
                }))?;
            }
        }
        roles.add(more)
    }
}

/// What becomes of a row that also gives up these.
fn gives_up((then, mut set): (Then, Values), taken: &[String]) -> (Then, Values) {
    match then {
        // A twin that can give up none of its keys stays as it is until it goes.
        Then::Twin if set.is_empty() => return (then, set),
        Then::Release | Then::DeleteLast | Then::Twin => {}
        Then::Change | Then::Delete | Then::MoveFirst => return (then, set),
    }
    for column in taken {
        set.entry(column.clone()).or_insert(None);
    }
    match then {
        Then::DeleteLast if !set.is_empty() => (Then::Release, set),
        _ => (then, set),
    }
}
