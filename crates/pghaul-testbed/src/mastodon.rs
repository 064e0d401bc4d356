//! A database shaped like Mastodon's, of any size, the same rows on every major from the same
//! seed.
//!
//! Tables, columns, indexes, keys and their names are Mastodon's own of two releases; the SQL is
//! ours. What is reproduced is what makes such databases hard to carry: small serial ids beside
//! snowflakes in one table, free-standing and owned sequences, a function as a default, partial
//! unique indexes, indexes over expressions and with `text_pattern_ops`, references without a
//! foreign key (plain, polymorphic, in arrays), soft-deleted rows, materialized views that were
//! never refreshed, dropped columns (4.2.0), exact duplicate rows in a table without a key
//! (3.5.3), values out of line, and texts that look like COPY's own syntax.
//!
//! Invariants: the rows depend on [`Shape`] alone, not on the server's major, locale or clock; all
//! foreign keys and unique indexes hold; no table is empty. The work is done by the server, in
//! sets; indexes and keys come after the data.

mod digest;
mod duplicates;

pub use digest::{TableDigest, digest};
pub use duplicates::{duplicate_accounts, duplicate_conversations, duplicate_statuses};

use crate::servers::{Database, Session};
use crate::work::{self, Answer};

/// A release whose schema there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// 3.5.3, May 2022: 82 tables, besides the two of Rails.
    V3_5_3,
    /// 4.2.0, September 2023: 92 tables, besides the two of Rails.
    V4_2_0,
}

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Whose schema.
    pub version: Version,
    /// Rows of `statuses`, at least 1. The other tables follow: 1.35 times as many favourites,
    /// 0.7 conversations, 0.6 mentions, 0.5 notifications, 0.3 media, 0.05 accounts; small tables
    /// have some dozens of rows at any size.
    pub statuses: u64,
    /// Another seed, other rows.
    pub seed: u64,
}

/// A step of the making. Its SQL runs in the same session as that of the stages before it, and
/// is one transaction if it is sent as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Such as `statuses` or `indexes`.
    pub name: &'static str,
    /// Statements.
    pub sql: String,
}

/// Makes a database of this shape in an empty one.
pub fn create(database: &Database<'_>, shape: Shape) -> Answer<()> {
    let session = database.connect();
    work::begin(async move {
        let session: Session = session.await?;
        for stage in shape.stages() {
            session.execute(stage.sql).await?;
        }
        Ok(())
    })
}

impl Shape {
    /// All stages, in order: tables, their rows, then indexes, keys, views and statistics.
    pub fn stages(&self) -> Vec<Stage> {
        [self.ddl_before_data(), self.fill(), self.ddl_after_data()].concat()
    }

    /// Functions, sequences and tables without keys.
    pub fn ddl_before_data(&self) -> Vec<Stage> {
        let mut tables = [
            include_str!("mastodon/schema/ids.sql"),
            include_str!("mastodon/schema/tables_accounts.sql"),
            include_str!("mastodon/schema/tables_statuses.sql"),
            include_str!("mastodon/schema/tables_users.sql"),
            include_str!("mastodon/schema/tables_site.sql"),
        ]
        .concat();
        if self.version == Version::V4_2_0 {
            tables.push_str(include_str!("mastodon/schema/tables_4_2_0.sql"));
        }
        vec![self.stage("tables", &tables)]
    }

    /// The rows. The last of these stages leaves nothing in the session.
    pub fn fill(&self) -> Vec<Stage> {
        let only = match self.version {
            Version::V3_5_3 => include_str!("mastodon/fill/only_3_5_3.sql"),
            Version::V4_2_0 => include_str!("mastodon/fill/only_4_2_0.sql"),
        };
        let accounts = [
            include_str!("mastodon/fill/parameters.sql"),
            include_str!("mastodon/fill/accounts.sql"),
        ]
        .concat();
        let notifications = [
            include_str!("mastodon/fill/notifications.sql"),
            include_str!("mastodon/fill/finish.sql"),
        ]
        .concat();
        vec![
            self.stage("accounts", &accounts),
            self.stage("statuses", include_str!("mastodon/fill/statuses.sql")),
            self.stage("attachments", include_str!("mastodon/fill/attachments.sql")),
            self.stage("reactions", include_str!("mastodon/fill/reactions.sql")),
            self.stage("users", include_str!("mastodon/fill/users.sql")),
            self.stage("relationships", include_str!("mastodon/fill/social.sql")),
            self.stage("moderation", include_str!("mastodon/fill/site.sql")),
            self.stage("version", only),
            self.stage("notifications", &notifications),
        ]
    }

    /// Sequences' positions, indexes, keys, views, statistics.
    pub fn ddl_after_data(&self) -> Vec<Stage> {
        let (indexes, foreign_keys, views) = match self.version {
            Version::V3_5_3 => (
                include_str!("mastodon/schema/indexes_3_5_3.sql"),
                "",
                include_str!("mastodon/schema/views_3_5_3.sql"),
            ),
            Version::V4_2_0 => (
                include_str!("mastodon/schema/indexes_4_2_0.sql"),
                include_str!("mastodon/schema/foreign_keys_4_2_0.sql"),
                include_str!("mastodon/schema/views_4_2_0.sql"),
            ),
        };
        // A million rows sort in memory.
        let memory = "set maintenance_work_mem = '256MB';\n";
        let indexes = [memory, include_str!("mastodon/schema/indexes.sql"), indexes].concat();
        let foreign_keys =
            [include_str!("mastodon/schema/foreign_keys.sql"), foreign_keys].concat();
        let views = [include_str!("mastodon/schema/views.sql"), views].concat();
        vec![
            self.stage("sequences", include_str!("mastodon/schema/sequences.sql")),
            self.stage("indexes", &indexes),
            self.stage("foreign keys", &foreign_keys),
            self.stage("views", &views),
            self.stage("statistics", "analyze;\nreset maintenance_work_mem;"),
        ]
    }

    /// The SQL finds its numbers in settings, so the files run as they are, in psql too.
    fn stage(&self, name: &'static str, sql: &str) -> Stage {
        let Self { statuses, seed, .. } = self;
        let sql =
            format!("set mastodon.statuses = '{statuses}';\nset mastodon.seed = '{seed}';\n{sql}");
        Stage { name, sql }
    }
}
