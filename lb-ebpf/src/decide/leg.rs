//! What a task sends on its gateway leg: replies to clients of published ports, what may not leave,
//! its own connections to published ports of its node (see `client`), and traffic to the outside,
//! which is the kernel's.

use lb_common::{
    addr::V4,
    backend::NODE_SELF,
    drops::Reason,
    flow::{NAT_DIRECT, NAT_TASK_FIN, NatKey, NatValue},
    leg::{Leg, leg_index},
    port::UDP,
};

use super::{
    frag::{Side, find_ports, remember},
    ingress::in_gateway_subnet,
    snat,
};
use crate::{
    headers::{FIN, RST},
    packet::Packet,
    parse::{Kind, Parse, Parsed, parse},
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

/// Decides about a frame from the task behind interface `ifindex`. `whole` says that the packet goes
/// out as it is, not cut into segments first. `None`: the kernel's.
#[inline(always)]
pub fn leg<T: Tables>(
    tables: &T,
    packet: &Packet<'_>,
    ifindex: u32,
    whole: bool,
) -> Option<LegPacket> {
    let Parse::Packet(mut parsed) = parse::<0>(packet) else { return None };
    let decided = |verdict, parsed| Some(LegPacket { verdict, parsed });
    let sender = tables.leg(leg_index(parsed.src)).filter(|leg| is_from(leg, parsed.src, ifindex));
    let Some(sender) = sender else { return decided(Verdict::drop(Reason::LegSpoof), parsed) };
    if !whole {
        parsed.segment_len = sender.mtu;
    }
    find_ports(tables, &mut parsed, Side::Task)?;
    if let Some(verdict) = reply(tables, &parsed) {
        remember(tables, &parsed, Side::Task);
        return decided(verdict, parsed);
    }
    if parsed.dst == tables.node_addr() || tables.is_own(parsed.dst) {
        return None;
    }
    if in_gateway_subnet(tables, parsed.dst) {
        return decided(Verdict::drop(Reason::LegIsolation), parsed);
    }
    None
}

#[inline(always)]
fn is_from(leg: &Leg, src: V4, ifindex: u32) -> bool {
    leg.ifindex == ifindex && leg.addr == src
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

/// Whom a reply goes to: the entry node, the client, or a task of this node that dialled the node.
#[inline(always)]
fn receiver<T: Tables>(tables: &T, parsed: &Parsed, value: &NatValue<V4>, nat: Nat) -> Verdict {
    if value.entry == NODE_SELF {
        let flow = snat::Flow {
            src: nat.src,
            dst: nat.dst,
            src_port: nat.src_port,
            dst_port: nat.dst_port,
            proto: parsed.proto,
        };
        return match snat::connection(tables, &flow) {
            Some(connection) => snat::to_task(&connection),
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
