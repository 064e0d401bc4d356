//! Images FROM scratch, of the testbed's own binaries, for machines that reach no image registry.
//!
//! Invariants: an image holds the programs, the shared libraries that `ldd` names for them and
//! `/bin/sh`, nothing of which is downloaded by Docker; its interface is that of Postgres'
//! official image as far as tests use it, so either serves.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::error::{Doing, Error, Result};
use crate::servers::{self, Major};

/// The images that [`build_server`] makes, as a value of `PGHAUL_TEST_IMAGE`.
pub const PATTERN: &str = "pghaul-test-postgres:{major}";

/// The user of the servers, as in the official image that is built on Alpine.
const POSTGRES: &str = "70:70";

/// Runs `docker` and gives what it prints.
pub fn docker<Argument: AsRef<OsStr>>(arguments: &[Argument]) -> Result<String> {
    let shown: Vec<_> =
        arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
    let doing = || format!("cannot run `docker {}`", shown.join(" "));
    let output = Command::new("docker").args(arguments).output().map_err(|cause| {
        Error::new(doing())
            .caused_by(&cause)
            .with_hint("install Docker (on Debian, docker.io) and start its daemon, dockerd")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(Error::new(doing()).explained(String::from_utf8_lossy(&output.stderr).trim()))
}

/// Builds the image of a major's server; gives its name.
pub fn build_server(major: Major) -> Result<String> {
    let files = Files::new()?;
    let programs = servers::fetched_folder(major)?;
    for part in ["bin", "lib", "share"] {
        run(
            "cp",
            &[OsStr::new("-a"), programs.join(part).as_os_str(), files.at("pg")?.as_os_str()],
        )?;
    }
    let mut elf: Vec<PathBuf> = Vec::new();
    for folder in ["bin", "lib", "lib/postgresql"] {
        let folder = programs.join(folder);
        let list = fs::read_dir(&folder).doing(|| format!("cannot list {}", folder.display()))?;
        elf.extend(list.filter_map(|file| Some(file.ok()?.path())).filter(|path| is_elf(path)));
    }
    files.libraries_of(&elf, &programs)?;
    files.shell()?;
    let auth = if major >= Major::V10 { "scram-sha-256" } else { "md5" };
    files.text("entrypoint.sh", include_str!("images/entrypoint.sh"))?;
    let dockerfile = format!(
        "FROM scratch\nCOPY root/ /\nCOPY --chown={POSTGRES} empty/ /pgdata/\n\
         COPY --chown={POSTGRES} empty/ /tmp/\n\
         ENV PGDATA=/pgdata/data PGHAUL_AUTH={auth} LC_ALL=C\nUSER {POSTGRES}\n\
         STOPSIGNAL SIGINT\nEXPOSE 5432\nENTRYPOINT [\"/bin/sh\", \"/entrypoint.sh\"]\n"
    );
    files.build(&PATTERN.replace("{major}", &major.to_string()), &dockerfile)
}

/// Builds an image in which these programs run, each at the path that it has here.
pub fn build_programs(tag: &str, programs: &[&Path]) -> Result<String> {
    let files = Files::new()?;
    let resolved: Vec<PathBuf> = programs
        .iter()
        .map(|program| {
            fs::canonicalize(program).doing(|| format!("cannot find {}", program.display()))
        })
        .collect::<Result<_>>()?;
    for program in &resolved {
        files.same_path(program)?;
    }
    files.libraries_of(&resolved, Path::new("/nonexistent"))?;
    files.shell()?;
    // Not /tmp: a program may come from below that folder, which is root's then.
    let dockerfile = "FROM scratch\nCOPY root/ /\nCOPY --chown=70:70 empty/ /scratch/\n\
                      ENV HOME=/scratch TMPDIR=/scratch USER=postgres\nUSER 70:70\n";
    files.build(tag, dockerfile)
}

/// The build context of an image.
struct Files(TempDir);

impl Files {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir().doing(|| "cannot make a temporary folder".to_owned())?;
        let files = Self(folder);
        files.at("")?;
        let empty = files.0.path().join("empty");
        fs::create_dir(&empty).doing(|| format!("cannot make {}", empty.display()))?;
        Ok(files)
    }

    /// A folder of the image, made if it is missing.
    fn at(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let path = path.as_ref();
        let path = self.0.path().join("root").join(path.strip_prefix("/").unwrap_or(path));
        fs::create_dir_all(&path).doing(|| format!("cannot make {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .doing(|| format!("cannot open {} to all", path.display()))?;
        Ok(path)
    }

    fn text(&self, name: &str, text: &str) -> Result<()> {
        let path = self.at("")?.join(name);
        fs::write(&path, text).doing(|| format!("cannot write {}", path.display()))
    }

    /// A file at the path it has on this machine, symbolic links followed.
    fn same_path(&self, file: &Path) -> Result<()> {
        let name = file.file_name().unwrap_or_default();
        let there = self.at(file.parent().unwrap_or(Path::new("/")))?.join(name);
        fs::copy(file, &there)
            .doing(|| format!("cannot copy {} to {}", file.display(), there.display()))?;
        Ok(())
    }

    /// What `ldd` names, but for what is in `inside` and comes along by itself.
    fn libraries_of(&self, programs: &[PathBuf], inside: &Path) -> Result<()> {
        let mut libraries = BTreeSet::new();
        for program in programs {
            let named = run("ldd", &[program.as_os_str()])?;
            libraries.extend(
                named
                    .split_whitespace()
                    .filter(|word| word.starts_with('/'))
                    .map(|word| PathBuf::from(word.trim_end_matches(':'))),
            );
        }
        for library in libraries.iter().filter(|library| !is_below(library, inside)) {
            self.same_path(library)?;
        }
        Ok(())
    }

    /// `/bin/sh`, which `initdb` runs `postgres` through, and the names of users.
    fn shell(&self) -> Result<()> {
        self.same_path(Path::new("/bin/sh"))?;
        self.libraries_of(&[PathBuf::from("/bin/sh")], Path::new("/nonexistent"))?;
        self.at("etc")?;
        self.text("etc/passwd", "root:x:0:0::/:/bin/sh\npostgres:x:70:70::/tmp:/bin/sh\n")?;
        self.text("etc/group", "root:x:0:\npostgres:x:70:\n")
    }

    fn build(&self, tag: &str, dockerfile: &str) -> Result<String> {
        let path = self.0.path().join("Dockerfile");
        fs::write(&path, dockerfile).doing(|| format!("cannot write {}", path.display()))?;
        docker(&[
            OsStr::new("build"),
            OsStr::new("--quiet"),
            OsStr::new("--tag"),
            OsStr::new(tag),
            self.0.path().as_os_str(),
        ])?;
        Ok(tag.to_owned())
    }
}

fn is_below(path: &Path, folder: &Path) -> bool {
    let resolved = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    resolved.starts_with(folder)
}

fn is_elf(path: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; 4];
    path.metadata().is_ok_and(|metadata| metadata.is_file())
        && fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == *b"\x7fELF"
}

fn run(program: &str, arguments: &[&OsStr]) -> Result<String> {
    let doing = || format!("cannot run {program}");
    let output = Command::new(program).args(arguments).output().doing(doing)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::new(doing()).explained(String::from_utf8_lossy(&output.stderr).trim()))
}
