//! What the engine's tests share: endpoints, options, an observer that remembers.

use std::sync::Arc;

use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::event::{Counters, Event, Observer};
use pghaul::run::{CloneOptions, Outcome, PreparedClone, Stop};
use pghaul_testbed::servers::OURS;
use pghaul_testbed::{Database, Major, Server, clients};

/// Options that find the testbed's `pg_dump`.
pub(crate) fn options() -> CloneOptions {
    CloneOptions { pg_dump: Some(clients().unwrap().pg_dump()), ..CloneOptions::default() }
}

/// One job that commits each table of [`fill`] by itself, and reads each back by itself.
pub(crate) fn one_by_one() -> CloneOptions {
    let jobs = std::num::NonZeroUsize::MIN;
    CloneOptions { jobs, part_size: Some(256 << 10), ..options() }
}

/// A database on the shared server of a major.
pub(crate) fn database(major: Major, hint: &str) -> Database<'static> {
    Database::new(Server::shared(major).unwrap(), hint).unwrap()
}

/// Prepares a clone between two connection strings.
pub(crate) async fn prepare(
    source: &str,
    target: &str,
    options: CloneOptions,
) -> Result<PreparedClone, Error> {
    let source = Endpoint::parse(Side::Source, source)?;
    let target = Endpoint::parse(Side::Target, target)?;
    PreparedClone::new(source, target, options).await
}

/// Clones and waits for the end.
pub(crate) async fn clone(
    source: &str,
    target: &str,
    options: CloneOptions,
) -> Result<Outcome, Error> {
    prepare(source, target, options)
        .await?
        .run(Arc::new(()), Arc::new(Counters::default()), Stop::default())
        .await
}

/// Stops a run after its n-th event, as if the power had gone.
pub(crate) struct StopAfter {
    left: std::sync::atomic::AtomicI64,
    stop: Stop,
    how: How,
}

/// How a run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// After what is in flight.
    Soon,
    /// At once: what is in flight is lost.
    Now,
}

impl Observer for StopAfter {
    fn on_event(&self, _: &Event<'_>) {
        if self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            match self.how {
                How::Soon => self.stop.soon.cancel(),
                How::Now => self.stop.now.cancel(),
            }
        }
    }
}

/// Clones until the n-th event.
pub(crate) async fn clone_until(
    source: &str,
    target: &str,
    options: CloneOptions,
    (events, how): (i64, How),
) -> Result<Outcome, Error> {
    let stop = Stop::default();
    let observer = StopAfter { left: events.into(), stop: stop.clone(), how };
    prepare(source, target, options)
        .await?
        .run(Arc::new(observer), Arc::new(Counters::default()), stop)
        .await
}

/// Calls a test's closure for each event; it may block, as the engine runs on several threads.
pub(crate) struct OnEvent<F>(pub(crate) F);

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for OnEvent<F> {
    fn on_event(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}

/// What a run does that waits for the test, which waits for what the run says: whoever says nothing
/// fails the test instead of keeping all of them waiting.
pub(crate) async fn in_time<T>(run: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(std::time::Duration::from_secs(180), run).await;
    ended.expect("it hangs: for whom the run waits was not told, or not at the end")
}

/// Clones, and calls `strike` with the number of each piece right after it was committed.
pub(crate) async fn clone_while(
    source: &str,
    target: &str,
    options: CloneOptions,
    strike: impl Fn(u64) + Send + Sync + 'static,
) -> Result<Outcome, Error> {
    let pieces = std::sync::atomic::AtomicU64::new(0);
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::PieceCommitted { .. } = event {
            strike(pieces.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1);
        }
    });
    prepare(source, target, options)
        .await?
        .run(Arc::new(observer), Arc::new(Counters::default()), Stop::default())
        .await
}

/// Tables of [`fill`].
pub(crate) const TABLES: usize = 12;

/// Twelve tables of some 200 kB with keys and indexes, a reference, a sequence, a large object.
pub(crate) async fn fill(database: &Database<'_>) {
    let mut sql = String::from("create sequence loose; select lo_from_bytea(4711, 'abc');");
    for table in 1..=TABLES {
        sql.push_str(&format!(
            "create table t{table} (id int primary key, v text, u text);
             insert into t{table} select g, repeat(md5((g * {table})::text), 10), 'u' || g
               from generate_series(1, 500) g;
             create index on t{table} (v); create unique index on t{table} (u);"
        ));
    }
    sql.push_str("alter table t2 add foreign key (id) references t1; analyze");
    database.execute(sql).await.unwrap();
}

/// What is in the tables of [`fill`], by plain SQL.
pub(crate) async fn recount(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let each: Vec<String> = (1..=TABLES)
        .map(|table| {
            format!("select md5(string_agg(t::text, '|' order by id)), count(*) from t{table} t")
        })
        .collect();
    let mut rows = database.query_text(each.join(" union all ")).await.unwrap();
    let object = database.query_text("select md5(lo_get(4711))").await.unwrap();
    rows.extend(object);
    rows
}

/// Waits until the sessions of a run that has ended are gone: before, what they had sent may still be
/// done, and the snapshot that they held is there to go on under.
pub(crate) async fn until_gone(databases: &[&Database<'_>]) {
    for database in databases {
        database.until_left(OURS).await.unwrap();
    }
}

/// Waits until an heir beside the keeper has the locks of so many tables: before, the keeper's death is
/// the snapshot's.
pub(crate) fn until_there_is_an_heir(source: &Database<'_>, tables: usize) {
    let locks = "select count(*) from pg_locks l join pg_stat_activity a on a.pid = l.pid \
                 where a.datname = current_database() and a.application_name like 'pghaul% heir' \
                 and l.granted and l.mode = 'AccessShareLock' and l.relation in \
                 (select oid from pg_class where relnamespace = 'public'::regnamespace)";
    // It is made by the run's own threads, of which this is one.
    tokio::task::block_in_place(|| {
        while source.value(locks).wait().unwrap().unwrap().parse::<usize>().unwrap() < tables {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    });
}

/// Ends the backends of a database whose `application_name` is like this; gives their number.
pub(crate) fn terminate_on(server: &Server, database: &str, like: &str) -> u64 {
    let sql = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity \
         where datname = '{database}' and application_name like '{like}'"
    );
    server.value(sql).wait().unwrap().unwrap().parse().unwrap()
}
