//! Comparing two databases: what is found, that nothing else is, and that both ways of digesting
//! say the same.

mod equal;
mod finds;
mod moving;
mod schema;
mod servers;

use std::sync::Arc;

use pghaul::connect::{Endpoint, Side};
use pghaul::event::{Counters, Observer};
use pghaul::run::Stop;
use pghaul::verify::difference::{Difference, DifferenceKind};
use pghaul::verify::{
    PreparedVerify, TableDifferences, VerifiedTable, VerifyOptions, VerifyOutcome,
};
use pghaul::{Error, Finding, Severity};
use pghaul_testbed::{CreateOptions, Database, Major, Server, clients};

/// A comparison and all that it named.
pub(crate) struct Compared {
    pub(crate) outcome: VerifyOutcome,
    pub(crate) differences: Vec<TableDifferences>,
}

/// Options that find the testbed's `pg_dump`.
pub(crate) fn options() -> VerifyOptions {
    VerifyOptions { pg_dump: Some(clients().unwrap().pg_dump()), ..VerifyOptions::default() }
}

/// Options for rows alone.
fn rows_only() -> VerifyOptions {
    VerifyOptions { scope: pghaul::verify::options::Scope::DataOnly, ..options() }
}

pub(crate) async fn verify(
    source: &str,
    target: &str,
    options: VerifyOptions,
) -> Result<Compared, Error> {
    verify_observed(source, target, options, Arc::new(())).await
}

async fn verify_observed(
    source: &str,
    target: &str,
    options: VerifyOptions,
    observer: Arc<dyn Observer>,
) -> Result<Compared, Error> {
    let source = Endpoint::parse(Side::Source, source)?;
    let target = Endpoint::parse(Side::Target, target)?;
    let prepared = PreparedVerify::new(source, target, options).await?;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let company = (observer, Arc::new(Counters::default()), Stop::default());
    // On a task of its own, as those who embed it do.
    let run = tokio::spawn(prepared.run(company, sender));
    let mut differences = Vec::new();
    while let Some(some) = receiver.recv().await {
        differences.push(some);
    }
    Ok(Compared { outcome: run.await.unwrap()?, differences })
}

impl Compared {
    /// The findings that are more than a note, by code and object.
    fn wrong(&self) -> Vec<(&'static str, String)> {
        self.found(|finding| finding.severity > Severity::Note)
    }

    fn notes(&self) -> Vec<(&'static str, String)> {
        self.found(|finding| finding.severity == Severity::Note)
    }

    fn found(&self, which: impl Fn(&Finding) -> bool) -> Vec<(&'static str, String)> {
        let found = self.outcome.findings.iter().filter(|finding| which(finding));
        found.map(|one| (one.code, one.object.clone().unwrap_or_default())).collect()
    }

    /// All named rows of a table.
    fn rows(&self, table: &str) -> Vec<&Difference> {
        let of = self.differences.iter().filter(|some| some.table.to_string() == table);
        of.flat_map(|some| &some.rows).collect()
    }

    /// Kind, first key value and columns of each named row.
    fn named(&self, table: &str) -> Vec<String> {
        let line = |row: &&Difference| {
            let key = row.key.first().cloned().flatten().unwrap_or_default();
            let columns: Vec<&str> = row.columns.iter().map(|column| column.as_str()).collect();
            let copies = if row.copies > 1 { format!(" x{}", row.copies) } else { String::new() };
            let words = [format!("{:?}", row.kind), key, columns.join(",")];
            words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
                + &copies
        };
        self.rows(table).iter().map(line).collect()
    }

    fn table(&self, name: &str) -> &VerifiedTable {
        let mut tables = self.outcome.tables.iter();
        tables.find(|table| table.name.to_string() == name).unwrap()
    }

    fn kinds(&self, table: &str) -> Vec<DifferenceKind> {
        self.rows(table).iter().map(|row| row.kind).collect()
    }

    /// Nothing is wrong, and every table was compared in full.
    pub(crate) fn assert_equal(&self) {
        assert_eq!(self.wrong(), [], "{:#?}", self.outcome.findings);
        for table in &self.outcome.tables {
            assert!(table.equal && table.digest_kind.is_some(), "{table:?}");
        }
        assert!(self.outcome.schema.is_empty(), "{:?}", self.outcome.schema);
    }
}

/// Settings that change what values look like, what names mean and how tables are read.
const HOSTILE: [(&str, &str); 9] = [
    ("datestyle", "'SQL, DMY'"),
    ("intervalstyle", "sql_standard"),
    ("timezone", "'Asia/Tokyo'"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-5"),
    ("search_path", "nowhere"),
    ("enable_seqscan", "off"),
    ("quote_all_identifiers", "on"),
    ("xmlbinary", "hex"),
];

/// Makes a database hostile, other settings on the one side than on the other.
async fn make_hostile(database: &Database<'_>, skip: usize) {
    for (name, value) in HOSTILE.iter().skip(skip) {
        let sql = format!("alter database \"{}\" set {name} = {value}", database.name());
        database.execute(sql).await.unwrap();
    }
}

/// A copy of a database on its own server.
fn copy_of(database: &Database<'_>, major: Major, hint: &str) -> Database<'static> {
    let template = Some(database.name().to_owned());
    let options = CreateOptions { template, ..CreateOptions::default() };
    Database::create(Server::shared(major).unwrap(), hint, &options).unwrap()
}
