//! Child programs reach the pinned server, with the password in nobody's sight.

use pghaul::connect::{Endpoint, Environment, Purpose, Side};
use pghaul_testbed::{Database, Major, Role, Server, clients};
use tokio::process::Command;

use super::{bare, endpoint};

fn psql(sql: &str) -> Command {
    let mut command = Command::new(clients().unwrap().psql());
    command.args(["-X", "-w", "-A", "-t", "-c", sql]);
    // What must not get through.
    command.env("PGHOST", "/nonexistent").env("PGSERVICE", "absent").env("PGPASSWORD", "wrong");
    command.env("PGSSLMODE", "verify-full").env("PGOPTIONS", "-c work_mem=64kB");
    command
}

async fn output(mut command: Command) -> String {
    let output = command.output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn a_child_reaches_the_same_database_as_the_same_role() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        let base = Database::new(server, "it's \"Ünï/?%:\" @ child ").unwrap();
        let role = Role::create(server, "child", "").unwrap();
        let endpoint = endpoint(&format!("{}?options=-c%20work_mem%3D2MB", base.url_as(&role)));
        let endpoint = endpoint.for_run("r1");
        let environment = endpoint.child_environment("pg_dump").await.unwrap();
        assert!(!format!("{environment:?}").contains(&role.password));
        let mut command = psql(
            "select current_database(), current_user, current_setting('application_name'), \
             current_setting('work_mem'), inet_server_port()",
        );
        environment.apply(&mut command);
        let variables: Vec<_> = command.as_std().get_envs().collect();
        let password = std::ffi::OsStr::new(&role.password);
        assert!(variables.iter().all(|(_, value)| *value != Some(password)));
        let expected =
            format!("{}|{}|pghaul r1 pg_dump|2MB|{}", base.name(), role.name, server.port());
        assert_eq!(output(command).await, expected);
    }
}

#[tokio::test]
async fn the_password_file_is_private_and_goes_with_the_value() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::shared(Major::NEWEST).unwrap();
    let endpoint = endpoint(&server.url("postgres"));
    let environment = endpoint.child_environment("t").await.unwrap();
    let mut command = Command::new("true");
    environment.apply(&mut command);
    let file = command
        .as_std()
        .get_envs()
        .find_map(|(name, value)| (name == "PGPASSFILE").then_some(value))
        .flatten()
        .map(std::path::PathBuf::from)
        .unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    drop(environment);
    assert!(!file.exists());
}

#[tokio::test]
async fn sockets_host_lists_and_password_files_lead_to_the_same_place() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let folder = server.socket_dir().to_str().unwrap();
    let socket = format!("host=/nonexistent,{folder} port={} user=postgres", server.port());
    let endpoint = Endpoint::parse_in(Side::Target, &socket, &bare()).unwrap();
    endpoint.connect(Purpose::Write, "t").await.unwrap();
    let mut command = psql("select inet_server_addr() is null");
    let environment = endpoint.child_environment("t").await.unwrap();
    environment.apply(&mut command);
    assert_eq!(output(command).await, "t");

    let role = Role::create(server, "child", "").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let password = role.password.replace('\\', "\\\\").replace(':', "\\:");
    std::fs::write(file.path(), format!("*:*:*:*:{password}\n")).unwrap();
    let variables = [("PGPASSFILE", file.path().to_str().unwrap())];
    let given = Environment::given(variables, None);
    let url = format!("postgresql://{}@localhost:{}/postgres", role.name, server.port());
    let endpoint = Endpoint::parse_in(Side::Target, &url, &given).unwrap();
    let mut command = psql("select current_user");
    let environment = endpoint.child_environment("t").await.unwrap();
    environment.apply(&mut command);
    assert_eq!(output(command).await, role.name);
}
