//! Removal of a cluster by nothing but its prefix, so that a later process can clean up after one
//! that died: pins, processes, containers, namespaces, files.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    ip,
    names::{BPFFS_DIR, NETNS_DIR, NETNS_ETC_DIR, Prefix},
    swarm::remains,
    wait::eventually,
};

/// File in the cluster's directory: start time of the process that made it.
const OWNER_FILE: &str = "owner";
/// File in the cluster's directory that says it shall outlive its process.
const KEPT_FILE: &str = "kept";

/// Notes who made the cluster, so that a process that later gets the same pid is not mistaken
/// for it.
pub(crate) fn write_owner(prefix: &Prefix, keep: bool) -> Result<()> {
    let start = start_time(prefix.pid()).context("cannot read our own start time")?;
    fs::write(prefix.dir().join(OWNER_FILE), start)?;
    if keep {
        fs::write(prefix.dir().join(KEPT_FILE), "")?;
    }
    Ok(())
}

/// Removes the clusters whose process is dead, except those it was told to keep.
///
/// # Errors
/// Something cannot be listed or removed.
pub(crate) fn sweep() -> Result<()> {
    let dead = |prefix: &Prefix| !is_alive(prefix) && !prefix.dir().join(KEPT_FILE).exists();
    existing()?.into_iter().filter(dead).try_for_each(|prefix| remove(&prefix))
}

/// Removes everything with that prefix. What is already gone is no error.
///
/// # Errors
/// A file or a pin cannot be removed.
pub fn remove(prefix: &Prefix) -> Result<()> {
    let mine = |name: &str| Prefix::of(name).as_ref() == Some(prefix);
    let namespaces: Vec<String> = names_in(NETNS_DIR)?.into_iter().filter(|n| mine(n)).collect();
    // Processes first, so that none makes pins again; namespaces last, as nothing names them then.
    kill_inside(&namespaces)?;
    remains::remove(prefix)?;
    for dir in [BPFFS_DIR, NETNS_ETC_DIR] {
        for name in names_in(dir)?.into_iter().filter(|name| mine(name)) {
            remove_tree(&Path::new(dir).join(name))?;
        }
    }
    if !namespaces.is_empty() {
        let lines: String = namespaces.iter().map(|name| format!("netns del {name}\n")).collect();
        ip::batch_force(&lines)?;
    }
    remove_tree(&prefix.dir())
}

/// Everything a cluster of that prefix has left: namespaces, their files of /etc, pin
/// roots, directories, cgroups. For tests.
///
/// # Errors
/// A directory cannot be listed.
pub fn leftovers(prefix: &Prefix) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for dir in places()? {
        let names = names_in(&dir)?.into_iter();
        let mine = names.filter(|name| Prefix::of(name).as_ref() == Some(prefix));
        found.extend(mine.map(|name| dir.join(name)));
    }
    Ok(found)
}

/// Ids of the processes whose network namespace has one of the names. The threads of this process
/// that are inside do not count.
///
/// # Errors
/// `/proc` cannot be read.
pub fn processes_inside(namespaces: &[String]) -> Result<Vec<i32>> {
    let inode = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let wanted: BTreeSet<_> =
        namespaces.iter().filter_map(|name| inode(&Path::new(NETNS_DIR).join(name))).collect();
    let inside = |pid: &i32| {
        inode(Path::new(&format!("/proc/{pid}/ns/net"))).is_some_and(|ns| wanted.contains(&ns))
    };
    Ok(names_in("/proc")?.iter().filter_map(|name| name.parse().ok()).filter(inside).collect())
}

/// Kills what runs inside and waits until it is gone (or a zombie, which is in no namespace).
fn kill_inside(namespaces: &[String]) -> Result<()> {
    if namespaces.is_empty() {
        return Ok(());
    }
    eventually(Duration::from_secs(60), "end of the cluster's processes", || {
        let Ok(pids) = processes_inside(namespaces) else { return false };
        for pid in &pids {
            // Gone in the meantime is as good; a new one may have come.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        pids.is_empty()
    })
}

fn existing() -> Result<BTreeSet<Prefix>> {
    let mut prefixes = BTreeSet::new();
    for dir in places()? {
        prefixes.extend(names_in(dir)?.iter().filter_map(|name| Prefix::of(name)));
    }
    Ok(prefixes)
}

/// The directories in which clusters leave names.
fn places() -> Result<Vec<PathBuf>> {
    let mut places = remains::cgroup_roots()?;
    places.extend([NETNS_DIR, NETNS_ETC_DIR, BPFFS_DIR].map(PathBuf::from));
    places.push(std::env::temp_dir());
    Ok(places)
}

fn is_alive(prefix: &Prefix) -> bool {
    let Some(start) = start_time(prefix.pid()) else { return false };
    let noted = fs::read_to_string(prefix.dir().join(OWNER_FILE));
    noted.map_or(true, |noted| noted.is_empty() || noted == start)
}

/// Start time of a process in clock ticks after boot: field 22 of its `stat`, 20 after the name.
fn start_time(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

/// Names in a directory; one that does not exist is empty.
fn names_in(dir: impl AsRef<Path>) -> Result<Vec<String>> {
    let dir = dir.as_ref();
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_start_time_is_a_number() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(pid).unwrap().parse::<u64>().is_ok());
    }

    #[test]
    fn a_prefix_without_process_is_dead() {
        // Above the kernel's highest pid.
        assert!(!is_alive(&Prefix::of("slbt99999999-0").unwrap()));
    }
}
