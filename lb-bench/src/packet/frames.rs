//! The packets, and the plans by which a driver makes flows of them.

use lb_bench_ebpf::plan::{FIRST_PORT, HEAD_LEN, HEAD_WORDS, Plan, fold};
use lb_common::{
    addr::{Mac, V4, mac_of},
    port::UDP,
    row::Row,
    wire,
};
use lb_ebpf::{
    headers::{ACK, SYN},
    testing::{Frame, Tunnelled},
};

use super::{
    cluster::{
        BACKEND_HERE, BACKEND_THERE, HOME, ME, OTHER_THERE, TARGET, TASK, VIP_HERE, VIP_THERE, VNI,
    },
    place::{NIC_MAC, NODE, PEERS, ROUTER_MAC},
};

/// The first client.
pub const CLIENT: V4 = [198, 19, 0, 64];
/// Payload that makes a TCP frame 64 bytes long, and a tunnelled one 128 or more.
const PAYLOAD: [u8; 10] = *b"0123456789";
const INNER_PAYLOAD: [u8; 24] = *b"0123456789abcdefghijklmn";
/// Offset of the inner packet in a tunnel frame.
const OUTER_LEN: usize = wire::OUTER_LEN;

/// A frame of which copies are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its bytes.
    pub frame: Vec<u8>,
    /// Whether it is in the tunnel.
    pub tunnelled: bool,
    /// Whether it goes to the side whose flows differ, and does not come from it.
    pub back: bool,
    /// Whether flows differ in the near side's address, else in the far port.
    pub by_addr: bool,
}

impl Template {
    /// The plan that makes `flows` flows (a power of two) to `services` services of it.
    #[must_use]
    pub fn plan(&self, flows: u64, services: u32) -> Plan {
        let at = if self.tunnelled { OUTER_LEN } else { 0 };
        let inner = &self.frame[at..];
        let (near_addr, near_port, far_port) = if self.back { (32, 36, 34) } else { (28, 34, 36) };
        let is_udp = inner[23] == UDP;
        let word = |at: usize| u16::from_be_bytes([inner[at], inner[at + 1]]);
        let mut blank = inner.to_vec();
        let check = if is_udp { 40 } else { 50 };
        for field in [near_addr, near_port, far_port, 24, check] {
            blank[field..field + 2].fill(0);
        }
        Plan {
            next: 0,
            mask: flows - 1,
            head: head(&self.frame),
            len: self.frame.len() as u32,
            services,
            ip_sum: sum(&blank[14..34]),
            l4_sum: l4_sum(&blank),
            addr_step: self.by_addr.into(),
            far_step: (!self.by_addr).into(),
            addr: word(near_addr),
            far_port: word(far_port),
            is_udp: is_udp.into(),
        }
    }
}

fn head(frame: &[u8]) -> [u64; HEAD_WORDS] {
    let mut bytes = frame.to_vec();
    bytes.resize(bytes.len().max(HEAD_LEN), 0);
    let word =
        |at: usize| bytes[at * 8..].first_chunk().map_or(0, |word| u64::from_ne_bytes(*word));
    std::array::from_fn(word)
}

/// Sum of 16-bit words, folded once.
fn sum(bytes: &[u8]) -> u32 {
    let word =
        |pair: &[u8]| u32::from(u16::from_ne_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    fold(bytes.chunks(2).map(word).sum()).into()
}

/// Sum of pseudo header and transport.
fn l4_sum(packet: &[u8]) -> u32 {
    let length = (packet.len() - 34) as u16;
    let pseudo = [&packet[26..34], &[0, packet[23]], &length.to_be_bytes()[..]].concat();
    sum(&pseudo) + sum(&packet[34..])
}

fn plain(frame: &Frame) -> Template {
    Template { frame: frame.bytes(), tunnelled: false, back: false, by_addr: true }
}

/// A client's segment to a published port.
#[must_use]
pub fn segment(port: u16, flags: u8) -> Template {
    let frame = Frame::tcp((CLIENT, FIRST_PORT), (NODE, port)).flags(flags).payload(&PAYLOAD);
    plain(&frame.between(NIC_MAC, ROUTER_MAC))
}

/// A client's SYN.
#[must_use]
pub fn syn(port: u16) -> Template {
    segment(port, SYN)
}

/// A segment of an established connection.
#[must_use]
pub fn ack(port: u16) -> Template {
    segment(port, ACK)
}

/// A client's datagram to a published port.
#[must_use]
pub fn datagram(port: u16) -> Template {
    let frame = Frame::udp((CLIENT, FIRST_PORT), (NODE, port)).payload(&[7; 22]);
    plain(&frame.between(NIC_MAC, ROUTER_MAC))
}

/// A segment that only passes through this node.
#[must_use]
pub fn foreign() -> Template {
    let frame = Frame::tcp((CLIENT, FIRST_PORT), ([203, 0, 113, 7], 443)).flags(ACK);
    plain(&frame.payload(&PAYLOAD).between(NIC_MAC, ROUTER_MAC))
}

/// A datagram that only passes through this node.
#[must_use]
pub fn foreign_datagram() -> Template {
    let frame = Frame::udp((CLIENT, FIRST_PORT), ([203, 0, 113, 7], 53)).payload(&[7; 22]);
    plain(&frame.between(NIC_MAC, ROUTER_MAC))
}

fn tunnelled(vni: u32, macs: (Mac, Mac), inner: Frame, back: bool) -> Template {
    let outer = Tunnelled {
        macs: (NIC_MAC, ROUTER_MAC),
        src: PEERS[0],
        dst: NODE,
        src_port: 50_000,
        port: wire::VXLAN_PORT,
        vni,
        inner: inner.between(macs.0, macs.1).bytes(),
    };
    Template { frame: outer.bytes(), tunnelled: true, back, by_addr: true }
}

/// A client's segment that the first peer sends here.
#[must_use]
pub fn forwarded(flags: u8) -> Template {
    let inner = Frame::tcp((CLIENT, FIRST_PORT), (PEERS[0], HOME)).flags(flags);
    let macs = wire::carry(Row::of(1), PEERS[0]);
    tunnelled(wire::MESH_VNI, macs, inner.payload(&INNER_PAYLOAD), false)
}

/// A client's datagram that the first peer sends here.
#[must_use]
pub fn forwarded_datagram() -> Template {
    let inner = Frame::udp((CLIENT, FIRST_PORT), (PEERS[0], HOME)).payload(&[7; 36]);
    tunnelled(wire::MESH_VNI, wire::carry(Row::of(1), PEERS[0]), inner, false)
}

/// A reply that the first peer sends here, to a client.
#[must_use]
pub fn reply_in_tunnel(port: u16) -> Template {
    let inner = Frame::tcp((NODE, port), (CLIENT, FIRST_PORT)).flags(ACK).payload(&INNER_PAYLOAD);
    tunnelled(wire::MESH_VNI + 1, ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]), inner, true)
}

/// What the task here answers on its gateway leg.
#[must_use]
pub fn answer() -> Template {
    let frame = Frame::tcp((TASK, TARGET), (CLIENT, FIRST_PORT)).flags(ACK).payload(&PAYLOAD);
    Template { back: true, ..plain(&frame.between([2, 1, 10, 231, 0, 2], mac_of(TASK))) }
}

fn sent(to: V4, flags: u8) -> Template {
    let frame = Frame::tcp((ME, FIRST_PORT), (to, TARGET)).flags(flags).payload(&PAYLOAD);
    Template { by_addr: false, ..plain(&frame.between(mac_of(to), mac_of(ME))) }
}

/// A task's segment to the virtual IP of a task here.
#[must_use]
pub fn to_vip_here(flags: u8) -> Template {
    sent(VIP_HERE, flags)
}

/// The same to one on another node.
#[must_use]
pub fn to_vip_there(flags: u8) -> Template {
    sent(VIP_THERE, flags)
}

/// A task's segment to a task on another node, by its own address.
#[must_use]
pub fn to_task_there() -> Template {
    sent(OTHER_THERE, ACK)
}

/// The answer of the task here.
#[must_use]
pub fn from_vip_here() -> Template {
    answering(BACKEND_HERE)
}

/// The answer of the task on another node, as Docker's bridge hands it to the client.
#[must_use]
pub fn from_vip_there_bridged() -> Template {
    answering(BACKEND_THERE)
}

fn answering(from: V4) -> Template {
    let frame = Frame::tcp((from, TARGET), (ME, FIRST_PORT)).flags(ACK).payload(&PAYLOAD);
    let frame = frame.between(mac_of(ME), mac_of(from));
    Template { back: true, by_addr: false, ..plain(&frame) }
}

fn arriving(from: V4) -> Template {
    let inner = Frame::tcp((from, TARGET), (ME, FIRST_PORT)).flags(ACK).payload(&INNER_PAYLOAD);
    Template { by_addr: false, ..tunnelled(VNI, (mac_of(ME), mac_of(from)), inner, true) }
}

/// The answer of the task on another node, which comes from the tunnel.
#[must_use]
pub fn from_vip_there() -> Template {
    arriving(BACKEND_THERE)
}

/// A segment of a task on another node that answers no virtual IP's client.
#[must_use]
pub fn from_task_there() -> Template {
    arriving(OTHER_THERE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checksums of the frame of flow 0 as the driver stores them, and as the frame has them.
    fn checksums(template: &Template) -> [(u16, u16); 2] {
        let plan = template.plan(1 << 20, 1);
        let flow = plan.flow(0);
        let at = if template.tunnelled { OUTER_LEN } else { 0 };
        let check = if plan.is_udp == 1 { 40 } else { 50 };
        let word = |field| {
            u16::from_ne_bytes([template.frame[at + field], template.frame[at + field + 1]])
        };
        [(plan.ip_check(flow), word(24)), (plan.l4_check(flow), word(check))]
    }

    #[test]
    fn the_first_flow_is_the_template_itself() {
        let templates = [
            ack(80),
            datagram(53),
            foreign(),
            forwarded(SYN),
            forwarded_datagram(),
            reply_in_tunnel(80),
            answer(),
            to_vip_here(ACK),
            from_vip_here(),
            from_vip_there(),
        ];
        for template in templates {
            for (made, own) in checksums(&template) {
                assert_eq!(made, own, "{template:?}");
            }
            assert!(template.frame.len() >= if template.tunnelled { 128 } else { 64 });
        }
    }
}
