//! The schema's entries with the statements that make them, and the schema's digest.

use super::graph::{Prepared, object_of};
use super::options::{CloneOptions, Keep, Scope};
use crate::connect::{Endpoint, Session, Side};
use crate::error::Error;
use crate::pg_dump::{Contents, DumpRequest, PgDump};
use crate::schema::{EmitOptions, Entry, Kind, Owners, RunsAs, Tablespaces, emit::emit};
use crate::snapshot::SnapshotId;

/// What the source's schema is.
#[derive(Default)]
pub(super) struct SourceSchema {
    /// The entries that are run, each with its place among all, which is the same for the same
    /// schema.
    pub(super) entries: Vec<(usize, Prepared)>,
    /// The digest of all entries.
    pub(super) digest: String,
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
        runs_as: RunsAs::Superuser,
    };
    let digest = digest(&dumped.toc.entries);
    let entries = dumped
        .toc
        .entries
        .into_iter()
        .enumerate()
        .filter(|(_, entry)| !is_skipped(entry, options))
        .map(|(place, entry)| {
            let sql = emit(&entry, &emit_options).sql();
            (place, Prepared { entry, sql })
        })
        .collect();
    Ok(SourceSchema { entries, digest })
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
