//! Next hops towards the other nodes: asked of the kernel each round, so that they stay resolved
//! and no packet waits for ARP.
use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use lb_common::addr::V4;
use tokio::time::{Instant, sleep};

use crate::{
    compile::PeerContents,
    dataplane::PeerHop,
    host::{Netlink, network},
};

/// How long a round waits for peers that were never resolved; an ARP answer takes less than 1 ms.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long between two questions meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// Ways to peers, by index into `PEERS`. `None`: there is none. A peer that is not in it has not
/// answered; what was known of it may still be right.
pub(super) type Hops = BTreeMap<u16, Option<PeerHop>>;

/// Asks for the ways to all `peers`, waiting a moment for those that `known` says nothing about.
/// Returns them with what could not be found out.
pub(super) async fn find(
    netlink: &Netlink,
    peers: &BTreeMap<u16, PeerContents>,
    known: impl Fn(V4) -> bool,
) -> (Hops, Vec<String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (hops, problems) = ask(netlink, peers).await;
        let waits =
            peers.iter().any(|(index, peer)| !hops.contains_key(index) && !known(peer.addr));
        if !waits || Instant::now() >= deadline {
            return (hops, problems);
        }
        sleep(PAUSE).await;
    }
}

async fn ask(netlink: &Netlink, peers: &BTreeMap<u16, PeerContents>) -> (Hops, Vec<String>) {
    let (mut hops, mut problems) = (Hops::new(), Vec::new());
    for (&index, peer) in peers {
        let addr = Ipv4Addr::from(peer.addr);
        match network::next_hop(netlink, addr).await {
            Ok(Some(hop)) => {
                hops.insert(index, Some(peer_hop(hop)));
            }
            Ok(None) => {
                problems.push(format!("node {}: no ARP answer on the way to {addr}", peer.name));
            }
            Err(error) => {
                problems.push(format!("node {}: {error}", peer.name));
                hops.insert(index, None);
            }
        }
    }
    (hops, problems)
}

const fn peer_hop(hop: network::NextHop) -> PeerHop {
    PeerHop { ifindex: hop.ifindex, src_mac: hop.src_mac, dst_mac: hop.dst_mac, mtu: hop.mtu }
}
