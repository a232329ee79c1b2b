//! Virtual IPs of overlay networks: which task a client's packet goes to, and whom an answer comes
//! from. All state is at the client's node, in `VIPFLOWS`; the task sees the client's own address.

use lb_common::{
    addr::V4,
    backend::Backend,
    drops::Reason,
    endpoint::{VIPFLOW_ANSWERED, VipFlowKey, VipFlowValue},
    row::{BackendNumber, ROW_LEN, Row},
};

use super::{entry, home::opens};
use crate::{
    headers::SYN,
    parse::{Kind, Parsed},
    tables::Tables,
    verdict::Nat,
};

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
        reserved: 0,
        reserved2: 0,
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
    let flow = answer(tables, &key)?;
    count_answer(tables, flow.service, parsed);
    Some(Nat { src: flow.vip, ..Nat::of(parsed) })
}

/// The same for a packet to virtual IP `vip` of the sender's own service: if it answers what the sender
/// itself sent there and was chosen for. A task takes no packet from its own address, so either
/// direction of such a flow comes from the virtual IP.
#[inline(always)]
pub(super) fn answers_itself<T: Tables>(tables: &T, vni: u32, parsed: &Parsed) -> bool {
    let task = (parsed.src, parsed.dst_port);
    let key = flow_key(vni, task, (parsed.src, parsed.src_port), parsed.proto);
    let Some(flow) = answer(tables, &key).filter(|flow| flow.vip == parsed.dst) else {
        return false;
    };
    count_answer(tables, flow.service, parsed);
    true
}

/// The flow that a task's packet answers; noted, but written only once.
#[inline(always)]
fn answer<T: Tables>(tables: &T, key: &VipFlowKey<V4>) -> Option<VipFlowValue<V4>> {
    tables.vip_flow(key, |flow| {
        if flow.flags & VIPFLOW_ANSWERED == 0 {
            flow.flags |= VIPFLOW_ANSWERED;
        }
        *flow
    })
}

#[inline(always)]
fn count_answer<T: Tables>(tables: &T, service: u16, parsed: &Parsed) {
    tables.stats(service, |stats| {
        stats.reply_packets += 1;
        stats.reply_bytes += u64::from(parsed.total_len);
    });
}

/// Forgets that a client's flow went through a virtual IP: it dials the task itself now, by the same
/// ports. Asked at what may begin a flow.
#[inline(always)]
pub(super) fn forget<T: Tables>(tables: &T, vni: u32, parsed: &Parsed) {
    let key = flow_of(vni, parsed, parsed.dst);
    if opens(parsed) && tables.vip_flow(&key, |_flow| ()).is_some() {
        tables.vip_flow_remove(&key);
    }
}

/// The key of the flow of a client's packet, if it goes to this task.
#[inline(always)]
fn flow_of(vni: u32, parsed: &Parsed, backend: V4) -> VipFlowKey<V4> {
    let client = (parsed.src, parsed.src_port);
    flow_key(vni, client, (backend, parsed.dst_port), parsed.proto)
}

/// A client's packet to a virtual IP with the row that applies to it.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
struct Dial<'a> {
    /// The packet.
    parsed: &'a Parsed,
    /// Owner, former owners.
    row: Row,
    /// VNI of the client's subnet.
    vni: u32,
    /// Index into `SERVICES`.
    service: u16,
    /// Zero.
    reserved: u16,
}

/// The address of the task that a client's packet to the virtual IP of `service` goes to, or why there
/// is none.
///
/// Established flows stay inline; what begins one, or has lost its entry, is a function of its own.
#[inline(always)]
pub(super) fn choose<T: Tables>(
    tables: &T,
    vni: u32,
    index: u16,
    parsed: &Parsed,
) -> Result<V4, Reason> {
    count_dial(tables, index, parsed);
    let service = tables.service(index).ok_or(Reason::Internal)?;
    let row = entry::choose(tables, index, service, parsed).ok_or(Reason::NoBackend)?;
    let dial = Dial { parsed, row, vni, service: index, reserved: 0 };
    if !connects(parsed)
        && let Some(backend) = entry::backend(tables, service, row.owner())
        && known(tables, &dial, &backend).is_some()
    {
        return Ok(backend.addr);
    }
    match follow(tables, &dial).to_ne_bytes() {
        [0, 0, 0, 0] if parsed.kind == Kind::IcmpError => Err(Reason::IcmpUnmatched),
        [0, 0, 0, 0] => Err(Reason::TaskGone),
        addr => Ok(addr),
    }
}

#[inline(always)]
fn count_dial<T: Tables>(tables: &T, service: u16, parsed: &Parsed) {
    tables.stats(service, |stats| {
        stats.entry_packets += 1;
        stats.entry_bytes += u64::from(parsed.total_len);
        stats.entry_flows += u64::from(parsed.flags & SYN != 0);
    });
}

/// Whether the packet asks for a connection.
#[inline(always)]
fn connects(parsed: &Parsed) -> bool {
    parsed.kind == Kind::Tcp && opens(parsed)
}

/// Flags of the flow's entry, if it went to this life of the task.
#[inline(always)]
fn known<T: Tables>(tables: &T, dial: &Dial<'_>, backend: &Backend) -> Option<u8> {
    let flow = tables.vip_flow(&flow_of(dial.vni, dial.parsed, backend.addr), |flow| *flow)?;
    (flow.vip == dial.parsed.dst && flow.generation == backend.generation).then_some(flow.flags)
}

/// Along the row, to the first task that has the flow; else to the owner, which has it from now on, and
/// whose RST comes back translated if there is no such connection. The task's address, as a number
/// because of the verifier; 0: nobody.
///
/// A request for a connection belongs to the owner, unless it is a retransmission: then another task
/// has been asked and has not answered. One that has answered had an earlier connection with the same
/// ports, of which nothing must remain.
#[inline(never)]
fn follow<T: Tables>(tables: &T, dial: &Dial<'_>) -> u32 {
    let Some(service) = tables.service(dial.service) else { return 0 };
    let connects = connects(dial.parsed);
    let mut row = dial.row;
    let (mut first, mut first_number) = (Backend::default(), 0);
    let mut step = 0;
    while step < ROW_LEN && row.owner() != 0 {
        if let Some(backend) = entry::backend(tables, service, row.owner()) {
            match known(tables, dial, &backend) {
                Some(flags) if !connects || flags & VIPFLOW_ANSWERED == 0 => {
                    return u32::from_ne_bytes(backend.addr);
                }
                Some(_) => {
                    tables.vip_flow_remove(&flow_of(dial.vni, dial.parsed, backend.addr));
                }
                None => {}
            }
            if first_number == 0 && (step == 0 || !connects) {
                (first, first_number) = (backend, row.owner());
            }
        }
        row = row.rest();
        step += 1;
    }
    if first_number == 0 || dial.parsed.kind == Kind::IcmpError {
        return 0;
    }
    begin(tables, dial, &first, first_number)
}

/// Enters the flow.
#[inline(always)]
fn begin<T: Tables>(tables: &T, dial: &Dial<'_>, backend: &Backend, number: BackendNumber) -> u32 {
    let value = VipFlowValue {
        vip: dial.parsed.dst,
        service: dial.service,
        backend: number,
        generation: backend.generation,
        flags: 0,
        reserved: 0,
    };
    tables.vip_flow_insert(&flow_of(dial.vni, dial.parsed, backend.addr), &value);
    u32::from_ne_bytes(backend.addr)
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
