//! COPYs into the server that do not begin, or end before their first row, leave the session in step:
//! each request after them gets its own answer.

use std::pin::pin;

use bytes::Bytes;
use futures::SinkExt;
use pghaul::connect::{Purpose, Session};
use pghaul_testbed::Major;

use super::{connect, value};
use crate::harness::database;

/// Each answer belongs to its question, and an error to what failed.
async fn in_step(session: &Session, why: &str) {
    session.batch("end what is open", "rollback").await.unwrap_or_else(|e| panic!("{why}: {e}"));
    let failed = session.batch("fail", "select 1 / 0").await.unwrap_err();
    assert_eq!(failed.sqlstate(), Some("22012"), "{why}");
    for number in ["1", "2", "3"] {
        let answer = value(session, &format!("select {number}")).await;
        assert_eq!(answer.as_deref(), Some(number), "{why}");
    }
}

const SCHEMA: &str = "
    create table t (a int);
    create table barred (a int);
    create function bar() returns trigger language plpgsql as
      $$ begin raise 'not today' using errcode = 'P0042'; end $$;
    create trigger bar before insert on barred for each statement execute procedure bar();";

#[tokio::test]
async fn a_copy_that_does_not_begin_leaves_the_session_in_step() {
    for major in Major::ALL {
        let database = database(major, "copy_in");
        database.execute(SCHEMA).await.unwrap();
        let session = connect(&database.url(), Purpose::Write).await.unwrap();

        let missing = session.copy_in("copy", "copy public.missing from stdin").await;
        assert_eq!(missing.err().unwrap().sqlstate(), Some("42P01"), "{major}");
        in_step(&session, &format!("a missing table on {major}")).await;

        // The server has agreed to the COPY already, and may have read what came behind it or not.
        for rows in [0, 1, 100_000] {
            let copied = async {
                let mut sink =
                    pin!(session.copy_in("copy", "copy public.barred from stdin").await?);
                let row = Bytes::from_static(b"1\n");
                for _ in 0..rows {
                    sink.feed(row.clone()).await.map_err(|e| session.error("send", &e))?;
                }
                sink.finish().await.map_err(|e| session.error("finish", &e))
            };
            let barred = copied.await.unwrap_err();
            assert_eq!(barred.sqlstate(), Some("P0042"), "{rows} rows on {major}: {barred}");
            in_step(&session, &format!("a trigger before {rows} rows on {major}")).await;
        }

        session.batch("begin", "begin").await.unwrap();
        let mut sink = pin!(session.copy_in("copy", "copy public.t (a) from stdin").await.unwrap());
        sink.feed(Bytes::from_static(b"1\n2\n")).await.unwrap();
        assert_eq!(sink.finish().await.unwrap(), 2, "{major}");
        session.batch("commit", "commit").await.unwrap();
        assert_eq!(value(&session, "select count(*) from public.t").await.as_deref(), Some("2"));
    }
}

#[tokio::test]
async fn a_copy_that_is_let_go_before_it_begins_leaves_the_session_in_step() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let database = database(major, "copy_in_dropped");
        database.execute(SCHEMA).await.unwrap();
        let session = connect(&database.url(), Purpose::Write).await.unwrap();
        for table in ["missing", "barred", "t"] {
            for polls in 1..8 {
                let sql = format!("copy public.{table} from stdin");
                {
                    let mut copying = pin!(session.copy_in("copy", &sql));
                    for _ in 0..polls {
                        if futures::poll!(copying.as_mut()).is_ready() {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                }
                in_step(&session, &format!("{table}, {polls} polls on {major}")).await;
            }
        }
    }
}
