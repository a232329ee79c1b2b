//! Virtual IPs: to a task of the service and back, to oneself, to nobody.

use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
    endpoint::EndpointKey,
    port::UDP,
};

use super::{
    Case,
    Hook::Overlay,
    sending::{by_tunnel, rst, to},
};
use crate::{
    headers::{ACK, CODE_PORT, RST, SYN},
    testing::*,
};

const PORT: u16 = 27_017;
const CLIENT_PORT: u16 = 40_000;

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::overlay(*on);
    [here(&world, on), away(&world, on), errors(&world, on), pieces(&world, on)]
        .into_iter()
        .chain([itself(&world, on), nobody(&world, on)])
        .flatten()
        .collect()
}

/// The frame as the task at `addr` gets it.
pub(super) fn at(addr: V4, frame: &Frame) -> Frame {
    frame.clone().to((addr, frame.dst_port)).between(mac_of(addr), mac_of(frame.src))
}

/// What the task at `addr` sends back.
pub(super) fn back(addr: V4, sent: &Frame) -> Frame {
    let answer = sent.clone().from((addr, sent.dst_port)).to((sent.src, sent.src_port));
    answer.between(mac_of(sent.src), mac_of(addr)).payload(b"hi")
}

/// The same with its source as the client gets it.
pub(super) fn seen(vip: V4, answer: &Frame) -> Vec<u8> {
    answer.clone().from((vip, answer.src_port)).bytes()
}

pub(super) fn datagram(dst: V4) -> Frame {
    Frame { proto: UDP, ..to(dst) }
}

fn here(world: &World, on: &Interfaces) -> Vec<Case> {
    let [me, mongo, _] = on.overlay;
    let round = |name, sent: Frame, answer: Frame| {
        let got = at(MONGO_HERE, &sent);
        Case::new(name, world)
            .delivers(Overlay(me), &sent.bytes(), mongo, &got.bytes())
            .delivers(Overlay(mongo), &answer.bytes(), me, &seen(VIP, &answer))
            .delivers(Overlay(me), &sent.bytes(), mongo, &got.bytes())
    };
    let syn = to(VIP).flags(SYN).mss(1410);
    let other = back(MONGO_HERE, &Frame { src_port: 9, ..syn.clone() });
    let from_second =
        syn.clone().from((SECOND, 9)).between(mac_of(OVERLAY_GATEWAY_2), mac_of(SECOND));
    let got = at(MONGO_HERE, &from_second);
    let answer = back(MONGO_HERE, &got).between(mac_of(OVERLAY_GATEWAY), mac_of(MONGO_HERE));
    let arrives = answer.clone().from((VIP, PORT)).between(mac_of(SECOND), mac_of(MONGO_HERE));
    let unchecked = Frame { udp_checksum: false, ..datagram(VIP) };
    vec![
        round(
            "a connection to a virtual IP",
            syn.clone(),
            back(MONGO_HERE, &syn).flags(SYN | ACK).mss(1410),
        ),
        round("a datagram to a virtual IP", datagram(VIP), back(MONGO_HERE, &datagram(VIP))),
        round("a datagram without checksum", unchecked.clone(), back(MONGO_HERE, &unchecked)),
        Case::new("a task of a service speaks for itself", world).delivers(
            Overlay(mongo),
            &other.bytes(),
            me,
            &other.bytes(),
        ),
        Case::new("a client of the second subnet", world)
            .delivers(Overlay(on.overlay[2]), &from_second.bytes(), mongo, &got.bytes())
            .delivers(Overlay(mongo), &answer.bytes(), on.overlay[2], &arrives.bytes()),
    ]
}

fn away(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = Overlay(on.overlay[0]);
    let to_2 = |sent: &Frame| by_tunnel(NODE_2, VNI, &sent.bytes(), at(MONGO_ON_2, sent).bytes());
    let mut on_2 = world.clone();
    on_2.set_rows(VIP_SERVICE, &[row([ON_2])]);
    let mut on_3 = world.clone();
    on_3.set_rows(VIP_SERVICE, &[row([ON_3])]);
    let syn = to(VIP).flags(SYN).mss(1460);
    let got = syn.clone().to((MONGO_ON_3, PORT)).between(CUSTOM_MAC, mac_of(ME)).bytes();
    let third = by_tunnel(NODE_3, VNI_2, &syn.bytes(), got);
    let large = to(VIP).payload(&[7; 1300]);
    let mut narrow = on_2.clone();
    if let Some(peer) = narrow.peers.get_mut(&1) {
        peer.mtu = 1330;
    }
    let mtu = 1280;
    let told = IcmpError { mtu, ..IcmpError::unreachable(VIP, 4, &large) };
    let told = told.between(mac_of(ME), mac_of(VIP)).bytes();
    vec![
        Case::new("a virtual IP whose task is elsewhere", &on_2)
            .sends(leg, &syn.bytes(), on.nic, &to_2(&syn))
            .sends(leg, &to(VIP).bytes(), on.nic, &to_2(&to(VIP)))
            .sends(leg, &datagram(VIP).bytes(), on.nic, &to_2(&datagram(VIP))),
        Case::new("a virtual IP whose task is in the second subnet", &on_3).sends(
            leg,
            &syn.bytes(),
            on.nic,
            &third,
        ),
        Case::new("a virtual IP tells what the way to its task carries", &narrow)
            .sends(leg, &large.bytes(), on.overlay[0], &told)
            .counting(Reason::TooBig),
    ]
}

/// A flow of [`ME`] to the virtual IP that went to the task here.
fn established(world: &World, proto: u8) -> World {
    let mut world = world.clone();
    let key = vip_key(CLIENT_PORT, MONGO_HERE, PORT, proto);
    world.vip_flows.get_mut().insert(key, vip_flow(A, 0));
    world
}

fn errors(world: &World, on: &Interfaces) -> Vec<Case> {
    let [me, mongo, _] = on.overlay;
    let known = established(world, UDP);
    // The quoted datagram's checksum stays that of the packet on the wire; nobody checks it.
    let sent = |dst: V4| Frame { udp_checksum: false, ..datagram(dst) };
    let error = |src: V4, dst: V4, quoted: &Frame| {
        let error = IcmpError::unreachable(src, CODE_PORT, quoted);
        IcmpError { dst, ..error }
    };
    let no = |src, quoted: &Frame| {
        error(src, ME, quoted).between(mac_of(ME), mac_of(MONGO_HERE)).bytes()
    };
    let answer = |src: V4| Frame { udp_checksum: false, ..back(src, &datagram(VIP)) };
    let complaint = |dst: V4| error(ME, dst, &answer(dst)).between(mac_of(dst), mac_of(ME)).bytes();
    let others = error(ME, VIP, &answer(VIP).to((MONGO_ON_2, CLIENT_PORT)));
    let forged = others.between(mac_of(VIP), mac_of(ME)).bytes();
    let about_another = no(MONGO_HERE, &sent(MONGO_ON_2));
    vec![
        Case::new("a task has no such port, and the client hears it of the virtual IP", &known)
            .delivers(Overlay(mongo), &no(MONGO_HERE, &sent(MONGO_HERE)), me, &no(VIP, &sent(VIP))),
        Case::new("an error about another task's packet says nothing of the virtual IP", &known)
            .delivers(Overlay(mongo), &about_another, me, &about_another),
        Case::new("a client's error about an answer reaches its task", &known).delivers(
            Overlay(me),
            &complaint(VIP),
            mongo,
            &complaint(MONGO_HERE),
        ),
        Case::new("an error about no flow of a virtual IP", world).drops(
            Overlay(me),
            &complaint(VIP),
            Reason::IcmpUnmatched,
        ),
        Case::new("an error in the name of another client", &known).drops(
            Overlay(me),
            &forged,
            Reason::IcmpUnmatched,
        ),
    ]
}

fn pieces(world: &World, on: &Interfaces) -> Vec<Case> {
    let [me, mongo, _] = on.overlay;
    let first = Frame { frags: 0x2000, payload: vec![1; 16], ..datagram(VIP) };
    let later = Frame { frags: 3, payload: vec![2; 16], ..datagram(VIP) };
    let answer = back(MONGO_HERE, &datagram(VIP));
    let answer_first = Frame { frags: 0x2000, payload: vec![1; 16], ..answer.clone() };
    let answer_later = Frame { frags: 3, payload: vec![2; 16], ..answer };
    vec![
        Case::new("pieces of a datagram to a virtual IP follow the first one", world)
            .delivers(Overlay(me), &first.bytes(), mongo, &at(MONGO_HERE, &first).bytes())
            .delivers(Overlay(me), &later.bytes(), mongo, &at(MONGO_HERE, &later).bytes())
            .delivers(Overlay(mongo), &answer_first.bytes(), me, &seen(VIP, &answer_first))
            .delivers(Overlay(mongo), &answer_later.bytes(), me, &seen(VIP, &answer_later)),
        Case::new("a piece whose first one was not seen", world).drops(
            Overlay(me),
            &later.bytes(),
            Reason::Malformed,
        ),
    ]
}

fn itself(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = on.overlay[1];
    let syn = to(VIP).flags(SYN).from((MONGO_HERE, 50_000));
    let syn = syn.between(mac_of(VIP), mac_of(MONGO_HERE));
    let turned = |frame: &Frame| {
        let from_vip = frame.clone().from((VIP, frame.src_port)).to((MONGO_HERE, frame.dst_port));
        from_vip.between(mac_of(MONGO_HERE), mac_of(VIP)).bytes()
    };
    let answer = syn.clone().flags(SYN | ACK).from((MONGO_HERE, PORT)).to((VIP, 50_000));
    let ack = syn.clone().flags(ACK);
    vec![
        Case::new("a task that dials its own virtual IP may reach itself", world)
            .delivers(Overlay(leg), &syn.bytes(), leg, &turned(&syn))
            .delivers(Overlay(leg), &answer.bytes(), leg, &turned(&answer))
            .delivers(Overlay(leg), &ack.bytes(), leg, &turned(&ack)),
    ]
}

fn nobody(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = on.overlay[0];
    let syn = to(EMPTY_VIP).flags(SYN);
    let question = datagram(EMPTY_VIP);
    let told = IcmpError::unreachable(EMPTY_VIP, CODE_PORT, &question);
    let told = told.between(mac_of(ME), mac_of(EMPTY_VIP)).bytes();
    let mut gone = world.clone();
    gone.endpoints.remove(&EndpointKey { vni: VNI, addr: MONGO_HERE });
    let mut legless = world.clone();
    legless.endpoint_mut(MONGO_HERE).ifindex = 0;
    let at_vip = to(VIP).flags(SYN);
    let refused = |name, world: &World, syn: &Frame, reason| {
        Case::new(name, world)
            .sends(Overlay(leg), &syn.bytes(), leg, &rst(syn).bytes())
            .counting(reason)
    };
    vec![
        refused("a virtual IP without tasks refuses a connection", world, &syn, Reason::NoBackend),
        Case::new("a virtual IP without tasks refuses a datagram", world)
            .sends(Overlay(leg), &question.bytes(), leg, &told)
            .counting(Reason::NoBackend),
        Case::new("a RST to a virtual IP without tasks is not answered", world).drops(
            Overlay(leg),
            &to(EMPTY_VIP).flags(RST).bytes(),
            Reason::NoBackend,
        ),
        refused("a chosen task that the network lacks", &gone, &at_vip, Reason::TaskGone),
        refused("a chosen task here without a leg", &legless, &at_vip, Reason::TaskGone),
    ]
}
