//! Findings that need more than one query: of source and target together, or of a number against
//! what is going to be done.

pub(super) mod extensions;
pub(crate) mod locale;
mod roles;
mod search_paths;
pub(super) mod servers;
mod target;
mod types;

pub(crate) use target::{large_objects_in_the_way, object_in_the_way};

use super::Intent;
use crate::connect::Session;
use crate::error::Error;
use crate::finding::Finding;
use crate::version::ServerVersion;

/// What the source alone tells.
pub(super) async fn source(
    source: &Session,
    target: ServerVersion,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    servers::source(source, intent, findings).await?;
    locale::source(source, findings).await?;
    types::source(source, target, intent, findings).await
}

/// What shows when both are there.
pub(super) async fn both(
    source: &Session,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let rights = servers::rights(target).await?;
    servers::target(source.version(), target, intent, findings).await?;
    locale::both(source, target, intent, findings).await?;
    types::both(source, target, rights, intent, findings).await?;
    if intent.schema == super::Carry::Along {
        extensions::both(source, target, rights, findings).await?;
        roles::both(source, target, rights, intent, findings).await?;
        search_paths::both(source, target.version(), intent, findings).await?;
    }
    let has_room = target::state(target, findings).await?;
    if has_room && intent.schema == super::Carry::Along {
        target::objects(source, target, intent, findings).await?;
    } else if has_room {
        target::tables(source, target, intent, findings).await?;
    }
    Ok(())
}

/// A row of text. A missing column reads as empty, NULL too.
pub(super) struct Row(Vec<Option<String>>);

impl Row {
    pub(super) fn text(&self, column: usize) -> &str {
        self.0.get(column).and_then(Option::as_deref).unwrap_or_default()
    }

    fn number(&self, column: usize) -> i64 {
        self.text(column).parse().unwrap_or(0)
    }

    fn is_true(&self, column: usize) -> bool {
        self.text(column) == "t"
    }
}

async fn rows(session: &Session, doing: &str, sql: &str) -> Result<Vec<Row>, Error> {
    Ok(session.simple_rows(doing, sql).await?.into_iter().map(Row).collect())
}
