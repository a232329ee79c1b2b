//! Gateway legs made, repaired, refused and removed.

use std::time::Duration;

use lb_userspace::{
    host::{
        HostError, Netlink,
        legs::{LegSpec, LegState, Legs, host_ifname},
        netns::Namespace,
    },
    model::Subnet,
};

use tokio::time::timeout;

use crate::world::{TestNs, is_root};

pub(crate) fn spec(task: &str, ns: &TestNs) -> LegSpec {
    LegSpec {
        task: task.into(),
        netns: ns.netns(),
        gateway: Subnet { addr: [172, 31, 0, 0].into(), prefix: 16 },
        mtu: 1450,
        wanted: None,
    }
}

pub(crate) fn ensure(node: &TestNs, spec: &LegSpec) -> Result<LegState, HostError> {
    node.block_on(async || Legs::new(Netlink::here().unwrap()).ensure(spec).await)
}

fn remove(node: &TestNs, task: &str) {
    node.block_on(async || Legs::new(Netlink::here().unwrap()).remove(task).await.unwrap());
}

#[test]
fn a_leg_carries_packets_both_ways_without_arp() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let leg = ensure(&node, &spec("web.1", &task)).unwrap();
    assert_eq!(leg.ifname, host_ifname("web.1"));
    assert_eq!(leg.mtu, 1450);
    assert!(task.succeeds("ping -c1 -W2 172.31.0.1"), "task cannot reach its gateway");
    assert!(node.succeeds(&format!("ping -c1 -W2 {}", leg.addr)), "node cannot reach the task");
    assert!(task.sh("ip -4 route").contains("default via 172.31.0.1 dev gw0"));
    assert!(task.sh("ip -4 neigh").contains("PERMANENT"));
    assert!(task.sh("ethtool -k gw0").contains("generic-receive-offload: on"));
    assert!(task.sh("ethtool -k gw0").contains("tcp-segmentation-offload: on"));
    assert!(node.sh(&format!("ip link show {}", leg.ifname)).contains("alias swarmlb:web.1"));
    assert!(task.sh("ip link show lo").contains("UP"));
}

#[test]
fn the_state_tells_what_the_kernel_shows() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let leg = ensure(&node, &spec("web.1", &task)).unwrap();
    let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    assert!(task.sh("ip link show gw0").contains(&mac(leg.task_mac)));
    let host = node.sh(&format!("ip -d link show {}", leg.ifname));
    assert!(host.contains(&mac(leg.host_mac)), "{host}");
    assert!(host.starts_with(&format!("{}:", leg.ifindex)), "{host}");
    let ids = node.sh("ip netns list-id");
    assert!(
        ids.contains(&format!("nsid {} (iproute2 netns name: {})", leg.netns_id, task.name)),
        "{ids}"
    );
}

#[test]
fn a_leg_made_twice_is_the_same_and_untouched() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let first = ensure(&node, &spec("web.1", &task)).unwrap();
    let before = [node.snapshot(), task.snapshot()];
    let second = ensure(&node, &spec("web.1", &task)).unwrap();
    assert_eq!(first, second);
    assert_eq!(before, [node.snapshot(), task.snapshot()]);
}

#[test]
fn a_broken_leg_is_repaired_and_keeps_its_address() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let leg = ensure(&node, &spec("web.1", &task)).unwrap();
    let whole = [node.snapshot(), task.snapshot()];
    let host = &leg.ifname;
    for damage in [
        format!("ip link set {host} down"),
        format!("ip addr flush dev {host}"),
        format!("ip route del {} dev {host}", leg.addr),
        format!("ip neigh del {} dev {host}", leg.addr),
        format!("ip link set {host} mtu 1400 address 02:00:00:00:00:01"),
    ] {
        node.sh(&damage);
        assert_eq!(ensure(&node, &spec("web.1", &task)).unwrap(), leg, "{damage}");
        assert!(task.succeeds("ping -c1 -W2 172.31.0.1"), "{damage}");
    }
    for damage in [
        "ip link set gw0 down",
        "ip route del default",
        "ip addr flush dev gw0",
        "ethtool -K gw0 gro off",
    ] {
        task.sh(damage);
        assert_eq!(ensure(&node, &spec("web.1", &task)).unwrap(), leg, "{damage}");
        assert!(task.succeeds("ping -c1 -W2 172.31.0.1"), "{damage}");
    }
    assert_eq!(whole, [node.snapshot(), task.snapshot()]);
}

#[test]
fn a_half_made_leg_is_finished() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let leg = ensure(&node, &spec("web.1", &task)).unwrap();
    let whole = [node.snapshot(), task.snapshot()];
    remove(&node, "web.1");
    // As far as an agent comes that is killed after its first step.
    let (host, name) = (&leg.ifname, &task.name);
    node.sh(&format!("ip link add {host} type veth peer name gw0 netns {name}"));
    let finished = ensure(&node, &spec("web.1", &task)).unwrap();
    assert_eq!(finished.addr, leg.addr);
    assert!(task.succeeds("ping -c1 -W2 172.31.0.1"));
    let names = |text: &str| text.replace(&format!("{}: slb", leg.ifindex), "N: slb");
    assert_eq!(names(&whole[0]).lines().count(), node.snapshot().lines().count());
}

#[test]
fn a_hundred_legs_have_addresses_of_their_own() {
    if !is_root() {
        return;
    }
    let node = TestNs::new("node");
    let tasks: Vec<_> = (0..100).map(|i| TestNs::new(&format!("t{i}"))).collect();
    node.block_on(async || {
        let legs = Legs::new(Netlink::here().unwrap());
        let mut addresses = std::collections::BTreeSet::new();
        for (i, ns) in tasks.iter().enumerate() {
            // A subnet with room for 125, so that names collide and addresses must not.
            let gateway = Subnet { addr: [172, 31, 0, 0].into(), prefix: 25 };
            let spec = LegSpec { gateway, ..spec(&format!("web.{i}"), ns) };
            addresses.insert(legs.ensure(&spec).await.unwrap().addr);
        }
        assert_eq!(addresses.len(), 100);
        let found = legs.list().await.unwrap().into_iter().filter_map(|leg| leg.addr);
        assert_eq!(found.collect::<std::collections::BTreeSet<_>>(), addresses);
    });
}

#[test]
fn removing_a_leg_leaves_nothing() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    task.sh("ip link set lo up");
    let before = [node.snapshot(), task.snapshot()];
    ensure(&node, &spec("web.1", &task)).unwrap();
    assert_ne!(before, [node.snapshot(), task.snapshot()]);
    remove(&node, "web.1");
    assert_eq!(before, [node.snapshot(), task.snapshot()]);
    remove(&node, "web.1");
}

#[test]
fn legs_are_listed_by_a_later_agent_and_removed_together() {
    if !is_root() {
        return;
    }
    let (node, one, two) = (TestNs::new("node"), TestNs::new("one"), TestNs::new("two"));
    let first = ensure(&node, &spec("web.1", &one)).unwrap();
    let second = ensure(&node, &spec("web.2", &two)).unwrap();
    assert_ne!(first.addr, second.addr);
    node.block_on(async || {
        let legs = Legs::new(Netlink::here().unwrap());
        let mut found: Vec<_> = legs
            .list()
            .await
            .unwrap()
            .into_iter()
            .map(|leg| (leg.task.unwrap(), leg.addr.unwrap()))
            .collect();
        found.sort();
        assert_eq!(found, [("web.1".into(), first.addr), ("web.2".into(), second.addr)]);
        legs.remove_all().await.unwrap();
        assert_eq!(legs.list().await.unwrap(), []);
    });
}

#[test]
fn a_leg_goes_with_its_namespace_and_follows_to_a_new_one() {
    if !is_root() {
        return;
    }
    let (node, old) = (TestNs::new("node"), TestNs::new("old"));
    let mut lost = spec("web.1", &old);
    let old_netns = old.netns();
    let leg = node.block_on(async || {
        let netlink = Netlink::here().unwrap();
        let leg = Legs::new(netlink.clone()).ensure(&lost).await.unwrap();
        // An agent that goes on running must not keep the namespace alive.
        drop(old);
        let gone = async { while netlink.link_named(&leg.ifname).await.unwrap().is_some() {} };
        timeout(Duration::from_secs(60), gone).await.expect("the leg outlives its task");
        leg
    });
    lost.netns = old_netns;
    assert!(ensure(&node, &lost).unwrap_err().is_missing_namespace());
    let new = TestNs::new("new");
    assert_eq!(ensure(&node, &spec("web.1", &new)).unwrap().addr, leg.addr);
    let newer = TestNs::new("newer");
    assert_eq!(ensure(&node, &spec("web.1", &newer)).unwrap().addr, leg.addr);
    assert!(!new.succeeds("ip link show gw0"), "the leg stayed in the former namespace");
}

#[test]
fn a_wanted_address_is_given_moved_and_guarded() {
    if !is_root() {
        return;
    }
    let (node, one, two) = (TestNs::new("node"), TestNs::new("one"), TestNs::new("two"));
    let wanted = |task: &str, ns: &TestNs, host| LegSpec {
        wanted: Some([172, 31, 9, host].into()),
        ..spec(task, ns)
    };
    assert_eq!(ensure(&node, &wanted("web.1", &one, 9)).unwrap().addr.octets(), [172, 31, 9, 9]);
    assert_eq!(ensure(&node, &wanted("web.1", &one, 10)).unwrap().addr.octets(), [172, 31, 9, 10]);
    assert_eq!(ensure(&node, &spec("web.1", &one)).unwrap().addr.octets(), [172, 31, 9, 10]);
    let refused = ensure(&node, &wanted("web.2", &two, 10)).unwrap_err();
    assert!(matches!(refused, HostError::AddressRefused { .. }), "{refused}");
    assert!(!two.succeeds("ip link show gw0"));
}

#[test]
fn what_is_in_the_way_is_named_and_kept() {
    if !is_root() {
        return;
    }
    let (node, task, other) = (TestNs::new("node"), TestNs::new("task"), TestNs::new("other"));
    crate::world::wire((&task, "198.18.0.9/24"), (&other, "198.18.0.1/24"));
    task.sh("ip route add default via 198.18.0.1");
    let before = node.snapshot();
    let refused = ensure(&node, &spec("web.1", &task)).unwrap_err().to_string();
    assert!(
        refused.contains("web.1") && refused.contains("ip route del default dev eth0"),
        "{refused}"
    );
    task.sh("ip route del default");
    task.sh("ip link add gw0 type bridge");
    let refused = ensure(&node, &spec("web.1", &task)).unwrap_err();
    assert!(matches!(refused, HostError::ForeignInterface { .. }), "{refused}");
    assert_eq!(before, node.snapshot());
    node.sh(&format!("ip link add {} type bridge", host_ifname("web.2")));
    let refused = ensure(&node, &spec("web.2", &other)).unwrap_err();
    assert!(matches!(refused, HostError::NameTaken { .. }), "{refused}");
    let own = LegSpec { netns: node.netns(), ..spec("web.3", &task) };
    assert!(matches!(ensure(&node, &own).unwrap_err(), HostError::NodeNamespace { .. }));
}

#[test]
fn namespaces_are_told_apart() {
    if !is_root() {
        return;
    }
    let ns = TestNs::new("node");
    let open = Namespace::open(&ns.netns()).unwrap();
    assert_ne!(open.inode(), Namespace::current().unwrap().inode());
    assert_eq!(open.inode(), open.run(|| Namespace::current().unwrap().inode()).unwrap());
    let cookie = || lb_userspace::host::netns::cookie().unwrap();
    assert_ne!(cookie(), open.run(cookie).unwrap());
    let file = lb_userspace::model::Netns::Path("/proc/self/stat".into());
    assert!(Namespace::open(&file).unwrap_err().is_missing_namespace());
}
