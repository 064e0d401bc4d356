//! Servers and workers in containers, for faults that need hosts: a host that is frozen, one that
//! the network forgets, a disk that is full.
//!
//! Servers are `postgres:<version>`, or what `PGHAUL_TEST_IMAGE` says: `{major}` in it stands for
//! 9.6 or 10 to 18. Where that is [`images::PATTERN`], they are built first, from the testbed's own
//! binaries: no registry is asked.
//! The test's own process reaches containers by their addresses, so this needs Docker on Linux, on
//! this machine.
//!
//! Invariants: each test has a network of its own; a server keeps its address, whatever is stopped,
//! cut off or started again; all of it goes with the test.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use testcontainers::core::Mount;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use tokio_postgres::Config;

use crate::error::{Doing, Error, Result};
use crate::images::{self, docker};
use crate::servers::{Major, Rows, session};
use crate::work::{self, Answer};

const PASSWORD: &str = "container";

/// Where a small disk is mounted. No image has such a folder, whose mode the mount would take over.
const DISK: &str = "/disk";

/// Where a small disk for WAL is mounted.
const WAL_DISK: &str = "/wal-disk";

/// A network of hosts that only this machine reaches.
pub struct Network {
    name: String,
    /// The first three numbers of all addresses.
    prefix: String,
    hosts: AtomicU8,
}

impl Network {
    /// Makes one.
    pub fn new() -> Result<Arc<Self>> {
        let name = format!(
            "pghaul-test-{}-{}",
            std::process::id(),
            NETWORKS.fetch_add(1, Ordering::Relaxed)
        );
        let mut refused = None;
        for third in 0..=u8::MAX {
            // Spread, so that tests that begin together seldom ask for the same one.
            let [first, second, ..] = std::process::id().to_le_bytes();
            let third = third.wrapping_add(first ^ second);
            let prefix = format!("10.213.{third}");
            if is_routed(third) {
                continue;
            }
            let subnet = format!("{prefix}.0/24");
            match docker(&["network", "create", "--subnet", &subnet, &name]) {
                Ok(_) => return Ok(Arc::new(Self { name, prefix, hosts: AtomicU8::new(10) })),
                Err(error) if error.to_string().contains("overlap") => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| Error::new("no network for containers")))
    }

    /// An address that nobody has yet.
    fn address(&self) -> String {
        format!("{}.{}", self.prefix, self.hosts.fetch_add(1, Ordering::Relaxed))
    }
}

/// Whether this machine has a way to that network already: an engine that was killed leaves its bridges
/// behind, and no other knows of them. As `/proc/net/route` has it, the address's bytes are reversed.
fn is_routed(third: u8) -> bool {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let address = format!("00{third:02X}D50A");
    routes.lines().any(|line| line.split_whitespace().nth(1) == Some(address.as_str()))
}

static NETWORKS: AtomicU8 = AtomicU8::new(0);

impl Drop for Network {
    fn drop(&mut self) {
        let _ = docker(&["network", "rm", &self.name]);
    }
}

/// A container on a network.
pub struct Host {
    container: ContainerAsync<GenericImage>,
    network: Arc<Network>,
    /// A fixed one, if it has that.
    address: Option<String>,
}

impl Host {
    async fn start(
        network: &Arc<Network>,
        request: ContainerRequest<GenericImage>,
    ) -> Result<Self> {
        let request = request.with_network(&network.name);
        // On the testbed's own threads: the client is shared by all tests, and its connections
        // would end with the runtime of the test that happened to open them.
        let container = work::begin(async move {
            request.start().await.doing(|| "cannot start a container".to_owned())
        })
        .await?;
        Ok(Self { container, network: Arc::clone(network), address: None })
    }

    /// Freezes all of its processes; its kernel goes on to answer for them.
    pub fn pause(&self) -> Result<()> {
        docker(&["pause", self.container.id()]).map(drop)
    }

    /// Lets them go on.
    pub fn unpause(&self) -> Result<()> {
        docker(&["unpause", self.container.id()]).map(drop)
    }

    /// SIGKILL to all of its processes.
    pub fn kill(&self) -> Result<()> {
        docker(&["kill", self.container.id()]).map(drop)
    }

    /// Starts it again.
    pub fn start_again(&self) -> Result<()> {
        docker(&["start", self.container.id()]).map(drop)
    }

    /// Takes its cable out: whatever is sent to it or by it is lost without a word.
    pub fn cut_off(&self) -> Result<()> {
        docker(&["network", "disconnect", &self.network.name, self.container.id()]).map(drop)
    }

    /// Puts the cable back; a server gets the same address.
    pub fn connect(&self) -> Result<()> {
        let mut arguments = vec!["network", "connect"];
        arguments.extend(self.address.iter().flat_map(|address| ["--ip", address]));
        arguments.extend([self.network.name.as_str(), self.container.id()]);
        docker(&arguments).map(drop)
    }

    /// All that it has printed, on stdout and stderr.
    pub async fn output(&self) -> Result<(String, String)> {
        let doing = || "cannot read what a container printed".to_owned();
        let stdout = self.container.stdout_to_vec().await.doing(doing)?;
        let stderr = self.container.stderr_to_vec().await.doing(doing)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((text(stdout), text(stderr)))
    }

    /// Waits for its end and gives the exit code.
    pub fn wait(&self) -> Result<String> {
        docker(&["wait", self.container.id()])
    }
}

/// A Postgres server in a container.
pub struct Server {
    host: Host,
    address: String,
    major: Major,
    wal_disk: Option<WalDisk>,
}

/// A small disk that outlives the server that uses it, as a container of its own keeps it mounted.
struct WalDisk {
    volume: String,
    holder: String,
}

impl WalDisk {
    fn new(image: &str, bytes: u64, taken: u64) -> Result<Self> {
        static VOLUMES: AtomicU8 = AtomicU8::new(0);
        let number = VOLUMES.fetch_add(1, Ordering::Relaxed);
        let volume = format!("pghaul-test-{}-{number}", std::process::id());
        let options = format!("o=size={bytes},mode=1777");
        docker(&[
            "volume",
            "create",
            "--opt",
            "type=tmpfs",
            "--opt",
            "device=tmpfs",
            "--opt",
            &options,
            &volume,
        ])?;
        let mut disk = Self { volume, holder: String::new() };
        let mount = format!("{}:{WAL_DISK}", disk.volume);
        // Waits for a line that never comes.
        disk.holder = docker(&[
            "run",
            "--detach",
            "--interactive",
            "--volume",
            &mount,
            "--entrypoint",
            "/bin/sh",
            image,
            "-c",
            "read line",
        ])?;
        let ballast = format!(
            "left={}; while [ $left -gt 0 ]; do printf %01048576d 0; left=$((left - 1)); done \
             > {WAL_DISK}/ballast",
            taken >> 20
        );
        disk.run(&ballast)?;
        Ok(disk)
    }

    fn run(&self, script: &str) -> Result<()> {
        docker(&["exec", &self.holder, "/bin/sh", "-c", script]).map(drop)
    }
}

impl Drop for WalDisk {
    fn drop(&mut self) {
        let _ = docker(&["rm", "--force", &self.holder]);
        let _ = docker(&["volume", "rm", "--force", &self.volume]);
    }
}

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    settings: Vec<(String, String)>,
    disk: Option<i64>,
    /// Its size, and how much of it something else takes.
    wal_disk: Option<(u64, u64)>,
}

impl Setup {
    /// A setting (Postgres manual, chapter 19).
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A data volume of so many bytes, in memory.
    #[must_use]
    pub fn disk(mut self, bytes: i64) -> Self {
        self.disk = Some(bytes);
        self
    }

    /// A volume for WAL of so many bytes, in memory, of which something else takes `taken` until
    /// [`Server::make_room_for_wal`].
    #[must_use]
    pub fn wal_disk(mut self, bytes: u64, taken: u64) -> Self {
        self.wal_disk = Some((bytes, taken));
        self
    }
}

impl Server {
    /// Starts a server and waits until it answers.
    pub async fn start(network: &Arc<Network>, major: Major, setup: &Setup) -> Result<Self> {
        let (name, tag) = image(major)?;
        let mut arguments = vec!["postgres".to_owned()];
        let quick = [("fsync", "off"), ("max_connections", "60")];
        let given = setup.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in quick.into_iter().chain(given) {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let wal_disk = match setup.wal_disk {
            Some((bytes, taken)) => Some(WalDisk::new(&format!("{name}:{tag}"), bytes, taken)?),
            None => None,
        };
        // Elsewhere than the data: a server whose WAL has no room ends (Postgres manual, 28.5), and
        // a full disk is to be met where rows are written.
        let wal = if wal_disk.is_some() { WAL_DISK } else { "/tmp" };
        let mut request = GenericImage::new(name, tag)
            .with_env_var("POSTGRES_PASSWORD", PASSWORD)
            .with_env_var(
                "PGDATA",
                format!("{}/data", if setup.disk.is_some() { DISK } else { "/pgdata" }),
            )
            .with_env_var("POSTGRES_INITDB_WALDIR", format!("{wal}/wal"))
            .with_cmd(arguments);
        if let Some(bytes) = setup.disk {
            let mount = Mount::tmpfs_mount(DISK).with_size_bytes(bytes).with_mode(0o1777);
            request = request.with_mount(mount);
        }
        if let Some(disk) = &wal_disk {
            request = request.with_mount(Mount::volume_mount(&disk.volume, WAL_DISK));
        }
        // The engine gives an address of its own choice, which would be another after a restart.
        let mut host = Host::start(network, request).await?;
        let address = network.address();
        host.address = Some(address.clone());
        host.cut_off()?;
        host.connect()?;
        let server = Self { host, address, major, wal_disk };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Takes away what takes the room of a small disk for WAL, whether the server runs or not.
    pub fn make_room_for_wal(&self) -> Result<()> {
        let disk = self.wal_disk.as_ref();
        let disk = disk.ok_or_else(|| Error::new("this server has no small disk for WAL"))?;
        disk.run(&format!(": > {WAL_DISK}/ballast"))
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The major version.
    pub fn major(&self) -> Major {
        self.major
    }

    /// The URL of a database for the superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres:{PASSWORD}@{}:5432/{database}", self.address)
    }

    /// Waits until the server takes connections.
    pub fn wait_until_ready(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.value("postgres", "select 1").wait() {
                Ok(_) => return Ok(()),
                Err(error) if begun.elapsed() > Duration::from_secs(90) => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// Runs statements on a connection of their own.
    pub fn execute(&self, database: &str, sql: impl Into<String>) -> Answer<()> {
        session::execute_once(self.config(database), sql.into())
    }

    /// Runs statements on a connection of their own and gives all their rows.
    pub fn query_text(&self, database: &str, sql: impl Into<String>) -> Answer<Rows> {
        session::query_once(self.config(database), sql.into())
    }

    /// The one value of a query on a connection of its own.
    pub fn value(&self, database: &str, sql: impl Into<String>) -> Answer<Option<String>> {
        session::value_once(self.config(database), sql.into())
    }

    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host(&self.address)
            .user("postgres")
            .password(PASSWORD)
            .dbname(database)
            .connect_timeout(Duration::from_secs(5));
        config
    }
}

/// Starts a program of an image that [`images::build_programs`](crate::images::build_programs)
/// made.
pub async fn program(
    network: &Arc<Network>,
    image: &str,
    command: &[&str],
    environment: &[(&str, &str)],
) -> Result<Host> {
    let (name, tag) = image.split_once(':').unwrap_or((image, "latest"));
    let mut request = GenericImage::new(name, tag).with_cmd(command.iter().copied());
    for (name, value) in environment {
        request = request.with_env_var(*name, *value);
    }
    Host::start(network, request).await
}

/// Name and tag of a major's image, which is built first if it is one of ours.
fn image(major: Major) -> Result<(String, String)> {
    static BUILT: [OnceLock<Result<String>>; Major::ALL.len()] =
        [const { OnceLock::new() }; Major::ALL.len()];
    let pattern = std::env::var("PGHAUL_TEST_IMAGE")
        .ok()
        .filter(|pattern| !pattern.is_empty())
        .unwrap_or_else(|| "postgres:{major}".to_owned());
    if pattern == images::PATTERN {
        BUILT[major.index()]
            .get_or_init(|| images::build_server(major))
            .as_ref()
            .map_err(Clone::clone)?;
    }
    let image = pattern.replace("{major}", &major.to_string());
    Ok(match image.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
        _ => (image, "latest".to_owned()),
    })
}
