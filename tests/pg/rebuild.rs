//! The health of indexes, and their rebuild, on servers of the majors where it differs.

mod health;

use pghaul::connect::{Endpoint, Environment, Side};
use pghaul_testbed::{CreateOptions, Database, Major, Server, locales};

/// The majors that differ: no concurrent rebuild and no amcheck, amcheck, both, `checkunique`.
pub(crate) const MAJORS: [Major; 5] = [Major::V9_6, Major::V10, Major::V14, Major::V17, Major::V18];

pub(crate) fn endpoint(url: &str) -> Endpoint {
    let nothing = Environment::given([("USER", "nobody")], None);
    Endpoint::parse_in(Side::Database, url, &nothing).unwrap()
}

/// A database whose text is not in the order of its bytes.
pub(crate) fn linguistic(major: Major, hint: &str) -> Database<'static> {
    let options = CreateOptions {
        locale: Some(locales().unwrap().linguistic().unwrap().to_owned()),
        ..CreateOptions::default()
    };
    Database::create(Server::shared(major).unwrap(), hint, &options).unwrap()
}
