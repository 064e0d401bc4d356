//! Locales for servers: text order that is not the order of bytes, and the same name with
//! another order, as after an upgrade of the operating system.
//!
//! Where glibc's `localedef` and its sources are (on Debian and Ubuntu, the package `locales`),
//! the locales are made in the cache, and every server here looks for locales there (`LOCPATH`).
//! Elsewhere servers have the system's own. Servers of 10 and newer have ICU's collations
//! besides.
//!
//! Invariant: what [`Locales`] names exists on every server that is started without a folder of
//! locales of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::cache;
use crate::error::{Doing, Error, Result};

/// Source and name of those that are made. The folder's name is glibc's normal form, which it
/// also tries for `en_US.UTF-8`.
const MADE: [(&str, &str); 4] = [
    ("en_US", "en_US.utf8"),
    ("de_DE", "de_DE.utf8"),
    ("nl_NL", "nl_NL.utf8"),
    ("sv_SE", "sv_SE.utf8"),
];
const SOURCES: &str = "/usr/share/i18n/locales";

/// The locales that servers have.
#[derive(Debug, Clone)]
pub struct Locales {
    folder: Option<PathBuf>,
    names: BTreeSet<String>,
}

/// Finds or makes them, once.
pub fn locales() -> Result<&'static Locales> {
    static FOUND: OnceLock<Result<Locales>> = OnceLock::new();
    FOUND.get_or_init(Locales::find).as_ref().map_err(Clone::clone)
}

impl Locales {
    /// The value of `LOCPATH` that servers are started with, if they are.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Their names as `locale -a` shows them, such as `C.utf8`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether there is a locale of this name, however its encoding is spelt.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| normal(known) == normal(name))
    }

    /// `en_US.UTF-8`, whose order of text is not that of its bytes.
    pub fn linguistic(&self) -> Result<&'static str> {
        let name = "en_US.UTF-8";
        if self.has(name) { Ok(name) } else { Err(missing(name)) }
    }

    /// A folder for `LOCPATH` in which `en_US.UTF-8` and the others have the order of C, while
    /// their names and the version that Postgres notes for them are the same: what an upgrade of
    /// the operating system did to many databases, only more of it.
    pub fn changed(&self) -> Result<PathBuf> {
        let Some(folder) = &self.folder else {
            return Err(missing("a second en_US.UTF-8, of another order,"));
        };
        let plain = folder.join("C.utf8");
        cache::entry("locales", &format!("{}-changed", made_of()?), |changed| {
            make(changed)?;
            for name in MADE.map(|(_, name)| name).into_iter().chain(["C.utf8"]) {
                copy(&plain, &changed.join(name))?;
            }
            cache::open_tree_to_all(changed)
        })
    }

    fn find() -> Result<Self> {
        let mut names: BTreeSet<_> = system_names().into_iter().collect();
        if !Path::new(SOURCES).join("en_US").is_file() || localedef_version().is_none() {
            return Ok(Self { folder: None, names });
        }
        let folder = cache::entry("locales", &made_of()?, |folder| {
            make(folder)?;
            for (source, name) in MADE {
                localedef(source, &folder.join(name))?;
            }
            plain(&folder.join("C.utf8"))?;
            cache::open_tree_to_all(folder)
        })?;
        // With LOCPATH set, glibc looks nowhere else.
        names = ["C", "POSIX", "C.utf8"].into_iter().map(str::to_owned).collect();
        names.extend(MADE.map(|(_, name)| name.to_owned()));
        Ok(Self { folder: Some(folder), names })
    }
}

fn missing(what: &str) -> Error {
    Error::new(format!("no locale {what} can be had here: no localedef, or not its sources"))
        .with_hint("install the package `locales` (Debian, Ubuntu; glibc-locale-source elsewhere)")
}

/// What the folder's name says: another glibc makes other files.
fn made_of() -> Result<String> {
    let version = localedef_version().ok_or_else(|| missing("en_US.UTF-8"))?;
    Ok(format!("glibc-{}-{}", version.replace('/', "_"), MADE.map(|(source, _)| source).join("-")))
}

/// The last word of "localedef (Debian GLIBC 2.36-9+deb12u13) 2.36".
fn localedef_version() -> Option<String> {
    let output = Command::new("localedef").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next()?.split_whitespace().last().map(str::to_owned)
}

fn system_names() -> Vec<String> {
    let output = Command::new("locale").arg("-a").output();
    output.map_or_else(
        |_| vec!["C".to_owned()],
        |output| String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect(),
    )
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace("utf-8", "utf8")
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir(folder).doing(|| format!("cannot make {}", folder.display()))
}

fn localedef(source: &str, folder: &Path) -> Result<()> {
    let cannot = || format!("cannot make the locale {}", folder.display());
    let output = Command::new("localedef")
        .args(["--no-archive", "-i", source, "-f", "UTF-8"])
        .arg(folder)
        .output()
        .doing(cannot)?;
    // It exits with 1 after mere warnings.
    if folder.join("LC_COLLATE").is_file() {
        Ok(())
    } else {
        Err(Error::new(cannot()).explained(String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// C.utf8 as the system has it, else made.
fn plain(folder: &Path) -> Result<()> {
    let places = ["/usr/lib/locale", "/usr/lib64/locale"].map(Path::new);
    let names = ["C.utf8", "C.UTF-8"];
    match places
        .iter()
        .flat_map(|place| names.map(|name| place.join(name)))
        .find(|place| place.join("LC_COLLATE").is_file() || place.join("LC_CTYPE").is_file())
    {
        Some(found) => copy(&found, folder),
        None => localedef("C", folder),
    }
}

fn copy(source: &Path, target: &Path) -> Result<()> {
    let cannot = || format!("cannot copy {} to {}", source.display(), target.display());
    make(target)?;
    for entry in fs::read_dir(source).doing(cannot)? {
        let entry = entry.doing(cannot)?;
        let to = target.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to).doing(cannot)?;
        }
    }
    Ok(())
}
