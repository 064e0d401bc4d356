//! Servers of the tests, started by hand: `cargo run -p pghaul-testbed -- up 9.6 18`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers")]

use std::process::ExitCode;

use pghaul_testbed::{Error, Major, Options, Result, Server, clients, images};

const USAGE: &str = "\
usage: pghaul-testbed up [MAJOR...]     start servers, print their URLs, end them on Ctrl-C
       pghaul-testbed fetch [MAJOR...]  fetch the server and client programs into the cache
       pghaul-testbed images [MAJOR...] build container images of the servers, print their pattern
MAJOR is 9.6 or 10 to 18; all of them if none is given.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let majors = arguments.map(|major| major.parse()).collect::<Result<Vec<Major>>>();
    let done = match (verb.as_str(), majors) {
        ("up" | "fetch" | "images", Err(error)) => Err(error),
        ("up", Ok(majors)) => up(&or_all(majors)).await,
        ("fetch", Ok(majors)) => fetch(&or_all(majors)),
        ("images", Ok(majors)) => build_images(&or_all(majors)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn or_all(majors: Vec<Major>) -> Vec<Major> {
    if majors.is_empty() { Major::ALL.to_vec() } else { majors }
}

async fn up(majors: &[Major]) -> Result<()> {
    let mut servers = Vec::new();
    for major in majors {
        let server = Server::start(*major, &Options::default())?;
        println!("{major:<4} {}", server.url("postgres"));
        servers.push(server);
    }
    println!("The servers end with this program: press Ctrl-C.");
    tokio::signal::ctrl_c()
        .await
        .map_err(|cause| Error::new("cannot wait for Ctrl-C").caused_by(&cause))
}

fn fetch(majors: &[Major]) -> Result<()> {
    for major in majors {
        let server = Server::start(*major, &Options::default())?;
        println!("Postgres {} works", server.version());
    }
    let clients = clients()?;
    println!("the client programs {} are in {}", clients.version, clients.bin.display());
    Ok(())
}

fn build_images(majors: &[Major]) -> Result<()> {
    for major in majors {
        images::build_server(*major)?;
    }
    println!("{}", images::PATTERN);
    Ok(())
}
