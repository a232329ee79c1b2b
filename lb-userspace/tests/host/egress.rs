//! Tasks' way out: NAT, forwarding, isolation, and everything as before afterwards.

use std::path::Path;

use lb_userspace::{
    host::{
        Journal, Netlink,
        legs::{LegState, Legs},
        nat::{self, Egress},
        sysctl,
    },
    model::Subnet,
};

use crate::{
    legs::{ensure, spec},
    world::{TestNs, is_root, wire},
};

fn egress() -> Egress {
    Egress { gateway: Subnet { addr: [172, 31, 0, 0].into(), prefix: 16 }, ports: 32768..=60999 }
}

/// Does what the agent does at start; gives whether NAT rules had to be written.
fn open_egress(node: &TestNs, state: &Path) -> bool {
    node.block_on(async || {
        let mut journal = Journal::open(state).unwrap();
        sysctl::ensure(&mut journal, sysctl::IP_FORWARD, "1").unwrap();
        nat::ensure(&mut journal, &egress()).await.unwrap()
    })
}

/// Does what `detach` does.
fn detach(node: &TestNs, state: &Path) {
    node.block_on(async || {
        Legs::new(Netlink::here().unwrap()).remove_all().await.unwrap();
        Journal::open(state).unwrap().restore().await.unwrap();
    });
}

struct World {
    node: TestNs,
    outside: TestNs,
    tasks: [TestNs; 2],
    legs: [LegState; 2],
    state: tempfile::TempDir,
}

fn world() -> World {
    let (node, outside) = (TestNs::new("node"), TestNs::new("outside"));
    wire((&node, "198.18.0.1/24"), (&outside, "198.18.0.2/24"));
    let tasks = [TestNs::new("one"), TestNs::new("two")];
    let legs = [0, 1].map(|i| ensure(&node, &spec(&format!("web.{i}"), &tasks[i])).unwrap());
    let state = tempfile::tempdir().unwrap();
    assert!(open_egress(&node, state.path()));
    World { node, outside, tasks, legs, state }
}

#[test]
fn a_task_reaches_the_outside_from_the_nodes_address() {
    if !is_root() {
        return;
    }
    let world = world();
    world.outside.sh("nft add table ip t");
    world.outside.sh("nft add chain ip t in '{ type filter hook input priority 0; }'");
    world.outside.sh("nft add rule ip t in ip saddr 198.18.0.1 icmp type echo-request counter");
    assert!(world.tasks[0].succeeds("ping -c2 -i0.05 -W2 198.18.0.2"), "no way out");
    let counted = world.outside.sh("nft list chain ip t in");
    assert!(counted.contains("counter packets 2 "), "another source than the node's: {counted}");
}

#[test]
fn nothing_new_comes_in_and_tasks_are_apart() {
    if !is_root() {
        return;
    }
    let world = world();
    world.outside.sh("ip route add 172.31.0.0/16 via 198.18.0.1");
    let inward = format!("ping -c1 -W1 {}", world.legs[0].addr);
    assert!(!world.outside.succeeds(&inward), "the outside reaches a task's leg");
    assert!(!world.tasks[1].succeeds(&inward), "a task reaches another's leg");
    assert!(world.node.succeeds(&inward), "the node does not reach its task");
    let rules = world.node.sh("nft list table ip swarmlb");
    assert!(rules.contains("counter packets 2 "), "drops are not counted: {rules}");
}

#[test]
fn rules_are_written_once_and_repaired() {
    if !is_root() {
        return;
    }
    let world = world();
    assert!(!open_egress(&world.node, world.state.path()), "rules in place were written again");
    world.node.sh("nft flush chain ip swarmlb forward");
    assert!(open_egress(&world.node, world.state.path()), "missing rules were not noticed");
    world.node.sh("nft delete table ip swarmlb");
    assert!(open_egress(&world.node, world.state.path()), "a missing table was not noticed");
    assert!(world.tasks[0].succeeds("ping -c1 -W2 198.18.0.2"));
}

#[test]
fn masqueraded_ports_keep_to_their_range() {
    if !is_root() {
        return;
    }
    let world = world();
    let narrow = Egress { ports: 40000..=40003, ..egress() };
    world.node.block_on(async || {
        let mut journal = Journal::open(world.state.path()).unwrap();
        assert!(nat::ensure(&mut journal, &narrow).await.unwrap());
    });
    world.outside.sh("nft add table ip t");
    world.outside.sh("nft add chain ip t in '{ type filter hook input priority 0; }'");
    world.outside.sh("nft add rule ip t in udp dport 9 udp sport 40000-40003 counter");
    world.tasks[0].block_on(async || {
        let socket = tokio::net::UdpSocket::bind("0.0.0.0:5353").await.unwrap();
        socket.send_to(b"x", "198.18.0.2:9").await.unwrap();
    });
    let counted = world.outside.sh("nft list chain ip t in");
    assert!(counted.contains("counter packets 1 "), "{counted}");
}

#[test]
fn detaching_leaves_the_node_as_it_was() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    node.sh("nft add table ip mine");
    task.sh("ip link set lo up");
    node.sh("sysctl -w net.ipv4.ip_forward=0");
    let before = [node.snapshot(), task.snapshot()];
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().join("agent");
    ensure(&node, &spec("web.1", &task)).unwrap();
    open_egress(&node, &dir);
    // An agent that was killed starts again: the first former value still counts.
    open_egress(&node, &dir);
    let attached = node.snapshot();
    assert!(attached.contains("ip_forward = 1") && attached.contains("table ip swarmlb"));
    detach(&node, &dir);
    assert_eq!(before, [node.snapshot(), task.snapshot()]);
    assert!(!dir.exists(), "the journal outlives its purpose");
    detach(&node, &dir);
}

#[test]
fn a_setting_changed_by_others_since_is_theirs() {
    if !is_root() {
        return;
    }
    let (node, state) = (TestNs::new("node"), tempfile::tempdir().unwrap());
    let key = "net.ipv4.conf.all.rp_filter";
    node.sh(&format!("sysctl -w {key}=0"));
    node.block_on(async || {
        let mut journal = Journal::open(&state.path().join("agent")).unwrap();
        sysctl::ensure(&mut journal, key, "2").unwrap();
        assert_eq!(sysctl::read(key).unwrap(), "2");
    });
    node.sh(&format!("sysctl -w {key}=1"));
    detach(&node, &state.path().join("agent"));
    assert!(node.sh(&format!("sysctl {key}")).contains("= 1"));
}
