//! Rules: which row of a group stays, what becomes of the others, and who refers to them where no
//! foreign key says so. Data, in TOML; Mastodon's own are read by the same code as a user's.
//!
//! ```toml
//! format = 1
//! name = "shop"
//!
//! # One for each table that may have duplicates; `schema.table`, or a table of `public`.
//! [[table]]
//! name = "customers"
//! # Which row stays: the first step that tells two rows apart decides. Then the lowest key, then
//! # the lowest ctid. Steps about columns that a table does not have are passed over.
//! keep = [
//!     { first = "closed_at", is = "null" },
//!     { highest = "updated_at" },
//! ]
//! # Rows that differ in one of these (after their own parents were merged) are not merged but
//! # asked about.
//! agree = ["country_id"]
//! # Rows are one only if they agree in at least one of these that is neither NULL nor empty.
//! identity = [{ column = "tax_number" }]
//! # How a row gets another name, where an answer says so.
//! rename = { column = "name", to = "{value} ({n})" }
//! # How the columns of the row that stays take in those of the others. Not for a column that is one
//! # of several of a foreign key: these follow as a whole.
//! [table.merge]
//! note = "first"          # the first that is neither NULL nor empty, in the order of `keep`
//! vip = "highest"         # by the order of its type; of booleans: true if any is
//! order_ids = "union"     # of arrays, without repetitions, sorted
//!
//! # A number of rows, counted anew where a repair merges or removes such rows; elsewhere it stays.
//! [[table.count]]
//! column = "open_orders"
//! by = "id"                       # what is counted refers to the same, or to this very column
//! rows = "orders.customer_id"
//! only = [{ column = "closed_at", is = "null" }, { column = "state", not = ["draft"] }]
//!
//! # One index may be treated otherwise: `merge` (what is not said), `clear` (the others stay, and
//! # the key becomes NULL), `ask`.
//! [[table.index]]
//! columns = ["voucher"]
//! others = "clear"
//!
//! # References that no foreign key tells, or that may be missing on a clone.
//! [[reference]]
//! to = "customers.id"
//! from = ["visits.customer_id"]
//! [[reference]]
//! to = "customers.id"
//! kind = "array"
//! from = ["mailings.customer_ids"]
//! [[reference]]
//! to = "customers.id"
//! from = ["notes.about_id"]
//! type = { column = "about_type", value = "Customer" }
//! ```
//!
//! Invariants: a field that is not known is an error that names its line; names are only names,
//! never SQL.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::name::RelationName;

/// The version of the format.
const FORMAT: u32 = 1;

/// All rules of one file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    format: u32,
    /// What they are for, such as `mastodon`.
    pub name: String,
    /// The tables.
    #[serde(default, rename = "table")]
    pub tables: Vec<TableRule>,
    /// References beside the catalog's foreign keys.
    #[serde(default, rename = "reference")]
    pub references: Vec<ReferenceRule>,
}

/// The rules of one table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRule {
    /// `schema.table`, or a table of `public`.
    pub name: String,
    /// Which row stays.
    #[serde(default)]
    pub keep: Vec<Keep>,
    /// Columns in which the rows of a group must agree.
    #[serde(default)]
    pub agree: Vec<String>,
    /// What shows that two rows are one.
    #[serde(default)]
    pub identity: Vec<Identity>,
    /// Groups with a row like this are asked about.
    #[serde(default)]
    pub ask: Vec<Ask>,
    /// How columns of the row that stays take in those of the others.
    #[serde(default)]
    pub merge: BTreeMap<String, Merge>,
    /// Columns that may not be equal after a merge, when they were not before: an account that
    /// would follow itself. The row is removed.
    #[serde(default)]
    pub differ: Vec<[String; 2]>,
    /// Columns that no index keeps unique, and in which merging must not make equal rows.
    #[serde(default)]
    pub unique: Vec<Vec<String>>,
    /// How a row gets another name, where an answer says so.
    #[serde(default)]
    pub rename: Option<Rename>,
    /// Columns that hold numbers of rows.
    #[serde(default, rename = "count")]
    pub counts: Vec<CountRule>,
    /// What is otherwise for one index.
    #[serde(default, rename = "index")]
    pub indexes: Vec<IndexRule>,
}

/// One step in choosing the row that stays.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Keep {
    /// Rows whose column is like this come first.
    First {
        /// The column.
        first: String,
        /// What it should be.
        is: State,
    },
    /// The row with the lowest value.
    Lowest {
        /// The column.
        lowest: String,
    },
    /// The row with the highest value.
    Highest {
        /// The column.
        highest: String,
    },
    /// The row whose value stands first in a list.
    Order {
        /// The column.
        order: String,
        /// The values, as text.
        values: Vec<String>,
    },
}

impl Keep {
    /// The column that it looks at.
    pub fn column(&self) -> &str {
        match self {
            Self::First { first, .. } => first,
            Self::Lowest { lowest } => lowest,
            Self::Highest { highest } => highest,
            Self::Order { order, .. } => order,
        }
    }

    /// For people: why a row stays.
    pub fn because(&self) -> String {
        match self {
            Self::First { first, is } => format!("{first} is {}", is.word()),
            Self::Lowest { lowest } => format!("lowest {lowest}"),
            Self::Highest { highest } => format!("highest {highest}"),
            Self::Order { order, values } => format!("{order} first of {}", values.join(", ")),
        }
    }
}

/// A column that holds a number of rows: of those that refer to what its own row is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountRule {
    /// The column.
    pub column: String,
    /// The column that says what its row is about: a reference, or what others refer to.
    pub by: String,
    /// The rows that are counted, by the column with which they refer to it: `table.column`, or
    /// `schema.table.column`.
    pub rows: String,
    /// Only rows that are like all of this.
    #[serde(default)]
    pub only: Vec<Only>,
    /// Only where the row that `by` refers to is like this: the number of others came from
    /// elsewhere.
    #[serde(default)]
    pub when: Option<When>,
}

/// What a counted row must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Only {
    /// Its column is in a state.
    Is {
        /// The column.
        column: String,
        /// What it is.
        is: State,
    },
    /// Its column has none of these values.
    Not {
        /// The column.
        column: String,
        /// The values, as text.
        not: Vec<String>,
    },
}

impl Only {
    /// The column that it looks at.
    pub fn column(&self) -> &str {
        match self {
            Self::Is { column, .. } | Self::Not { column, .. } => column,
        }
    }
}

/// What a row that is referred to must be like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The column.
    pub column: String,
    /// What it is.
    pub is: State,
}

/// What a column can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// NULL.
    #[serde(rename = "null")]
    Null,
    /// Not NULL.
    #[serde(rename = "not null")]
    NotNull,
    /// True.
    #[serde(rename = "true")]
    True,
    /// Neither NULL nor an empty text.
    #[serde(rename = "present")]
    Present,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::NotNull => "not null",
            Self::True => "true",
            Self::Present => "present",
        }
    }
}

/// What shows that two rows are one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The column.
    pub column: String,
    /// Another table that has it, one row or more for each.
    #[serde(default)]
    pub table: Option<String>,
    /// The column of that table that refers to the key here.
    #[serde(default)]
    pub by: Option<String>,
}

/// When to ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The column.
    pub when: String,
    /// What it is.
    pub is: State,
    /// For people.
    pub because: String,
}

/// How a column of the row that stays takes in those of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// The first that is neither NULL nor empty.
    First,
    /// The highest; of booleans: any is true.
    Highest,
    /// The lowest; of booleans: all are true.
    Lowest,
    /// All elements of all arrays, sorted.
    Union,
    /// All elements in the order of the rows, without repetitions.
    Append,
}

/// How a row gets another name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The column.
    pub column: String,
    /// The new name: `{value}` is the old one, `{n}` the first number from 1 that is not taken.
    pub to: String,
}

/// What is otherwise for one index.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexRule {
    /// All columns that its keys read, in any order.
    pub columns: Vec<String>,
    /// What becomes of the others.
    pub others: Others,
    /// Which row stays, if not as for the table.
    #[serde(default)]
    pub keep: Vec<Keep>,
    /// For people, where it asks.
    #[serde(default)]
    pub because: Option<String>,
}

/// What becomes of the rows that do not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They are merged into the one that does.
    Merge,
    /// They stay, and lose the key.
    Clear,
    /// It is asked.
    Ask,
}

/// References from columns to a column.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRule {
    /// `table.column`, or `schema.table.column`.
    pub to: String,
    /// The same, of those that refer.
    pub from: Vec<String>,
    /// One value, or an array of them.
    #[serde(default)]
    pub kind: ReferenceKind,
    /// For a reference to one of several tables: which column tells, and what it says for this.
    #[serde(default, rename = "type")]
    pub type_: Option<TypeColumn>,
    /// What becomes of the referring row when the row goes without another taking its place.
    #[serde(default)]
    pub removed: Removed,
    /// Arrays: keep them sorted.
    #[serde(default)]
    pub sorted: bool,
}

/// One value, or an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// One value.
    #[default]
    Key,
    /// An array.
    Array,
}

/// What becomes of a row whose referred row goes for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removed {
    /// It goes too.
    #[default]
    Remove,
    /// The column becomes NULL.
    Clear,
}

/// The column that tells to which table a reference goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeColumn {
    /// The column.
    pub column: String,
    /// Its value, as text.
    pub value: String,
}

impl Rules {
    /// No rules at all.
    pub fn none() -> Self {
        Self { format: FORMAT, name: "none".into(), tables: Vec::new(), references: Vec::new() }
    }

    /// Mastodon's, 3.0 to 4.7.
    ///
    /// # Errors
    /// Never: a test reads them.
    pub fn mastodon() -> Result<Self, Error> {
        Self::parse(include_str!("../../rules/mastodon.toml"), "mastodon")
    }

    /// Reads rules; `place` is the file's name, for errors.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what cannot be read, with line and field.
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let wrong = |why: String| {
            Error::new(ErrorKind::Usage, format!("cannot use the rules in {place}: {why}"))
                .with_hint("the format is described in the manual, `pghaul::duplicates::rules`")
        };
        let rules: Self =
            toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        if rules.format != FORMAT {
            return Err(wrong(format!(
                "format {} is not known, this pghaul reads {FORMAT}",
                rules.format
            )));
        }
        let mut seen = std::collections::BTreeSet::new();
        for table in &rules.tables {
            if !seen.insert(table_name(&table.name)) {
                return Err(wrong(format!("table {} is there twice", table.name)));
            }
        }
        for count in rules.tables.iter().flat_map(|table| &table.counts) {
            if column_name(&count.rows).is_none() {
                return Err(wrong(format!("`{}` is not of the form table.column", count.rows)));
            }
        }
        for reference in &rules.references {
            for column in std::iter::once(&reference.to).chain(&reference.from) {
                if column_name(column).is_none() {
                    return Err(wrong(format!("`{column}` is not of the form table.column")));
                }
            }
        }
        Ok(rules)
    }

    /// The rule of a table.
    pub fn table(&self, name: &RelationName) -> Option<&TableRule> {
        self.tables.iter().find(|table| table_name(&table.name) == *name)
    }
}

/// `schema.table`, or a table of `public`.
pub(super) fn table_name(text: &str) -> RelationName {
    match text.split_once('.') {
        Some((schema, name)) => RelationName::new(schema, name),
        None => RelationName::new("public", text),
    }
}

/// `table.column` or `schema.table.column`.
pub(super) fn column_name(text: &str) -> Option<(RelationName, String)> {
    let (table, column) = text.rsplit_once('.')?;
    (!table.is_empty() && !column.is_empty()).then(|| (table_name(table), column.to_owned()))
}

#[cfg(test)]
mod coverage;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mastodons_rules_can_be_read() {
        let rules = Rules::mastodon().unwrap();
        assert!(rules.table(&RelationName::new("public", "statuses")).is_some());
        assert!(rules.tables.len() > 30 && rules.references.len() > 20);
    }

    #[test]
    fn the_documented_example_can_be_read() {
        let text: String = include_str!("rules.rs")
            .lines()
            .skip_while(|line| *line != "//! ```toml")
            .skip(1)
            .take_while(|line| *line != "//! ```")
            .map(|line| format!("{}\n", line.trim_start_matches("//!").trim_start()))
            .collect();
        let rules = Rules::parse(&text, "the example").unwrap();
        assert_eq!((rules.tables[0].keep.len(), rules.tables[0].counts.len()), (2, 1));
        assert_eq!(rules.tables[0].counts[0].only.len(), 2);
        assert_eq!(rules.references.len(), 3);
    }

    #[test]
    fn errors_name_line_and_field() {
        let text = "format = 1\nname = 'x'\n[[table]]\nname = 't'\nkep = []\n";
        let error = Rules::parse(text, "mine.toml").unwrap_err().to_string();
        assert!(error.contains("mine.toml") && error.contains("line 5"), "{error}");
        assert!(error.contains("kep"), "{error}");
        let newer = Rules::parse("format = 2\nname = 'x'", "mine.toml").unwrap_err().to_string();
        assert!(newer.contains("format 2"), "{newer}");
        let bare = "format = 1\nname = 'x'\n[[reference]]\nto = 'id'\nfrom = ['a.b']";
        assert!(Rules::parse(bare, "m").unwrap_err().to_string().contains("table.column"));
    }
}
