//! Notices that something on disk changed: the cluster file, and the namespaces of this node's
//! tasks. Asked a few times a second; cheap, and right whatever tool made the change (a rename,
//! an edit in place, a bind mount), where inotify would miss some.
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::model::DesiredState;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        let modified_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Some(Self { device: meta.dev(), inode: meta.ino(), size: meta.size(), modified_ns })
    }
}

/// The cluster file as it was read last.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    read: Option<Stamp>,
    /// A change that was seen once; it counts when it is seen again unchanged, so that a file which
    /// is being written is not read half-way.
    pending: Option<Option<Stamp>>,
}

impl ConfigFile {
    /// Watches `path`; the file counts as read in its present state.
    #[must_use]
    pub(super) fn new(path: &Path) -> Self {
        let mut file = Self { path: path.into(), read: None, pending: None };
        file.mark_read();
        file
    }

    /// The file in its present state has been read, or is about to be.
    pub(super) fn mark_read(&mut self) {
        self.read = Stamp::of(&self.path);
        self.pending = None;
    }

    /// Whether the file changed since it was read and has come to rest; then it counts as read.
    pub(super) fn changed(&mut self) -> bool {
        let stamp = Stamp::of(&self.path);
        if stamp == self.read {
            self.pending = None;
        } else if self.pending == Some(stamp) {
            self.mark_read();
            return true;
        } else {
            self.pending = Some(stamp);
        }
        false
    }
}

/// The namespaces of one node's tasks as they were seen last.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    seen: BTreeMap<PathBuf, Option<Stamp>>,
}

impl Namespaces {
    /// Watches the namespaces that `desired` gives to tasks of `node`. One that was not watched
    /// before counts as changed if it is there: it may have come while nobody looked.
    pub(super) fn watch(&mut self, desired: &DesiredState, node: &str) {
        let tasks = desired.services.iter().flat_map(|service| &service.tasks);
        let paths = tasks.filter(|task| task.node == node).map(|task| task.netns.path());
        let before = std::mem::take(&mut self.seen);
        let stamp = |path: &PathBuf| before.get(path).copied().flatten();
        self.seen = paths.map(|path| (path.clone(), stamp(&path))).collect();
    }

    /// Whether one appeared, went, or was replaced since the last call.
    pub(super) fn changed(&mut self) -> bool {
        let mut changed = false;
        for (path, seen) in &mut self.seen {
            let stamp = Stamp::of(path);
            changed |= std::mem::replace(seen, stamp) != stamp;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::sample, model::Netns};

    #[test]
    fn a_change_counts_once_and_only_at_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cluster.toml");
        fs::write(&path, "a").unwrap();
        let mut file = ConfigFile::new(&path);
        assert!(!file.changed());
        fs::write(&path, "ab").unwrap();
        assert!(!file.changed(), "may still be written");
        fs::write(&path, "abc").unwrap();
        assert!(!file.changed(), "was still written");
        assert!(file.changed());
        assert!(!file.changed());
    }

    #[test]
    fn a_change_that_was_read_by_request_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cluster.toml");
        let mut file = ConfigFile::new(&path);
        fs::write(&path, "a").unwrap();
        assert!(!file.changed());
        file.mark_read();
        assert!(!file.changed());
    }

    #[test]
    fn a_namespace_that_appears_is_noticed_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web-1");
        let mut desired = sample::desired(&[("web.1", "n1")]);
        desired.services[0].tasks[0].netns = Netns::Path(path.clone());
        let mut namespaces = Namespaces::default();
        namespaces.watch(&desired, "n1");
        assert!(!namespaces.changed());
        fs::write(&path, "").unwrap();
        namespaces.watch(&desired, "n1");
        assert!(namespaces.changed());
        assert!(!namespaces.changed());
        fs::remove_file(&path).unwrap();
        assert!(namespaces.changed());
    }
}
