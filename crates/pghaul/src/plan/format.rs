//! How each table travels: binary or text, which expressions are read, what its digest is made of.
//!
//! Invariants: binary only where no byte of a value depends on an OID of one database and both
//! ends can read and write the type; the decision is made once per table and holds for reading,
//! writing and reading back; whatever is decided, equal rows give equal digests on 9.6 to 18.

mod pair;
mod server_image;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pghaul_rows::layout::{Column as LayoutColumn, CopyFormat, Hidden, Layout};
use pghaul_rows::shape::{Geometry, Shape};

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, Oid, Relation, Type, TypeKind};
use crate::connect::Session;
use crate::error::Error;
use crate::name::Ident;
use crate::version::ServerVersion;

pub use pair::{PairFormat, pair};
pub use server_image::ServerImage;

/// OIDs below this are given by the Postgres sources and mean the same on every server
/// (`src/include/access/transam.h`, `FirstGenbkiObjectId`).
const FIRST_DATABASE_OID: Oid = 10_000;
const TEXT: Oid = 25;
const BYTEA: Oid = 17;
const CHAR: Oid = 18;

/// `text` and `varchar`: a cast gives the text that COPY does.
const STABLE_TEXT_TYPES: &[Oid] = &[TEXT, 1043];

/// Types whose binary form is an OID of the database, or that no server reads back: text only.
const NEVER_BINARY: &[&str] = &[
    "regproc",
    "regprocedure",
    "regoper",
    "regoperator",
    "regclass",
    "regtype",
    "regrole",
    "regnamespace",
    "regconfig",
    "regdictionary",
    "regcollation",
    "regdatabase",
    "aclitem",
    "pg_node_tree",
    "pg_ndistinct",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "gtsvector",
    "unknown",
    "abstime",
    "reltime",
    "tinterval",
    "smgr",
];

/// Types with a binary form that no server reads back when the value is empty: "malformed tsquery:
/// operand not found", "invalid int2vector data" (seen from 9.6 to 18).
const NOT_READ_BACK: &[&str] = &["tsquery", "int2vector", "oidvector"];

/// Extension types whose binary form is the same in every version of the extension, with the
/// oldest major that has it on both ends.
const SAFE_EXTENSION_TYPES: &[(&str, &str, u32)] = &[
    ("hstore", "hstore", 0),
    ("citext", "citext", 0),
    ("ltree", "ltree", 13),
    ("ltree", "lquery", 13),
    ("ltree", "ltxtquery", 13),
    ("cube", "cube", 14),
];

/// What the user asked for with `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatChoice {
    /// Binary where it is safe, else text.
    #[default]
    Auto,
    /// Text for every table.
    Text,
    /// Binary for every table; a table where it is not safe is an error.
    Binary,
}

/// How one table travels.
#[derive(Debug, Clone)]
pub struct TableFormat {
    /// Text or binary.
    pub format: CopyFormat,
    /// Why, for people.
    pub reason: String,
    /// The search path to read it under, where an empty one may not do. Never with values whose text
    /// depends on it.
    pub search_path: Option<String>,
    /// The columns that are copied, in the order in which they travel.
    pub columns: Vec<Ident>,
    /// What is selected on the source for each of them.
    pub source_expressions: Vec<String>,
    /// Expressions at the end of the select list that serve the digest only.
    pub hidden: Vec<String>,
    /// How the stream is framed and digested, with the ctid as first field.
    pub layout: Arc<Layout>,
    /// The same for tables whose access method has no ctid.
    pub layout_without_ctid: Arc<Layout>,
}

impl TableFormat {
    /// The same columns, with images of nothing but what is visible.
    pub(crate) fn without_hidden(&self) -> Self {
        let layout = |layout: &Layout| Arc::new(Layout { hidden: Vec::new(), ..layout.clone() });
        Self {
            hidden: Vec::new(),
            layout: layout(&self.layout),
            layout_without_ctid: layout(&self.layout_without_ctid),
            ..self.clone()
        }
    }
}

/// What both servers can do with types; decides for table after table.
pub struct Formats<'a> {
    catalog: &'a Catalog,
    target: ServerVersion,
    /// Built-in types that the target sends and receives; none: whatever this server sends.
    target_types: Option<HashSet<String>>,
    choice: FormatChoice,
    portable: bool,
}

impl<'a> Formats<'a> {
    /// Asks the target which built-in types it can receive and send.
    ///
    /// # Errors
    /// What the target said.
    pub async fn new(
        catalog: &'a Catalog,
        target: &Session,
        choice: FormatChoice,
    ) -> Result<Self, Error> {
        let rows = target
            .query(
                "read the list of built-in types",
                "select typname::text from pg_catalog.pg_type \
                 where typnamespace = 'pg_catalog'::pg_catalog.regnamespace \
                   and typreceive <> 0 and typsend <> 0",
                &[],
            )
            .await?;
        Ok(Self {
            catalog,
            target: target.version(),
            target_types: Some(rows.iter().map(|row| row.get(0)).collect()),
            choice,
            portable: false,
        })
    }

    /// For an archive, whose target nobody knows: binary where every major from 9.6 on that has the
    /// type reads what the source writes, else text that every such major reads. `"char"` as 15 and
    /// newer write it, since its text before is no UTF-8.
    ///
    /// # Errors
    /// What the source said.
    pub async fn portable(
        catalog: &'a Catalog,
        source: &Session,
        choice: FormatChoice,
    ) -> Result<Self, Error> {
        let formats = Self::new(catalog, source, choice).await?;
        Ok(Self { target: ServerVersion::OLDEST, portable: true, ..formats })
    }

    /// Decides for one table; `columns` are those that travel, in order.
    pub fn of(&self, relation: &Relation, columns: &[Ident]) -> TableFormat {
        let types: HashMap<&Ident, Oid> =
            relation.columns.iter().map(|column| (&column.name, column.type_oid)).collect();
        let values: Vec<(&Ident, Value)> = columns
            .iter()
            .map(|name| (name, self.value(types.get(name).copied().unwrap_or(0), 0)))
            .collect();
        let unsafe_column = values
            .iter()
            .find_map(|(name, value)| value.text_because.as_ref().map(|why| (*name, why)));
        let reason = match (self.choice, unsafe_column) {
            (FormatChoice::Text, _) => Some("asked for".to_owned()),
            (_, Some((name, why))) => Some(format!("column {name}: {why}")),
            _ => None,
        };
        let search_path = search_path(relation, values.iter().map(|(_, value)| value));
        let format = match reason {
            None => binary(columns, values),
            Some(reason) => {
                let mut format = text(columns, values, reason);
                for (at, name) in columns.iter().enumerate() {
                    if types.get(name) == Some(&CHAR) && self.has_raw_char() {
                        format.source_expressions[at] = octal_char(name);
                    }
                }
                format
            }
        };
        TableFormat { search_path, ..format }
    }

    /// Before 15 a `"char"` with its high bit set is one raw byte as text, which is no UTF-8; from
    /// 15 on it is written, and read, as `\ooo` (`src/backend/utils/adt/char.c`).
    fn has_raw_char(&self) -> bool {
        !self.catalog.version.at_least(15) && (self.portable || self.target.at_least(15))
    }

    /// Whether `--format binary` was asked for.
    pub fn insists_on_binary(&self) -> bool {
        self.choice == FormatChoice::Binary
    }

    fn value(&self, oid: Oid, depth: u32) -> Value {
        let Some(found) = self.catalog.types.get(&oid) else {
            return Value::text_only(format!("type {oid} is not in the catalog"));
        };
        if depth > 32 {
            return Value::text_only(format!("type {} nests too deep", found.name));
        }
        let mut value = match found.kind {
            TypeKind::Domain => self.value(found.base, depth + 1),
            TypeKind::Enum => Value::plain(TEXT),
            TypeKind::Composite => self.composite(found, depth),
            TypeKind::Range => {
                self.wrapped(found, found.range_of, depth, |inner| Shape::Range(Box::new(inner)))
            }
            TypeKind::Multirange => {
                self.wrapped(found, found.range_of, depth, |inner| match inner {
                    // A multirange's shape names the subtype, its catalog row the range.
                    Shape::Range(subtype) => Shape::Multirange(subtype),
                    other => other,
                })
            }
            TypeKind::Pseudo => Value::text_only(format!("pseudo-type {}", found.name)),
            TypeKind::Base if found.element != 0 && found.send.as_deref() == Some("array_send") => {
                self.wrapped(found, found.element, depth, |inner| Shape::Array(Box::new(inner)))
            }
            TypeKind::Base => self.scalar(found),
        };
        value.send = value.send.and(found.send.clone());
        value
    }

    fn scalar(&self, found: &Type) -> Value {
        if let Some(extension) = &found.extension {
            return self.extension_scalar(found, extension);
        }
        if found.oid >= FIRST_DATABASE_OID {
            return Value::text_only(format!("type {} is defined by a user", found.name));
        }
        let shape = shape_of_builtin(found.oid);
        let mut value = Value { float: shape != Shape::Plain, shape, ..Value::plain(found.oid) };
        if NEVER_BINARY.contains(&found.name.as_str()) {
            value.names_objects = true;
            value.text_because =
                Some(format!("the bytes of {} mean something else on another server", found.name));
        } else if NOT_READ_BACK.contains(&found.name.as_str()) {
            value.text_because =
                Some(format!("no server reads the bytes of an empty {} back", found.name));
        } else if found.send.is_none() {
            value.text_because =
                Some(format!("the source has no binary output for {}", found.name));
        } else if self.target_types.as_ref().is_some_and(|types| !types.contains(&found.name)) {
            value.text_because =
                Some(format!("the target has no binary input and output for {}", found.name));
        }
        value
    }

    fn extension_scalar(&self, found: &Type, extension: &str) -> Value {
        let oldest = SAFE_EXTENSION_TYPES
            .iter()
            .find(|(owner, name, _)| *owner == extension && *name == found.name)
            .map(|(_, _, oldest)| *oldest);
        let shape = match (extension, found.name.as_str()) {
            ("cube", "cube") => Shape::Geometry(Geometry::Cube),
            _ => Shape::Plain,
        };
        let mut value = Value { float: shape != Shape::Plain, shape, ..Value::plain(TEXT) };
        if value.float {
            value.cube = Some(Cube { schema: Ident::new(&found.schema), array: false });
        }
        match oldest {
            Some(major) if self.catalog.version.at_least(major) && self.target.at_least(major) => {}
            Some(major) => {
                value.text_because =
                    Some(format!("{} has a binary form from {major} on", found.name));
            }
            None => {
                value.text_because = Some(format!(
                    "type {} of extension {extension}: its binary form may differ between versions",
                    found.name
                ));
            }
        }
        value
    }

    fn wrapped(
        &self,
        outer: &Type,
        inner: Oid,
        depth: u32,
        shape: impl FnOnce(Shape) -> Shape,
    ) -> Value {
        let inner_is_ours = inner >= FIRST_DATABASE_OID;
        let mut value = self.value(inner, depth + 1);
        // The header of an array names its element type; a range's bytes name nothing.
        let holds_oid = outer.kind != TypeKind::Range && inner_is_ours;
        if holds_oid && !self.target.at_least(14) && value.text_because.is_none() {
            value.text_because = Some(format!(
                "the bytes of {} hold the OID of its element type, which targets before 14 refuse",
                outer.name
            ));
        }
        value.shape = shape(value.shape);
        value.cube = value
            .cube
            .filter(|_| outer.kind == TypeKind::Base)
            .map(|cube| Cube { array: true, ..cube });
        value.image_type = if outer.oid < FIRST_DATABASE_OID { outer.oid } else { BYTEA };
        value
    }

    fn composite(&self, found: &Type, depth: u32) -> Value {
        if found.oid < crate::catalog::FIRST_USER_OID {
            return Value::text_only(format!("{} is a composite of the system", found.name));
        }
        let mut whole = Value::plain(BYTEA);
        let mut shapes = Vec::with_capacity(found.fields.len());
        for field in &found.fields {
            let value = self.value(*field, depth + 1);
            if whole.text_because.is_none() {
                whole.text_because = value.text_because;
            }
            if *field >= FIRST_DATABASE_OID
                && !self.target.at_least(14)
                && whole.text_because.is_none()
            {
                whole.text_because = Some(format!(
                    "the bytes of {} hold OIDs of its fields' types, which targets before 14 refuse",
                    found.name
                ));
            }
            whole.float |= value.float;
            whole.names_objects |= value.names_objects;
            whole.send = whole.send.and(value.send);
            shapes.push(value.shape);
        }
        whole.shape = Shape::Record(shapes);
        whole
    }
}

/// The built-in types with floats inside, by their fixed OIDs (`pg_type.dat`).
fn shape_of_builtin(oid: Oid) -> Shape {
    match oid {
        600 => Shape::Geometry(Geometry::Point),
        601 => Shape::Geometry(Geometry::LineSegment),
        602 => Shape::Geometry(Geometry::Path),
        603 => Shape::Geometry(Geometry::Box),
        604 => Shape::Geometry(Geometry::Polygon),
        628 => Shape::Geometry(Geometry::Line),
        700 => Shape::Float4,
        701 => Shape::Float8,
        718 => Shape::Geometry(Geometry::Circle),
        _ => Shape::Plain,
    }
}

/// The type of the extension `cube`, which has no send function before 14.
struct Cube {
    schema: Ident,
    array: bool,
}

impl Cube {
    /// Dimensions and corners of each cube in turn, as one array of float8, as bytes.
    fn coordinates(&self, column: &str) -> String {
        let schema = self.schema.quoted();
        let cubes =
            if self.array { column.to_owned() } else { format!("array[{column}::{schema}.cube]") };
        let corner = |place: u8, which: &str| {
            format!(
                "select {place}, i, {schema}.cube_{which}_coord(u.c, i) \
                 from pg_catalog.generate_series(1, {schema}.cube_dim(u.c)) i"
            )
        };
        format!(
            "pg_catalog.array_send(array(select x.v \
             from pg_catalog.unnest({cubes}) with ordinality u (c, n) \
             cross join lateral (select 0, 0, coalesce({schema}.cube_dim(u.c), -1)::pg_catalog.float8 \
             union all {} union all {}) x (k, i, v) order by u.n, x.k, x.i))",
            corner(1, "ll"),
            corner(2, "ur"),
        )
    }
}

/// What one column's values are, as bytes.
struct Value {
    image_type: Oid,
    shape: Shape,
    /// Holds a float at some depth, so that its text is not the same on all versions.
    float: bool,
    /// The send function of the outermost type, if all types below have one.
    send: Option<String>,
    /// Its text names objects, which newer servers put into quotes that older ones leave out.
    names_objects: bool,
    /// A `cube`, or an array of such.
    cube: Option<Cube>,
    text_because: Option<String>,
}

impl Value {
    fn plain(image_type: Oid) -> Self {
        Self {
            image_type,
            shape: Shape::Plain,
            float: false,
            send: Some(String::new()),
            names_objects: false,
            cube: None,
            text_because: None,
        }
    }

    fn text_only(why: String) -> Self {
        Self { text_because: Some(why), ..Self::plain(TEXT) }
    }
}

fn binary(columns: &[Ident], values: Vec<(&Ident, Value)>) -> TableFormat {
    let layout_columns = values
        .into_iter()
        .map(|(_, value)| LayoutColumn { image_type: value.image_type, shape: value.shape })
        .collect();
    finish(
        CopyFormat::Binary,
        "every type has the same bytes on both servers".to_owned(),
        columns,
        Vec::new(),
        layout_columns,
        Vec::new(),
    )
}

fn text(columns: &[Ident], values: Vec<(&Ident, Value)>, reason: String) -> TableFormat {
    let mut hidden = Vec::new();
    let mut hidden_fields = Vec::new();
    for (at, (name, value)) in values.into_iter().enumerate() {
        if let Some((expression, shape)) = exact(name, value) {
            hidden.push(expression);
            hidden_fields.push(Hidden { column: at, shape });
        }
    }
    let layout_columns =
        columns.iter().map(|_| LayoutColumn { image_type: TEXT, shape: Shape::Plain }).collect();
    finish(CopyFormat::Text, reason, columns, hidden, layout_columns, hidden_fields)
}

/// What stands in the image for a column whose text is not the same on all versions.
fn exact(name: &Ident, value: Value) -> Option<(String, Shape)> {
    let column = name.quoted();
    if value.names_objects {
        // Which names need quotes differs by the keywords of a version; what is named does not.
        let text = format!("pg_catalog.replace(pg_catalog.format('%s', {column}), '\"', '')");
        let bytes = format!("pg_catalog.convert_to({text}, 'UTF8')");
        let present = format!("case when {column} is not null then {bytes} end");
        return Some((format!("pg_catalog.encode({present}, 'hex')"), Shape::Plain));
    }
    if let (Some(cube), None) = (&value.cube, &value.send) {
        let coordinates = cube.coordinates(&column);
        let present = format!("case when {column} is not null then {coordinates} end");
        let shape = Shape::Array(Box::new(Shape::Float8));
        return Some((format!("pg_catalog.encode({present}, 'hex')"), shape));
    }
    match (value.float, value.send) {
        (true, Some(send)) => {
            let send = qualified_function(&send);
            Some((format!("pg_catalog.encode({send}({column}), 'hex')"), value.shape))
        }
        _ => None,
    }
}

fn finish(
    format: CopyFormat,
    reason: String,
    columns: &[Ident],
    hidden: Vec<String>,
    layout_columns: Vec<LayoutColumn>,
    hidden_fields: Vec<Hidden>,
) -> TableFormat {
    let without =
        Layout { format, with_ctid: false, columns: layout_columns, hidden: hidden_fields };
    let with = Layout { with_ctid: true, ..without.clone() };
    TableFormat {
        format,
        reason,
        search_path: None,
        columns: columns.to_vec(),
        source_expressions: columns.iter().map(Ident::quoted).collect(),
        hidden,
        layout: Arc::new(with),
        layout_without_ctid: Arc::new(without),
    }
}

/// What a relation is read under, unless one of these values names objects: which of them its text
/// gives a schema would depend on it.
fn search_path<'v>(
    relation: &Relation,
    mut values: impl Iterator<Item = &'v Value>,
) -> Option<String> {
    if values.any(|value| value.names_objects) { None } else { relation.search_path.clone() }
}

/// A `"char"` as 15 and newer write it.
fn octal_char(name: &Ident) -> String {
    let value = format!("{}::pg_catalog.int4", name.quoted());
    let digits =
        ["64", "8", "1"].map(|place| format!("((256 + {value}) / {place} % 8)::pg_catalog.text"));
    format!(
        "case when {value} < 0 then '\\' || {} else {}::pg_catalog.text end",
        digits.join(" || "),
        name.quoted()
    )
}

/// `regproc` text leaves the schema out for what the search path finds, which under our pins is
/// `pg_catalog` alone.
fn qualified_function(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("pg_catalog.{name}") }
}
