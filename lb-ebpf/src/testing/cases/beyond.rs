//! Flows to a task of a node without agent, through Docker's ingress network and back.

use lb_common::{addr::mac_of, drops::Reason, row::BackendNumber};

use super::{
    Case,
    Hook::{Leg, Nic, NicLate},
    dialling::{NODE_PORT, connected, dial},
    from_client,
    home::to_web,
    wire::{flow_port, tunnelled, with_macs},
};
use crate::{
    headers::{ACK, CODE_FRAG_NEEDED, FIN, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::beyond(*on);
    vec![
        connection(&world, on),
        datagram(&world, on),
        fragments(&world, on),
        errors(&world, on),
        late(&world, on),
        lost(&world),
        container(&world, on),
        too_big(&world, on),
        narrow(&world, on),
        container_too_big(&world, on),
    ]
}

pub(super) fn query() -> Frame {
    from_client(Frame::udp(CLIENT, (NODE, DNS_PORT)))
}

/// A frame of Docker's ingress network to the task; `sent` is the client's.
pub(super) fn to_beyond(sent: &Frame, inner: &Frame) -> Vec<u8> {
    let inner = inner.clone().from((INGRESS_SEAT, NODE_PORT)).to((BEYOND, inner.dst_port));
    wrapped(&sent.bytes(), &inner.bytes())
}

fn wrapped(sent: &[u8], inner: &[u8]) -> Vec<u8> {
    let inner = with_macs(inner, mac_of(BEYOND), mac_of(INGRESS_SEAT));
    tunnelled(NODE, NODE_2, INGRESS_VNI, flow_port(sent), inner).bytes()
}

/// The same back.
pub(super) fn by_beyond(inner: &[u8]) -> Vec<u8> {
    let inner = with_macs(inner, mac_of(INGRESS_SEAT), mac_of(BEYOND));
    tunnelled(NODE_2, NODE, INGRESS_VNI, 50_000, inner).bytes()
}

/// What the task answers.
pub(super) fn answer(frame: &Frame) -> Frame {
    Frame { payload: b"answer".to_vec(), ..frame.clone() }
        .from((BEYOND, frame.dst_port))
        .to((INGRESS_SEAT, NODE_PORT))
}

/// The same as the client receives it.
pub(super) fn answered(frame: &Frame) -> Frame {
    let back = answer(frame).from((frame.dst, frame.dst_port));
    back.to((frame.src, frame.src_port)).between(CLIENT_MAC, NIC_MAC)
}

fn held(world: &World, frame: &Frame) -> World {
    let number: BackendNumber = ON_2;
    connected(world, frame, number)
}

fn connection(world: &World, on: &Interfaces) -> Case {
    let (web, mss) = (to_web(), LEG_MTU - 40);
    let syn = web.clone().flags(SYN).mss(1460);
    let syn_ack = answer(&web).flags(SYN | ACK).mss(1460);
    let syn_ack_out = answered(&web).flags(SYN | ACK).mss(mss);
    let data = web.clone().flags(ACK).payload(b"hello");
    let fin = web.clone().flags(ACK | FIN);
    Case::new(
        "a connection to a task of a node without agent, with both MSS clamped",
        &held(world, &web),
    )
    .sends(Nic, &syn.bytes(), on.nic, &to_beyond(&syn, &syn.clone().mss(mss)))
    .sends(Nic, &by_beyond(&syn_ack.bytes()), on.nic, &syn_ack_out.bytes())
    .sends(Nic, &data.bytes(), on.nic, &to_beyond(&data, &data))
    .sends(
        Nic,
        &by_beyond(&answer(&web).flags(ACK).bytes()),
        on.nic,
        &answered(&web).flags(ACK).bytes(),
    )
    .sends(Nic, &fin.bytes(), on.nic, &to_beyond(&fin, &fin))
    .sends(Nic, &by_beyond(&answer(&fin).bytes()), on.nic, &answered(&fin).bytes())
}

fn datagram(world: &World, on: &Interfaces) -> Case {
    let plain = Frame { udp_checksum: false, ..query() };
    Case::new("a datagram to such a task and back", &held(world, &query()))
        .sends(Nic, &query().bytes(), on.nic, &to_beyond(&query(), &query()))
        .sends(Nic, &by_beyond(&answer(&query()).bytes()), on.nic, &answered(&query()).bytes())
        .sends(Nic, &plain.bytes(), on.nic, &to_beyond(&plain, &plain))
}

fn fragments(world: &World, on: &Interfaces) -> Case {
    let first = Frame { frags: 0x2000, udp_checksum: false, ..query() };
    let later = Frame { frags: 1, ..first.clone() };
    // The ports of a later fragment are known, but not in it.
    Case::new("its fragments likewise, in both directions", &held(world, &query()))
        .sends(Nic, &first.bytes(), on.nic, &to_beyond(&first, &first))
        .sends(Nic, &later.bytes(), on.nic, &to_beyond(&first, &later))
        .sends(Nic, &by_beyond(&answer(&first).bytes()), on.nic, &answered(&first).bytes())
        .sends(Nic, &by_beyond(&answer(&later).bytes()), on.nic, &answered(&later).bytes())
}

fn errors(world: &World, on: &Interfaces) -> Case {
    let router = [192, 0, 2, 77];
    let data = to_web().flags(ACK);
    // To the task: a router cannot carry its answer on.
    let seen = IcmpError {
        mtu: 1300,
        ..IcmpError::unreachable(router, CODE_FRAG_NEEDED, &answered(&data))
    };
    let told =
        IcmpError { dst: BEYOND, quote: answer(&data).packet()[..28].to_vec(), ..seen.clone() };
    // To the client: the task's node cannot carry the client's segment on.
    let inner = data.clone().from((INGRESS_SEAT, NODE_PORT)).to((BEYOND, WEB_PORT));
    let back = IcmpError { mtu: 1300, ..IcmpError::unreachable(BEYOND, CODE_FRAG_NEEDED, &inner) };
    let out =
        IcmpError { src: NODE, dst: CLIENT.0, quote: data.packet()[..28].to_vec(), ..back.clone() };
    Case::new("ICMP errors about either direction reach their end", &held(world, &data))
        .sends(Nic, &seen.bytes(), on.nic, &wrapped(&seen.bytes(), &told.bytes()))
        .sends(Nic, &by_beyond(&back.bytes()), on.nic, &out.between(CLIENT_MAC, NIC_MAC).bytes())
}

fn late(world: &World, on: &Interfaces) -> Case {
    let quiet = to_web().from(QUIET_CLIENT);
    let frame = by_beyond(&answer(&quiet).flags(SYN | ACK).mss(1460).bytes());
    let out = answered(&quiet).flags(SYN | ACK).mss(LEG_MTU - 40).bytes();
    // Its Ethernet addresses are filled in once the neighbour has answered.
    let unpacked = [&frame[..14], &out[14..]].concat();
    Case::new(
        "an answer to a client whose Ethernet address is unknown waits behind XDP",
        &held(world, &quiet),
    )
    .passes(Nic, &frame)
    .asks(NicLate, &frame, on.nic, &unpacked)
}

fn lost(world: &World) -> Case {
    let lost = to_web().from(LOST_CLIENT);
    let frame = by_beyond(&answer(&lost).flags(ACK).bytes());
    Case::new("one to a client that no route leads to is dropped", &held(world, &lost))
        .drops(Nic, &frame, Reason::NoNextHop)
        .drops(NicLate, &frame, Reason::NoNextHop)
}

fn container(world: &World, on: &Interfaces) -> Case {
    let syn = dial().flags(SYN).mss(1460);
    let back = answer(&dial()).flags(SYN | ACK);
    let out = back.clone().from((NODE, WEB_PORT)).to((dial().src, dial().src_port));
    let out = out.between(mac_of(TASK_A), host_mac(TASK_A));
    Case::new("a container here as the client of such a task", &held(world, &dial()))
        .sends(
            Leg(on.legs[0]),
            &syn.bytes(),
            on.nic,
            &to_beyond(&syn, &syn.clone().mss(LEG_MTU - 40)),
        )
        .sends(Nic, &by_beyond(&back.bytes()), on.legs[0], &out.bytes())
}

fn too_big(world: &World, on: &Interfaces) -> Case {
    let large = to_web().flags(ACK).payload(&[0; 1411]);
    let error =
        IcmpError { mtu: LEG_MTU, ..IcmpError::unreachable(NODE, CODE_FRAG_NEEDED, &large) };
    Case::new("a client is told what Docker's ingress network carries", &held(world, &large))
        .sends(Nic, &large.bytes(), on.nic, &error.between(CLIENT_MAC, NIC_MAC).bytes())
        .counting(Reason::TooBig)
}

/// Docker's network carries less than the wire.
fn narrow(world: &World, on: &Interfaces) -> Case {
    let narrow = World { ingress_mtu: 1300, ..held(world, &to_web()) };
    let syn = to_web().flags(SYN).mss(1460);
    let large = to_web().flags(ACK).payload(&[0; 1261]);
    let error = IcmpError { mtu: 1300, ..IcmpError::unreachable(NODE, CODE_FRAG_NEEDED, &large) };
    Case::new("where that is less than the wire carries, too", &narrow)
        .sends(Nic, &syn.bytes(), on.nic, &to_beyond(&syn, &syn.clone().mss(1260)))
        .sends(Nic, &large.bytes(), on.nic, &error.between(CLIENT_MAC, NIC_MAC).bytes())
        .counting(Reason::TooBig)
}

fn container_too_big(world: &World, on: &Interfaces) -> Case {
    let large = dial().flags(ACK).payload(&[0; 1411]);
    let error =
        IcmpError { mtu: LEG_MTU, ..IcmpError::unreachable(NODE, CODE_FRAG_NEEDED, &large) };
    let error = error.between(mac_of(TASK_A), host_mac(TASK_A));
    Case::new("so is a container, of the same", &held(world, &large))
        .sends(Leg(on.legs[0]), &large.bytes(), on.legs[0], &error.bytes())
        .counting(Reason::TooBig)
}
