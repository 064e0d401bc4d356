//! Postgres servers by major version, databases and faults, for tests and the demo.
//!
//! Invariants: everything here is the real thing, a server that cannot be had is an error and
//! never a skipped test; every server, data directory and proxy ends with the process that
//! started it, however that ends; nothing is written outside the cache folder and the system's
//! folder for temporary files.
//!
//! What is downloaded is kept in the cache folder: `PGHAUL_CACHE`, else `/var/cache/pghaul` for
//! root (whose home no other user can enter, and Postgres refuses to run as root), else `pghaul`
//! in `XDG_CACHE_HOME` or `~/.cache`.

mod account;
mod cache;
pub mod clients;
#[cfg(feature = "containers")]
pub mod containers;
pub mod damage;
pub mod error;
pub mod every_type;
pub mod images;
pub mod locales;
pub mod mastodon;
pub mod measure;
pub mod oracle;
pub mod proxy;
pub mod scripts;
pub mod servers;
mod work;

pub use clients::{Clients, clients};
pub use error::{Error, Result};
pub use locales::{Locales, locales};
pub use proxy::{Direction, Proxy, Strike};
pub use scripts::script;
pub use servers::{
    Authority, Certificate, CreateOptions, Database, Major, Options, Role, Server, Session,
};
pub use work::Answer;
