//! Standbys of every major: they follow, refuse to write, and can be promoted.

use pghaul_testbed::{Database, Major, Options, Server};

#[test]
fn a_standby_follows_and_is_promoted_on_every_major() {
    for major in Major::ALL {
        let primary = Server::start(major, &Options::default()).unwrap();
        let database = Database::new(&primary, "followed").unwrap();
        database.execute("create table t as select generate_series(1, 10000) i").wait().unwrap();
        let standby = primary.standby().unwrap();
        database.execute("insert into t values (0)").wait().unwrap();
        standby.catch_up_with(&primary).unwrap();
        let session = standby.connect(database.name()).wait().unwrap();
        let count = "select count(*) from t";
        assert_eq!(session.value(count).wait().unwrap().unwrap(), "10001", "{major}");
        let error = session.execute("delete from t").wait().unwrap_err();
        assert_eq!(error.sqlstate(), Some("25006"), "{major}: {error}");
        let identifier = "select system_identifier from pg_control_system()";
        assert_eq!(
            standby.value(identifier).wait().unwrap(),
            primary.value(identifier).wait().unwrap()
        );

        primary.crash().unwrap();
        standby.promote().unwrap();
        session.execute("delete from t where i = 0").wait().unwrap();
        assert_eq!(session.value(count).wait().unwrap().unwrap(), "10000", "{major}");
    }
}

#[test]
fn a_standby_starts_while_its_primary_is_written_to() {
    let primary = Server::start(Major::V18, &Options::default()).unwrap();
    let database = Database::new(&primary, "busy").unwrap();
    database.execute("create table t (i int, filler text)").wait().unwrap();
    let writer = database.connect().wait().unwrap();
    let standby = std::thread::scope(|scope| {
        let standby = scope.spawn(|| primary.standby());
        let mut rounds = 0;
        while !standby.is_finished() {
            rounds += 1;
            let sql = format!(
                "insert into t select {rounds}, repeat('x', 500) from generate_series(1, 1000); checkpoint"
            );
            writer.execute(sql).wait().unwrap();
        }
        standby.join().unwrap().unwrap()
    });
    standby.catch_up_with(&primary).unwrap();
    let sum = "select count(*), sum(i), sum(length(filler)) from t";
    let there = standby.connect(database.name()).wait().unwrap().query_text(sum).wait();
    assert_eq!(there.unwrap(), database.query_text(sum).wait().unwrap());
}
