//! What was changed on the node and how it was before: a JSON file, written before each change and
//! kept over restarts and kills of the agent until `detach` has restored everything.
//!
//! What the kernel itself ties to something of ours is not in it: addresses, routes and offloads
//! go with their leg, reserved ports with the agent's sockets. Legs that Docker made stay, so their
//! offloads are in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{HostError, Result, docker::gro, nat, sysctl};
use crate::kept;

/// Where state directories lie by default: gone after a reboot, as the changes are.
pub const STATE_ROOT: &str = "/run/swarmlb";

const FILE: &str = "journal.json";

/// The record of one agent, told apart by where it pins.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    record: Record,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    sysctls: BTreeMap<String, Changed>,
    nft_tables: BTreeSet<String>,
    /// Interfaces in containers whose GRO was off.
    #[serde(default)]
    gro: BTreeSet<TaskInterface>,
}

/// An interface inside a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct TaskInterface {
    /// The file that names the container's namespace.
    pub(super) netns: PathBuf,
    /// Inode of that namespace: another container's may have the name later.
    pub(super) inode: u64,
    /// The interface's index in it.
    pub(super) ifindex: u32,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    before: String,
    set: String,
}

/// The state directory of the agent that pins under `pin_root`.
#[must_use]
pub fn state_dir(state_root: &Path, pin_root: &Path) -> PathBuf {
    let hash = lb_common::hash::name_hash(0, pin_root.as_os_str().as_encoded_bytes());
    state_root.join(format!("{hash:016x}"))
}

impl Journal {
    /// Opens the journal in `dir`, empty where there is none yet. Writes nothing.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let record = match fs::read(&path) {
            Ok(text) => parse(&path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Record::default(),
            Err(error) => return Err(HostError::io(format!("read {}", path.display()))(error)),
        };
        Ok(Self { dir: dir.to_owned(), record })
    }

    /// Puts a sysctl's former value on record; the first one counts, whatever came later.
    pub(super) fn record_sysctl(&mut self, key: &str, before: &str, set: &str) -> Result<()> {
        let changed = Changed { before: before.into(), set: set.into() };
        self.record.sysctls.entry(key.into()).or_insert(changed).set = set.into();
        self.save()
    }

    /// Puts a table of ours on record.
    pub(super) fn record_table(&mut self, table: &str) -> Result<()> {
        if self.record.nft_tables.insert(table.into()) { self.save() } else { Ok(()) }
    }

    /// Puts an interface on record whose GRO is about to be turned on.
    pub(super) fn record_gro(&mut self, interface: TaskInterface) -> Result<()> {
        if self.record.gro.insert(interface) { self.save() } else { Ok(()) }
    }

    /// Turns GRO off again wherever it was off, save at the interfaces that `keep` names. Those that are
    /// gone need nothing.
    ///
    /// # Errors
    /// The first failure, after the rest was tried; what failed stays on record.
    pub(super) fn restore_gro(&mut self, keep: impl Fn(&TaskInterface) -> bool) -> Result<()> {
        let (mut failure, before) = (None, self.record.gro.len());
        self.record.gro.retain(|interface| {
            keep(interface)
                || gro::restore(interface).is_err_and(|error| {
                    failure = Some(error);
                    true
                })
        });
        if self.record.gro.len() != before {
            self.save()?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// Undoes everything on record and removes it. A sysctl that someone has changed since is left
    /// as it is.
    ///
    /// # Errors
    /// The first failure, after the rest was tried; the record then stays for another attempt.
    pub async fn restore(mut self) -> Result<()> {
        let mut outcomes = vec![self.restore_gro(|_| false)];
        if !self.record.nft_tables.is_empty() {
            outcomes.push(nat::remove().await);
        }
        let sysctls = self.record.sysctls.iter();
        outcomes.extend(sysctls.map(|(key, changed)| restore_sysctl(key, changed)));
        outcomes.into_iter().collect::<Result<()>>()?;
        self.remove()
    }

    fn remove(&self) -> Result<()> {
        let absent_is_fine = |removed: io::Result<()>| match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        let file = absent_is_fine(fs::remove_file(self.path()));
        let removed = file.and_then(|()| absent_is_fine(fs::remove_dir(&self.dir)));
        removed.map_err(HostError::io(format!("remove {}", self.dir.display())))
    }

    fn save(&self) -> Result<()> {
        let write = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
            kept::replace_durably(&self.path(), &serde_json::to_vec_pretty(&self.record)?)
        };
        write().map_err(HostError::io(format!("write {}", self.path().display())))
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }
}

fn restore_sysctl(key: &str, changed: &Changed) -> Result<()> {
    if sysctl::read(key)? == changed.set { sysctl::write(key, &changed.before) } else { Ok(()) }
}

fn parse(path: &Path, text: &[u8]) -> Result<Record> {
    let damaged = |source| HostError::DamagedJournal { path: path.to_owned(), source };
    serde_json::from_slice(text).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_former_value_survives_restarts() {
        let state = tempfile::tempdir().unwrap();
        let dir = state_dir(state.path(), Path::new("/sys/fs/bpf/swarmlb"));
        Journal::open(&dir).unwrap().record_sysctl("net.a", "0", "1").unwrap();
        let mut restarted = Journal::open(&dir).unwrap();
        restarted.record_sysctl("net.a", "1", "2").unwrap();
        restarted.record_table("swarmlb").unwrap();
        let record = Journal::open(&dir).unwrap().record;
        assert_eq!(record.sysctls["net.a"], Changed { before: "0".into(), set: "2".into() });
        assert!(record.nft_tables.contains("swarmlb"));
        let mode = fs::metadata(dir.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn agents_with_other_pins_have_other_journals() {
        let dir = |pins: &str| state_dir(Path::new(STATE_ROOT), Path::new(pins));
        assert_ne!(dir("/sys/fs/bpf/a"), dir("/sys/fs/bpf/b"));
        assert!(dir("/sys/fs/bpf/a").starts_with(STATE_ROOT));
    }

    #[test]
    fn a_damaged_journal_is_named_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        let error = Journal::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains(FILE), "{error}");
        assert!(dir.path().join(FILE).exists());
    }
}
