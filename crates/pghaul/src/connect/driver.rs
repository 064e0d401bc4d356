//! The task that moves a session's bytes, and what it learns on the way.
//!
//! Invariant: the task ends when its client is dropped or the connection dies, and nobody has
//! to wait for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Connection};
use tokio_util::sync::CancellationToken;

use super::socket::Transport;
use crate::error::chain;

/// Warnings kept until they are asked for.
const KEPT_WARNINGS: usize = 1000;

/// A warning of the server. Shows no DETAIL, which may quote rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Five characters (Postgres manual, appendix A).
    pub sqlstate: String,
    /// What the server said.
    pub message: String,
}

/// What outlives the task.
#[derive(Debug, Default)]
pub(super) struct Driver {
    closed: CancellationToken,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    warnings: VecDeque<Notice>,
    last_words: Option<String>,
}

impl Driver {
    /// Moves the bytes of a connection until it ends.
    pub(super) fn start(mut connection: Connection<Transport, Transport>) -> Arc<Self> {
        let driver = Arc::new(Self::default());
        let shared = Arc::clone(&driver);
        tokio::spawn(async move {
            // Also when this task is dropped with its runtime.
            let _guard = shared.closed.clone().drop_guard();
            while let Some(message) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) => shared.hear(&notice),
                    Ok(_) => {}
                    Err(error) => {
                        let words = error.as_db_error().map_or_else(
                            || chain(&error),
                            |db| format!("{} (SQLSTATE {})", db.message(), db.code().code()),
                        );
                        shared.heard().last_words = Some(words);
                        break;
                    }
                }
            }
        });
        driver
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, notice: &tokio_postgres::error::DbError) {
        if notice.parsed_severity() != Some(Severity::Warning) {
            return;
        }
        let mut heard = self.heard();
        if heard.warnings.len() < KEPT_WARNINGS {
            heard.warnings.push_back(Notice {
                sqlstate: notice.code().code().to_owned(),
                message: notice.message().to_owned(),
            });
        }
    }

    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    pub(super) fn last_words(&self) -> Option<String> {
        self.heard().last_words.clone()
    }

    pub(super) fn take_warnings(&self) -> Vec<Notice> {
        self.heard().warnings.drain(..).collect()
    }
}
