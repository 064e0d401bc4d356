//! Two servers on a network, the old one with data.

use std::sync::Arc;

use pghaul_testbed::containers::{Network, Server, Setup};
use pghaul_testbed::servers::Rows;
use pghaul_testbed::{Major, clients};

use crate::command::{Output, Pghaul, pghaul};

/// Tables that [`Pair::new`] fills.
const TABLES: usize = 8;

/// A source and a target. The servers go before their network.
pub(crate) struct Pair {
    pub(crate) source: Server,
    pub(crate) target: Server,
    pub(crate) network: Arc<Network>,
}

impl Pair {
    /// An old server with some 20 MB in eight tables, and a new one without.
    pub(crate) async fn new(from: Major, target: &Setup) -> Self {
        let network = Network::new().unwrap();
        let quiet = Setup::default().set("autovacuum", "off");
        let source = Server::start(&network, from, &quiet).await.unwrap();
        let target = Server::start(&network, Major::NEWEST, target).await.unwrap();
        for server in [&source, &target] {
            server.execute("postgres", "create database app").await.unwrap();
        }
        let mut sql = String::from("create sequence loose; select nextval('loose');");
        for table in 1..=TABLES {
            sql.push_str(&format!(
                "create table t{table} (id int primary key, v text, u text);
                 insert into t{table} select g, repeat(md5((g * {table})::text), 10), 'u' || g
                   from generate_series(1, 6000) g;
                 create index on t{table} (v); create unique index on t{table} (u);"
            ));
        }
        sql.push_str("alter table t2 add foreign key (id) references t1; analyze");
        source.execute("app", sql).await.unwrap();
        Self { source, target, network }
    }

    /// A command of `pghaul` between the two, some ten seconds long because of its rate.
    pub(crate) fn command(&self, arguments: &[&str]) -> Pghaul {
        pghaul(arguments)
            .arg("--pg-dump")
            .arg(clients().unwrap().pg_dump())
            .args(&["--progress", "json", "--max-rate", "2MB"])
            .source(&format!("{}?{SOON}", self.source.url("app")))
            .target(&format!("{}?{SOON}", self.target.url("app")))
    }

    /// Whether everything arrived, by plain SQL on both sides.
    pub(crate) async fn assert_arrived(&self, output: &Output) {
        assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
        assert_eq!(recount(&self.source).await, recount(&self.target).await);
        let left = "select count(*) from pg_index where not indisvalid";
        assert_eq!(self.target.value("app", left).await.unwrap().as_deref(), Some("0"));
    }
}

/// A dead host is noticed within 20 s, which the user may ask for; else it would take 40 s.
const SOON: &str = "tcp_user_timeout=20000&connect_timeout=5";

async fn recount(server: &Server) -> Rows {
    let tables: Vec<String> = (1..=TABLES)
        .map(|table| {
            format!(
                "select 't{table}', md5(string_agg(t::text, '|' order by id)), count(*)::text, \
                 (select count(*)::text from pg_indexes where tablename = 't{table}') from t{table} t"
            )
        })
        .collect();
    let mut rows = server.query_text("app", tables.join(" union all ")).await.unwrap();
    rows.sort();
    let others = "select last_value::text, (select count(*)::text from pg_constraint \
                  where contype in ('p', 'f') and connamespace = 'public'::regnamespace) from loose";
    rows.extend(server.query_text("app", others).await.unwrap());
    rows
}
