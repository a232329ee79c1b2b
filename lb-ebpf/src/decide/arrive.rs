//! Overlay frames that other nodes send: XDP leaves them to the kernel, and here, behind it, they are
//! checked and find their task. Outer source, network, inner source and its Ethernet address must
//! belong together, or the frame is dropped: nobody can speak in another task's name.
//!
//! A tunnel frame that was cut on its way cannot be checked piece by piece. Nodes send theirs with DF,
//! so such a frame comes from elsewhere, or by a wrong MTU; its first piece is dropped and counted. The
//! others name no port: they are the kernel's, which waits for the first in vain.

use lb_common::{
    addr::{Mac, V4},
    backend::NODE_SELF,
    drops::Reason,
    endpoint::{ENDPOINT_TASK, Endpoint, EndpointKey},
    wire::OUTER_LEN,
};

use super::{
    frag::{Side, find_ports, remember},
    home::is_answerable,
    ingress::{is_mesh, is_to_tunnel, sender, vni},
    vip::answered,
};
use crate::{
    headers::{ETHERTYPE_IPV4, Eth, Ipv4Hdr},
    packet::Packet,
    parse::{ETH_LEN, Fragment, Parse, Parsed, parse},
    tables::Tables,
    verdict::Nat,
};

/// Most that Ethernet pads a packet with, bytes (IEEE 802.3: a frame has at least 60).
const PADDING: usize = 46;
/// Longest frame that is made an answer of: by more, `bpf_skb_adjust_room` does not shrink a packet.
const REFUSABLE: u32 = 0xfff;

/// The task that a frame is for, and who sent it.
#[repr(C, align(4))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Node end of its overlay leg; 0: it has none, and its namespace is not there (yet).
    pub ifindex: u32,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Index into `PEERS` of the sender's node.
    pub peer: u16,
    /// VNI of its subnet.
    pub vni: u32,
    /// VNI of the sender's subnet.
    pub back: u32,
    /// The inner packet's own source.
    pub from: V4,
}

/// Sorts a frame that XDP passed: the outer source of an overlay frame; `None`: not ours.
///
/// # Errors
/// [`Reason::TunnelFragment`].
#[inline(always)]
pub fn overlay_frame<T: Tables>(tables: &T, packet: &Packet<'_>) -> Result<Option<V4>, Reason> {
    let Parse::Packet(parsed) = parse::<0>(packet) else { return Ok(None) };
    if !is_to_tunnel(tables, &parsed) {
        return Ok(None);
    }
    if parsed.fragment != Fragment::Whole {
        return Err(Reason::TunnelFragment);
    }
    Ok(if is_mesh(tables, packet) { None } else { Some(parsed.src) })
}

/// Whether the cluster has overlay networks. One without leaves the tunnel's port to whoever else has
/// networks there, except for the mesh's own frames: nothing is dropped.
#[inline(always)]
pub fn has_networks<T: Tables>(tables: &T) -> bool {
    tables.endpoint(&EndpointKey { vni: tables.mesh_vni(), addr: [0; 4] }).is_some()
}

/// Whom an overlay frame with this outer source and of `length` bytes in all is for.
///
/// # Errors
/// Why the frame goes no further.
#[inline(always)]
pub fn receiver<T: Tables>(
    tables: &T,
    packet: &Packet<'_>,
    length: usize,
    outer: V4,
) -> Result<Receiver, Reason> {
    let peer = sender(tables, outer).ok_or(Reason::UnknownPeer)?;
    let vni = vni(packet).ok_or(Reason::Malformed)?;
    let eth = packet.read::<Eth>(OUTER_LEN).ok_or(Reason::Malformed)?;
    if eth.ether_type != ETHERTYPE_IPV4 {
        return Err(if_known(tables, vni, Reason::NotCarried));
    }
    let ip = packet.read::<Ipv4Hdr>(OUTER_LEN + ETH_LEN).ok_or(Reason::Malformed)?;
    if ip.vihl >> 4 != 4 {
        return Err(Reason::Malformed);
    }
    agrees(&ip, length)?;
    let source = tables.endpoint(&EndpointKey { vni, addr: ip.src_addr });
    let Some(source) = source.filter(|source| sends(source, peer, eth.src)) else {
        return Err(if_known(tables, vni, Reason::ForgedFrame));
    };
    if is_to_many(&eth, &ip) {
        return Err(Reason::NotCarried);
    }
    let task = tables.endpoint(&EndpointKey { vni, addr: ip.dst_addr });
    let task = task.filter(|task| task.kind == ENDPOINT_TASK && task.node == NODE_SELF);
    let Endpoint { ifindex, mac, vni, .. } = task.ok_or(Reason::NoEndpoint)?;
    Ok(Receiver { ifindex, mac, peer, vni, back: source.vni, from: ip.src_addr })
}

/// Facts about the inner packet; `None`: it has no ports, and so answers no virtual IP's client.
///
/// # Errors
/// [`Reason::Malformed`].
#[inline(always)]
pub fn inner(packet: &Packet<'_>) -> Result<Option<Parsed>, Reason> {
    match parse::<OUTER_LEN>(packet) {
        Parse::Packet(parsed) => Ok(Some(parsed)),
        Parse::NotOurs => Ok(None),
        Parse::Malformed => Err(Reason::Malformed),
    }
}

/// Whether the inner packet answers what the receiver sent to a virtual
/// IP; if so, `nat` becomes the addresses it gets. A function of its own that fills in records, as the
/// verifier wants it.
#[inline(never)]
pub fn answers<T: Tables>(
    tables: &T,
    receiver: &Receiver,
    parsed: &mut Parsed,
    nat: &mut Nat,
) -> bool {
    if find_ports(tables, parsed, Side::Overlay).is_none() {
        return false;
    }
    // Of other datagrams too, or pieces of one would be taken for those of an earlier answer.
    remember(tables, parsed, Side::Overlay);
    match answered(tables, receiver.vni, receiver.from, parsed) {
        Some(found) => *nat = found,
        None => return false,
    }
    true
}

/// Whether a frame is as long as its inner packet says. Longer by more than padding it is several, merged
/// by a kernel that takes them for datagrams of one stream: all but the first would be lost unseen.
#[inline(always)]
fn agrees(ip: &Ipv4Hdr, length: usize) -> Result<(), Reason> {
    let said = OUTER_LEN + ETH_LEN + usize::from(u16::from_be_bytes(ip.tot_len));
    if length < said {
        return Err(Reason::Malformed);
    }
    if length > said + PADDING { Err(Reason::TunnelMerged) } else { Ok(()) }
}

/// `reason`, unless the network itself is unknown.
#[inline(always)]
fn if_known<T: Tables>(tables: &T, vni: u32, reason: Reason) -> Reason {
    match tables.endpoint(&EndpointKey { vni, addr: [0; 4] }) {
        Some(_) => reason,
        None => Reason::UnknownVni,
    }
}

/// Whether the frame of an endpoint may come from this peer with this Ethernet address.
#[inline(always)]
fn sends(source: &Endpoint, peer: u16, mac: Mac) -> bool {
    source.kind == ENDPOINT_TASK && source.node == peer && source.mac == mac
}

/// Broadcast and multicast (RFC 1112 §4), by either address.
#[inline(always)]
fn is_to_many(eth: &Eth, ip: &Ipv4Hdr) -> bool {
    eth.dst[0] & 1 != 0 || ip.dst_addr[0] >= 224
}

/// Whether the sender of this packet, in a frame of that many bytes, is told that its task has no leg.
/// Not of segments that were merged to a long one; the sender repeats the first of them alone.
#[inline(always)]
pub fn is_refusable(parsed: &Parsed, frame: u32) -> bool {
    frame <= REFUSABLE && is_answerable(parsed)
}

#[cfg(test)]
mod tests {
    use lb_common::port::TCP;

    use super::*;
    use crate::{
        headers::{ACK, RST},
        testing::facts,
    };

    #[test]
    fn what_is_too_long_for_an_answer_gets_none() {
        let parsed = |flags| facts(TCP, ([10, 0, 1, 2], 9), ([10, 0, 1, 3], 80), flags);
        assert!(is_refusable(&parsed(ACK), REFUSABLE));
        assert!(!is_refusable(&parsed(ACK), REFUSABLE + 1));
        assert!(!is_refusable(&parsed(RST), 104));
    }
}
