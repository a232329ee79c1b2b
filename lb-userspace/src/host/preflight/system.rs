//! What the kernel and the mounts must offer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::Problem;
use crate::host::HostError;

/// The first kernel with tcx, by which programs sit on legs. All else that they use is older, for
/// example `bpf_redirect_peer` (5.10), by which packets get into overlay legs.
const MIN_KERNEL: (u32, u32) = (6, 6);
/// The kernel's own types, which programs are checked against.
const BTF: &str = "/sys/kernel/btf/vmlinux";
/// Bits of the capability sets in /proc/PID/status (include/uapi/linux/capability.h).
const CAPABILITIES: [(u32, &str); 3] =
    [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN"), (39, "CAP_BPF")];

/// What keeps this machine from carrying the data plane, whatever its interfaces. `pin_root` is
/// where pins are to lie.
#[must_use]
pub fn system(pin_root: &Path) -> Vec<Problem> {
    let faults = [kernel(), btf(), bpffs(pin_root), cgroup2(), capabilities(), nft()];
    faults.into_iter().flatten().collect()
}

fn kernel() -> Option<Problem> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (major, minor) = MIN_KERNEL;
    let old = version(&release).is_some_and(|version| version < MIN_KERNEL);
    old.then(|| {
        let found = format!("this kernel is {}", release.trim());
        Problem::new(found, format!("boot Linux {major}.{minor} or later"))
    })
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn btf() -> Option<Problem> {
    let found = format!("this kernel has no BTF ({BTF} is missing)");
    let fix = "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y";
    (!Path::new(BTF).exists()).then(|| Problem::new(found, fix))
}

fn bpffs(pin_root: &Path) -> Option<Problem> {
    (!is_bpffs(pin_root)).then(|| {
        Problem::new(
            format!("{} does not lie on a bpf file system", pin_root.display()),
            "mount it: mount -t bpf bpf /sys/fs/bpf; inside `ip netns exec`, use \
             nsenter --net=/run/netns/NAME instead, which keeps the mounts",
        )
    })
}

/// Whether a path lies, or would lie once made, on a bpf file system, where pins can be.
#[must_use]
pub fn is_bpffs(path: &Path) -> bool {
    let existing = path.ancestors().find(|ancestor| ancestor.exists());
    existing.and_then(|dir| statfs(dir).ok()).is_some_and(|fs| fs.filesystem_type() == BPF_FS_MAGIC)
}

fn cgroup2() -> Option<Problem> {
    cgroup2_root().is_none().then(|| {
        let fix = "mount it: mount -t cgroup2 none /sys/fs/cgroup";
        Problem::new("no cgroup v2 hierarchy is mounted", fix)
    })
}

/// Where the cgroup v2 hierarchy is mounted, the place of the node's socket programs. On machines
/// that have both versions this is often /sys/fs/cgroup/unified.
#[must_use]
pub fn cgroup2_root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/thread-self/mounts").ok()?;
    mount_point(&mounts, "cgroup2")
}

/// First mount point of a file system type: `device mount-point type options 0 0`.
fn mount_point(mounts: &str, fs_type: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, found) = (fields.next()?, fields.next()?);
        (found == fs_type).then(|| PathBuf::from(point.replace("\\040", " ")))
    })
}

fn capabilities() -> Option<Problem> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let missing = missing_capabilities(&status)?;
    (!missing.is_empty()).then(|| {
        let what = format!("this process lacks {}", missing.join(", "));
        Problem::new(what, "run it as root (sudo swarmlb ...)")
    })
}

fn missing_capabilities(status: &str) -> Option<Vec<&'static str>> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let effective = u64::from_str_radix(line.trim(), 16).ok()?;
    let lacks = |(bit, _): &&(u32, &str)| effective >> bit & 1 == 0;
    Some(CAPABILITIES.iter().filter(lacks).map(|(_, name)| *name).collect())
}

fn nft() -> Option<Problem> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join("nft").is_file());
    (!found).then(|| Problem::new("the program nft is missing", HostError::NFT_FIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_are_read() {
        assert_eq!(version("6.18.44-fc-v445\n"), Some((6, 18)));
        assert_eq!(version("5.15.0-105-generic"), Some((5, 15)));
        assert_eq!(version("weird"), None);
        assert!(version("6.1.0").unwrap() < MIN_KERNEL);
    }

    #[test]
    fn a_mount_point_is_found_by_type() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n\
                      none /sys/fs/my\\040cgroup cgroup2 rw 0 0\n";
        assert_eq!(mount_point(mounts, "cgroup2"), Some("/sys/fs/my cgroup".into()));
        assert_eq!(mount_point(mounts, "bpf"), None);
    }

    #[test]
    fn capabilities_are_read_bit_by_bit() {
        let status = |effective: &str| format!("Name:\tx\nCapEff:\t{effective}\n");
        assert_eq!(missing_capabilities(&status("000001ffffffffff")), Some(vec![]));
        assert_eq!(missing_capabilities(&status("0000000000201000")), Some(vec!["CAP_BPF"]));
        assert_eq!(missing_capabilities("Name:\tx\n"), None);
    }
}
