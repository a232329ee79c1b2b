//! Virtual IPs of overlay networks: which task a client's packet goes to, and whom an answer comes
//! from. All state is at the client's node, in `VIPFLOWS`; the task sees the client's own address.

use lb_common::{
    addr::V4,
    endpoint::{VIPFLOW_ANSWERED, VipFlowKey, VipFlowValue},
};

use crate::{parse::Parsed, tables::Tables, verdict::Nat};

/// A client's flow, as packets in either direction name it.
#[inline(always)]
fn flow_key(vni: u32, client: (V4, [u8; 2]), backend: (V4, [u8; 2]), proto: u8) -> VipFlowKey<V4> {
    VipFlowKey {
        vni,
        client: client.0,
        backend: backend.0,
        client_port: client.1,
        port: backend.1,
        proto,
        reserved: [0; 3],
    }
}

/// A packet on its way to a client's leg, in a subnet with this `vni`: if it answers what the client
/// sent to a virtual IP, the addresses it gets so that it comes from there. `from` is the packet's
/// own source: an ICMP error about another task's packet says nothing about a virtual IP.
///
/// A later fragment needs its datagram's ports first.
#[inline(always)]
pub fn answered<T: Tables>(tables: &T, vni: u32, from: V4, parsed: &Parsed) -> Option<Nat> {
    if parsed.src != from {
        return None;
    }
    let client = (parsed.dst, parsed.dst_port);
    let key = flow_key(vni, client, (parsed.src, parsed.src_port), parsed.proto);
    let VipFlowValue { vip, service, .. } = tables.vip_flow(&key, |flow| {
        if flow.flags & VIPFLOW_ANSWERED == 0 {
            flow.flags |= VIPFLOW_ANSWERED;
        }
        *flow
    })?;
    tables.stats(service, |stats| {
        stats.reply_packets += 1;
        stats.reply_bytes += u64::from(parsed.total_len);
    });
    Some(Nat { src: vip, ..Nat::of(parsed) })
}

#[cfg(test)]
mod tests {
    use lb_common::port::{TCP, UDP};

    use super::*;
    use crate::testing::{World, facts};

    const VNI: u32 = 4097;
    const VIP: V4 = [10, 0, 1, 2];
    const CLIENT: (V4, u16) = ([10, 0, 1, 3], 40_000);
    const BACKEND: (V4, u16) = ([10, 0, 1, 4], 80);
    const SERVICE: u16 = 5;

    fn world() -> World {
        let world = World::empty();
        let client = (CLIENT.0, CLIENT.1.to_be_bytes());
        let key = flow_key(VNI, client, (BACKEND.0, BACKEND.1.to_be_bytes()), TCP);
        let value = VipFlowValue {
            vip: VIP,
            service: SERVICE,
            backend: 1,
            generation: 1,
            flags: 0,
            reserved: 0,
        };
        world.vip_flow_insert(&key, &value);
        world
    }

    #[test]
    fn an_answer_comes_from_the_virtual_ip_and_is_noted() {
        let world = world();
        let parsed = facts(TCP, BACKEND, CLIENT, 0);
        let nat = answered(&world, VNI, BACKEND.0, &parsed);
        assert_eq!(nat, Some(Nat { src: VIP, ..Nat::of(&parsed) }));
        assert!(world.vip_flows.borrow().values().all(|flow| flow.flags == VIPFLOW_ANSWERED));
        assert_eq!(world.stats.borrow()[&SERVICE].reply_packets, 1);
    }

    #[test]
    fn what_answers_nothing_keeps_its_source() {
        let world = world();
        let parsed = facts(TCP, BACKEND, CLIENT, 0);
        assert_eq!(answered(&world, VNI + 1, BACKEND.0, &parsed), None);
        assert_eq!(answered(&world, VNI, CLIENT.0, &parsed), None, "about another task's packet");
        let datagram = facts(UDP, BACKEND, CLIENT, 0);
        assert_eq!(answered(&world, VNI, BACKEND.0, &datagram), None);
        let back = facts(TCP, CLIENT, BACKEND, 0);
        assert_eq!(answered(&world, VNI, CLIENT.0, &back), None);
    }
}
