//! Overlay legs made, repaired, refused and removed.

use lb_userspace::{
    host::{
        HostError, Netlink,
        overlay::{FoundOverlayLeg, OverlayLegs, OverlaySpec, OverlayState, Owner, node_ifname},
    },
    model::Subnet,
};

use crate::world::{TestNs, is_root};

fn owner(task: &str, network: &str) -> Owner {
    Owner { task: task.into(), network: network.into() }
}

/// Task `web.1` in network `front`, which has a second subnet.
fn spec(ns: &TestNs) -> OverlaySpec {
    OverlaySpec {
        owner: owner("web.1", "front"),
        netns: ns.netns(),
        addr: [10, 20, 0, 5].into(),
        mac: [0x02, 0x42, 10, 20, 0, 5],
        prefix: 24,
        gateway: [10, 20, 0, 1].into(),
        others: vec![Subnet { addr: [10, 21, 0, 0].into(), prefix: 24 }],
        mtu: 1450,
    }
}

/// As one round of the agent's does it: made, then opened.
fn ensure(node: &TestNs, spec: &OverlaySpec) -> Result<OverlayState, HostError> {
    node.block_on(async || {
        let legs = OverlayLegs::new(Netlink::here().unwrap());
        let leg = legs.ensure(spec).await?;
        legs.open(&leg).await.map(|()| leg)
    })
}

fn remove(node: &TestNs, owner: &Owner) {
    node.block_on(async || OverlayLegs::new(Netlink::here().unwrap()).remove(owner).await.unwrap());
}

fn list(node: &TestNs) -> Vec<FoundOverlayLeg> {
    node.block_on(async || OverlayLegs::new(Netlink::here().unwrap()).list().await.unwrap())
}

#[test]
fn a_leg_has_the_tasks_address_and_none_at_the_node() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let leg = ensure(&node, &spec(&task)).unwrap();
    let there = task.sh("ip addr show ov-front");
    assert!(there.contains("inet 10.20.0.5/24") && there.contains("02:42:0a:14:00:05"), "{there}");
    assert!(there.contains("mtu 1450") && !there.contains("inet6"), "{there}");
    let routes = task.sh("ip -4 route");
    assert!(routes.contains("10.21.0.0/24 via 10.20.0.1 dev ov-front"), "{routes}");
    assert!(!routes.contains("default"), "{routes}");
    let here = node.sh(&format!("ip addr show {}", leg.ifname));
    assert!(here.starts_with(&format!("{}:", leg.ifindex)), "{here}");
    assert!(here.contains("UP") && !here.contains("inet"), "{here}");
    let alias = node.sh(&format!("ip link show {}", leg.ifname));
    assert!(alias.contains("alias swarmlb:web.1@front"), "{alias}");
    assert!(task.sh("ip link show lo").contains("UP"));
}

#[test]
fn a_new_leg_is_closed_until_it_is_opened_and_then_stays_open() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let is_up = || node.sh("ip -o link show up").contains("slo");
    node.block_on(async || {
        let legs = OverlayLegs::new(Netlink::here().unwrap());
        let leg = legs.ensure(&spec(&task)).await.unwrap();
        assert!(!is_up(), "packets reach the node before a program waits for them");
        legs.open(&leg).await.unwrap();
        assert!(is_up());
        legs.ensure(&spec(&task)).await.unwrap();
        assert!(is_up(), "a leg flaps when it is looked after");
    });
}

#[test]
fn a_leg_made_twice_is_the_same_and_untouched() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let first = ensure(&node, &spec(&task)).unwrap();
    let before = [node.snapshot(), task.snapshot()];
    assert_eq!(ensure(&node, &spec(&task)).unwrap(), first);
    assert_eq!(before, [node.snapshot(), task.snapshot()]);
}

#[test]
fn a_broken_leg_is_repaired_in_place() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let leg = ensure(&node, &spec(&task)).unwrap();
    let whole = [node.snapshot(), task.snapshot()];
    let host = &leg.ifname;
    for damage in [
        format!("ip link set {host} down"),
        format!("ip link set {host} mtu 1400 address 02:00:00:00:00:01"),
    ] {
        node.sh(&damage);
        assert_eq!(ensure(&node, &spec(&task)).unwrap(), leg, "{damage}");
        assert_eq!(whole, [node.snapshot(), task.snapshot()], "{damage}");
    }
    for damage in [
        "ip link set ov-front down",
        "ip link set ov-front mtu 1300 address 02:00:00:00:00:01",
        "ip addr flush dev ov-front",
        "ip addr add 10.20.0.77/24 dev ov-front",
        "ip route del 10.21.0.0/24",
        "ip route add 10.99.0.0/16 via 10.20.0.1",
        "ip link set lo down",
    ] {
        task.sh(damage);
        assert_eq!(ensure(&node, &spec(&task)).unwrap(), leg, "{damage}");
        assert_eq!(whole, [node.snapshot(), task.snapshot()], "{damage}");
    }
}

#[test]
fn a_changed_wish_is_followed_in_place() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let first = ensure(&node, &spec(&task)).unwrap();
    let moved = OverlaySpec {
        addr: [10, 22, 0, 9].into(),
        mac: [2, 0, 0, 0, 0, 9],
        prefix: 16,
        gateway: [10, 22, 0, 1].into(),
        others: vec![Subnet { addr: [10, 23, 0, 0].into(), prefix: 24 }],
        mtu: 1350,
        ..spec(&task)
    };
    let second = ensure(&node, &moved).unwrap();
    assert_eq!((second.ifindex, second.mtu), (first.ifindex, 1350));
    let there = task.sh("ip -4 addr show ov-front") + &task.sh("ip -4 route");
    assert!(there.contains("10.22.0.9/16") && !there.contains("10.20."), "{there}");
    assert!(there.contains("10.23.0.0/24 via 10.22.0.1") && !there.contains("10.21."), "{there}");
}

#[test]
fn a_half_made_leg_is_made_anew() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let host = node_ifname(&owner("web.1", "front"));
    // As far as an agent comes that is killed after its first step.
    node.sh(&format!("ip link add {host} type veth peer name ov-front netns {}", task.name));
    assert_eq!(list(&node)[0].owner, None);
    ensure(&node, &spec(&task)).unwrap();
    assert_eq!(list(&node)[0].owner, Some(owner("web.1", "front")));
    assert!(task.sh("ip -4 addr show ov-front").contains("10.20.0.5/24"));
}

#[test]
fn two_legs_never_share_a_place() {
    if !is_root() {
        return;
    }
    let (node, one, two) = (TestNs::new("node"), TestNs::new("one"), TestNs::new("two"));
    // In a new namespace the kernel gives index 2 next: the first leg stands 65536 above it.
    let host = node_ifname(&owner("web.1", "front"));
    let peer = format!("type veth peer name ov-front netns {}", one.name);
    node.sh(&format!("ip link add {host} index 65538 {peer}"));
    node.sh(&format!("ip link set {host} alias swarmlb:web.1@front"));
    let first = ensure(&node, &spec(&one)).unwrap();
    assert_eq!(first.ifindex, 65_538, "a whole leg is kept");
    let second = ensure(&node, &OverlaySpec { owner: owner("web.2", "front"), ..spec(&two) });
    assert_eq!(second.unwrap().ifindex, 65_539);
    assert_eq!(ensure(&node, &spec(&one)).unwrap(), first, "the earlier one was disturbed");
}

#[test]
fn a_task_may_be_in_several_networks() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    let back = OverlaySpec {
        owner: owner("web.1", "a-back-with-a-long-name"),
        addr: [10, 30, 0, 5].into(),
        mac: [0x02, 0x42, 10, 30, 0, 5],
        gateway: [10, 30, 0, 1].into(),
        others: Vec::new(),
        ..spec(&task)
    };
    let legs = [ensure(&node, &spec(&task)).unwrap(), ensure(&node, &back).unwrap()];
    assert_ne!(legs[0].ifindex, legs[1].ifindex);
    assert_eq!(task.sh("ip -o link show").matches("ov-").count(), 2);
    remove(&node, &back.owner);
    assert!(task.sh("ip -4 addr").contains("10.20.0.5/24"));
    assert_eq!(task.sh("ip -o link show").matches("ov-").count(), 1);
}

#[test]
fn removing_legs_leaves_nothing() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    task.sh("ip link set lo up");
    let before = [node.snapshot(), task.snapshot()];
    ensure(&node, &spec(&task)).unwrap();
    assert_ne!(before, [node.snapshot(), task.snapshot()]);
    remove(&node, &owner("web.1", "front"));
    assert_eq!(before, [node.snapshot(), task.snapshot()]);
    remove(&node, &owner("web.1", "front"));
    ensure(&node, &spec(&task)).unwrap();
    node.block_on(async || {
        OverlayLegs::new(Netlink::here().unwrap()).remove_all().await.unwrap();
    });
    assert_eq!(before, [node.snapshot(), task.snapshot()]);
}

#[test]
fn gateway_and_overlay_legs_leave_each_other_alone() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    crate::legs::ensure(&node, &crate::legs::spec("web.1", &task)).unwrap();
    ensure(&node, &spec(&task)).unwrap();
    let routes = task.sh("ip -4 route");
    assert!(routes.contains("default via 172.31.0.1 dev gw0"), "{routes}");
    assert_eq!(list(&node).len(), 1);
    node.block_on(async || {
        let gateway = lb_userspace::host::legs::Legs::new(Netlink::here().unwrap());
        assert_eq!(gateway.list().await.unwrap().len(), 1);
        gateway.remove_all().await.unwrap();
    });
    assert_eq!(list(&node).len(), 1);
}

#[test]
fn a_leg_follows_its_task_to_a_new_namespace() {
    if !is_root() {
        return;
    }
    let (node, old, new) = (TestNs::new("node"), TestNs::new("old"), TestNs::new("new"));
    ensure(&node, &spec(&old)).unwrap();
    ensure(&node, &spec(&new)).unwrap();
    assert!(new.sh("ip -4 addr show ov-front").contains("10.20.0.5/24"));
    assert!(!old.succeeds("ip link show ov-front"), "the leg stayed in the former namespace");
    let lost = spec(&new);
    drop(new);
    assert!(ensure(&node, &lost).unwrap_err().is_missing_namespace());
}

#[test]
fn what_is_in_the_way_is_named_and_kept() {
    if !is_root() {
        return;
    }
    let (node, task) = (TestNs::new("node"), TestNs::new("task"));
    task.sh("ip link add ov-front type bridge");
    let before = [node.snapshot(), task.snapshot()];
    let refused = ensure(&node, &spec(&task)).unwrap_err();
    assert!(matches!(refused, HostError::ForeignInterface { .. }), "{refused}");
    assert_eq!(before, [node.snapshot(), task.snapshot()]);
    task.sh("ip link del ov-front");
    let host = node_ifname(&owner("web.1", "front"));
    node.sh(&format!("ip link add {host} type bridge"));
    let refused = ensure(&node, &spec(&task)).unwrap_err();
    assert!(matches!(refused, HostError::NameTaken { .. }), "{refused}");
    remove(&node, &owner("web.1", "front"));
    assert!(node.succeeds(&format!("ip link show {host}")), "a foreign interface was removed");
    let own = OverlaySpec { netns: node.netns(), ..spec(&task) };
    assert!(matches!(ensure(&node, &own).unwrap_err(), HostError::NodeNamespace { .. }));
}
