//! Where things are pinned: `<pin-root>/v<layout>/maps/NAME` and `.../links/KIND-NAME` on a bpffs.
//! Makes the directories, mounts the bpffs where it is missing, and keeps two agents apart.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use lb_common::LAYOUT_VERSION;
use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

/// Where systems mount the bpffs.
const BPFFS: &str = "/sys/fs/bpf";
/// Owner only: who may open a pinned map may redirect traffic.
const MODE: u32 = 0o700;

/// The directories of one data plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    root: PathBuf,
}

/// Held by the one process that may change what is pinned under a pin root.
#[derive(Debug)]
pub struct PinLock {
    _file: Flock<File>,
}

/// Why the pin root cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// Mounting the bpffs failed.
    #[error("cannot mount a bpffs on {BPFFS}: {0}; run as root, or `mount -t bpf bpf {BPFFS}`")]
    Mount(nix::Error),
    /// The pin root is on another file system.
    #[error(
        "pin root {0:?} is not on a bpffs; choose one below {BPFFS}, or mount one: `mount -t bpf bpf DIR`"
    )]
    NotBpffs(PathBuf),
    /// A bpffs has no names with dots.
    #[error("pin root {0:?} has a dot in a name, which a bpffs refuses; choose a name without")]
    Dot(PathBuf),
    /// A file operation failed.
    #[error("cannot {action} {path:?}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Pins of another layout are there.
    #[error(
        "{path:?} holds pins of another layout (this is v{LAYOUT_VERSION}); remove them with \
         `swarmlb detach --pin-root {root}`, which also stops their forwarding"
    )]
    OtherLayout {
        /// The other layout's directory.
        path: PathBuf,
        /// The pin root.
        root: String,
    },
    /// Another process holds the lock.
    #[error("another swarmlb process works on pin root {0:?}; stop it first")]
    Locked(PathBuf),
}

impl PinsError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}

impl Pins {
    /// The pins below `root`; nothing is touched.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// The pin root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Directory of this layout version.
    #[must_use]
    pub fn layout_dir(&self) -> PathBuf {
        self.root.join(format!("v{LAYOUT_VERSION}"))
    }

    /// Directory of the maps.
    #[must_use]
    pub fn maps_dir(&self) -> PathBuf {
        self.layout_dir().join("maps")
    }

    /// Directory of the links.
    #[must_use]
    pub fn links_dir(&self) -> PathBuf {
        self.layout_dir().join("links")
    }

    /// Pin of the map `name`.
    #[must_use]
    pub fn map(&self, name: &str) -> PathBuf {
        self.maps_dir().join(name)
    }

    /// Pin of the link `name`: `xdp-IFNAME`, `tcx-IFNAME` or `cgroup-PROGRAM`; see [`link_name`].
    #[must_use]
    pub fn link(&self, name: &str) -> PathBuf {
        self.links_dir().join(name)
    }

    /// Layout directories (`v*`) that exist, of this version and of others.
    ///
    /// # Errors
    /// [`PinsError::Io`] when the pin root cannot be listed.
    pub fn layouts(&self) -> Result<Vec<PathBuf>, PinsError> {
        let names = list(&self.root)?;
        Ok(names
            .into_iter()
            .filter(|name| is_layout(name))
            .map(|name| self.root.join(name))
            .collect())
    }

    /// Makes the directories, mounts the bpffs if need be, and takes the lock.
    ///
    /// # Errors
    /// Any [`PinsError`]; pins of another layout are refused before anything is made.
    pub fn prepare(&self) -> Result<PinLock, PinsError> {
        mount_bpffs(&self.root)?;
        self.refuse_other_layouts()?;
        for dir in [self.maps_dir(), self.links_dir()] {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(MODE).create(&dir).map_err(PinsError::io("make", &dir))?;
        }
        self.lock()
    }

    /// Takes the lock of an existing pin root.
    ///
    /// # Errors
    /// [`PinsError::Locked`], or [`PinsError::Io`] when the root does not exist.
    pub fn lock(&self) -> Result<PinLock, PinsError> {
        let file = File::open(&self.root).map_err(PinsError::io("open", &self.root))?;
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        locked.map(|file| PinLock { _file: file }).map_err(|_| PinsError::Locked(self.root.clone()))
    }

    fn refuse_other_layouts(&self) -> Result<(), PinsError> {
        match self.layouts()?.into_iter().find(|path| *path != self.layout_dir()) {
            None => Ok(()),
            Some(path) => {
                Err(PinsError::OtherLayout { path, root: self.root.display().to_string() })
            }
        }
    }
}

/// Name of the link that attaches to `interface`: a bpffs has no names with dots, an interface (such
/// as a VLAN's, `eth0.5`) no name with a colon.
pub(super) fn link_name(kind: &str, interface: &str) -> String {
    format!("{kind}-{}", interface.replace('.', ":"))
}

/// The interface that [`link_name`] named a link of that kind after.
pub(super) fn interface_of(link: &str, kind: &str) -> Option<String> {
    let name = link.strip_prefix(kind)?.strip_prefix('-')?;
    Some(name.replace(':', "."))
}

/// Names in `dir`, sorted; none where the directory does not exist.
pub(super) fn list(dir: &Path) -> Result<Vec<String>, PinsError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(PinsError::io("list", dir))?,
    };
    let names =
        entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<_> = names.collect::<Result<_, _>>().map_err(PinsError::io("list", dir))?;
    names.sort_unstable();
    Ok(names)
}

fn is_layout(name: &str) -> bool {
    name.strip_prefix('v').is_some_and(|version| version.parse::<u32>().is_ok())
}

/// Mounts the bpffs where it is missing.
fn mount_bpffs(root: &Path) -> Result<(), PinsError> {
    if root.to_string_lossy().contains('.') {
        return Err(PinsError::Dot(root.into()));
    }
    if on_bpffs(root) {
        return Ok(());
    }
    if !root.starts_with(BPFFS) {
        return Err(PinsError::NotBpffs(root.into()));
    }
    mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), Some("mode=0700"))
        .map_err(PinsError::Mount)
}

/// Whether the nearest existing ancestor of `path` lies on a bpffs.
fn on_bpffs(path: &Path) -> bool {
    let existing = path.ancestors().find(|path| path.exists());
    existing
        .and_then(|path| statfs(path).ok())
        .is_some_and(|fs| fs.filesystem_type() == BPF_FS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_lie_below_the_layout_version() {
        let pins = Pins::new(Path::new("/sys/fs/bpf/swarmlb"));
        assert_eq!(pins.map("ROWS"), Path::new("/sys/fs/bpf/swarmlb/v1/maps/ROWS"));
        assert_eq!(pins.link("xdp-eth0"), Path::new("/sys/fs/bpf/swarmlb/v1/links/xdp-eth0"));
    }

    #[test]
    fn only_v_and_a_number_is_a_layout() {
        assert!(is_layout("v0") && is_layout("v12"));
        assert!(!is_layout("v") && !is_layout("maps") && !is_layout("vx1"));
    }

    #[test]
    fn a_vlan_interface_has_a_link_name_without_a_dot() {
        assert_eq!(link_name("xdp", "eth0.5"), "xdp-eth0:5");
        assert_eq!(interface_of("xdp-eth0:5", "xdp").as_deref(), Some("eth0.5"));
        assert_eq!(interface_of("tcx-eth0", "xdp"), None);
    }

    #[test]
    fn a_root_off_the_bpffs_is_refused() {
        let error = mount_bpffs(Path::new("/tmp/swarmlb")).expect_err("no bpffs");
        assert!(matches!(error, PinsError::NotBpffs(_)), "{error}");
    }
}
