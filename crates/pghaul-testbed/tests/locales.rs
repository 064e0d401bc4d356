//! Text order: linguistic, plain, and changed under a server's feet.

use pghaul_testbed::{CreateOptions, Database, Major, Options, Server, locales};

const ORDER: &str = "select string_agg(w, ' ' order by w) \
                     from (values ('B'), ('a'), ('_b'), ('A-c'), ('ab')) t(w)";

#[test]
fn a_linguistic_locale_sorts_otherwise_than_c_on_every_major() {
    let linguistic = locales().unwrap().linguistic().unwrap();
    for major in Major::ALL {
        let server = Server::shared(major).unwrap();
        let plain = Database::new(server, "plain").unwrap();
        assert_eq!(plain.value(ORDER).wait().unwrap().unwrap(), "A-c B _b a ab", "{major}");
        let options = CreateOptions { locale: Some(linguistic.to_owned()), ..Default::default() };
        let database = Database::create(server, "linguistic", &options).unwrap();
        assert_eq!(database.value(ORDER).wait().unwrap().unwrap(), "a ab A-c _b B", "{major}");
    }
}

#[test]
fn every_locale_named_can_be_had() {
    let server = Server::shared(Major::V18).unwrap();
    for name in locales().unwrap().names() {
        // A database, whose encoding must fit; C and POSIX fit all.
        let options = CreateOptions { locale: Some(name.to_owned()), ..Default::default() };
        Database::create(server, "of", &options).unwrap();
    }
    assert!(locales().unwrap().has("de_DE.UTF-8"));
    assert!(!locales().unwrap().has("tlh_QO.UTF-8"));
}

/// Recipe R5: an upgrade of the operating system lets duplicates into a unique index.
#[test]
fn the_same_data_under_a_changed_locale_takes_duplicates() {
    let locales = locales().unwrap();
    let linguistic = locales.linguistic().unwrap();
    for major in [Major::OLDEST, Major::V10, Major::NEWEST] {
        let server = Server::start(major, &Options::default()).unwrap();
        let options = CreateOptions { locale: Some(linguistic.to_owned()), ..Default::default() };
        let database = Database::create(&server, "upgraded", &options).unwrap();
        let fill = "create table t (i serial, email text not null unique);
            insert into t (email)
            select (array['User', 'user', 'u-ser', '_user'])[1 + g % 4] || g
            from generate_series(1, 2000) g";
        database.execute(fill).wait().unwrap();
        server.stop_fast().unwrap();
        server.start_again_with_locpath(&locales.changed().unwrap()).unwrap();
        database
            .execute("insert into t (email) select email from t on conflict do nothing")
            .wait()
            .unwrap();
        // By heap: the index itself is wrong now.
        let twins = "set enable_indexscan = off; set enable_indexonlyscan = off;
            set enable_bitmapscan = off;
            select count(*) from (select email from t group by email having count(*) > 1) d";
        let twins: u32 = database.value(twins).wait().unwrap().unwrap().parse().unwrap();
        assert!(twins > 1000, "{major}: {twins} duplicates");
    }
}
