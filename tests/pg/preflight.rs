//! Preflight: each finding on a database that has what it is about, and none on one that has not.

mod damage;
mod rights;
mod servers;
mod statements;
mod target;

use pghaul::connect::{Endpoint, Environment, Purpose, Session, Side};
use pghaul::finding::{Finding, Severity};
use pghaul::preflight::{self, Intent};
use pghaul_testbed::{Database, Major, Server};

pub(crate) async fn session(side: Side, url: &str, purpose: Purpose) -> Session {
    let nothing = Environment::given([("USER", "nobody")], None);
    let endpoint = Endpoint::parse_in(side, url, &nothing).unwrap();
    endpoint.connect(purpose, "preflight").await.unwrap()
}

pub(crate) async fn check_as(source: &str, target: &str, intent: &Intent<'_>) -> Vec<Finding> {
    let source = session(Side::Source, source, Purpose::Catalog).await;
    let target = session(Side::Target, target, Purpose::Schema).await;
    preflight::check(&source, Some(&target), intent).await.unwrap()
}

pub(crate) async fn check(source: &Database<'_>, target: &Database<'_>) -> Vec<Finding> {
    check_as(&source.url(), &target.url(), &Intent::default()).await
}

/// What was found of a kind: objects, or nothing for a finding about none.
pub(crate) fn objects(findings: &[Finding], code: &str) -> Vec<String> {
    assert!(preflight::RULES.iter().any(|rule| rule.code == code), "no such code: {code}");
    let found = findings.iter().filter(|finding| finding.code == code);
    found.map(|finding| finding.object.clone().unwrap_or_default()).collect()
}

pub(crate) fn weighty(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.severity > Severity::Note).collect()
}

/// A source with what `sql` makes, and an empty target.
pub(crate) async fn checked(source: Major, target: Major, sql: &str) -> Vec<Finding> {
    let from = Database::new(Server::shared(source).unwrap(), "from").unwrap();
    let to = Database::new(Server::shared(target).unwrap(), "to").unwrap();
    from.execute(sql).await.unwrap();
    check(&from, &to).await
}
