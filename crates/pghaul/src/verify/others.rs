//! What is compared besides rows: the schema, what schema dumps do not show, sequences, large
//! objects.
//!
//! Invariants: both schemas are dumped by one `pg_dump`, each under its side's snapshot; what could
//! not be compared is a finding.

pub(crate) mod large_objects;
pub(crate) mod sequences;

use std::collections::BTreeMap;
use std::time::Duration;

use super::company::Company;
use super::moment::{Moment, SideAt};
use super::options::VerifyOptions;
use crate::connect::{Purpose, Side};
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::pg_dump::{Contents, DumpRequest, PgDump};
use crate::plan::filter::Filter;
use crate::run::source_schema;
use crate::schema::compare::{
    Leniency, SchemaComparison, SchemaDifference, SchemaDifferenceKind, compare as compare_entries,
};
use crate::schema::{Entry, not_null_names, quote_not_null_names};

/// How many were compared; none: not yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Compared {
    pub(super) large_objects: Option<usize>,
    pub(super) sequences: Option<usize>,
}

/// How long pg_dump waits for a table that somebody has locked exclusively. We hold locks of our
/// own by then, so nobody has.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// Compares sequences and large objects, each once, as far as that is not done yet.
pub(super) async fn compare(
    company: &Company,
    moment: &Moment,
    compared: &mut Compared,
) -> Result<(), Error> {
    let Compared { large_objects, sequences } = compared;
    let sequences = async {
        if sequences.is_none() {
            let done = until_done(company, || sequences::compare(company, moment)).await?;
            *sequences = Some(done);
        }
        Ok(())
    };
    let large_objects = async {
        if large_objects.is_none() && moment.filter.wants_large_objects() {
            let done = until_done(company, || large_objects::compare(company, moment)).await?;
            *large_objects = Some(done);
        }
        Ok(())
    };
    // Both to their end, so that what one has told is not told again.
    let ended: (Result<(), Error>, Result<(), Error>) = futures::join!(sequences, large_objects);
    ended.0.and(ended.1)
}

/// Tries again, with sessions of its own, after sessions were lost.
async fn until_done<F: Future<Output = Result<usize, Error>>>(
    company: &Company,
    work: impl Fn() -> F,
) -> Result<usize, Error> {
    let mut attempts = company.attempts(0);
    loop {
        match work().await {
            Ok(done) => return Ok(done),
            Err(error) => attempts.after(error).await?,
        }
    }
}

/// Compares the schemas, and what their dumps do not show.
pub(super) async fn schema(
    company: &Company,
    moment: &Moment,
) -> Result<Vec<SchemaDifference>, Error> {
    let versions = (moment.source.catalog.version, moment.target.catalog.version);
    let newest = versions.0.max(versions.1);
    let named = company.options.pg_dump.as_deref();
    let pg_dump = PgDump::select(named, newest, Some(newest)).await.map_err(|error| {
        let hint = "install the client programs of the newer server, or name one with --pg-dump; \
                    --data-only leaves the schemas out";
        error.with_hint(hint)
    })?;
    let (source, target) = futures::try_join!(
        entries(&pg_dump, &moment.source, Side::Source, &moment.filter),
        entries(&pg_dump, &moment.target, Side::Target, &moment.filter)
    )?;
    let mut compared =
        compare_entries((&source, versions.0), (&target, versions.1), leniency(&company.options));
    for finding in findings(&compared) {
        company.find(finding);
    }
    facts(company, moment, &mut compared.differences).await?;
    Ok(compared.differences)
}

/// What may differ.
pub(crate) fn leniency(options: &VerifyOptions) -> Leniency {
    Leniency { owners: options.owners, privileges: options.privileges }
}

/// What a comparison of two schemas is to people.
pub(crate) fn findings(compared: &SchemaComparison) -> Vec<Finding> {
    let mut findings: Vec<Finding> = compared.differences.iter().map(finding).collect();
    if !compared.explained.is_empty() {
        let names: Vec<&str> = compared.explained.iter().copied().collect();
        findings.push(Finding::new(
            Severity::Note,
            "version_differences",
            format!(
                "what only looks different, since the servers' versions are: {}",
                names.join(", ")
            ),
            "nothing to do; the manual of verify says what each of these is",
        ));
    }
    if compared.public_as_made {
        findings.push(
            Finding::new(
                Severity::Note,
                "public_schema",
                "the schema public is on each side as its version makes it: up to 14 everybody may create objects there, from 15 on only the database's owner",
                "grant or revoke CREATE on schema public, if the application depends on it",
            )
            .about("public"),
        );
    }
    findings
}

fn finding(difference: &SchemaDifference) -> Finding {
    let kind = &difference.kind;
    let (code, what, remedy) = match difference.how {
        SchemaDifferenceKind::Missing => {
            ("schema_missing", "the target does not have it", "create it on the target")
        }
        SchemaDifferenceKind::Extra => {
            ("schema_extra", "only the target has it", "drop it there, if it does not belong there")
        }
        SchemaDifferenceKind::Changed => {
            ("schema_differs", "it is not the same on both sides", "make it the same on both sides")
        }
    };
    let message = if difference.what.is_empty() {
        format!("{kind}: {what}")
    } else {
        format!("{kind}: {what}: {}", difference.what)
    };
    Finding::new(Severity::Warning, code, message, remedy).about(&difference.object)
}

/// The entries of one side's schema, as far as the filter wants them.
pub(crate) async fn entries(
    pg_dump: &PgDump,
    side: &SideAt,
    which: Side,
    filter: &Filter,
) -> Result<Vec<Entry>, Error> {
    let environment = side.endpoint.child_environment("verify pg_dump").await?;
    let snapshot = side.hold.id().ok_or_else(|| {
        Error::new(ErrorKind::SnapshotGone, format!("{which}: the snapshot is gone"))
    })?;
    let reader = side.reader("schema").await?;
    let dumped = pg_dump
        .dump(&DumpRequest {
            side: which,
            environment: environment.variables(),
            snapshot: Some(snapshot.as_str().to_owned()),
            contents: Contents::Schema,
            exclude: source_schema::out_of_reach(&reader, &side.catalog, filter).await?,
            lock_wait: Some(LOCK_WAIT),
            server: Some(reader.version()),
        })
        .await?;
    let mut entries = dumped.toc.entries;
    let names = not_null_names(&reader).await?;
    quote_not_null_names(&mut entries, &names);
    Ok(source_schema::selected(entries, &side.catalog, filter).entries)
}

/// Object and fact, with the fact's value.
type Facts = BTreeMap<(String, String), String>;

async fn facts(
    company: &Company,
    moment: &Moment,
    differences: &mut Vec<SchemaDifference>,
) -> Result<(), Error> {
    let (here, there) = futures::try_join!(
        read_facts(&moment.source, &moment.filter),
        read_facts(&moment.target, &moment.filter)
    )?;
    let major = (moment.source.catalog.version.major(), moment.target.catalog.version.major());
    for ((object, fact), value) in &here {
        // Objects that one side alone has are found in the dumps.
        let Some(other) = there.get(&(object.clone(), fact.clone())) else { continue };
        if value == other {
            continue;
        }
        let what = format!("{fact} is {value} here and {other} there");
        let newer = fact == "version" && major.0 != major.1;
        let (kind, name) = object.rsplit_once(' ').unwrap_or(("object", object));
        let found = if newer {
            let remedy = "nothing to do: each major brings versions of its own";
            Finding::new(Severity::Note, "extension_version", what.clone(), remedy)
        } else {
            let (code, remedy) = match fact.as_str() {
                "valid" => ("index_validity", "rebuild the index that is not valid"),
                "enforced" => ("constraint_state", "enable the triggers of the foreign key"),
                "populated" => ("matview_state", "refresh the materialized view"),
                _ => ("extension_version", "update the older one with ALTER EXTENSION … UPDATE"),
            };
            differences.push(SchemaDifference {
                kind: kind.to_uppercase(),
                object: name.to_owned(),
                how: SchemaDifferenceKind::Changed,
                what: what.clone(),
            });
            Finding::new(Severity::Warning, code, what, remedy)
        };
        company.find(found.about(object));
    }
    Ok(())
}

async fn read_facts(side: &SideAt, filter: &Filter) -> Result<Facts, Error> {
    let session = side.endpoint.connect(Purpose::Catalog, "verify facts").await?;
    let doing = "read what a schema dump does not show";
    let rows = session.query(doing, include_str!("others/facts.sql"), &[]).await?;
    Ok(rows
        .iter()
        .filter(|row| {
            let schema: Option<String> = row.get(2);
            let name: Option<String> = row.get(3);
            schema
                .zip(name)
                .is_none_or(|(schema, name)| filter.wants_name(&RelationName::new(schema, name)))
        })
        .map(|row| ((row.get(0), row.get(1)), row.get(4)))
        .collect())
}
