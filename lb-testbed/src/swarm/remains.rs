//! What Docker Engines leave on the machine when they and their makers are killed: containers that go
//! on, in cgroups with their node's name, mounts below the cluster's directory, shims' sockets in /run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use nix::{
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{names::Prefix, swarm::DOCKER_LIMIT, wait::eventually};

/// Removes all of it. Engines and shims have been killed before.
///
/// # Errors
/// A container does not end, or a mount stays.
pub(crate) fn remove(prefix: &Prefix) -> Result<()> {
    let cgroups = cgroups(prefix)?;
    if !cgroups.is_empty() {
        eventually(DOCKER_LIMIT, "the end of the containers", || {
            cgroups.iter().for_each(|cgroup| kill_in(cgroup));
            cgroups.iter().for_each(|cgroup| remove_cgroup(cgroup));
            cgroups.iter().all(|cgroup| !cgroup.exists())
        })?;
    }
    // Compared with what the kernel shows, which knows no symbolic links.
    let Ok(dir) = prefix.dir().canonicalize() else { return Ok(()) };
    remove_sockets(&dir);
    unmount(&dir)
}

/// The cgroups of a cluster's containers, in every hierarchy.
fn cgroups(prefix: &Prefix) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for root in cgroup_roots()? {
        let mine = |name: &str| Prefix::of(name).as_ref() == Some(prefix);
        let names =
            fs::read_dir(&root).with_context(|| format!("cannot list {}", root.display()))?;
        let names = names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        found.extend(names.filter(|name| mine(name)).map(|name| root.join(name)));
    }
    Ok(found)
}

/// Where the hierarchies are mounted: one, or with cgroup v1 several.
pub(crate) fn cgroup_roots() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let root = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let path = fields.next()?;
        matches!(fields.next()?, "cgroup" | "cgroup2").then(|| PathBuf::from(path))
    };
    let mut roots: Vec<PathBuf> = mounts.lines().filter_map(root).collect();
    roots.sort();
    roots.dedup();
    Ok(roots)
}

/// Kills every process of a cgroup and of those below.
fn kill_in(cgroup: &Path) {
    let processes = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 1) {
        // Gone in the meantime is as good.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    below(cgroup).iter().for_each(|child| kill_in(child));
}

/// Removes a cgroup and those below, as far as they are empty.
fn remove_cgroup(cgroup: &Path) {
    below(cgroup).iter().for_each(|child| remove_cgroup(child));
    // Not empty yet: the caller looks again.
    let _ = fs::remove_dir(cgroup);
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Removes the sockets of killed shims, which lie outside; each bundle of a container has a file that
/// names its shim's.
fn remove_sockets(dir: &Path) {
    let bundles = |node: PathBuf| {
        let namespaces = below(&node.join("exec/containerd/daemon/io.containerd.runtime.v2.task"));
        namespaces.into_iter().flat_map(|namespace| below(&namespace))
    };
    for bundle in below(dir).into_iter().flat_map(bundles) {
        let address = fs::read_to_string(bundle.join("address")).unwrap_or_default();
        if let Some(socket) = address.trim().strip_prefix("unix://") {
            let _ = fs::remove_file(socket);
        }
    }
}

/// Takes down every mount below a directory, the latest first.
fn unmount(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
    let mut mine: Vec<&Path> = places.filter(|place| place.starts_with(dir)).collect();
    mine.reverse();
    for place in mine {
        umount2(place, MntFlags::MNT_DETACH)
            .with_context(|| format!("cannot unmount {}", place.display()))?;
    }
    Ok(())
}
