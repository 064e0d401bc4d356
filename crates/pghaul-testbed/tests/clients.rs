//! The client programs that tests of dumps need.

use std::process::Command;

use pghaul_testbed::{Database, Major, Server, clients};

#[test]
fn the_client_programs_work_with_the_oldest_and_the_newest_server() {
    let clients = clients().unwrap();
    for major in [Major::OLDEST, Major::NEWEST] {
        let database = Database::new(Server::shared(major).unwrap(), "dümp").unwrap();
        database.execute("create table seen (i int)").wait().unwrap();
        let dump = Command::new(clients.pg_dump()).arg(database.url()).output().unwrap();
        let text = String::from_utf8(dump.stdout).unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        assert!(text.contains("CREATE TABLE public.seen"), "{text}");
        let psql = Command::new("psql")
            .env("PATH", clients.path_variable())
            .args(["-XAtc", "select 42", &database.url()])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&psql.stdout), "42\n");
    }
}
