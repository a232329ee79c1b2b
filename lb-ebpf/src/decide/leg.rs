//! What a task sends on its gateway leg: replies to clients of published ports, what may not leave,
//! its own connections to published ports of its node (see `client`), and traffic to the outside,
//! which is the kernel's. Beside Docker the bridge's and the engine's own rules judge what may not leave.

use lb_common::{
    addr::V4,
    backend::NODE_SELF,
    drops::Reason,
    flow::{NAT_DIRECT, NAT_TASK_FIN, NatKey, NatValue},
    leg::leg_index,
    port::UDP,
};

use super::{
    frag::{Side, find_ports, remember},
    ingress::in_gateway_subnet,
    snat,
};
use crate::{
    headers::{ETHERTYPE_IPV4, Eth, FIN, Ipv4Hdr, RST},
    packet::Packet,
    parse::{ETH_LEN, Kind, Parse, Parsed, parse},
    tables::Tables,
    verdict::{Nat, Verdict},
};

/// A verdict about what a task sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegPacket {
    /// What to do.
    pub verdict: Verdict,
    /// Facts about the packet.
    pub parsed: Parsed,
}

/// Whether a frame from the task behind interface `ifindex` is IPv4, of whatever kind, from another
/// address than the task's, and so none that we have to do with.
///
/// # Errors
/// [`Reason::LegSpoof`]: nor may the kernel have it.
#[inline(always)]
pub fn is_foreign<T: Tables>(
    tables: &T,
    packet: &Packet<'_>,
    ifindex: u32,
) -> Result<bool, Reason> {
    let foreign = is_forged(tables, packet, ifindex);
    if foreign && !tables.is_beside_docker() { Err(Reason::LegSpoof) } else { Ok(foreign) }
}

#[inline(always)]
fn is_forged<T: Tables>(tables: &T, packet: &Packet<'_>, ifindex: u32) -> bool {
    let Some(ip) = ipv4(packet) else { return false };
    let leg = tables.leg(leg_index(ip.src_addr));
    !leg.is_some_and(|leg| leg.ifindex == ifindex && leg.addr == ip.src_addr)
}

/// Whether a frame that is no reply goes to another task's leg and may not.
#[inline(always)]
pub fn trespasses<T: Tables>(tables: &T, packet: &Packet<'_>) -> bool {
    !tables.is_beside_docker()
        && ipv4(packet).is_some_and(|ip| {
            in_gateway_subnet(tables, ip.dst_addr)
                && ip.dst_addr != tables.gateway_addr()
                && !tables.is_own(ip.dst_addr)
        })
}

/// The IPv4 header, whatever follows it.
#[inline(always)]
fn ipv4(packet: &Packet<'_>) -> Option<Ipv4Hdr> {
    let eth = packet.read::<Eth>(0)?;
    packet.read::<Ipv4Hdr>(ETH_LEN).filter(|_| eth.ether_type == ETHERTYPE_IPV4)
}

/// Decides about a frame that is not forged. `whole` says that the packet goes out as it is, not cut
/// into segments first. `None`: no reply.
#[inline(always)]
pub fn leg<T: Tables>(tables: &T, packet: &Packet<'_>, whole: bool) -> Option<LegPacket> {
    let Parse::Packet(mut parsed) = parse::<0>(packet) else { return None };
    // An ICMP error about another task's packet would name that task here.
    if parsed.src != ipv4(packet)?.src_addr {
        return None;
    }
    if !whole {
        parsed.segment_len = tables.leg(leg_index(parsed.src))?.mtu;
    }
    find_ports(tables, &mut parsed, Side::Task)?;
    let verdict = reply(tables, &parsed)?;
    remember(tables, &parsed, Side::Task);
    Some(LegPacket { verdict, parsed })
}

/// A reply of a balanced flow, translated back; `None`: not a reply.
#[inline(always)]
fn reply<T: Tables>(tables: &T, parsed: &Parsed) -> Option<Verdict> {
    let key = NatKey {
        client: parsed.dst,
        task: parsed.src,
        client_port: parsed.dst_port,
        target_port: parsed.src_port,
        proto: parsed.proto,
        reserved: [0; 3],
    };
    let value = translation(tables, parsed, &key)?;
    tables.stats(value.service, |stats| {
        stats.reply_packets += 1;
        stats.reply_bytes += u64::from(parsed.total_len);
    });
    let nat = Nat {
        src: value.dialled,
        dst: parsed.dst,
        src_port: value.dialled_port,
        dst_port: value.client_port,
    };
    Some(receiver(tables, parsed, &value, nat))
}

/// Whom a reply goes to: the entry node, the client, or a task or container of this node that dialled
/// the node.
#[inline(always)]
fn receiver<T: Tables>(tables: &T, parsed: &Parsed, value: &NatValue<V4>, nat: Nat) -> Verdict {
    if value.entry == NODE_SELF {
        let flow = snat::Flow {
            src: nat.src,
            dst: nat.dst,
            src_port: nat.src_port,
            dst_port: nat.dst_port,
            proto: parsed.proto,
            flags: parsed.flags,
        };
        return match snat::connection(tables, &flow) {
            Some(connection) => snat::back(tables, &connection, NODE_SELF),
            None => Verdict::to_client(nat),
        };
    }
    // A node that is itself the client must not see its own address arrive from outside.
    let direct = value.flags & NAT_DIRECT != 0
        && tables.peer_index(parsed.dst).is_none()
        && !tables.is_own(parsed.dst);
    if direct { Verdict::to_client(nat) } else { Verdict::to_entry(nat, value.entry) }
}

/// The flow's entry; a UDP flow is established once its task answers.
#[inline(always)]
fn translation<T: Tables>(tables: &T, parsed: &Parsed, key: &NatKey<V4>) -> Option<NatValue<V4>> {
    let seen = |value: &mut NatValue<V4>| {
        if parsed.flags & FIN != 0 {
            value.flags |= NAT_TASK_FIN;
        }
        *value
    };
    if let Some(value) = tables.nat(key, seen) {
        if parsed.flags & RST != 0 {
            tables.nat_remove(key);
        }
        return Some(value);
    }
    let value = tables.embryo(key, |value| *value)?;
    if parsed.kind == Kind::Udp && key.proto == UDP {
        tables.nat_insert(key, &value);
    }
    Some(value)
}
