//! A place for one test: a network namespace that goes with its thread, and a pin root that is
//! removed when the test ends, however it ends.

use std::{
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use lb_userspace::dataplane::{Dataplane, Globals, LoadError, Object, detach};
use nix::{
    sched::{CloneFlags, unshare},
    unistd::geteuid,
};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Constants that concern no real traffic.
pub(crate) const GLOBALS: Globals = Globals {
    node_addr: [198, 18, 0, 1],
    vxlan_port: 4789,
    mesh_vni: 4094,
    hash_key: 1,
    gateway_addr: [10, 231, 0, 1],
    gateway_mask: [255, 255, 0, 0],
    beside_docker: 0,
    ingress_vni: 0,
    ingress_addr: [0; 4],
    ingress_mtu: 0,
    netns_cookie: 0,
};

/// A test's pin root.
pub(crate) struct Bed {
    root: PathBuf,
}

impl Bed {
    /// A second pin root in the same namespace.
    pub(crate) fn beside(other: &Self) -> Self {
        Self {
            root: other.root.with_file_name(format!(
                "{}-beside",
                other.root.file_name().unwrap_or_default().display()
            )),
        }
    }

    /// Where this test pins.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the embedded object here.
    pub(crate) fn open(&self) -> Result<Dataplane, LoadError> {
        Dataplane::open(&self.root, &Object::Embedded, &GLOBALS)
    }

    /// Path below the layout directory.
    pub(crate) fn pin(&self, path: &str) -> PathBuf {
        self.root.join("v1").join(path)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Err(error) = detach(&self.root) {
            eprintln!("clean-up of {:?}: {error}", self.root);
        }
    }
}

/// Runs `test` in a namespace with the veth pair `va`-`vb`; skips it without root.
pub(crate) fn run(test: impl FnOnce(&Bed) + Send) {
    if !geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let root = PathBuf::from(format!("/sys/fs/bpf/swarmlb-test-{}-{number}", process::id()));
    let in_namespace = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
        ip("link add va type veth peer name vb");
        test(&Bed { root });
    };
    let ended = thread::scope(|scope| scope.spawn(in_namespace).join());
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// `ip` in the test's namespace.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
