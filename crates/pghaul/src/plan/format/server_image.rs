//! The image of a row as an expression of SQL, so that a server can digest its own rows.
//!
//! Invariants: the bytes are those that a client makes of the same row, but for NaN inside of
//! arrays, ranges, geometric and composite values, whose sign a server cannot make canonical
//! ([`ServerImage::sees_signs_of_nan`]); a table with a column whose image no expression gives
//! has no server image, and the column is named.

use super::{
    CopyFormat, FIRST_DATABASE_OID, Formats, STABLE_TEXT_TYPES, Shape, TEXT, TableFormat,
    qualified_function,
};
use crate::catalog::{Oid, Relation, Type, TypeKind};
use crate::name::Ident;

/// The expressions whose bytes make the image of a row.
#[derive(Debug, Clone)]
pub struct ServerImage {
    columns: Vec<ColumnImage>,
}

#[derive(Debug, Clone)]
struct ColumnImage {
    form: Form,
    nan: Nan,
}

/// How a column stands in the image.
#[derive(Debug, Clone)]
enum Form {
    /// A value whose type is the one in the image, and whose send function gives its bytes.
    Typed(String),
    /// The bytes of a value that stand in the image under this type.
    Bytes(Oid, String),
}

/// What is known of the signs of NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nan {
    /// There is none, or it is canonical.
    Canonical,
    /// Its sign is in the image.
    AsItIs,
}

impl ServerImage {
    /// Whether two equal rows may have different images here, since they hold NaN of different
    /// signs.
    pub fn sees_signs_of_nan(&self) -> bool {
        self.columns.iter().any(|column| column.nan == Nan::AsItIs)
    }

    /// The image of all columns, as an expression of type bytea.
    pub fn of_row(&self) -> String {
        self.of((0..self.columns.len()).collect::<Vec<_>>().as_slice())
    }

    /// The image of some of the columns, in the order of the table's.
    pub fn of(&self, columns: &[usize]) -> String {
        let chosen: Vec<&Form> = self
            .columns
            .iter()
            .enumerate()
            .filter(|(at, _)| columns.contains(at))
            .map(|(_, column)| &column.form)
            .collect();
        let typed: Option<Vec<&str>> = chosen
            .iter()
            .map(|form| match form {
                Form::Typed(value) => Some(value.as_str()),
                Form::Bytes(..) => None,
            })
            .collect();
        match typed {
            Some(values) => format!("pg_catalog.record_send(row({}))", values.join(", ")),
            None => {
                let count = format!("pg_catalog.int4send({})", chosen.len());
                let each = chosen.into_iter().map(Form::field);
                std::iter::once(count).chain(each).collect::<Vec<_>>().join(" || ")
            }
        }
    }
}

impl Form {
    /// Type, length and bytes of one column.
    fn field(&self) -> String {
        match self {
            // A record of one field, less its count.
            Self::Typed(value) => {
                format!("pg_catalog.substr(pg_catalog.record_send(row({value})), 5)")
            }
            Self::Bytes(oid, bytes) => format!(
                "pg_catalog.int4send({oid}) || coalesce(pg_catalog.int4send(pg_catalog.length({bytes})) \
                 || {bytes}, '\\xffffffff'::pg_catalog.bytea)"
            ),
        }
    }
}

impl Formats<'_> {
    /// The image of a table that is read like this.
    ///
    /// # Errors
    /// The column whose image only a client can make, and why.
    pub fn server_image(
        &self,
        relation: &Relation,
        format: &TableFormat,
    ) -> Result<ServerImage, String> {
        let mut columns = Vec::with_capacity(format.columns.len());
        for (at, name) in format.columns.iter().enumerate() {
            let oid = relation
                .columns
                .iter()
                .find(|column| column.name == *name)
                .map_or(0, |column| column.type_oid);
            let image = match format.format {
                CopyFormat::Binary => self.bytes_image(oid, &name.quoted(), 0),
                CopyFormat::Text => self.text_image(format, at, oid),
            };
            let image = image.ok_or_else(|| {
                let found = self.catalog.types.get(&oid).map_or("?", |found| found.name.as_str());
                format!("column {name}: a server cannot compute the image of type {found}")
            })?;
            columns.push(image);
        }
        Ok(ServerImage { columns })
    }

    /// What a text image holds of a column.
    fn text_image(&self, format: &TableFormat, at: usize, oid: Oid) -> Option<ColumnImage> {
        let layout = &format.layout_without_ctid;
        let hidden = layout.hidden.iter().position(|hidden| hidden.column == at);
        let column = format.columns[at].quoted();
        let Some(hidden) = hidden else {
            let text = &format.source_expressions[at];
            let value = if STABLE_TEXT_TYPES.contains(&oid) {
                format!("{text}::pg_catalog.text")
            } else {
                format!("case when {column} is not null then pg_catalog.format('%s', {text}) end")
            };
            return Some(ColumnImage { form: Form::Typed(value), nan: Nan::Canonical });
        };
        let canonical = |type_name: &str, send: &str| {
            let value = without_sign(&format!("{column}::pg_catalog.{type_name}"), type_name);
            format!("pg_catalog.encode(pg_catalog.{send}({value}), 'hex')")
        };
        let (value, nan) = match &layout.hidden[hidden].shape {
            Shape::Plain => (format.hidden[hidden].clone(), Nan::Canonical),
            Shape::Float4 => (canonical("float4", "float4send"), Nan::Canonical),
            Shape::Float8 => (canonical("float8", "float8send"), Nan::Canonical),
            _ if self.names_types_of_its_own(oid, 0) => return None,
            _ => (format.hidden[hidden].clone(), Nan::AsItIs),
        };
        Some(ColumnImage { form: Form::Typed(value), nan })
    }

    /// Whether the bytes of a type hold OIDs that are not the same in every database.
    fn names_types_of_its_own(&self, oid: Oid, depth: u32) -> bool {
        let Some(found) = self.catalog.types.get(&oid).filter(|_| depth < 32) else { return true };
        let below = |inner: Oid| self.names_types_of_its_own(inner, depth + 1);
        match found.kind {
            TypeKind::Domain => below(found.base),
            TypeKind::Range | TypeKind::Multirange => below(found.range_of),
            TypeKind::Composite => {
                found.fields.iter().any(|field| *field >= FIRST_DATABASE_OID || below(*field))
            }
            TypeKind::Base if found.element != 0 && is_array(found) => {
                // `cube` before 14 is compared by its coordinates, which are built-in.
                (found.element >= FIRST_DATABASE_OID && found.extension.is_none())
                    || below(found.element)
            }
            TypeKind::Base | TypeKind::Enum | TypeKind::Pseudo => false,
        }
    }

    /// What a binary image holds of a value of this type, given as an expression.
    fn bytes_image(&self, oid: Oid, value: &str, depth: u32) -> Option<ColumnImage> {
        let found = self.catalog.types.get(&oid).filter(|_| depth < 32)?;
        let typed = |value: String, nan| Some(ColumnImage { form: Form::Typed(value), nan });
        let built_in = oid < FIRST_DATABASE_OID;
        match found.kind {
            TypeKind::Domain => {
                let base = self.catalog.types.get(&found.base)?;
                let cast = format!("({value})::{}", qualified_type(base));
                self.bytes_image(found.base, &cast, depth + 1)
            }
            TypeKind::Enum => typed(format!("({value})::pg_catalog.text"), Nan::Canonical),
            TypeKind::Composite => self.composite_image(found, value, depth),
            TypeKind::Range | TypeKind::Multirange => {
                if self.names_types_of_its_own(found.range_of, depth) {
                    return None;
                }
                let nan = self.nan_within(found.range_of);
                let send = if found.kind == TypeKind::Range { "range" } else { "multirange" };
                if built_in {
                    typed(value.to_owned(), nan)
                } else {
                    typed(format!("pg_catalog.{send}_send({value})"), nan)
                }
            }
            TypeKind::Base if found.element != 0 && is_array(found) => {
                if self.names_types_of_its_own(found.element, depth) {
                    return None;
                }
                let nan = self.nan_within(found.element);
                if built_in {
                    return typed(value.to_owned(), nan);
                }
                // The OID of the element type, four bytes after the number of dimensions and the
                // flags, becomes the stand-in.
                let masked = format!(
                    "pg_catalog.overlay(pg_catalog.array_send({value}), pg_catalog.int4send({TEXT}), 9, 4)"
                );
                typed(masked, nan)
            }
            TypeKind::Base => match oid {
                700 => typed(without_sign(value, "float4"), Nan::Canonical),
                701 => typed(without_sign(value, "float8"), Nan::Canonical),
                _ if found.extension.is_some() => {
                    let nan = self.nan_within(oid);
                    if found.name == "citext" {
                        return typed(format!("({value})::pg_catalog.text"), nan);
                    }
                    let send = qualified_function(found.send.as_deref()?);
                    Some(ColumnImage { form: Form::Bytes(TEXT, format!("{send}({value})")), nan })
                }
                _ if built_in => typed(value.to_owned(), self.nan_within(oid)),
                _ => None,
            },
            TypeKind::Pseudo => None,
        }
    }

    fn composite_image(&self, found: &Type, value: &str, depth: u32) -> Option<ColumnImage> {
        let mut nan = Nan::Canonical;
        let mut fields = Vec::with_capacity(found.fields.len());
        for (field, name) in found.fields.iter().zip(&found.field_names) {
            let path = format!("({value}).{}", name.quoted());
            let image = self.bytes_image(*field, &path, depth + 1)?;
            let Form::Typed(image_of_field) = image.form else { return None };
            // The header of a field holds its type: what stands for it must have that type.
            let is_enum =
                self.catalog.types.get(field).is_some_and(|field| field.kind == TypeKind::Enum);
            if *field >= FIRST_DATABASE_OID && !is_enum {
                return None;
            }
            if image.nan == Nan::AsItIs {
                nan = Nan::AsItIs;
            }
            fields.push(image_of_field);
        }
        // A record of NULLs is not NULL, and `is null` does not tell the two apart.
        let sent = format!(
            "case when {value} is not distinct from null then null::pg_catalog.bytea \
             else pg_catalog.record_send(row({})) end",
            fields.join(", ")
        );
        Some(ColumnImage { form: Form::Typed(sent), nan })
    }

    fn nan_within(&self, oid: Oid) -> Nan {
        if self.value(oid, 0).shape.contains_float() { Nan::AsItIs } else { Nan::Canonical }
    }
}

fn is_array(found: &Type) -> bool {
    found.send.as_deref() == Some("array_send")
}

/// The type's name for a cast. No modifier, so nothing is cut or rounded.
fn qualified_type(found: &Type) -> String {
    format!("{}.{}", Ident::new(&found.schema).quoted(), Ident::new(&found.name).quoted())
}

fn without_sign(value: &str, type_name: &str) -> String {
    format!(
        "case when {value} = 'NaN'::pg_catalog.{type_name} then 'NaN'::pg_catalog.{type_name} else {value} end"
    )
}
