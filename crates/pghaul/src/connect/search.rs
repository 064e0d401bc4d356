//! The search for a server: hosts of a list, addresses of a host, encryptions of an address, in
//! libpq's order (Postgres manual, 34.1.1.3).

use std::sync::Arc;

use super::attempt::{Attempt, Made};
use super::failure::{Cause, Failure, Trouble};
use super::host::{Address, HostEntry};
use super::parameters::WantedSession;
use super::route::{Encryption, Route, within};
use super::session::Session;
use super::socket::Watch;
use super::{Endpoint, Pinned, Purpose};
use crate::error::Error;

/// What is looked for.
pub(super) struct Search<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) purpose: Purpose,
    pub(super) what: &'a str,
}

/// Why nothing was found.
pub(super) enum Missed {
    /// At each address for its reason.
    Failed(Vec<Failure>),
    /// The server is there and not fit for us.
    Refused(Error),
}

impl Search<'_> {
    /// Tries all hosts. `prefer-standby` looks for a standby among all of them first.
    pub(super) async fn first(&self) -> Result<Session, Missed> {
        let wanted = self.endpoint.parameters.session;
        if wanted != WantedSession::PreferStandby {
            return self.among_hosts(wanted).await;
        }
        match self.among_hosts(WantedSession::Standby).await {
            Err(Missed::Failed(failures))
                if failures.iter().any(|f| f.trouble == Trouble::WrongSession) =>
            {
                self.among_hosts(WantedSession::Any).await
            }
            done => done,
        }
    }

    /// Goes to the pinned server, first to the address where it was; its name is looked up again
    /// only if nobody answers there, as after a failover of a managed server.
    pub(super) async fn again(&self, pinned: &Pinned) -> Result<Session, Missed> {
        let mut failures = Vec::new();
        match self
            .at_address(&pinned.entry, &pinned.address, Some(pinned), WantedSession::Any)
            .await?
        {
            Ok(session) => return Ok(session),
            Err(failure) => failures.push(failure),
        }
        if failures.iter().all(|failure| failure.trouble == Trouble::Unreachable) {
            match self.at_host(&pinned.entry, Some(pinned), WantedSession::Any).await {
                Err(Missed::Failed(more)) => failures.extend(more),
                done => return done,
            }
        }
        Err(Missed::Failed(failures))
    }

    async fn among_hosts(&self, wanted: WantedSession) -> Result<Session, Missed> {
        let mut hosts = self.endpoint.parameters.hosts.clone();
        if self.endpoint.parameters.shuffle_hosts {
            shuffle(&mut hosts);
        }
        let mut failures = Vec::new();
        for entry in hosts {
            match Box::pin(self.at_host(&entry, None, wanted)).await {
                Err(Missed::Failed(more)) => failures.extend(more),
                done => return done,
            }
            if failures.last().is_some_and(|last| !last.trouble.tries_next_host()) {
                break;
            }
        }
        Err(Missed::Failed(failures))
    }

    async fn at_host(
        &self,
        entry: &HostEntry,
        pinned: Option<&Pinned>,
        wanted: WantedSession,
    ) -> Result<Session, Missed> {
        let mut addresses = entry.resolve().await.map_err(|error| {
            let place = entry.to_string();
            Missed::Failed(vec![Failure::new(Trouble::Unreachable, &place, Cause::Io(error))])
        })?;
        if self.endpoint.parameters.shuffle_hosts {
            shuffle(&mut addresses);
        }
        let tried_already = pinned.map(|pinned| &pinned.address);
        let mut failures = Vec::new();
        for address in addresses.iter().filter(|address| Some(*address) != tried_already) {
            match self.at_address(entry, address, pinned, wanted).await? {
                Ok(session) => return Ok(session),
                Err(failure) => failures.push(failure),
            }
            if failures.last().is_some_and(|last| !last.trouble.tries_next_host()) {
                break;
            }
        }
        Err(Missed::Failed(failures))
    }

    /// Tries one address with each encryption that `sslmode` allows; the outer error ends the
    /// whole search.
    async fn at_address(
        &self,
        entry: &HostEntry,
        address: &Address,
        pinned: Option<&Pinned>,
        wanted: WantedSession,
    ) -> Result<Result<Session, Failure>, Missed> {
        let parameters = &self.endpoint.parameters;
        let watch = Watch::of(parameters.keepalive, parameters.tcp_user_timeout, self.purpose);
        let mut route = Route {
            entry: entry.clone(),
            address: address.clone(),
            encryption: Encryption::Plain,
            watch,
            parameters: Arc::clone(parameters),
            tls: Arc::clone(&self.endpoint.tls),
        };
        let place = route.place();
        let mut failed: Option<Failure> = None;
        for &encryption in Encryption::attempts(parameters.tls.mode, address) {
            route.encryption = encryption;
            let attempt = Attempt {
                endpoint: self.endpoint,
                route: &mut route,
                known: pinned.map(|pinned| &pinned.identity),
                purpose: self.purpose,
                what: self.what,
                wanted,
            };
            match within(parameters.connect_timeout, &place, Box::pin(attempt.make())).await {
                Ok(Made::Session(session)) => return Ok(Ok(*session)),
                Ok(Made::Refused(error)) => return Err(Missed::Refused(error)),
                Err(failure) => {
                    let other_way_may_do =
                        matches!(failure.trouble, Trouble::Tls | Trouble::Authentication)
                            || matches!(failure.cause, Cause::Handshake(_));
                    // The server had no TLS, so the other way was this one.
                    let was_the_other =
                        encryption == Encryption::Offered && route.encryption == Encryption::Plain;
                    failed = Some(match failed {
                        Some(before) => both_ways(before, failure, encryption),
                        None => failure,
                    });
                    if !other_way_may_do || was_the_other {
                        break;
                    }
                }
            }
        }
        Ok(Err(failed.unwrap_or_else(|| {
            Failure::new(Trouble::Other, &place, Cause::Text("it was not tried".into()))
        })))
    }
}

/// With TLS and without, both failed: the one with TLS tells more, the other is a note.
fn both_ways(before: Failure, after: Failure, last: Encryption) -> Failure {
    let (mut told, plain) = match last {
        Encryption::Plain => (before, after),
        Encryption::Offered | Encryption::Tls => (after, before),
    };
    let without = format!("without TLS: {}", plain.line());
    // Such as that the password file was ignored.
    told.note = Some(match told.note.take() {
        Some(note) => format!("{note}; {without}"),
        None => without,
    });
    told
}

/// Fisher and Yates, with the standard library's random seed.
fn shuffle<T>(items: &mut [T]) {
    use std::hash::{BuildHasher as _, Hasher as _};
    for end in (1..items.len()).rev() {
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let choices = u64::try_from(end).unwrap_or(u64::MAX).saturating_add(1);
        items.swap(end, usize::try_from(random % choices).unwrap_or(end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_with_tls_is_told_beside_what_happened_without() {
        let failed = |note: Option<&str>| Failure {
            note: note.map(str::to_owned),
            ..Failure::new(Trouble::Other, "h:1", Cause::Text("no".into()))
        };
        for (before, after, last) in [
            (failed(Some("file ignored")), failed(None), Encryption::Plain),
            (failed(None), failed(Some("file ignored")), Encryption::Offered),
        ] {
            let told = both_ways(before, after, last);
            assert_eq!(told.note.unwrap(), "file ignored; without TLS: h:1: no");
        }
        let told = both_ways(failed(None), failed(None), Encryption::Plain);
        assert_eq!(told.note.unwrap(), "without TLS: h:1: no");
    }
}
