//! Elements that follow from the host and not from the cluster file: legs, next hops, the node's
//! own addresses and devices. Each setter writes only where the map differs and says whether it did.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{
    addr::{Mac, V4},
    backend::NODE_SELF,
    bridge::Bridge,
    info::{NodeInfo, pack_name},
    leg::{Leg, leg_index},
    peer::{PEER_INGRESS, PEER_PRESENT, PEER_RESOLVED, PEER_SILENT, Peer},
    wire::OUTER_TTL,
};

use super::{
    Dataplane,
    maps::{Maps, MapsError},
    state::found,
};
use crate::{compile::PeerContents, model::Reach};

/// How packets to a peer leave this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerHop {
    /// Interface towards it.
    pub ifindex: u32,
    /// The interface's Ethernet address.
    pub src_mac: Mac,
    /// The next hop's Ethernet address.
    pub dst_mac: Mac,
    /// Largest outer IP packet that reaches the peer, bytes.
    pub mtu: u16,
}

impl Dataplane {
    /// Writes this node's own element: index 0 of `PEERS`, found by its data-path address.
    ///
    /// # Errors
    /// [`MapsError`].
    pub fn set_node(&mut self, name: &str, addr: V4) -> Result<bool, MapsError> {
        let node = PeerContents { name: name.to_owned(), addr, reach: Reach::Mesh };
        self.maps.set_peer(NODE_SELF, &node, addr)
    }

    /// Writes how the node at `index` of `PEERS` is reached; `None` while that is unknown. Does
    /// nothing where no node has that index.
    ///
    /// # Errors
    /// [`MapsError::Range`].
    pub fn set_peer_hop(&mut self, index: u16, hop: Option<PeerHop>) -> Result<bool, MapsError> {
        let peer = self.maps.peers.get(index.into()).unwrap_or_default();
        if peer.flags & PEER_PRESENT == 0 {
            return Ok(false);
        }
        let Peer { addr, ip_sum, flags, .. } = peer;
        let peer = with_hop(Peer { addr, ip_sum, flags, ..Default::default() }, hop);
        self.maps.peers.set(index.into(), peer).map_err(MapsError::range("PEERS"))
    }

    /// Writes a task's gateway leg.
    ///
    /// # Errors
    /// [`MapsError::Range`].
    pub fn set_leg(&mut self, leg: Leg) -> Result<bool, MapsError> {
        let index = leg_index(leg.addr).into();
        let held = self.maps.legs.get(index).unwrap_or_default();
        let is_another = held.ifindex != leg.ifindex;
        let generation = held.generation.wrapping_add(u8::from(is_another));
        self.maps.legs.set(index, Leg { generation, ..leg }).map_err(MapsError::range("LEGS"))
    }

    /// Forgets the gateway leg with address `addr`.
    ///
    /// # Errors
    /// [`MapsError::Range`].
    pub fn remove_leg(&mut self, addr: V4) -> Result<bool, MapsError> {
        let index = leg_index(addr).into();
        // The first word holds the interface index: without it there is no leg.
        let generation = self.maps.legs.get(index).unwrap_or_default().generation;
        let gone = Leg { generation, ..Leg::default() };
        self.maps.legs.unset(index, gone).map_err(MapsError::range("LEGS"))
    }

    /// All legs that `LEGS` holds.
    #[must_use]
    pub fn legs(&self) -> Vec<Leg> {
        self.maps.legs.iter().map(|(_, leg)| leg).filter(|leg| leg.ifindex != 0).collect()
    }

    /// Makes `OWN_ADDRS` hold exactly the node's addresses. Returns how many elements changed.
    ///
    /// # Errors
    /// [`MapsError::Element`].
    pub fn set_own_addrs(&mut self, wanted: &BTreeSet<V4>) -> Result<usize, MapsError> {
        let map = &mut self.maps.own_addrs;
        let held: BTreeSet<V4> = map
            .keys()
            .collect::<Result<_, _>>()
            .map_err(MapsError::element("list", "OWN_ADDRS"))?;
        for addr in wanted.difference(&held) {
            map.insert(addr, 1, 0).map_err(MapsError::element("insert", "OWN_ADDRS"))?;
        }
        for addr in held.difference(wanted) {
            map.remove(addr).map_err(MapsError::element("remove", "OWN_ADDRS"))?;
        }
        Ok(wanted.symmetric_difference(&held).count())
    }

    /// Makes `BRIDGES` hold exactly these, by interface index. Returns how many elements changed.
    ///
    /// # Errors
    /// [`MapsError::Element`].
    pub fn set_bridges(&mut self, wanted: &BTreeMap<u32, Bridge>) -> Result<usize, MapsError> {
        let map = &mut self.maps.bridges;
        let held: BTreeMap<u32, Bridge> =
            map.iter().collect::<Result<_, _>>().map_err(MapsError::element("list", "BRIDGES"))?;
        let mut changed = 0;
        for (key, bridge) in wanted.iter().filter(|(key, bridge)| held.get(key) != Some(bridge)) {
            map.insert(key, bridge, 0).map_err(MapsError::element("insert", "BRIDGES"))?;
            changed += 1;
        }
        for key in held.keys().filter(|key| !wanted.contains_key(key)) {
            map.remove(key).map_err(MapsError::element("remove", "BRIDGES"))?;
            changed += 1;
        }
        Ok(changed)
    }

    /// Makes `DEVICES` hold exactly these interfaces. Returns how many elements changed.
    ///
    /// The kernel looks the indices up in the network namespace of the calling thread, and takes an
    /// interface out by itself when it goes.
    ///
    /// # Errors
    /// [`MapsError::Element`], for one when an interface does not exist.
    pub fn set_devices(&mut self, wanted: &BTreeSet<u32>) -> Result<usize, MapsError> {
        let map = &mut self.maps.devices.0;
        let held: BTreeSet<u32> =
            map.keys().collect::<Result<_, _>>().map_err(MapsError::element("list", "DEVICES"))?;
        for &ifindex in wanted.difference(&held) {
            map.insert(ifindex, ifindex, None, 0).map_err(|error| {
                MapsError::element("insert", "DEVICES")(std::io::Error::other(error).into())
            })?;
        }
        for &ifindex in held.difference(wanted) {
            map.remove(ifindex).map_err(MapsError::element("remove", "DEVICES"))?;
        }
        Ok(wanted.symmetric_difference(&held).count())
    }
}

impl Maps {
    /// Writes a node's elements of `NODE_INFO`, `PEERS` and `PEER_INDEX`, in that order. What is
    /// known of the way to it stays, unless the address is another.
    pub(super) fn set_peer(
        &mut self,
        index: u16,
        node: &PeerContents,
        node_addr: V4,
    ) -> Result<bool, MapsError> {
        let addr = node.addr;
        let info = NodeInfo { name: pack_name(&node.name), addr };
        let key = u32::from(index);
        let mut written = false;
        if found(self.node_info.get(&key, 0), "NODE_INFO")? != Some(info) {
            self.node_info
                .insert(key, info, 0)
                .map_err(MapsError::element("insert", "NODE_INFO"))?;
            written = true;
        }
        let held = self.peers.get(key).unwrap_or_default();
        let kept = if held.addr == addr { held } else { Peer::default() };
        let peer = Peer {
            flags: kept.flags & PEER_RESOLVED | PEER_PRESENT | reach_flag(node.reach),
            addr,
            ip_sum: outer_sum(node_addr, addr),
            ..kept
        };
        written |= self.peers.set(key, peer).map_err(MapsError::range("PEERS"))?;
        if found(self.peer_index.get(&addr, 0), "PEER_INDEX")? != Some(key) {
            self.peer_index
                .insert(addr, key, 0)
                .map_err(MapsError::element("insert", "PEER_INDEX"))?;
            written = true;
        }
        Ok(written)
    }
}

/// How a node is reached, as [`Peer::flags`] tells it.
const fn reach_flag(reach: Reach) -> u16 {
    match reach {
        Reach::Mesh => 0,
        Reach::Ingress => PEER_INGRESS,
        Reach::Silent => PEER_INGRESS | PEER_SILENT,
    }
}

fn with_hop(peer: Peer, hop: Option<PeerHop>) -> Peer {
    let flags = peer.flags & (PEER_INGRESS | PEER_SILENT) | PEER_PRESENT;
    let Some(hop) = hop else { return Peer { flags, ..peer } };
    Peer {
        dst_mac: hop.dst_mac,
        flags: flags | PEER_RESOLVED,
        src_mac: hop.src_mac,
        ifindex: hop.ifindex,
        mtu: hop.mtu,
        ..peer
    }
}

/// One's complement sum (RFC 1071) of the outer IPv4 header without total length and identification:
/// version, length and type of service 0x4500, do not fragment 0x4000, TTL and UDP, both addresses.
fn outer_sum(src: V4, dst: V4) -> u16 {
    let ttl_and_udp = u32::from(u16::from_be_bytes([OUTER_TTL, lb_common::port::UDP]));
    let halves = |[a, b, c, d]: V4| {
        u32::from(u16::from_be_bytes([a, b])) + u32::from(u16::from_be_bytes([c, d]))
    };
    let sum = 0x4500 + 0x4000 + ttl_and_udp + halves(src) + halves(dst);
    // At most seven words: one carry is folded in, and it carries no further twice.
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header checksum that `ip_sum` leads to, for a header with this length and identification.
    fn checksum(src: V4, dst: V4, len: u16, id: u16) -> u16 {
        let sum = u32::from(outer_sum(src, dst)) + u32::from(len) + u32::from(id);
        let sum = (sum & 0xffff) + (sum >> 16);
        !(((sum & 0xffff) + (sum >> 16)) as u16)
    }

    #[test]
    fn the_outer_sum_leads_to_the_checksum_of_a_real_header() {
        // 45 00 00 86 12 34 40 00 40 11 .. .. c6 12 00 01 c6 12 00 02, summed by hand: 4500 + 0086
        // + 1234 + 4000 + 4011 + c612 + 0001 + c612 + 0002 = 263f2, folded 63f4, inverted 9c0b.
        assert_eq!(checksum([198, 18, 0, 1], [198, 18, 0, 2], 0x86, 0x1234), 0x9c0b);
    }

    #[test]
    fn carries_are_folded_in() {
        assert_eq!(outer_sum([255; 4], [255; 4]), 0x4500 + 0x4000 + 0x4011);
    }

    #[test]
    fn a_peer_without_a_way_keeps_its_name_and_loses_the_way() {
        let peer = Peer { addr: [198, 18, 0, 2], ip_sum: 7, ..Default::default() };
        let hop = PeerHop { ifindex: 3, src_mac: [1; 6], dst_mac: [2; 6], mtu: 1500 };
        let resolved = with_hop(peer, Some(hop));
        assert_eq!((resolved.flags, resolved.ifindex), (PEER_PRESENT | PEER_RESOLVED, 3));
        assert_eq!(with_hop(peer, None), Peer { flags: PEER_PRESENT, ..peer });
        let beyond = Peer { flags: PEER_PRESENT | PEER_RESOLVED | PEER_INGRESS, ..peer };
        assert_eq!(with_hop(beyond, None).flags, PEER_PRESENT | PEER_INGRESS);
        assert_eq!(with_hop(beyond, Some(hop)).flags, beyond.flags);
    }
}
