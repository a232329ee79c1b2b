//! Overlay frames of other nodes that answer what a task here sent to a virtual IP, and frames in pieces.

use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
    endpoint::VIPFLOW_ANSWERED,
    port::{TCP, UDP},
};

use super::{
    Case,
    Hook::{Nic, NicOverlay},
    carrying::{CLIENT_PORT, PORT, by_2, to_me},
};
use crate::{
    headers::{ACK, CODE_PORT, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::overlay(*on);
    [answers(&world, on), pieces(&world, on)].concat()
}

fn answers(world: &World, on: &Interfaces) -> Vec<Case> {
    let mut world = world.clone();
    for proto in [TCP, UDP] {
        let key = vip_key(CLIENT_PORT, MONGO_ON_2, PORT, proto);
        world.vip_flows.get_mut().insert(key, vip_flow(ON_2, 0));
    }
    let me = on.overlay[0];
    let answer = to_me().flags(SYN | ACK).mss(1410);
    let from_vip = answer.clone().from((VIP, PORT));
    let datagram = Frame { proto: UDP, ..to_me() };
    let datagram_from_vip = datagram.clone().from((VIP, PORT));
    // The quoted datagram's checksum stays that of the packet on the wire; nobody checks it.
    let sent = |to: V4| Frame { udp_checksum: false, ..Frame::udp((ME, CLIENT_PORT), (to, PORT)) };
    let error = |quoted: &Frame, src| {
        let error = IcmpError::unreachable(src, CODE_PORT, quoted);
        error.between(mac_of(ME), mac_of(MONGO_ON_2)).bytes()
    };
    let other_port = answer.clone().from((MONGO_ON_2, 80));
    let seen = Case::new("an answer comes from the virtual IP that was dialled", &world);
    vec![
        seen.delivers(NicOverlay, &by_2(answer.bytes()), me, &from_vip.bytes()).delivers(
            NicOverlay,
            &by_2(to_me().bytes()),
            me,
            &to_me().from((VIP, PORT)).bytes(),
        ),
        Case::new("so does a datagram", &world).delivers(
            NicOverlay,
            &by_2(datagram.bytes()),
            me,
            &datagram_from_vip.bytes(),
        ),
        Case::new("an error about what was sent to a virtual IP quotes it", &world).delivers(
            NicOverlay,
            &by_2(error(&sent(MONGO_ON_2), MONGO_ON_2)),
            me,
            &error(&sent(VIP), VIP),
        ),
        Case::new("another connection to the same task keeps its source", &world).delivers(
            NicOverlay,
            &by_2(other_port.bytes()),
            me,
            &other_port.bytes(),
        ),
    ]
}

fn pieces(world: &World, on: &Interfaces) -> Vec<Case> {
    let mut world = world.clone();
    let key = vip_key(CLIENT_PORT, MONGO_ON_2, PORT, UDP);
    world.vip_flows.get_mut().insert(key, vip_flow(ON_2, VIPFLOW_ANSWERED));
    let me = on.overlay[0];
    let whole = Frame { proto: UDP, ..to_me() };
    let first = Frame { frags: 0x2000, payload: vec![1; 16], ..whole.clone() };
    let later = Frame { frags: 3, payload: vec![2; 16], ..whole.clone() };
    let direct = Frame { src_port: 9, ..first.clone() };
    let from_vip = |piece: &Frame| piece.clone().from((VIP, piece.src_port)).bytes();
    let outer = by_2(to_me().bytes());
    let cut = |frags: u16| {
        let like = Frame::udp((NODE_2, 50_000), (NODE, 4789)).between(NIC_MAC, node_mac(NODE_2));
        Frame { frags, payload: outer[42..].to_vec(), ..like }.bytes()
    };
    vec![
        Case::new("pieces of an answer follow the first one", &world)
            .delivers(NicOverlay, &by_2(first.bytes()), me, &from_vip(&first))
            .delivers(NicOverlay, &by_2(later.bytes()), me, &from_vip(&later)),
        Case::new("pieces of another datagram are not taken for an answer's", &world)
            .delivers(NicOverlay, &by_2(first.bytes()), me, &from_vip(&first))
            .delivers(NicOverlay, &by_2(direct.bytes()), me, &direct.bytes())
            .delivers(NicOverlay, &by_2(later.bytes()), me, &later.bytes()),
        Case::new("pieces whose first one was not seen keep their source", &world).delivers(
            NicOverlay,
            &by_2(later.bytes()),
            me,
            &later.bytes(),
        ),
        Case::new("a tunnel frame in pieces is counted by its first", &world)
            .passes(Nic, &cut(0x2000))
            .drops(NicOverlay, &cut(0x2000), Reason::TunnelFragment)
            .passes(NicOverlay, &cut(0x0010)),
    ]
}
