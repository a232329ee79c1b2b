//! Names of everything a cluster makes, all derived from one prefix `slbt<pid>-<k>`, so that
//! parallel clusters never clash and the leftovers of a dead process can be found by name alone.

use std::{
    fmt,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Start of every name.
pub(crate) const STEM: &str = "slbt";
/// Where `ip netns` keeps its names.
pub(crate) const NETNS_DIR: &str = "/run/netns";
/// Where `ip netns exec` looks for a namespace's own files of `/etc`.
pub(crate) const NETNS_ETC_DIR: &str = "/etc/netns";
/// Where pin roots lie.
pub(crate) const BPFFS_DIR: &str = "/sys/fs/bpf";

/// Clusters this process has made so far.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Prefix of one cluster: `slbt<pid of its maker>-<counter>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    pid: i32,
    counter: u32,
}

impl Prefix {
    /// A prefix no other cluster has.
    pub(crate) fn next() -> Self {
        let pid = i32::try_from(process::id()).unwrap_or(i32::MAX);
        Self { pid, counter: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// The prefix that `name` starts with, if a cluster made it.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(STEM)?.splitn(3, '-');
        let pid = parts.next()?.parse().ok()?;
        let counter = parts.next()?.parse().ok()?;
        Some(Self { pid, counter })
    }

    /// Process that made the cluster.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Name of the namespace (and start of the pin root's name) for `part`, such as `n1`.
    #[must_use]
    pub fn name(&self, part: &str) -> String {
        format!("{self}-{part}")
    }

    /// Pin root of a node.
    #[must_use]
    pub fn pin_root(&self, node: &str) -> PathBuf {
        Path::new(BPFFS_DIR).join(self.name(node))
    }

    /// Directory for configuration, logs, captures and state.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        std::env::temp_dir().join(self.to_string())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STEM}{}-{}", self.pid, self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_found_in_every_name_made_from_it() {
        let prefix = Prefix { pid: 4242, counter: 7 };
        assert_eq!(Prefix::of(&prefix.to_string()), Some(prefix.clone()));
        assert_eq!(Prefix::of(&prefix.name("me-1")), Some(prefix));
    }

    #[test]
    fn foreign_names_have_no_prefix() {
        for name in ["n1", "slbt", "slbt-1-n1", "slbt12", "slbtx-0-n1", "slbt1-y"] {
            assert_eq!(Prefix::of(name), None, "{name}");
        }
    }

    #[test]
    fn prefixes_differ() {
        assert_ne!(Prefix::next(), Prefix::next());
    }
}
