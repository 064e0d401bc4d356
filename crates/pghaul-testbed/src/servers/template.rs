//! Data directories: made by `initdb` once per version and options, copied for each server.
//!
//! Invariant: each copy has a system identifier of its own, since pghaul tells servers apart by
//! it. It stands in two places: at the start of `global/pg_control`, whose last field is a
//! CRC-32C of all before it, and in the long header of the first page of each WAL segment
//! (Postgres sources, `pg_control.h` and `xlog_internal.h`, the same in 9.6 to 18).

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::binaries::Binaries;
use super::major::Major;
use super::options::Options;
use crate::account::Account;
use crate::cache;
use crate::error::{Doing, Error, Result};

/// A data directory to copy, and the superuser's password in it.
pub(crate) struct Template {
    data: PathBuf,
    pub(crate) password: String,
}

/// The superuser of every server here.
pub(crate) const SUPERUSER: &str = "postgres";

impl Template {
    pub(crate) fn of(
        major: Major,
        binaries: &Binaries,
        options: &Options,
        locpath: Option<&Path>,
    ) -> Result<Self> {
        let account = Account::current()?;
        let arguments = initdb_arguments(major, options);
        // Whatever changes what initdb makes is in the name.
        let made_of = format!("{} {arguments:?} {locpath:?}", binaries.bin.display());
        let name = format!(
            "{}-{}-{:.12}",
            binaries.version,
            account.uid(),
            cache::sha256(made_of.as_bytes())
        );
        let entry = cache::entry("clusters", &name, |folder| {
            initdb(binaries, &arguments, locpath, folder, account)
        })?;
        let file = entry.join("password");
        let password =
            fs::read_to_string(&file).doing(|| format!("cannot read {}", file.display()))?;
        Ok(Self { data: entry.join("data"), password: password.trim().to_owned() })
    }

    /// Copies the data directory to `target` and makes it another server's.
    pub(crate) fn copy_to(&self, target: &Path) -> Result<()> {
        copy_tree(&self.data, target, Account::current()?)?;
        renumber(target)
    }
}

fn initdb_arguments(major: Major, options: &Options) -> Vec<String> {
    let method = if major >= Major::V10 { "scram-sha-256" } else { "md5" };
    let mut arguments = vec![
        format!("--username={SUPERUSER}"),
        "--auth-local=trust".to_owned(),
        format!("--auth-host={method}"),
        "--encoding=UTF8".to_owned(),
        "--locale=C".to_owned(),
        "-N".to_owned(),
    ];
    match options.checksums {
        Some(true) => arguments.push("--data-checksums".to_owned()),
        Some(false) if major >= Major::V18 => arguments.push("--no-data-checksums".to_owned()),
        _ => {}
    }
    arguments.extend(options.initdb.iter().cloned());
    arguments
}

fn initdb(
    binaries: &Binaries,
    arguments: &[String],
    locpath: Option<&Path>,
    folder: &Path,
    account: &Account,
) -> Result<()> {
    fs::create_dir(folder).doing(|| format!("cannot make {}", folder.display()))?;
    restrict(folder)?;
    account.own(folder)?;
    let file = folder.join("password");
    fs::write(&file, random_password()?).doing(|| format!("cannot write {}", file.display()))?;
    account.own(&file)?;
    let mut command = account.command(binaries.bin.join("initdb"), folder);
    if let Some(locpath) = locpath {
        command.env("LOCPATH", locpath);
    }
    let output = command
        .args(arguments)
        .args(["--pwfile=password", "--pgdata=data"])
        .output()
        .doing(|| format!("cannot run initdb in {}", binaries.bin.display()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Error::new(format!("initdb of Postgres {} failed", binaries.version))
            .explained(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// Nobody else gets in: the sockets of servers trust whoever reaches them.
pub(crate) fn restrict(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .doing(|| format!("cannot change the mode of {}", folder.display()))
}

fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .doing(|| "cannot read /dev/urandom".to_owned())?;
    Ok(bytes)
}

/// With characters that a URL, a passfile and a connection string must each escape in their own
/// way.
fn random_password() -> Result<String> {
    let hex = cache::sha256(&random_bytes::<16>()?);
    Ok(format!("{hex:.20} :\\'@/%+"))
}

fn copy_tree(source: &Path, target: &Path, account: &Account) -> Result<()> {
    let cannot = || format!("cannot copy {} to {}", source.display(), target.display());
    fs::create_dir(target).doing(cannot)?;
    restrict(target)?;
    account.own(target)?;
    for entry in fs::read_dir(source).doing(cannot)? {
        let entry = entry.doing(cannot)?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        if entry.file_type().doing(cannot)?.is_dir() {
            copy_tree(&from, &to, account)?;
        } else {
            fs::copy(&from, &to).doing(cannot)?;
            account.own(&to)?;
        }
    }
    Ok(())
}

/// Where the long header of a WAL segment's first page holds the system identifier.
const WAL_IDENTIFIER_AT: u64 = 24;

fn renumber(data: &Path) -> Result<()> {
    let control = data.join("global/pg_control");
    let cannot = || format!("cannot give {} a system identifier of its own", data.display());
    let mut image = fs::read(&control).doing(cannot)?;
    let Some(length) = checked_length(&image) else {
        return Err(Error::new(cannot())
            .explained("no CRC fits in global/pg_control: its layout is not known"));
    };
    // Kept positive: some places show it signed, some unsigned.
    let identifier = (u64::from_ne_bytes(random_bytes()?) >> 1).to_ne_bytes();
    image[..8].copy_from_slice(&identifier);
    let sum = crc32c(&image[..length]).to_ne_bytes();
    image[length..length + 4].copy_from_slice(&sum);
    fs::write(&control, image).doing(cannot)?;

    let wal = ["pg_wal", "pg_xlog"].map(|name| data.join(name));
    for folder in wal.iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder).doing(cannot)? {
            let path = entry.doing(cannot)?.path();
            if path.is_file() {
                let mut segment = File::options().write(true).open(&path).doing(cannot)?;
                segment.seek(SeekFrom::Start(WAL_IDENTIFIER_AT)).doing(cannot)?;
                segment.write_all(&identifier).doing(cannot)?;
            }
        }
    }
    Ok(())
}

/// How many bytes of `pg_control` its CRC covers: the only length at which it fits.
fn checked_length(image: &[u8]) -> Option<usize> {
    (64..image.len().min(1024) - 4)
        .step_by(4)
        .find(|length| image[*length..length + 4] == crc32c(&image[..*length]).to_ne_bytes())
}

/// CRC-32C (Castagnoli), bit by bit: a few hundred bytes once per server.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(sum & 1))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn the_check_value_of_crc_32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
