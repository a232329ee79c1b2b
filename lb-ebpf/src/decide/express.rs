//! The short way of nearly every client's segment: TCP to the node's data-path address and an open port
//! of a service under the `hash` scheduler, whose owner is on another node. It needs no state, no look-up
//! by hash and no call. Whatever is in doubt goes the long way by [`super::ingress`], which decides the
//! same about these.

use lb_common::{
    backend::NODE_SELF,
    peer::{PEER_RESOLVED, Peer},
    port::TCP,
    row::Row,
    service::{FLAG_INGRESS, SCHEDULER_HASH},
    wire::TUNNEL_OVERHEAD,
};

use super::{
    entry::{backend, hash},
    full_nat::is_beyond,
    ingress::{count, in_gateway_subnet, open},
};
use crate::{
    headers::{ACK, ETHERTYPE_IPV4, IPV4_PLAIN, SYN, Words},
    packet::Packet,
    parse::{ETH_LEN, Fragment, Kind, Parsed},
    tables::Tables,
};

/// Where such a segment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Express<'a> {
    /// The segment.
    pub parsed: Parsed,
    /// Index into `PEERS` of the owner's node.
    pub index: u16,
    /// That node; a frame can be sent to it. Not copied: it is read once the headers have their room.
    pub peer: &'a Peer,
    /// What the frame carries.
    pub row: Row,
}

/// The way of a packet that a NIC received, and counts it; `None`: the long one.
#[inline(always)]
pub fn express<'a, T: Tables>(tables: &'a T, packet: &Packet<'_>) -> Option<Express<'a>> {
    let parsed = segment(packet)?;
    if parsed.flags & (SYN | ACK) == SYN | ACK
        || parsed.dst != tables.node_addr()
        || in_gateway_subnet(tables, parsed.src)
    {
        return None;
    }
    let port = open(tables, &parsed)?;
    let service = tables.service(port.service)?;
    if service.scheduler != SCHEDULER_HASH || service.flags & FLAG_INGRESS != 0 {
        return None;
    }
    let row = tables.row(service.row_range()?.pick(hash(tables, service, &parsed)))?;
    if row.owner() == 0 {
        return None;
    }
    let owner = backend(tables, service, row.owner())?;
    if owner.node == NODE_SELF || is_beyond(&owner) {
        return None;
    }
    let peer = tables.peer_ref(owner.node).filter(|peer| takes(peer, &parsed))?;
    count(tables, port.service, &parsed);
    Some(Express { parsed, index: owner.node, peer, row })
}

/// The facts about a TCP segment that is whole and has a plain IPv4 header. As [`crate::parse`] finds
/// them, but read in words, which need not be put together from bytes.
#[inline(always)]
fn segment(packet: &Packet<'_>) -> Option<Parsed> {
    if packet.read::<[u8; 2]>(ETH_LEN - 2)? != ETHERTYPE_IPV4 {
        return None;
    }
    // IPv4: version to length, identification to offset, TTL to checksum, addresses; TCP: ports, sequence
    // number, acknowledgment, flags.
    let Words([version, id, ttl, src, dst, ports, _, _, flags]) =
        packet.read::<Words<9>>(ETH_LEN)?;
    let is_fragment = (u32::from_be_bytes(id) & 0x3fff) != 0;
    if version[0] != IPV4_PLAIN || is_fragment || ttl[1] != TCP {
        return None;
    }
    let total_len = u16::from_be_bytes([version[2], version[3]]);
    Some(Parsed {
        src,
        dst,
        src_port: [ports[0], ports[1]],
        dst_port: [ports[2], ports[3]],
        id: [id[0], id[1]],
        total_len,
        segment_len: total_len,
        kind: Kind::Tcp,
        proto: TCP,
        flags: flags[1],
        fragment: Fragment::Whole,
        reserved: 0,
    })
}

/// Whether a frame with the packet can be sent to a node.
#[inline(always)]
fn takes(peer: &Peer, parsed: &Parsed) -> bool {
    peer.flags & PEER_RESOLVED != 0 && parsed.segment_len <= peer.mtu - TUNNEL_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::ingress::client,
        parse::{Parse, parse},
        testing::{
            A, CLIENT, DNS_PORT, Frame, Interfaces, NODE, NODE_2, ON_2, ON_3, WEB, WEB_PORT, World,
            row,
        },
        verdict::Action,
    };

    /// A node whose web service has owners here and elsewhere.
    fn world() -> World {
        let mut world = World::small(Interfaces::default());
        world.set_rows(WEB, &[row([A]), row([ON_2]), row([ON_3]), row([ON_2])]);
        world
    }

    fn frame(port: u16, flags: u8) -> Frame {
        Frame::tcp((CLIENT.0, port), (NODE, WEB_PORT)).flags(flags)
    }

    /// Whether a frame takes the short way.
    fn is_short(world: &World, frame: &Frame) -> bool {
        express(world, &Packet::from_slice(&mut frame.bytes())).is_some()
    }

    #[test]
    fn the_short_way_leads_where_the_long_one_does() {
        let ports = (1000..1200).flat_map(|port| [0, ACK, SYN].map(|flags| (port, flags)));
        let mut short = 0;
        for (port, flags) in ports {
            let (world, mut bytes) = (world(), frame(port, flags).bytes());
            let packet = Packet::from_slice(&mut bytes);
            let Parse::Packet(mut parsed) = parse::<0>(&packet) else { panic!("not parsed") };
            let found = express(&world, &packet);
            assert!(found.is_none_or(|found| found.parsed == parsed), "{found:?}");
            let long = client(&world, &mut parsed);
            let is_forwarded = long.action == Action::Forward;
            assert_eq!(found.is_some(), is_forwarded, "{parsed:?}");
            if let Some(Express { index, row, .. }) = found {
                assert_eq!((index, row), (long.index, long.row), "{parsed:?}");
                short += 1;
            }
        }
        assert!(short > 200, "{short} of 600");
    }

    #[test]
    fn whatever_is_in_doubt_goes_the_long_way() {
        let world = world();
        let short = (1000..1100).find(|&port| is_short(&world, &frame(port, ACK)));
        let port = short.expect("a flow of another node");
        let to = |addr, dst_port| Frame::tcp((CLIENT.0, port), (addr, dst_port)).flags(ACK);
        let long = [
            frame(port, SYN | ACK),
            to(NODE_2, WEB_PORT),
            to(NODE, DNS_PORT),
            Frame::udp((CLIENT.0, port), (NODE, WEB_PORT)),
            frame(port, ACK).payload(&[0; 1440]),
        ];
        for frame in long {
            assert!(!is_short(&world, &frame), "{frame:?}");
        }
        // More fragments, an offset, options.
        for (at, byte) in [(20, 0x20), (21, 1), (14, 0x46)] {
            let mut bytes = frame(port, ACK).bytes();
            bytes[at] = byte;
            assert_eq!(express(&world, &Packet::from_slice(&mut bytes)), None, "{at}");
        }
    }
}
