//! Where the programs run: a network namespace with a NIC, two legs and the routes of the small
//! cluster's first node, and a task's namespace for its sockets.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use lb_common::{
    addr::{V4, mac_of},
    flow::NatKey,
};
use lb_ebpf::testing::{
    BRIDGE_MAC, CLIENT, CLIENT_MAC, GUEST, Interfaces, NIC_MAC, NODE, TASK_A, TASK_B,
};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, setns, unshare},
    unistd::geteuid,
};
use socket2::{Domain, Socket, Type};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// What `World::add_leg` takes as the task namespace's id.
const NETNS_ID: &str = "7";

/// The node's namespace, which is the thread's, and the task's, which has a name.
pub(crate) struct Place {
    task: String,
    /// The node's interfaces.
    pub(crate) interfaces: Interfaces,
}

/// Runs `test` in such a place; skips it without root.
pub(crate) fn run(test: impl FnOnce(&Place) + Send) {
    if !geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let ended = thread::scope(|scope| scope.spawn(|| test(&Place::new())).join());
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

impl Place {
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let task = format!("swarmlb-test-run-{}-{number}", process::id());
        ip(&format!("netns add {task}"));
        let mut place = Self { task, interfaces: Interfaces::default() };
        place.interfaces = place.node();
        place.task();
        place
    }

    /// The node's end of everything.
    fn node(&self) -> Interfaces {
        for name in ["nic", "leg-a", "leg-b", "net-a", "net-b", "net-c", "guests"] {
            ip(&format!("link add {name} type veth peer name {name}-peer"));
        }
        ip(&format!("link set nic address {}", mac(NIC_MAC)));
        ip(&format!("link set guests address {}", mac(BRIDGE_MAC)));
        let ends =
            ["nic", "leg-a", "leg-b", "guests"].map(|name| [name.into(), format!("{name}-peer")]);
        for name in ends.iter().flatten().map(String::as_str).chain(["lo"]) {
            ip(&format!("link set {name} up"));
        }
        ip(&format!("addr add {}/24 dev nic", Ipv4Addr::from(NODE)));
        let (client, client_mac) = (Ipv4Addr::from(CLIENT.0), mac(CLIENT_MAC));
        ip(&format!("neigh add {client} lladdr {client_mac} dev nic nud permanent"));
        ip("addr add 172.17.0.1/16 dev guests");
        let (guest, guest_mac) = (Ipv4Addr::from(GUEST.0), mac(mac_of(GUEST.0)));
        ip(&format!("neigh add {guest} lladdr {guest_mac} dev guests nud permanent"));
        // `bpf_fib_lookup` knows no way for packets from interfaces that do not forward.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("forwarding");
        ip(&format!("netns set {} {NETNS_ID}", self.task));
        let index = |name: &str| if_nametoindex(name).expect("an interface");
        Interfaces {
            nic: index("nic"),
            legs: [index("leg-a"), index("leg-b")],
            overlay: [index("net-a"), index("net-b"), index("net-c")],
            bridge: index("guests"),
        }
    }

    /// The task's namespace has the client's address too, so that it can have its connections alone.
    fn task(&self) {
        let task = &self.task;
        ip(&format!("-n {task} link set lo up"));
        for addr in [TASK_A, TASK_B, CLIENT.0] {
            ip(&format!("-n {task} addr add {}/32 dev lo", Ipv4Addr::from(addr)));
        }
    }

    /// Established connections, as the task's namespace has them.
    pub(crate) fn connections<'a>(
        &self,
        keys: impl Iterator<Item = &'a NatKey<V4>> + Send,
    ) -> Connections {
        let keys: Vec<_> = keys.copied().collect();
        let namespace = File::open(format!("/run/netns/{}", self.task)).expect("the namespace");
        let connect = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("the task's namespace");
            keys.iter().map(connection).collect::<io::Result<_>>().expect("connections")
        };
        let pairs = thread::scope(|scope| scope.spawn(connect).join().expect("connections"));
        Connections { _pairs: pairs }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let deleted = Command::new("ip").args(["netns", "delete", &self.task]).status();
        if !deleted.is_ok_and(|status| status.success()) {
            eprintln!("clean-up: `ip netns delete {}` failed", self.task);
        }
    }
}

/// Connections that end with this value, at once and without TIME-WAIT.
pub(crate) struct Connections {
    _pairs: Vec<(Socket, std::net::TcpStream)>,
}

/// The client's and the task's end of a connection.
fn connection(key: &NatKey<V4>) -> io::Result<(Socket, std::net::TcpStream)> {
    let task = end(key.task, key.target_port);
    let listener = TcpListener::bind(task)?;
    let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    client.set_linger(Some(std::time::Duration::ZERO))?;
    client.bind(&end(key.client, key.client_port).into())?;
    client.connect(&task.into())?;
    Ok((client, listener.accept()?.0))
}

fn end(addr: V4, port: [u8; 2]) -> SocketAddr {
    (addr, u16::from_be_bytes(port)).into()
}

fn mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
