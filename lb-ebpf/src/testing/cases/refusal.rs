//! No: a RST or an ICMP error, by the way that the client came.

use lb_common::{addr::V4, drops::Reason};

use super::{
    Case,
    Hook::Nic,
    from_client,
    home::to_web,
    wire::{forward, reply},
};
use crate::{
    headers::{ACK, CODE_PORT, FIN, RST, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let small = World::small(*on);
    let mut empty = small.clone();
    for service in [WEB, DNS] {
        empty.set_rows(service, &[row([0, 0])]);
    }
    let mut bare = small.clone();
    bare.service_mut(WEB).rows = 0;
    let case = |name| Case::new(name, &empty);
    let syn = to_web().flags(SYN);
    let forgotten = syn.clone().from(QUIET_CLIENT);
    vec![
        case("a SYN to a service without tasks is reset")
            .sends(Nic, &syn.bytes(), on.nic, &answered(&reset(&syn, 0, 1001)))
            .counting(Reason::NoBackend),
        Case::new("a SYN to a service without rows is reset", &bare)
            .sends(Nic, &syn.bytes(), on.nic, &answered(&reset(&syn, 0, 1001)))
            .counting(Reason::NoBackend),
        case("a datagram to a service without tasks gets port unreachable")
            .sends(Nic, &query().bytes(), on.nic, &unreachable(&query()))
            .counting(Reason::NoBackend),
        case("so is one of a client whose Ethernet address the node has forgotten")
            .sends(Nic, &forgotten.bytes(), on.nic, &answered(&reset(&forgotten, 0, 1001)))
            .counting(Reason::NoBackend),
        case("a RST is not answered").drops(Nic, &to_web().flags(RST).bytes(), Reason::NoBackend),
        case("an ICMP error is not answered").drops(Nic, &error().bytes(), Reason::NoBackend),
        gone(&small, on),
        unknown(&small, on),
        local_unknown(&small, on),
    ]
}

/// The RST that answers a segment (RFC 9293 §3.10.7.1): with the segment's ACK as its number, or
/// acknowledging all of it.
fn reset(to: &Frame, seq: u32, ack: u32) -> Frame {
    let flags = if to.flags & ACK == 0 { RST | ACK } else { RST };
    let (id, frags, ttl, window) = (0, 0x4000, 64, 0);
    let (src, dst) = ((to.dst, to.dst_port), (to.src, to.src_port));
    Frame { flags, id, frags, ttl, window, seq, ack, ..Frame::tcp(src, dst) }
}

fn answered(frame: &Frame) -> Vec<u8> {
    frame.clone().between(CLIENT_MAC, NIC_MAC).bytes()
}

fn query() -> Frame {
    from_client(Frame::udp(CLIENT, (NODE, DNS_PORT)))
}

fn unreachable(frame: &Frame) -> Vec<u8> {
    IcmpError::unreachable(frame.dst, CODE_PORT, frame).between(CLIENT_MAC, NIC_MAC).bytes()
}

fn error() -> IcmpError {
    IcmpError::unreachable(CLIENT.0, 1, &Frame::tcp((NODE, WEB_PORT), CLIENT))
}

fn tunnelled(frame: &Frame) -> Vec<u8> {
    forward(NODE_2, NODE, row([A]), NODE_2, &frame.bytes())
}

fn by_2() -> Frame {
    to_web().to((NODE_2, WEB_PORT))
}

fn back_by_2(client: &Frame, answer: &[u8]) -> Vec<u8> {
    let (from, to): (V4, V4) = (NODE, NODE_2);
    reply(from, to, &client.bytes(), answer)
}

fn gone(small: &World, on: &Interfaces) -> Case {
    let mut world = small.clone();
    world.backend_mut(WEB, A).leg = 99;
    world.backend_mut(DNS, A).leg = 99;
    let syn = by_2().flags(SYN).payload(b"fast open");
    let rst = back_by_2(&syn, &reset(&syn, 0, 1010).bytes());
    let question = query().to((NODE_2, DNS_PORT));
    let error = IcmpError::unreachable(NODE_2, CODE_PORT, &question).bytes();
    Case::new("a new flow to a task without a leg is refused by way of its entry node", &world)
        .sends(Nic, &tunnelled(&syn), on.nic, &rst)
        .counting(Reason::TaskGone)
        .sends(Nic, &tunnelled(&question), on.nic, &back_by_2(&question, &error))
        .counting(Reason::TaskGone)
}

fn unknown(small: &World, on: &Interfaces) -> Case {
    let data = Frame { ack: 77, ..by_2().flags(ACK | FIN).payload(b"who?") };
    let rst = back_by_2(&data, &reset(&data, 77, 0).bytes());
    Case::new("a segment that nobody on its row knows is reset", small)
        .sends(Nic, &tunnelled(&data), on.nic, &rst)
        .counting(Reason::NoSocket)
        .drops(Nic, &tunnelled(&by_2().flags(RST)), Reason::NoSocket)
}

fn local_unknown(small: &World, on: &Interfaces) -> Case {
    let data = Frame { ack: 5, ..to_web().flags(ACK) };
    Case::new("so is one that came in here", small)
        .sends(Nic, &data.bytes(), on.nic, &answered(&reset(&data, 5, 0)))
        .counting(Reason::NoSocket)
}
