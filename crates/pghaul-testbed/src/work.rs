//! The testbed's own runtime, so that the same calls serve tests with and without `async`.
//!
//! Invariant: nothing here depends on the caller's runtime; a test that blocks its only thread
//! still gets its answers.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Doing, Error, Result};

fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("pghaul-testbed")
                .enable_all()
                .build()
                .doing(|| "cannot start the testbed's runtime".to_owned())
        })
        .as_ref()
        .map_err(Clone::clone)
}

/// Starts `work` at once.
pub(crate) fn begin<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Answer<T> {
    Answer(runtime().map(|runtime| runtime.spawn(work)).map_err(Some))
}

/// The answer to something that has already begun: `.await` it, or `.wait()` where there is no
/// `async`. Dropping it does not stop the work.
#[must_use = "an answer that nobody looks at hides its error"]
pub struct Answer<T>(std::result::Result<JoinHandle<Result<T>>, Option<Error>>);

impl<T> Answer<T> {
    /// Blocks this thread until the answer is there, also within a runtime.
    pub fn wait(self) -> Result<T> {
        // A task that has had its share of polls would never be told (`tokio::task::coop`).
        futures::executor::block_on(tokio::task::coop::unconstrained(self))
    }

    /// Lets the work end by itself; its error, if any, is lost.
    pub fn forget(self) {}
}

impl<T> Future for Answer<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(task) => Pin::new(task).poll(context).map(|joined| match joined {
                Ok(result) => result,
                Err(cause) => Err(Error::new("the testbed's task failed").caused_by(&cause)),
            }),
            Err(error) => Poll::Ready(Err(error
                .take()
                .unwrap_or_else(|| Error::new("an answer was asked for twice")))),
        }
    }
}
