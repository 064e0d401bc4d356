//! What becomes of the values by which rows are referred to, and how the server is told.
//!
//! Keys that are whole numbers, as most are, cost 24 bytes each, others what their texts need and
//! some 100 more.
//!
//! Invariants: a value stands in it once; texts come out as they went in.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::mapped::{Touched, values_of};

/// What takes the place of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapped {
    /// The new value; none: the row goes for good.
    pub(super) new: Option<String>,
    /// The group, by its place among those of its table.
    pub(super) group: usize,
}

/// What becomes of the rows that had a value of columns that others refer to.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    numbers: Vec<Number>,
    texts: BTreeMap<String, Mapped>,
    /// What values that stay are called where they are referred to, other than by their own texts.
    stay: BTreeSet<String>,
    /// Bytes of the texts.
    text: u64,
    gone: bool,
}

/// A value that is a whole number, and so is what takes its place.
#[derive(Debug, Clone, Copy)]
struct Number {
    old: i64,
    /// The old one: the row goes for good.
    new: i64,
    group: u32,
}

impl Number {
    fn goes(self) -> bool {
        self.new == self.old
    }

    fn mapped(self) -> Mapped {
        let new = (!self.goes()).then(|| self.new.to_string());
        Mapped { new, group: self.group as usize }
    }
}

/// A text that is how a whole number is written.
fn number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    let plain = matches!(text.as_bytes(), [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] | b"0");
    plain.then_some(number)
}

impl Mapping {
    /// Adds a value; the last word about a value is what counts. [`Mapping::settle`] has to be
    /// called before anything is asked.
    pub(super) fn insert(&mut self, old: String, mapped: Mapped) {
        self.gone |= mapped.new.is_none();
        let group = u32::try_from(mapped.group);
        let numbers = number(&old).zip(match &mapped.new {
            None => number(&old),
            Some(new) => number(new).filter(|_| *new != old),
        });
        if let (Some((old, new)), Ok(group)) = (numbers, group) {
            if !self.texts.is_empty() {
                self.texts.remove(&old.to_string());
            }
            self.numbers.push(Number { old, new, group });
            return;
        }
        if let Some(old) = number(&old) {
            self.numbers.retain(|entry| entry.old != old);
        }
        self.text += (old.len() + mapped.new.as_ref().map_or(0, String::len)) as u64;
        self.texts.insert(old, mapped);
    }

    /// Adds a text by which rows refer to one that stays: equal to its key, but written otherwise.
    pub(super) fn insert_stay(&mut self, spelling: String) {
        self.text += spelling.len() as u64;
        self.stay.insert(spelling);
    }

    /// The values that rows have by which they stay.
    pub(super) fn values_that_stay(&self) -> BTreeSet<String> {
        self.iter().filter_map(|(_, mapped)| mapped.new).collect()
    }

    /// All were added.
    pub(super) fn settle(&mut self) {
        self.numbers.sort_by_key(|entry| entry.old);
        self.numbers.reverse();
        // Of equal ones the last that was added comes first now.
        self.numbers.dedup_by_key(|entry| entry.old);
        self.numbers.reverse();
        self.numbers.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len() + self.texts.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that it needs.
    pub(super) fn bytes(&self) -> u64 {
        (self.numbers.capacity() * size_of::<Number>() + (self.texts.len() + self.stay.len()) * 120)
            as u64
            + self.text
    }

    /// Whether anything goes for good.
    pub(super) fn has_gone(&self) -> bool {
        self.gone
    }

    /// What becomes of a value.
    pub(super) fn get(&self, old: &str) -> Option<Mapped> {
        let in_numbers = || {
            let old = number(old)?;
            let at = self.numbers.binary_search_by_key(&old, |entry| entry.old).ok()?;
            Some(self.numbers[at].mapped())
        };
        in_numbers().or_else(|| self.texts.get(old).cloned())
    }

    /// All of it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (String, Mapped)> {
        let numbers = self.numbers.iter().map(|entry| (entry.old.to_string(), entry.mapped()));
        numbers.chain(self.texts.iter().map(|(old, mapped)| (old.clone(), mapped.clone())))
    }

    /// All values, old and new.
    pub(super) fn add_to(&self, keys: &mut Keys) {
        for entry in &self.numbers {
            keys.numbers.push(entry.old);
            if !entry.goes() {
                keys.numbers.push(entry.new);
            }
        }
        for (old, mapped) in &self.texts {
            keys.insert(old);
            if let Some(new) = &mapped.new {
                keys.insert(new);
            }
        }
        self.stay.iter().for_each(|spelling| keys.insert(spelling));
    }

    /// Old and new values of each column of the key, as parameters of a statement. For members, the
    /// rows that stay map to themselves.
    pub(super) fn lists(&self, which: Touched, width: usize) -> Vec<List> {
        if self.texts.is_empty() && self.stay.is_empty() && width == 1 {
            let wanted = |entry: &&Number| which != Touched::Gone || entry.goes();
            let stay =
                if which == Touched::Members { self.numbers_that_stay() } else { Vec::new() };
            let (mut old, mut new) = (
                Numbers::with_capacity(self.numbers.len() + stay.len()),
                Numbers::with_capacity(self.numbers.len() + stay.len()),
            );
            for entry in self.numbers.iter().filter(wanted) {
                old.push(Some(entry.old));
                new.push((!entry.goes()).then_some(entry.new));
            }
            for stays in stay {
                old.push(Some(stays));
                new.push(Some(stays));
            }
            return vec![List::Numbers(old), List::Numbers(new)];
        }
        let (mut old, mut new): (Vec<Vec<_>>, Vec<Vec<_>>) =
            (vec![Vec::new(); width], vec![Vec::new(); width]);
        let mut add = |from: &str, to: Option<&str>| {
            let (from, to) = (values_of(from, width), to.map(|to| values_of(to, width)));
            for at in 0..width {
                old[at].push(from.get(at).map(ToString::to_string));
                new[at].push(to.as_ref().and_then(|to| to.get(at)).map(ToString::to_string));
            }
        };
        let mut stay: BTreeSet<String> = BTreeSet::new();
        for (from, to) in self.iter() {
            if which != Touched::Gone || to.new.is_none() {
                add(&from, to.new.as_deref());
            }
            if which == Touched::Members {
                stay.extend(to.new);
            }
        }
        if which == Touched::Members {
            stay.extend(self.stay.iter().cloned());
        }
        stay.iter().for_each(|value| add(value, Some(value)));
        old.into_iter().chain(new).map(List::Texts).collect()
    }

    /// The old values, and for members those that stay.
    pub(super) fn keys(&self, which: Touched) -> Keys {
        let mut keys = Keys::default();
        if which == Touched::Members {
            self.add_to(&mut keys);
        } else {
            keys.numbers.extend(self.numbers.iter().map(|entry| entry.old));
            self.texts.keys().for_each(|old| keys.insert(old));
        }
        keys.settle();
        keys
    }

    fn numbers_that_stay(&self) -> Vec<i64> {
        let mut stay: Vec<i64> =
            self.numbers.iter().filter(|entry| !entry.goes()).map(|entry| entry.new).collect();
        stay.sort_unstable();
        stay.dedup();
        stay
    }
}

/// Values, each once: whole numbers and texts.
#[derive(Debug, Default)]
pub(super) struct Keys {
    numbers: Vec<i64>,
    texts: BTreeSet<String>,
}

impl Keys {
    pub(super) fn insert(&mut self, key: &str) {
        match number(key) {
            Some(number) => self.numbers.push(number),
            None => {
                if !self.texts.contains(key) {
                    self.texts.insert(key.to_owned());
                }
            }
        }
    }

    /// All were added.
    pub(super) fn settle(&mut self) {
        self.numbers.sort_unstable();
        self.numbers.dedup();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.texts.is_empty()
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        match number(key) {
            Some(number) => self.numbers.binary_search(&number).is_ok(),
            None => self.texts.contains(key),
        }
    }

    /// As a parameter of a statement.
    pub(super) fn into_list(self) -> List {
        if self.texts.is_empty() {
            let mut list = Numbers::with_capacity(self.numbers.len());
            self.numbers.into_iter().for_each(|number| list.push(Some(number)));
            return List::Numbers(list);
        }
        let numbers = self.numbers.iter().map(|number| Some(number.to_string()));
        List::Texts(numbers.chain(self.texts.into_iter().map(Some)).collect())
    }
}

/// A parameter: an array of whole numbers, or of texts.
#[derive(Debug)]
pub(super) enum List {
    Numbers(Numbers),
    Texts(Vec<Option<String>>),
}

/// An array of `int8` as it is sent: its head, then each with its length (the source of Postgres,
/// `array_recv`).
#[derive(Debug)]
pub(super) struct Numbers {
    sent: Vec<u8>,
    count: i32,
}

impl Numbers {
    /// Bytes of the head: dimensions, whether there are NULLs, the type, the length, the lower
    /// bound.
    const HEAD: usize = 20;

    fn with_capacity(numbers: usize) -> Self {
        let mut sent = Vec::with_capacity(Self::HEAD + numbers * 12);
        sent.resize(Self::HEAD, 0);
        Self { sent, count: 0 }
    }

    fn push(&mut self, number: Option<i64>) {
        self.count += 1;
        match number {
            Some(number) => {
                self.sent.extend_from_slice(&8_i32.to_be_bytes());
                self.sent.extend_from_slice(&number.to_be_bytes());
            }
            None => self.sent.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }

    fn head(&self) -> [u8; Self::HEAD] {
        let mut head = [0; Self::HEAD];
        let int8 = Type::INT8.oid().to_be_bytes();
        let fields = [1_i32.to_be_bytes(), 1_i32.to_be_bytes(), int8, self.count.to_be_bytes()];
        for (place, field) in
            head.chunks_exact_mut(4).zip(fields.into_iter().chain([1_i32.to_be_bytes()]))
        {
            place.copy_from_slice(&field);
        }
        head
    }
}

impl List {
    /// Its type, in SQL.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Numbers(_) => "int8[]",
            Self::Texts(_) => "text[]",
        }
    }
}

impl ToSql for List {
    fn to_sql(
        &self,
        type_: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Numbers(list) => {
                // In one go: a buffer that grows is twice as large for a moment.
                out.reserve(list.sent.len());
                out.extend_from_slice(&list.head());
                out.extend_from_slice(&list.sent[Numbers::HEAD..]);
                Ok(IsNull::No)
            }
            Self::Texts(list) => list.to_sql(type_, out),
        }
    }

    fn accepts(type_: &Type) -> bool {
        *type_ == Type::INT8_ARRAY || *type_ == Type::TEXT_ARRAY
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(new: Option<&str>, group: usize) -> Mapped {
        Mapped { new: new.map(str::to_owned), group }
    }

    #[test]
    fn numbers_and_texts_come_out_as_they_went_in() {
        let entries = [
            ("17", to(Some("4"), 0)),
            ("-3", to(None, 1)),
            // Not how numbers are written, or no numbers.
            ("007", to(Some("7"), 2)),
            ("+5", to(Some("5"), 3)),
            ("-0", to(Some("0"), 4)),
            ("99999999999999999999", to(Some("1"), 5)),
            ("0", to(Some("x"), 6)),
            ("a", to(None, 7)),
        ];
        let mut mapping = Mapping::default();
        mapping.insert("17".to_owned(), to(Some("5"), 9));
        for (old, mapped) in &entries {
            mapping.insert((*old).to_owned(), mapped.clone());
        }
        mapping.settle();
        assert_eq!(mapping.len(), entries.len());
        for (old, mapped) in &entries {
            assert_eq!(mapping.get(old).as_ref(), Some(mapped), "{old}");
        }
        for no in ["7", "5", "+17", "017", "", "4"] {
            assert_eq!(mapping.get(no), None, "{no}");
        }
        let mut all: Vec<_> = mapping.iter().collect();
        let mut expected: Vec<_> =
            entries.iter().map(|(old, mapped)| ((*old).to_owned(), mapped.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(all, expected);
        assert!(mapping.has_gone());
    }

    fn received(list: &List) -> Vec<Option<i64>> {
        let mut sent = BytesMut::new();
        let Ok(IsNull::No) = list.to_sql(&Type::INT8_ARRAY, &mut sent) else { panic!() };
        tokio_postgres::types::FromSql::from_sql(&Type::INT8_ARRAY, &sent).unwrap()
    }

    #[test]
    fn the_rows_that_stay_map_to_themselves() {
        let mut mapping = Mapping::default();
        mapping.insert("2".to_owned(), to(Some("1"), 0));
        mapping.insert("3".to_owned(), to(Some("1"), 0));
        mapping.insert("4".to_owned(), to(None, 1));
        mapping.settle();
        let numbers = |which| match mapping.lists(which, 1).as_slice() {
            [old, new] => {
                let old = received(old).into_iter().map(Option::unwrap);
                old.zip(received(new)).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(numbers(Touched::Losers), [(2, Some(1)), (3, Some(1)), (4, None)]);
        assert_eq!(
            numbers(Touched::Members),
            [(2, Some(1)), (3, Some(1)), (4, None), (1, Some(1))]
        );
        assert_eq!(numbers(Touched::Gone), [(4, None)]);
        let keys = mapping.keys(Touched::Members);
        assert!(["1", "2", "3", "4"].iter().all(|key| keys.contains(key)) && !keys.contains("5"));
    }
}
