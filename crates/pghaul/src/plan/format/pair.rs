//! How one table is read on two servers, so that equal rows have equal images there.
//!
//! Invariants: nothing is loaded, so a type needs no input on either side, only output; both sides
//! use the same kind of image with the same canonical form for each column, or the text of both;
//! which versions the two servers have, and which of them is newer, changes nothing.

use super::{
    CHAR, CopyFormat, FormatChoice, Formats, Hidden, LayoutColumn, Shape, TEXT, TableFormat, Value,
    exact, finish, octal_char, search_path,
};
use crate::catalog::{Catalog, Relation};
use crate::name::Ident;
use crate::version::ServerVersion;

/// The two ways of reading one table.
#[derive(Debug, Clone)]
pub struct PairFormat {
    /// On the first server.
    pub left: TableFormat,
    /// On the second.
    pub right: TableFormat,
}

impl<'a> Formats<'a> {
    /// For comparing and not for loading: what this server sends is good enough.
    pub fn comparing(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            // What only older targets refuse to load plays no part.
            target: ServerVersion::from_num(ServerVersion::TOO_NEW.num() - 1),
            target_types: None,
            choice: FormatChoice::Auto,
            portable: false,
        }
    }
}

/// Decides for one table. `columns` exist on both sides; what their types are is taken from
/// the relations.
pub fn pair(
    left: (&Formats<'_>, &Relation),
    right: (&Formats<'_>, &Relation),
    columns: &[Ident],
) -> PairFormat {
    let values = |(formats, relation): (&Formats<'_>, &Relation)| -> Vec<Value> {
        columns.iter().map(|column| formats.value(type_of(relation, column), 0)).collect()
    };
    let (lefts, rights) = (values(left), values(right));
    let paths = [left.1, right.1].map(|side| search_path(side, lefts.iter().chain(&rights)));
    let obstacle = columns.iter().zip(&lefts).zip(&rights).find_map(|((column, left), right)| {
        let why =
            left.text_because.clone().or_else(|| right.text_because.clone()).or_else(|| {
                (left.image_type != right.image_type || left.shape != right.shape)
                    .then(|| "its type is not the same on both sides".to_owned())
            })?;
        Some(format!("column {column}: {why}"))
    });
    let formats = match obstacle {
        None => {
            let layout: Vec<LayoutColumn> = lefts
                .into_iter()
                .map(|value| LayoutColumn { image_type: value.image_type, shape: value.shape })
                .collect();
            let reason = "every type has the same bytes on both servers".to_owned();
            let format =
                finish(CopyFormat::Binary, reason, columns, Vec::new(), layout, Vec::new());
            PairFormat { left: format.clone(), right: format }
        }
        Some(reason) => text(columns, (left, lefts), (right, rights), &reason),
    };
    let [left, right] = paths;
    PairFormat {
        left: TableFormat { search_path: left, ..formats.left },
        right: TableFormat { search_path: right, ..formats.right },
    }
}

type OneSide<'s, 'f> = ((&'s Formats<'f>, &'s Relation), Vec<Value>);

fn text(
    columns: &[Ident],
    (left, lefts): OneSide<'_, '_>,
    (right, rights): OneSide<'_, '_>,
    reason: &str,
) -> PairFormat {
    let mut hidden_left = Vec::new();
    let mut hidden_right = Vec::new();
    let mut fields = Vec::new();
    for (at, ((column, left), right)) in columns.iter().zip(lefts).zip(rights).enumerate() {
        let (left, right) = alike(left, right);
        if let (Some((on_left, shape)), Some((on_right, other))) =
            (exact(column, left), exact(column, right))
            && shape == other
        {
            hidden_left.push(on_left);
            hidden_right.push(on_right);
            fields.push(Hidden { column: at, shape });
        }
    }
    let side = |(formats, relation): (&Formats<'_>, &Relation), other: &Formats<'_>, hidden| {
        let layout: Vec<LayoutColumn> = columns
            .iter()
            .map(|_| LayoutColumn { image_type: TEXT, shape: Shape::Plain })
            .collect();
        let reason = reason.to_owned();
        let mut format = finish(CopyFormat::Text, reason, columns, hidden, layout, fields.clone());
        let raw_here = !formats.catalog.version.at_least(15) && other.catalog.version.at_least(15);
        for (at, column) in columns.iter().enumerate() {
            if raw_here && type_of(relation, column) == CHAR {
                format.source_expressions[at] = octal_char(column);
            }
        }
        format
    };
    let (on_left, on_right) = (hidden_left, hidden_right);
    PairFormat { left: side(left, right.0, on_left), right: side(right, left.0, on_right) }
}

/// The same way to an exact image on both sides, where one side alone would choose another.
fn alike(mut left: Value, mut right: Value) -> (Value, Value) {
    let names = left.names_objects || right.names_objects;
    (left.names_objects, right.names_objects) = (names, names);
    if left.cube.is_some() && right.cube.is_some() && (left.send.is_none() || right.send.is_none())
    {
        // A cube sends itself from 14 on; its coordinates can be had everywhere.
        (left.send, right.send) = (None, None);
    }
    (left, right)
}

fn type_of(relation: &Relation, column: &Ident) -> u32 {
    relation.columns.iter().find(|found| found.name == *column).map_or(0, |found| found.type_oid)
}
