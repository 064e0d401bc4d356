//! Postgres servers of any major, started for tests and ended with them.
//!
//! Invariants: a server listens on 127.0.0.1 with passwords (SCRAM, md5 on 9.6) and on a socket
//! in a folder that only its user enters; each has a system identifier of its own; all it writes
//! is in one temporary folder that goes away with it.

mod binaries;
mod database;
mod major;
mod options;
mod postmaster;
mod process;
pub(crate) mod session;
mod standby;
mod template;
mod tls;
mod watchdog;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;
use tokio_postgres::Config;

pub use database::{CreateOptions, Database, Role, quote_identifier, quote_literal};
pub use major::Major;
pub use options::Options;
pub use session::{APPLICATION_NAME, OURS, Rows, Session};
pub use tls::{Authority, Certificate};

use crate::account::Account;
use crate::error::{Doing, Error, Result};
use crate::locales::locales;
use crate::work::Answer;
pub(crate) use binaries::fetched_folder;

use binaries::Binaries;
use postmaster::{End, Postmaster, TO_DIE, TO_SHUT_DOWN};
use process::Process;
use template::{SUPERUSER, Template};
use watchdog::Watchdog;

/// A server. Dropping it ends it and removes its data.
pub struct Server {
    major: Major,
    binaries: &'static Binaries,
    folder: PathBuf,
    port: u16,
    password: String,
    names: AtomicU32,
    state: Mutex<State>,
    /// Last, so that it is dropped after the rest.
    watchdog: Mutex<Watchdog>,
}

#[derive(Default)]
struct State {
    postmaster: Option<Postmaster>,
    settings: BTreeMap<String, String>,
    locpath: Option<PathBuf>,
}

impl Server {
    /// The server of this major that all tests of this process share, started when it is first
    /// asked for. Do not stop it or change its settings: take a server of your own for that.
    ///
    /// Autovacuum is off: when it comes is nobody's to say, and it changes sizes, pages, plans and
    /// counters, takes transaction ids and stands in the way of locks.
    pub fn shared(major: Major) -> Result<&'static Self> {
        static SHARED: [OnceLock<Result<Server>>; Major::ALL.len()] =
            [const { OnceLock::new() }; Major::ALL.len()];
        SHARED[major.index()]
            .get_or_init(|| Self::start(major, &Options::new().set("autovacuum", "off")))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Starts a server of one's own and waits until it answers.
    pub fn start(major: Major, options: &Options) -> Result<Self> {
        let binaries = Binaries::of(major)?;
        let locpath = match &options.locpath {
            Some(folder) => Some(folder.clone()),
            None => locales()?.folder().map(Path::to_owned),
        };
        let template = Template::of(major, binaries, options, locpath.as_deref())?;
        let mut server = Self::in_new_folder(major, template.password.clone())?;
        template.copy_to(&server.data_dir())?;
        *server.state() = State { postmaster: None, settings: options.settings.clone(), locpath };
        server.write_files(options)?;
        server.find_port_and_start()?;
        Ok(server)
    }

    /// A server without data yet, but guarded.
    fn in_new_folder(major: Major, password: String) -> Result<Self> {
        let folder = new_folder()?;
        Ok(Self {
            major,
            binaries: Binaries::of(major)?,
            port: 0,
            password,
            names: AtomicU32::new(0),
            state: Mutex::default(),
            watchdog: Mutex::new(Watchdog::of(&folder)?),
            folder,
        })
    }

    /// The major version.
    pub fn major(&self) -> Major {
        self.major
    }

    /// The version as the server says it: "9.6.24", "18.6".
    pub fn version(&self) -> &str {
        &self.binaries.version
    }

    /// The port, on 127.0.0.1 and of the socket. It stays the same when the server is started
    /// again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the socket: the value of `host` for connections that need no password.
    pub fn socket_dir(&self) -> &Path {
        &self.folder
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The superuser's name: `postgres`.
    pub fn superuser(&self) -> &str {
        SUPERUSER
    }

    /// The superuser's password. It holds characters that need escaping everywhere.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The URL of a database for the superuser `postgres`, over TCP.
    pub fn url(&self, database: &str) -> String {
        self.url_as(database, SUPERUSER, &self.password)
    }

    /// The URL of a database for a user, over TCP. Nothing given here is escaped yet.
    pub fn url_as(&self, database: &str, user: &str, password: &str) -> String {
        url("127.0.0.1", self.port, database, user, password)
    }

    /// A name that no other database or role of this server has, made from `hint`. Postgres
    /// cuts names at 63 bytes, so the hint is cut before.
    pub fn unique_name(&self, hint: &str) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let end = hint.floor_char_boundary(50);
        format!("{}_{number}", &hint[..end])
    }

    /// A held connection of the superuser to a database.
    pub fn connect(&self, database: &str) -> Answer<Session> {
        Session::connect(self.config(database))
    }

    /// Runs statements on the database `postgres`, on a connection of their own.
    pub fn execute(&self, sql: impl Into<String>) -> Answer<()> {
        session::execute_once(self.config("postgres"), sql.into())
    }

    /// Runs statements on the database `postgres` and gives all their rows.
    pub fn query_text(&self, sql: impl Into<String>) -> Answer<Rows> {
        session::query_once(self.config("postgres"), sql.into())
    }

    /// The one value of a query on the database `postgres`.
    pub fn value(&self, sql: impl Into<String>) -> Answer<Option<String>> {
        session::value_once(self.config("postgres"), sql.into())
    }

    /// Waits until the server has ended the sessions of a database whose `application_name` matches
    /// this regular expression: a process that is gone may have some there for a while, with their
    /// transactions, locks and snapshots.
    pub fn until_left(&self, database: &str, application: &str) -> Answer<()> {
        let sql = format!(
            "select count(*) from pg_stat_activity \
             where datname = {} and application_name ~ {}",
            quote_literal(database),
            quote_literal(application)
        );
        let what = format!("no session `{application}` in database {database}");
        session::until_value(self.config("postgres"), sql, "0", what)
    }

    /// All that the server has written to its log so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Makes an empty folder that the server can write to, for a tablespace or an archive.
    pub fn new_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder).doing(|| format!("cannot make {}", folder.display()))?;
        template::restrict(&folder)?;
        Account::current()?.own(&folder)?;
        Ok(folder)
    }

    /// Whether the server's main process runs.
    pub fn is_running(&self) -> bool {
        let mut state = self.state();
        state.postmaster.as_mut().is_some_and(|postmaster| postmaster.ended().is_none())
    }

    /// Fast shutdown: ends all sessions, writes a checkpoint (Postgres manual, 18.5). A server that
    /// has not done so within a minute is killed, which is an error.
    pub fn stop_fast(&self) -> Result<()> {
        match self.end(Signal::INT, TO_SHUT_DOWN)? {
            End::ByItself => Ok(()),
            End::Killed(processes) => {
                let what = format!("Postgres {} did not shut down in a minute", self.major);
                Err(Error::new(what).explained(format!("it was killed with {}", list(&processes))))
            }
        }
    }

    /// Immediate shutdown, as if the server had crashed: the next start recovers from WAL. A server
    /// that is still there after 20 s is killed with all its processes, and its log says so.
    pub fn crash(&self) -> Result<()> {
        match self.end(Signal::QUIT, TO_DIE)? {
            End::ByItself => Ok(()),
            End::Killed(processes) => self.note(&format!(
                "the testbed killed the server, which had not ended, and {}",
                list(&processes)
            )),
        }
    }

    /// Kills one backend with SIGKILL. The server then ends all others and recovers by itself.
    pub fn kill_backend(&self, pid: u32) -> Result<()> {
        postmaster::signal_process(pid, Signal::KILL)
    }

    /// Starts the stopped server again, on the same port.
    pub fn start_again(&self) -> Result<()> {
        let mut state = self.state();
        if state.postmaster.as_mut().is_some_and(|postmaster| postmaster.ended().is_none()) {
            return Err(Error::new(format!("Postgres {} is running already", self.major)));
        }
        self.launch(&mut state)
    }

    /// Fast shutdown and start.
    pub fn restart(&self) -> Result<()> {
        self.stop_fast()?;
        self.start_again()
    }

    /// Starts the stopped server again with another folder of locales, as when the operating
    /// system below it was upgraded.
    pub fn start_again_with_locpath(&self, folder: &Path) -> Result<()> {
        self.state().locpath = Some(folder.to_owned());
        self.start_again()
    }

    /// Changes a setting for all sessions that begin from now on. One that only counts from a
    /// start of the server (Postgres manual, 19.1) waits for [`Server::restart`]. Of all others,
    /// a value that the server refuses is an error, and the setting stays as it was.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let mut state = self.state();
        let before = state.settings.insert(name.to_owned(), value.to_owned());
        let running =
            state.postmaster.as_mut().is_some_and(|postmaster| postmaster.ended().is_none());
        self.write_settings(&state.settings)?;
        if !running {
            return Ok(());
        }
        if let Some(error) = self.error_in_settings(name)? {
            match before {
                Some(before) => state.settings.insert(name.to_owned(), before),
                None => state.settings.remove(name),
            };
            self.write_settings(&state.settings)?;
            return Err(Error::new(format!("the server refuses {name} = {value}")).explained(error));
        }
        self.reload(&state)
    }

    /// Shows another certificate from the next connection on (Postgres 10 and newer; 9.6 reads
    /// its certificate when it starts).
    pub fn set_certificate(&self, certificate: &Certificate) -> Result<()> {
        self.write_certificate(certificate)?;
        self.reload(&self.state())
    }

    /// The configuration of the superuser's connections by the socket.
    pub(crate) fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.folder).port(self.port).user(SUPERUSER).dbname(database);
        config
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_files(&self, options: &Options) -> Result<()> {
        let conf = self.data_dir().join("postgresql.conf");
        let mut text =
            fs::read_to_string(&conf).doing(|| format!("cannot read {}", conf.display()))?;
        text.push_str("\ninclude 'testbed.conf'\n");
        self.write(&conf, &text)?;

        let method = if self.major >= Major::V10 { "scram-sha-256" } else { "md5" };
        let mut hba = format!("local all {SUPERUSER} trust\nlocal replication {SUPERUSER} trust\n");
        for line in &options.hba {
            let _ = writeln!(hba, "{line}");
        }
        let _ = write!(
            hba,
            "local all all {method}\n\
             host all all 127.0.0.1/32 {method}\n\
             host replication all 127.0.0.1/32 {method}\n"
        );
        self.write(&self.data_dir().join("pg_hba.conf"), &hba)?;

        if let Some(certificate) = &options.tls {
            self.write_certificate(certificate)?;
        }
        let mut state = self.state();
        if options.tls.is_some() {
            state.settings.insert("ssl".to_owned(), "on".to_owned());
            state.settings.insert("ssl_ca_file".to_owned(), "root.crt".to_owned());
        }
        for (name, value) in defaults(options.durable) {
            state.settings.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        Ok(())
    }

    /// Under the names that the server looks for.
    fn write_certificate(&self, certificate: &Certificate) -> Result<()> {
        let read = |file: &Path| {
            fs::read_to_string(file).doing(|| format!("cannot read {}", file.display()))
        };
        let data = self.data_dir();
        self.write(&data.join("server.crt"), &read(&certificate.file)?)?;
        self.write(&data.join("root.crt"), &read(&certificate.authority().file())?)?;
        let key = data.join("server.key");
        tls::write_key(&key, &read(&certificate.key)?)?;
        Account::current()?.own(&key)
    }

    fn write_settings(&self, settings: &BTreeMap<String, String>) -> Result<()> {
        let mut text = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = {}\n",
            self.port,
            quote_literal(&self.folder.to_string_lossy())
        );
        for (name, value) in settings {
            let _ = writeln!(text, "{name} = {}", quote_literal(value));
        }
        self.write(&self.data_dir().join("testbed.conf"), &text)
    }

    fn write(&self, file: &Path, text: &str) -> Result<()> {
        fs::write(file, text).doing(|| format!("cannot write {}", file.display()))?;
        Account::current()?.own(file)
    }

    /// Between finding a port and listening on it another process can take it, so try again.
    fn find_port_and_start(&mut self) -> Result<()> {
        for _ in 0..20 {
            self.port = free_port()?;
            let mut state = self.state();
            self.write_settings(&state.settings)?;
            match self.launch(&mut state) {
                Err(_) if self.log().contains("Address already in use") => {
                    let _ = fs::remove_file(self.folder.join("log"));
                }
                result => return result,
            }
        }
        Err(Error::new("20 ports that were free were taken before a server could listen on them"))
    }

    fn launch(&self, state: &mut State) -> Result<()> {
        let cannot = || format!("Postgres {} did not start", self.major);
        let log_before = self.log().len();
        let mut postmaster =
            Postmaster::start(&self.binaries.bin, &self.folder, state.locpath.as_deref())?;
        let begin = Instant::now();
        loop {
            if let Some(end) = postmaster.ended() {
                let log = self.log();
                let said = last_lines(log.get(log_before..).unwrap_or_default(), 20);
                return Err(Error::new(cannot()).explained(format!("{end}; its log:\n{said}")));
            }
            match self.connect("postgres").wait() {
                Ok(_) => break,
                Err(error) if begin.elapsed() > Duration::from_secs(60) => {
                    let _ = postmaster.signal(Signal::QUIT);
                    let _ = postmaster.wait(TO_DIE);
                    return Err(Error::new(cannot())
                        .explained(format!("no answer within a minute: {error}")));
                }
                Err(_) => sleep(Duration::from_millis(10)),
            }
        }
        state.postmaster = Some(postmaster);
        Ok(())
    }

    fn end(&self, signal: Signal, patience: Duration) -> Result<End> {
        let mut state = self.state();
        let Some(mut postmaster) = state.postmaster.take() else {
            return Ok(End::ByItself);
        };
        if postmaster.ended().is_some() {
            return Ok(End::ByItself);
        }
        postmaster.signal(signal)?;
        postmaster.wait(patience)
    }

    /// Adds a line to the server's log.
    fn note(&self, text: &str) -> Result<()> {
        use std::io::Write as _;
        let file = self.folder.join("log");
        let log = fs::File::options().append(true).open(&file);
        let written = log.and_then(|mut log| writeln!(log, "{text}"));
        written.doing(|| format!("cannot write {}", file.display()))
    }

    /// What the server finds wrong with a setting in its files as they are now.
    fn error_in_settings(&self, name: &str) -> Result<Option<String>> {
        let errors = self
            .query_text(format!(
                "select error from pg_file_settings where not applied and name = {name} \
                 and not exists (select from pg_settings where name = {name} \
                 and context = 'postmaster')",
                name = quote_literal(name)
            ))
            .wait()?;
        Ok(errors.into_iter().flatten().flatten().next())
    }

    /// Waits until new sessions see the files as they are now: they inherit the main process'
    /// time of reload.
    fn reload(&self, state: &State) -> Result<()> {
        let time = || self.value("select pg_conf_load_time()").wait();
        let before = time()?;
        if let Some(postmaster) = &state.postmaster {
            postmaster.signal(Signal::HUP)?;
        }
        let begin = Instant::now();
        while time()? == before {
            if begin.elapsed() > Duration::from_secs(30) {
                return Err(Error::new("the server did not reload its configuration"));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The watchdog ends the server; we must reap it meanwhile, or it would wait for it.
        let watchdog = self.watchdog.get_mut().unwrap_or_else(PoisonError::into_inner);
        watchdog.release();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut postmaster) = state.postmaster.take() {
            let _ = postmaster.wait(TO_DIE);
        }
        watchdog.wait();
        // Where the folder above does not let the servers' user remove it, we may.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn defaults(durable: bool) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        ("wal_level", "logical"),
        ("max_connections", "200"),
        ("max_wal_senders", "10"),
        ("max_replication_slots", "10"),
        ("max_prepared_transactions", "10"),
        ("log_line_prefix", "%m [%p] %u@%d %a: "),
        ("logging_collector", "off"),
        ("lc_messages", "C"),
    ];
    if !durable {
        settings.extend([("fsync", "off"), ("full_page_writes", "off")]);
    }
    settings
}

/// The folder of one server: short, since the path of a socket has at most 107 bytes.
fn new_folder() -> Result<PathBuf> {
    let account = Account::current()?;
    let mut above = std::env::temp_dir();
    if above.as_os_str().len() > 60 {
        above = PathBuf::from("/tmp");
    }
    let folder = tempfile::Builder::new()
        .prefix("pgh-")
        .tempdir_in(&above)
        .map_err(|cause| {
            Error::new(format!("cannot make a server's folder in {}", above.display()))
                .caused_by(&cause)
                .with_hint("set TMPDIR to a folder that can be written")
        })?
        .keep();
    // Before anything is in it: whoever reaches the socket is the superuser.
    template::restrict(&folder)?;
    account.own(&folder)?;
    Ok(folder)
}

/// Outside of the range that systems take for outgoing connections, so that the port is still
/// free when a server is started again.
pub(crate) fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let spread = std::process::id().wrapping_mul(97);
    for _ in 0..2000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + u16::try_from(spread.wrapping_add(step) % 12_000).unwrap_or(0);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::new("no free port on 127.0.0.1 between 20000 and 31999"))
}

/// A connection URI (Postgres manual, 32.1.1.2) with every part escaped.
pub(crate) fn url(host: &str, port: u16, database: &str, user: &str, password: &str) -> String {
    let escape = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    format!("postgresql://{}:{}@{host}:{port}/{}", escape(user), escape(password), escape(database))
}

fn list(processes: &[Process]) -> String {
    let all: Vec<String> = processes.iter().map(Process::to_string).collect();
    if all.is_empty() { "no other process".to_owned() } else { all.join(", ") }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
