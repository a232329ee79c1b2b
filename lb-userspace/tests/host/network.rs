//! Interfaces, addresses and next hops.

use std::{net::Ipv4Addr, time::Duration};

use lb_userspace::host::{HostError, Netlink, network};

use crate::world::{TestNs, is_root, wire};

const NODE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

pub(crate) fn two_nodes() -> (TestNs, TestNs) {
    let (node, peer) = (TestNs::new("node"), TestNs::new("peer"));
    wire((&node, "198.18.0.1/24"), (&peer, "198.18.0.2/24"));
    (node, peer)
}

async fn resolved(netlink: &Netlink, addr: Ipv4Addr) -> network::NextHop {
    let found = async {
        loop {
            if let Some(hop) = network::next_hop(netlink, addr).await.unwrap() {
                return hop;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found).await.expect("neighbour is never resolved")
}

#[test]
fn the_interface_with_an_address_is_found() {
    if !is_root() {
        return;
    }
    let (node, _peer) = two_nodes();
    node.block_on(async || {
        let netlink = Netlink::here().unwrap();
        let interface = network::interface_with(&netlink, NODE).await.unwrap();
        assert_eq!(interface.link.name, "eth0");
        assert_eq!(interface.link.kind, "veth");
        assert_eq!(interface.link.mtu, 1500);
        assert_eq!(interface.addresses, [(NODE, 24)]);
        let missing = network::interface_with(&netlink, PEER).await.unwrap_err();
        assert!(matches!(missing, HostError::NoInterface { addr } if addr == PEER));
        let own = network::local_addresses(&netlink).await.unwrap();
        assert_eq!(own, [Ipv4Addr::LOCALHOST, NODE]);
    });
}

#[test]
fn a_next_hop_is_resolved_without_traffic() {
    if !is_root() {
        return;
    }
    let (node, peer) = two_nodes();
    let hop = node.block_on(async || resolved(&Netlink::here().unwrap(), PEER).await);
    let text = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    assert!(node.sh("ip link show eth0").contains(&text(hop.src_mac)));
    assert!(peer.sh("ip link show eth0").contains(&text(hop.dst_mac)));
    assert_eq!(hop.mtu, 1500);
}

#[test]
fn a_next_hop_follows_the_route() {
    if !is_root() {
        return;
    }
    let (node, _peer) = two_nodes();
    node.sh("ip route add 198.19.0.0/24 via 198.18.0.2 mtu 1300");
    node.block_on(async || {
        let netlink = Netlink::here().unwrap();
        let direct = resolved(&netlink, PEER).await;
        let elsewhere = netlink.clone();
        // Spawned as the agent's tasks are, which must be able to move between threads.
        let routed =
            tokio::spawn(async move { resolved(&elsewhere, [198, 19, 0, 7].into()).await });
        let routed = routed.await.unwrap();
        assert_eq!(routed, network::NextHop { mtu: 1300, ..direct });
        let own = network::next_hop(&netlink, NODE).await.unwrap_err();
        assert!(matches!(own, HostError::OwnAddress { .. }), "{own}");
        let none = network::next_hop(&netlink, Ipv4Addr::new(203, 0, 113, 1)).await.unwrap_err();
        assert!(matches!(none, HostError::NoRoute { .. }), "{none}");
    });
}
