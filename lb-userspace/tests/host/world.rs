//! A small world per test: namespaces with unique names, wired by veths, gone when dropped, also
//! after a panic.

use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use lb_userspace::{host::netns::Namespace, model::Netns};

/// A named network namespace, removed on drop.
#[derive(Debug)]
pub(crate) struct TestNs {
    pub(crate) name: String,
}

impl TestNs {
    pub(crate) fn new(role: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("slbtest-{}-{count}-{role}", std::process::id());
        run(&format!("ip netns add {name}"));
        Self { name }
    }

    pub(crate) fn netns(&self) -> Netns {
        Netns::Path(PathBuf::from(format!("/run/netns/{}", self.name)))
    }

    /// Runs a command inside and gives its output; panics where it fails.
    pub(crate) fn sh(&self, command: &str) -> String {
        run(&self.enter(command))
    }

    /// Whether a command inside succeeds.
    pub(crate) fn succeeds(&self, command: &str) -> bool {
        shell(&self.enter(command)).status.success()
    }

    /// Runs async code on a thread inside, as the agent runs in its node.
    pub(crate) fn block_on<T: Send>(&self, work: impl AsyncFnOnce() -> T + Send) -> T {
        let inside = || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work())
        };
        Namespace::open(&self.netns()).unwrap().run(inside).unwrap()
    }

    /// All that a leg could leave behind, in a form that can be compared: without the operational
    /// state, which the kernel works out some time after a change.
    pub(crate) fn snapshot(&self) -> String {
        let commands = [
            "ip -d link",
            "ip -4 addr",
            "ip -4 route show table all",
            "ip -4 neigh",
            "nft list ruleset",
            "sysctl net.ipv4.ip_forward",
        ];
        let shown = commands.map(|command| format!("# {command}\n{}", self.sh(command))).concat();
        let settling =
            [("NO-CARRIER,", ""), ("state DOWN", ""), ("state UP", ""), (" linkdown", "")];
        settling.iter().fold(shown, |text, (from, to)| text.replace(from, to))
    }

    fn enter(&self, command: &str) -> String {
        format!("nsenter --net=/run/netns/{} {command}", self.name)
    }
}

impl Drop for TestNs {
    fn drop(&mut self) {
        shell(&format!("ip netns del {}", self.name));
    }
}

/// Whether the tests may make namespaces; says so where not.
pub(crate) fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: needs root to make network namespaces");
    }
    root
}

/// Wires two namespaces: interface `eth0` at both ends.
pub(crate) fn wire(a: (&TestNs, &str), b: (&TestNs, &str)) {
    let ((a, a_addr), (b, b_addr)) = (a, b);
    run(&format!("ip link add eth0 netns {} type veth peer name eth0 netns {}", a.name, b.name));
    for (ns, addr) in [(a, a_addr), (b, b_addr)] {
        ns.sh("ip link set lo up");
        ns.sh("ip link set eth0 up");
        ns.sh(&format!("ip addr add {addr} dev eth0"));
    }
}

fn run(command: &str) -> String {
    let output = shell(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn shell(command: &str) -> std::process::Output {
    Command::new("sh").args(["-c", command]).output().unwrap()
}
