//! For each column an SQL expression whose value is the same on every server that holds equal
//! content, though OIDs, text forms and versions differ.
//!
//! Invariants: the binary form of what an expression gives holds no OID of a user's object, so
//! it can stand in `record_send(ROW(…))`; NULL stays NULL and differs from every value; a NaN is
//! a NaN whatever its sign; nothing goes through the text of a float.
//!
//! The two ends of `interval` need no rule: servers from 17 on read them as infinity, but the
//! bytes, which are compared here, are the same.

use std::collections::{BTreeMap, HashMap};

use super::side::Side;
use crate::error::{Error, Result};
use crate::servers::{quote_identifier, quote_literal};

/// Types of `pg_catalog` whose binary form is the same on all servers and holds no OID.
const SAME_BYTES: &[&str] = &[
    "bit",
    "bool",
    "bpchar",
    "bytea",
    "char",
    "cid",
    "cidr",
    "date",
    "daterange",
    "inet",
    "int2",
    "int2vector",
    "int4",
    "int4range",
    "int8",
    "int8range",
    "interval",
    "json",
    "jsonb",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "numrange",
    "oid",
    "oidvector",
    "pg_lsn",
    "pg_snapshot",
    "refcursor",
    "text",
    "tid",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "txid_snapshot",
    "uuid",
    "varbit",
    "varchar",
    "xid",
    "xid8",
    "xml",
    "datemultirange",
    "int4multirange",
    "int8multirange",
    "nummultirange",
    "tsmultirange",
    "tstzmultirange",
];

/// Types of floats: the function that sends them, and how many bytes stand before the first.
const FLOATS_WITHIN: &[(&str, &str, u32)] = &[
    ("point", "point_send", 0),
    ("lseg", "lseg_send", 0),
    ("box", "box_send", 0),
    ("line", "line_send", 0),
    ("circle", "circle_send", 0),
    ("path", "path_send", 5),
    ("polygon", "poly_send", 4),
];

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    /// In SQL.
    pub(super) sql: String,
    /// The value goes through the text form of a type of which nothing better is known.
    pub(super) by_text: Option<String>,
    /// The value stands as it is.
    as_it_is: bool,
}

impl Image {
    fn as_it_is(value: &str) -> Self {
        Self { sql: value.to_owned(), by_text: None, as_it_is: true }
    }

    fn made(sql: String) -> Self {
        Self { sql, by_text: None, as_it_is: false }
    }
}

/// A server's types.
pub(super) struct Types {
    by_oid: HashMap<u32, Type>,
    attributes: BTreeMap<u32, Vec<(String, u32)>>,
}

struct Type {
    schema: String,
    name: String,
    kind: String,
    base: u32,
    element: u32,
    subtype: u32,
    range: u32,
}

impl Type {
    fn is_builtin(&self) -> bool {
        self.schema == "pg_catalog"
    }

    /// Never with a length, as `format_type` would give `character`, which means one character.
    fn sql(&self) -> String {
        format!("{}.{}", quote_identifier(&self.schema), quote_identifier(&self.name))
    }
}

impl Types {
    /// Reads them.
    pub(super) async fn of(side: &Side) -> Result<Self> {
        let mut by_oid = HashMap::new();
        for row in side.query(include_str!("image/types.sql"), &[]).await? {
            by_oid.insert(
                row.get("oid"),
                Type {
                    schema: row.get("nspname"),
                    name: row.get("typname"),
                    kind: row.get("kind"),
                    base: row.get("base"),
                    element: row.get("element"),
                    subtype: row.get("subtype"),
                    range: row.get("range"),
                },
            );
        }
        let mut attributes: BTreeMap<u32, Vec<(String, u32)>> = BTreeMap::new();
        for row in side.query(include_str!("image/attributes.sql"), &[]).await? {
            let attribute = (row.get("attname"), row.get("attribute_type"));
            attributes.entry(row.get("type")).or_default().push(attribute);
        }
        Ok(Self { by_oid, attributes })
    }

    /// The image of an expression of a type.
    pub(super) fn image(&self, value: &str, oid: u32) -> Result<Image> {
        let kind = self.get(oid)?;
        if kind.element != 0 {
            return self.of_array(value, kind.element);
        }
        match kind.kind.as_str() {
            "d" => {
                let base = format!("({value})::{}", self.get(kind.base)?.sql());
                let image = self.image(&base, kind.base)?;
                Ok(Image { as_it_is: false, ..image })
            }
            "e" => Ok(Image::made(format!("({value})::text"))),
            "c" => self.of_composite(value, oid),
            "r" if !kind.is_builtin() => self.of_range(value, kind.subtype),
            "m" if !kind.is_builtin() => self.of_multirange(value, kind.range),
            _ => Ok(self.of_scalar(value, kind)),
        }
    }

    /// Whether values of this type, or values within them, are labels of an enum.
    pub(super) fn holds_enum(&self, oid: u32) -> Result<bool> {
        let kind = self.get(oid)?;
        if kind.kind == "e" {
            return Ok(true);
        }
        let mut within: Vec<u32> = [kind.element, kind.base, kind.subtype, kind.range].to_vec();
        within.extend(self.attributes.get(&oid).into_iter().flatten().map(|(_, of)| *of));
        for oid in within.into_iter().filter(|oid| *oid != 0) {
            if self.holds_enum(oid)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn get(&self, oid: u32) -> Result<&Type> {
        self.by_oid.get(&oid).ok_or_else(|| Error::new(format!("no type has the OID {oid}")))
    }

    fn of_scalar(&self, value: &str, kind: &Type) -> Image {
        let name = kind.name.as_str();
        if kind.is_builtin() {
            if SAME_BYTES.contains(&name) {
                return Image::as_it_is(value);
            }
            if matches!(name, "float4" | "float8") {
                return Image::made(format!(
                    "case when {value} = 'NaN'::{name} then 'NaN'::{name} else {value} end"
                ));
            }
            if let Some((_, send, head)) = FLOATS_WITHIN.iter().find(|(of, ..)| *of == name) {
                return Image::made(of_floats(value, send, *head));
            }
        }
        if name == "cube" {
            return self.of_cube(value, &kind.schema);
        }
        if kind.is_builtin() && name.starts_with("reg") {
            // All names are quoted (see pins.sql) but those of the standard's types, of which 17
            // knows more than 15: json. So without any quotes.
            return Image::made(format!("replace(({value})::text, '\"', '')"));
        }
        let by_text = (!is_exact_as_text(kind)).then(|| kind.sql());
        Image { by_text, ..Image::made(format!("({value})::text")) }
    }

    fn of_array(&self, value: &str, element: u32) -> Result<Image> {
        let image = self.image("x.v", element)?;
        if image.as_it_is {
            return Ok(Image::as_it_is(value));
        }
        let elements =
            format!("array(select {} from (select unnest({value}) as v offset 0) as x)", image.sql);
        let sql = unless_null(value, &format!("array_dims({value}), {elements}"));
        Ok(Image { by_text: image.by_text, ..Image::made(sql) })
    }

    fn of_composite(&self, value: &str, oid: u32) -> Result<Image> {
        let mut fields = Vec::new();
        let mut by_text = None;
        for (name, kind) in self.attributes.get(&oid).into_iter().flatten() {
            let field = self.image(&format!("({value}).{}", quote_identifier(name)), *kind)?;
            by_text = by_text.or(field.by_text);
            fields.push(field.sql);
        }
        Ok(Image { by_text, ..Image::made(unless_null(value, &fields.join(", "))) })
    }

    fn of_range(&self, value: &str, subtype: u32) -> Result<Image> {
        let lower = self.image(&format!("lower({value})"), subtype)?;
        let upper = self.image(&format!("upper({value})"), subtype)?;
        let flags = ["isempty", "lower_inc", "upper_inc", "lower_inf", "upper_inf"]
            .map(|function| format!("{function}({value})"))
            .join(", ");
        let sql = unless_null(value, &format!("{flags}, {}, {}", lower.sql, upper.sql));
        Ok(Image { by_text: lower.by_text, ..Image::made(sql) })
    }

    fn of_multirange(&self, value: &str, range: u32) -> Result<Image> {
        let image = self.image("x.v", range)?;
        let ranges =
            format!("array(select {} from (select unnest({value}) as v offset 0) as x)", image.sql);
        Ok(Image { by_text: image.by_text, ..Image::made(unless_null(value, &ranges)) })
    }

    /// The extension's own functions: it has no binary form before 14, and its text is that of
    /// floats.
    fn of_cube(&self, value: &str, schema: &str) -> Image {
        let schema = quote_identifier(schema);
        let corner = |which: &str| {
            format!(
                "array(select case when x.v = 'NaN'::float8 then 'NaN'::float8 else x.v end from \
                 (select {schema}.cube_{which}_coord({value}, i) as v \
                 from generate_series(1, {schema}.cube_dim({value})) as i order by i offset 0) as x)"
            )
        };
        let all = format!(
            "{schema}.cube_dim({value}), {schema}.cube_is_point({value}), {}, {}",
            corner("ll"),
            corner("ur")
        );
        Image::made(unless_null(value, &all))
    }
}

/// `IS NULL` would also hold for a row whose fields are all NULL.
fn unless_null(value: &str, fields: &str) -> String {
    format!(
        "case when {value} is not distinct from null then null else record_send(row({fields})) end"
    )
}

/// The bytes of each float in turn, cut out of what the type's function sends.
fn of_floats(value: &str, send: &str, head: u32) -> String {
    format!(
        "(select encode(substr(s.b, 1, {head}), 'hex') || coalesce((select string_agg(case when \
         h.h ~ '^[7f]ff' and h.h !~ '^[7f]ff0{{13}}$' then 'NaN' else h.h end, ',' order by i) \
         from generate_series(0, (length(s.b) - {head}) / 8 - 1) as i cross join lateral \
         (select encode(substr(s.b, {head} + 1 + i * 8, 8), 'hex') as h) as h), '') \
         from (select {send}({value}) as b offset 0) as s)"
    )
}

/// Types whose text says all there is, in the same way on all servers.
fn is_exact_as_text(kind: &Type) -> bool {
    const BUILTIN: &[&str] = &["aclitem", "jsonpath"];
    const OF_EXTENSIONS: &[&str] = &[
        "citext",
        "ean13",
        "hstore",
        "isbn",
        "isbn13",
        "ismn",
        "ismn13",
        "issn",
        "issn13",
        "lquery",
        "ltree",
        "ltxtquery",
        "query_int",
        "seg",
        "upc",
    ];
    let known = if kind.is_builtin() { BUILTIN } else { OF_EXTENSIONS };
    known.contains(&kind.name.as_str())
}

/// A table's column by name, as an expression.
pub(super) fn column(name: &str) -> String {
    format!("t.{}", quote_identifier(name))
}

/// A table's name in a statement.
pub(super) fn relation(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

/// The same as text to be compared with other such text.
pub(super) fn shown(schema: &str, name: &str) -> String {
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let quoted = |part: &str| if plain(part) { part.to_owned() } else { quote_identifier(part) };
    format!("{}.{}", quoted(schema), quoted(name))
}

/// Text in a statement.
pub(super) fn literal(text: &str) -> String {
    quote_literal(text)
}
