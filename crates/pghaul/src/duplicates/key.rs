//! How one key column of an index is compared, and what its rows are told apart by.
//!
//! What is read of each row is an *image* of the key: something that is equal for equal keys. Where
//! the types' equality is known, it is the value itself, whose normal form pghaul makes (see
//! [`KeyShape`]); else what a hash function of the server gives that belongs to the very operator
//! by which the index compares; else nothing, and the server groups the rows.
//!
//! Invariants: equality is that of the index's operator class and collation, never that of `=`;
//! an image may be equal for keys that are not, never the other way round.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pghaul_rows::key::KeyShape;

use super::index::{IndexDefinition, KeyDefinition};
use crate::catalog::{FIRST_USER_OID, Oid, oid};
use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};

/// `record_image_eq`, finer than the equality of a record's fields.
const RECORD_IMAGE_EQUAL: Oid = 3188;

/// A key column of a unique index.
#[derive(Debug, Clone)]
pub struct Key {
    /// What is indexed, in SQL: a column or an expression.
    pub expression: String,
    /// The type in which it is compared, in SQL.
    pub type_name: String,
    /// The collation, if the type has any.
    pub collation: Option<RelationName>,
    /// The operator that says whether two keys are equal, in SQL.
    pub equal: String,
    /// The operator that says which comes first, in SQL; none if it belongs to several orders, so
    /// that the server cannot be asked for this one.
    pub(super) less: Option<String>,
    pub(super) image: Option<Image>,
    /// `IS NOT NULL` of a composite looks at its fields.
    pub(super) is_composite: bool,
}

/// What is read of a key column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Image {
    /// The value, whose equality is that of this shape's normal form.
    Value(KeyShape),
    /// What this function of the server gives, in SQL; with a seed if it is one of 64 bits.
    Hash { function: String, extended: bool },
}

impl Key {
    /// The value as it is compared, in SQL.
    pub fn value(&self) -> String {
        format!("({})::{}", self.expression, self.type_name)
    }

    /// ` collate …`, or nothing.
    pub(super) fn collate(&self) -> String {
        match &self.collation {
            Some(collation) => format!(" collate {}", collation.quoted()),
            None => String::new(),
        }
    }

    /// What is selected of each row, in SQL; nothing where the server groups.
    pub(super) fn image_of(&self, value: &str) -> Option<String> {
        Some(match self.image.as_ref()? {
            Image::Value(_) => value.to_owned(),
            Image::Hash { function, extended } => {
                let seed = if *extended { ", 0" } else { "" };
                format!("{function}({value}{}{seed})", self.collate())
            }
        })
    }

    /// Whether the image is a hash, which does not show how long the key is.
    pub(super) fn is_hashed(&self) -> bool {
        matches!(self.image, Some(Image::Hash { .. }))
    }

    /// The shape of what is selected.
    pub(super) fn shape(&self) -> KeyShape {
        match &self.image {
            Some(Image::Value(shape)) => shape.clone(),
            Some(Image::Hash { .. }) | None => KeyShape::Bytes,
        }
    }

    /// Without its images by hash functions: some element deep inside has none.
    pub(super) fn without_hash(self) -> Self {
        let image = self.image.filter(|image| matches!(image, Image::Value(_)));
        Self { image, ..self }
    }
}

/// What operator classes, collations and types mean on one server.
pub(super) struct Meanings {
    opclasses: HashMap<RelationName, Opclass>,
    /// Collations under which different bytes can be equal.
    loose: BTreeSet<RelationName>,
    types: HashMap<Oid, KeyType>,
    /// The types of keys of polymorphic operator classes, by index and place.
    polymorphic: HashMap<(Oid, usize), Oid>,
}

struct Opclass {
    input: Oid,
    type_name: String,
    polymorphic: bool,
    equal_oid: Oid,
    equal: String,
    less: Option<String>,
    hash: Option<Image>,
}

struct KeyType {
    type_name: String,
    kind: String,
    element: Oid,
    base: Oid,
    range_of: Oid,
    own_equality: bool,
    loose_range: bool,
    fields: Vec<(Oid, bool)>,
}

impl Meanings {
    /// Reads what the definitions need; the relations have to be there.
    pub(super) async fn read(
        session: &Session,
        definitions: &[IndexDefinition],
    ) -> Result<Self, Error> {
        let keys = || definitions.iter().flat_map(|definition| &definition.keys);
        let opclasses = read_opclasses(session, keys().map(|key| &key.opclass).collect()).await?;
        let loose = session
            .query("read the list of collations", include_str!("key/collations.sql"), &[])
            .await?
            .iter()
            .map(|row| RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1)))
            .collect();
        let mut polymorphic = HashMap::new();
        for definition in definitions.iter().filter(|definition| !definition.is_exclusion) {
            let places: Vec<usize> = (0..definition.keys.len())
                .filter(|place| {
                    opclasses
                        .get(&definition.keys[*place].opclass)
                        .is_some_and(|opclass| opclass.polymorphic)
                })
                .collect();
            let types = types_of(session, definition, &places).await?;
            polymorphic.extend(places.into_iter().map(|place| (definition.oid, place)).zip(types));
        }
        let wanted: BTreeSet<Oid> = polymorphic.values().copied().collect();
        let types = read_types(session, wanted.into_iter().collect()).await?;
        Ok(Self { opclasses, loose, types, polymorphic })
    }

    /// The keys of an index; `None` when this server does not know an operator class of it.
    pub(super) fn of(&self, definition: &IndexDefinition) -> Option<Vec<Key>> {
        definition
            .keys
            .iter()
            .enumerate()
            .map(|(place, key)| {
                let opclass = self.opclasses.get(&key.opclass)?;
                Some(self.key(key, opclass, self.polymorphic.get(&(definition.oid, place))))
            })
            .collect()
    }

    fn key(&self, key: &KeyDefinition, opclass: &Opclass, own_type: Option<&Oid>) -> Key {
        let loose = key.collation.as_ref().is_some_and(|name| self.loose.contains(name));
        let own_type = own_type.map(|own| self.without_domain(*own));
        let built_in = opclass.equal_oid < FIRST_USER_OID;
        let shape = match own_type {
            _ if !built_in || opclass.equal_oid == RECORD_IMAGE_EQUAL => None,
            Some(own) => self.shape(own, loose, 0),
            None => shape_of_builtin(opclass.input, loose),
        };
        let named = own_type.and_then(|own| self.types.get(&own));
        Key {
            expression: key.expression.clone(),
            type_name: named
                .map_or_else(|| opclass.type_name.clone(), |found| found.type_name.clone()),
            collation: key.collation.clone(),
            equal: opclass.equal.clone(),
            less: opclass.less.clone(),
            image: shape.map(Image::Value).or_else(|| opclass.hash.clone()),
            is_composite: named.is_some_and(|found| found.kind == "c"),
        }
    }

    fn without_domain(&self, mut oid: Oid) -> Oid {
        while let Some(found) = self.types.get(&oid).filter(|found| found.base != 0) {
            oid = found.base;
        }
        oid
    }

    /// The shape whose normal forms are equal where the default operator class of a type says so.
    fn shape(&self, oid: Oid, loose: bool, depth: u32) -> Option<KeyShape> {
        let oid = self.without_domain(oid);
        if let Some(shape) = shape_of_builtin(oid, loose) {
            return Some(shape);
        }
        let found = self.types.get(&oid).filter(|found| !found.own_equality && depth < 32)?;
        let below = |oid, loose| self.shape(oid, loose, depth + 1);
        Some(match found.kind.as_str() {
            "e" => KeyShape::Bytes,
            "r" => KeyShape::Range(Box::new(below(found.range_of, found.loose_range)?)),
            "m" => match below(found.range_of, false)? {
                KeyShape::Range(subtype) => KeyShape::Multirange(subtype),
                _ => return None,
            },
            "c" => KeyShape::Record(
                found
                    .fields
                    .iter()
                    .map(|(field, loose)| below(*field, *loose))
                    .collect::<Option<_>>()?,
            ),
            "b" if found.element != 0 => KeyShape::Array(Box::new(below(found.element, loose)?)),
            _ => return None,
        })
    }
}

/// The built-in types whose default equality has a normal form, by their fixed OIDs
/// (`pg_type.dat`). Not here, so hashed or grouped by the server: jsonb, tsquery and others.
fn shape_of_builtin(oid: Oid, loose: bool) -> Option<KeyShape> {
    Some(match oid {
        // name, text, bpchar, varchar: under a nondeterministic collation only the server knows.
        19 | 25 | 1042 | 1043 if loose => return None,
        1042 => KeyShape::Padded,
        700 => KeyShape::Float4,
        701 => KeyShape::Float8,
        1700 => KeyShape::Numeric,
        1186 => KeyShape::Interval,
        // bool, bytea, "char", name, int8, int2, int4, text, oid, tid, oidvector, money, macaddr8,
        // macaddr, inet, cidr, varchar, date, time, timestamp, timestamptz, timetz, bit, varbit,
        // uuid, pg_lsn, tsvector, xid8.
        16..=21
        | 23
        | 25..=27
        | 30
        | 790
        | 774
        | 829
        | 869
        | 650
        | 1043
        | 1082
        | 1083
        | 1114
        | 1184
        | 1266
        | 1560
        | 1562
        | 2950
        | 3220
        | 3614
        | 5069 => KeyShape::Bytes,
        _ => return None,
    })
}

/// `operator(schema.=)`.
fn operator(schema: &str, name: &str) -> String {
    format!("operator({}.{name})", Ident::new(schema).quoted())
}

async fn read_opclasses(
    session: &Session,
    wanted: BTreeSet<&RelationName>,
) -> Result<HashMap<RelationName, Opclass>, Error> {
    let schemas: Vec<&str> = wanted.iter().map(|name| name.schema.as_str()).collect();
    let names: Vec<&str> = wanted.iter().map(|name| name.name.as_str()).collect();
    let rows = session
        .query(
            "read the operator classes of the indexes",
            include_str!("key/opclasses.sql"),
            &[&schemas, &names],
        )
        .await?;
    let by_place: BTreeMap<i64, &RelationName> = (1..).zip(wanted).collect();
    let mut opclasses = HashMap::new();
    for row in &rows {
        let Some(name) = by_place.get(&row.get::<_, i64>(0)) else { continue };
        let less = operator(row.get(7), row.get(8));
        let hash = row.get::<_, Option<String>>(10).zip(row.get::<_, Option<String>>(11));
        opclasses.insert(
            (*name).clone(),
            Opclass {
                input: oid(row.get(1)),
                type_name: row.get(2),
                polymorphic: row.get(3),
                equal_oid: oid(row.get(4)),
                equal: operator(row.get(5), row.get(6)),
                less: (row.get::<_, i64>(9) == 1).then_some(less),
                hash: hash.map(|(schema, function)| Image::Hash {
                    function: RelationName::new(schema, function).quoted(),
                    extended: row.get(12),
                }),
            },
        );
    }
    Ok(opclasses)
}

/// The types of some key expressions, as the server understands them. Reads no row.
async fn types_of(
    session: &Session,
    definition: &IndexDefinition,
    places: &[usize],
) -> Result<Vec<Oid>, Error> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let list = |of: &dyn Fn(usize) -> String| {
        places.iter().map(|place| of(*place)).collect::<Vec<_>>().join(", ")
    };
    let sql = format!(
        "select {} from (select 1) one left join (select {} from {} limit 0) none on true",
        list(&|place| format!("pg_catalog.pg_typeof(none.k{place})::pg_catalog.oid::int8")),
        list(&|place| format!("({}) as k{place}", definition.keys[place].expression)),
        definition.from(),
    );
    let doing = format!("read the types of the keys of `{}`", definition.name);
    let row = session.query_one(&doing, &sql, &[]).await?;
    Ok((0..places.len()).map(|at| oid(row.get(at))).collect())
}

async fn read_types(session: &Session, wanted: Vec<Oid>) -> Result<HashMap<Oid, KeyType>, Error> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = session
        .query("read the types of the keys", include_str!("key/types.sql"), &[&wanted])
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let fields: Vec<i64> = row.get(8);
            let loose: Vec<bool> = row.get(9);
            let found = KeyType {
                type_name: row.get(1),
                kind: row.get(2),
                element: oid(row.get(3)),
                base: oid(row.get(4)),
                range_of: oid(row.get(5)),
                own_equality: row.get(6),
                loose_range: row.get(7),
                fields: fields.into_iter().map(oid).zip(loose).collect(),
            };
            (oid(row.get(0)), found)
        })
        .collect())
}
