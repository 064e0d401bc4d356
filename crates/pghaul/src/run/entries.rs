//! The schema's entries with the statements that make them, and the schema's digest.

use super::graph::{Prepared, object_of};
use super::options::{CloneOptions, Keep, Scope};
use crate::connect::{Endpoint, Session, Side};
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::pg_dump::{Contents, DumpRequest, PgDump};
use crate::schema::{EmitOptions, Entry, Kind, Owners, RunsAs, Tablespaces, emit::Emitter};
use crate::snapshot::SnapshotId;

/// What the source's schema is.
#[derive(Default)]
pub(super) struct SourceSchema {
    /// The entries that are run, each with its place among all, which is the same for the same
    /// schema.
    pub(super) entries: Vec<(usize, Prepared)>,
    /// The digest of all entries.
    pub(super) digest: String,
    /// What the target cannot have.
    pub(super) findings: Vec<Finding>,
}

/// Dumps the schema and makes its statements ready for the target.
pub(super) async fn read(
    source: &Endpoint,
    (look, control): (&Session, &Session),
    snapshot: Option<&SnapshotId>,
    options: &CloneOptions,
) -> Result<SourceSchema, Error> {
    if options.scope == Scope::DataOnly {
        return Ok(SourceSchema::default());
    }
    let pg_dump =
        PgDump::select(options.pg_dump.as_deref(), look.version(), Some(control.version())).await?;
    let dumped = pg_dump
        .dump(&DumpRequest {
            side: Side::Source,
            environment: environment(source),
            snapshot: snapshot.map(|id| id.as_str().to_owned()),
            contents: Contents::Schema,
            lock_wait: None,
        })
        .await?;
    let emit_options = EmitOptions {
        target: control.version(),
        owners: match options.owners {
            Keep::AsIs => Owners::Carry,
            Keep::LeaveOut => Owners::Leave,
        },
        tablespaces: Tablespaces::Leave,
        runs_as: if is_superuser(control).await? { RunsAs::Superuser } else { RunsAs::Member },
    };
    let emitter = Emitter::new(&dumped.toc.entries, emit_options);
    let digest = digest(&dumped.toc.entries);
    let mut schema = SourceSchema { digest, ..SourceSchema::default() };
    for (place, entry) in dumped.toc.entries.into_iter().enumerate() {
        if is_skipped(&entry, options) {
            continue;
        }
        let emitted = emitter.emit(&entry);
        schema.findings.extend(emitted.losses.iter().map(|loss| lost_on_the_way(&entry, loss)));
        let sql = emitted.sql();
        schema.entries.push((place, Prepared { entry, sql }));
    }
    Ok(schema)
}

async fn is_superuser(control: &Session) -> Result<bool, Error> {
    let row = control
        .query_one(
            "ask whether the role is a superuser",
            "select rolsuper from pg_catalog.pg_roles where rolname = current_user",
            &[],
        )
        .await?;
    Ok(row.get(0))
}

fn lost_on_the_way(entry: &Entry, loss: &str) -> Finding {
    Finding::new(
        Severity::Warning,
        "not_carried",
        format!("{}: the target cannot have {loss}", entry.kind),
        "create it by hand if the application needs it",
    )
    .about(object_of(entry))
}

/// Equal for equal schemas: no OIDs, no dump ids, no passwords that could be guessed from it.
fn digest(entries: &[Entry]) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for entry in entries {
        let fields = [
            entry.kind.name(),
            &object_of(entry),
            entry.owner().unwrap_or_default(),
            if entry.is_secret() { "" } else { &entry.defn },
        ];
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_skipped(entry: &Entry, options: &CloneOptions) -> bool {
    match entry.kind {
        Kind::Encoding
        | Kind::StdStrings
        | Kind::SearchPath
        | Kind::Database
        | Kind::DatabaseProperties => true,
        Kind::Acl | Kind::DefaultAcl if options.privileges == Keep::LeaveOut => true,
        Kind::Acl | Kind::Comment | Kind::SecurityLabel => entry.tag.starts_with("DATABASE "),
        _ => false,
    }
}

// Until the endpoint gives it.
fn environment(source: &Endpoint) -> Vec<(String, std::ffi::OsString)> {
    let text = source.describe();
    let (user, rest) = text.split_once('@').unwrap_or_default();
    let (host, database) = rest.split_once('/').unwrap_or_default();
    let (host, port) = host.rsplit_once(':').unwrap_or_default();
    let password = std::env::var("TMP_PASSWORD").unwrap_or_default();
    [
        ("PGHOST", host),
        ("PGPORT", port),
        ("PGUSER", user),
        ("PGDATABASE", database),
        ("PGPASSWORD", &password),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.into()))
    .collect()
}
