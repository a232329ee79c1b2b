//! What a task sends into a network: questions that are answered at once, frames to other tasks, and
//! what is not carried.

use lb_common::{
    addr::{Mac, V4, mac_of},
    drops::Reason,
    peer::PEER_PRESENT,
    port::{ICMP, UDP},
};

use super::{
    Case,
    Hook::Overlay,
    wire::{flow_port, tunnelled},
};
use crate::{
    headers::{ACK, CODE_FRAG_NEEDED, CODE_PORT, RST, SYN},
    rewrite::tunnel::source_port,
    testing::*,
};

const PORT: u16 = 27_017;

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::overlay(*on);
    [asked(&world, on), pinged(&world, on), carried(&world, on), away(&world, on)]
        .into_iter()
        .chain([forged(&world, on), not_carried(&world, on), lost(&world, on), size(&world, on)])
        .flatten()
        .collect()
}

/// A frame of [`ME`] to an address of its network.
pub(super) fn to(dst: V4) -> Frame {
    Frame::tcp((ME, 40_000), (dst, PORT))
        .flags(ACK)
        .payload(b"hello")
        .between(mac_of(dst), mac_of(ME))
}

/// The frame on its way to another node, with the Ethernet addresses that it has there; `sent` is the
/// task's frame, which decides the outer source port.
pub(super) fn by_tunnel(node: V4, vni: u32, sent: &[u8], inner: Vec<u8>) -> Vec<u8> {
    tunnelled(NODE, node, vni, flow_port(sent), inner).bytes()
}

fn asked(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = on.overlay[0];
    let me = (mac_of(ME), ME);
    let answered = |name, question: Arp, mac: Mac| {
        let answer = question.answered_by(mac).bytes();
        Case::new(name, world).sends(Overlay(leg), &question.bytes(), leg, &answer)
    };
    let drops =
        |name, frame: &[u8], reason| Case::new(name, world).drops(Overlay(leg), frame, reason);
    let ask = |target| Arp::request(me, target);
    let probe = |target| Arp::request((me.0, [0; 4]), target);
    let announcement = Arp { operation: ARP_REPLY, ..ask(ME) }.bytes();
    let spoofed = |sender| Arp { sender, ..ask(MONGO_ON_2) }.bytes();
    let cut = &ask(MONGO_ON_2).bytes()[..40];
    vec![
        answered("a task elsewhere is asked for", ask(MONGO_ON_2), mac_of(MONGO_ON_2)),
        answered("a task here is asked for", ask(MONGO_HERE), mac_of(MONGO_HERE)),
        answered("a task of the second subnet is asked for", ask(MONGO_ON_3), CUSTOM_MAC),
        answered("a virtual IP is asked for", ask(VIP), mac_of(VIP)),
        answered("a gateway is asked for", ask(OVERLAY_GATEWAY), mac_of(OVERLAY_GATEWAY)),
        answered("an address in use is probed for", probe(MONGO_ON_2), mac_of(MONGO_ON_2)),
        drops("an address that nobody has is asked for", &ask(NOBODY).bytes(), Reason::NoEndpoint),
        drops("a task of another network is asked for", &ask(STRANGER).bytes(), Reason::NoEndpoint),
        drops("the address of all zeros is asked for", &ask([0; 4]).bytes(), Reason::NoEndpoint),
        drops(
            "a task asks whether others have its address",
            &probe(ME).bytes(),
            Reason::NotCarried,
        ),
        drops("a task announces itself", &announcement, Reason::NotCarried),
        drops("ARP with another's address", &spoofed((me.0, VIP)), Reason::OverlaySpoof),
        drops("ARP with another's MAC", &spoofed((mac_of(VIP), ME)), Reason::OverlaySpoof),
        drops("ARP that is cut short", cut, Reason::Malformed),
    ]
}

fn pinged(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = on.overlay[0];
    let ping = |dst: V4| Echo::request(ME, dst).between(mac_of(dst), mac_of(ME));
    let answered = |name, request: Echo| {
        let reply = request.clone().reply().bytes();
        Case::new(name, world).sends(Overlay(leg), &request.bytes(), leg, &reply)
    };
    let first = Echo { frags: 0x2000, payload: vec![1; 16], ..ping(VIP) };
    let later = Frame { frags: 3, proto: ICMP, ..to(VIP) };
    let later_back = later.clone().from((VIP, 0)).to((ME, 0)).between(mac_of(ME), mac_of(VIP));
    let to_task = ping(MONGO_HERE).bytes();
    vec![
        answered("a virtual IP is pinged", ping(VIP)),
        answered("a virtual IP without tasks is pinged", ping(EMPTY_VIP)),
        answered("a gateway is pinged", ping(OVERLAY_GATEWAY)),
        answered("a piece of a large ping", first).sends(
            Overlay(leg),
            &later.bytes(),
            leg,
            &later_back.bytes(),
        ),
        Case::new("a task is pinged", world).delivers(
            Overlay(leg),
            &to_task,
            on.overlay[1],
            &to_task,
        ),
    ]
}

fn carried(world: &World, on: &Interfaces) -> Vec<Case> {
    let [me, mongo, second] = on.overlay;
    let case = |name, frame: &[u8], ifindex, out: &[u8]| {
        Case::new(name, world).delivers(Overlay(me), frame, ifindex, out)
    };
    let here = to(MONGO_HERE).bytes();
    let by_gateway = to(SECOND).between(mac_of(OVERLAY_GATEWAY), mac_of(ME)).bytes();
    let back = to(ME).from((SECOND, 9)).between(mac_of(OVERLAY_GATEWAY_2), mac_of(SECOND));
    let arrives = back.clone().between(mac_of(ME), mac_of(SECOND)).bytes();
    let piece = Frame { frags: 3, ..to(MONGO_HERE) }.bytes();
    let mut options = here.clone();
    options[14] = 0x46;
    vec![
        case("a segment to a task here", &here, mongo, &here),
        case("a piece of a datagram to a task here", &piece, mongo, &piece),
        case("IP options to a task here", &options, mongo, &options),
        case("a segment to the second subnet", &by_gateway, second, &to(SECOND).bytes()),
        Case::new("a segment from the second subnet", world).delivers(
            Overlay(second),
            &back.bytes(),
            me,
            &arrives,
        ),
    ]
}

fn away(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = Overlay(on.overlay[0]);
    let case =
        |name, frame: &[u8], out: &[u8]| Case::new(name, world).sends(leg, frame, on.nic, out);
    let plain = to(MONGO_ON_2).bytes();
    let across = to(MONGO_ON_3).between(mac_of(OVERLAY_GATEWAY), mac_of(ME));
    let inner = across.clone().between(CUSTOM_MAC, mac_of(ME)).bytes();
    let syn = to(MONGO_ON_2).flags(SYN).mss(1460).bytes();
    let ping = Echo::request(ME, MONGO_ON_2).between(mac_of(MONGO_ON_2), mac_of(ME)).bytes();
    let portless = tunnelled(NODE, NODE_2, VNI, portless(ME, MONGO_ON_2), ping.clone()).bytes();
    let tunnel = |frame: &[u8]| by_tunnel(NODE_2, VNI, frame, frame.to_vec());
    let mut unresolved = world.clone();
    if let Some(peer) = unresolved.peers.get_mut(&1) {
        peer.flags = PEER_PRESENT;
    }
    vec![
        case("a segment to a task elsewhere", &plain, &tunnel(&plain)),
        case("a SYN keeps its MSS where the way carries it", &syn, &tunnel(&syn)),
        case("a ping to a task elsewhere", &ping, &portless),
        case(
            "a segment to the second subnet elsewhere",
            &across.bytes(),
            &by_tunnel(NODE_3, VNI_2, &across.bytes(), inner),
        ),
        Case::new("a task whose node has not answered ARP", &unresolved).drops(
            leg,
            &plain,
            Reason::NoNextHop,
        ),
    ]
}

/// The outer source port of a packet without ports.
fn portless(src: V4, dst: V4) -> u16 {
    source_port(&facts(ICMP, (src, 0), (dst, 0), 0))
}

fn forged(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = Overlay(on.overlay[0]);
    let drops = |name, frame: Frame| {
        Case::new(name, world).drops(leg, &frame.bytes(), Reason::OverlaySpoof)
    };
    vec![
        drops("another's address", to(MONGO_ON_2).from((MONGO_HERE, PORT))),
        drops("an address of no network", to(MONGO_ON_2).from(([192, 0, 2, 9], PORT))),
        drops("another's MAC", to(VIP).between(mac_of(VIP), mac_of(MONGO_HERE))),
        drops("another's address to a virtual IP", to(VIP).from((MONGO_HERE, PORT))),
    ]
}

fn not_carried(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = Overlay(on.overlay[0]);
    let drops = |name, frame: &[u8], reason| Case::new(name, world).drops(leg, frame, reason);
    let broadcast = to([10, 0, 1, 255]).between([0xff; 6], mac_of(ME)).bytes();
    let multicast = to([224, 0, 0, 251]).between([1, 0, 0x5e, 0, 0, 251], mac_of(ME)).bytes();
    let mut ipv6 = to(MONGO_HERE).bytes();
    ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
    let mut options = to(VIP).bytes();
    options[14] = 0x46;
    let sctp = Frame { frags: 0, proto: 132, ..to(VIP) }.bytes();
    let cut = &to(VIP).bytes()[..36];
    vec![
        drops("a broadcast of a task", &broadcast, Reason::NotCarried),
        drops("a task speaks to a multicast group", &multicast, Reason::NotCarried),
        drops("a task speaks IPv6", &ipv6, Reason::NotCarried),
        drops("IP options to a virtual IP", &options, Reason::NotCarried),
        drops("SCTP to a virtual IP", &sctp, Reason::NotCarried),
        drops("a frame that ends in its ports", cut, Reason::Malformed),
    ]
}

fn lost(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = on.overlay[0];
    let drops =
        |name, dst, reason| Case::new(name, world).drops(Overlay(leg), &to(dst).bytes(), reason);
    let knock = to(OVERLAY_GATEWAY).flags(SYN);
    let gone = to(LEGLESS).flags(SYN);
    let datagram = Frame { proto: UDP, ..to(OVERLAY_GATEWAY) };
    let error = IcmpError::unreachable(OVERLAY_GATEWAY, CODE_PORT, &datagram);
    let error = error.between(mac_of(ME), mac_of(OVERLAY_GATEWAY)).bytes();
    vec![
        drops("an address that nobody has", NOBODY, Reason::NoEndpoint),
        drops("a task of another network is sent to", STRANGER, Reason::NoEndpoint),
        drops("an address outside of all networks", [192, 0, 2, 9], Reason::NoEndpoint),
        drops("the address of all zeros", [0; 4], Reason::NoEndpoint),
        Case::new("a task without leg", world)
            .sends(Overlay(leg), &gone.bytes(), leg, &rst(&gone).bytes())
            .counting(Reason::NoLeg)
            .drops(
                Overlay(leg),
                &Echo::request(ME, LEGLESS).between(mac_of(LEGLESS), mac_of(ME)).bytes(),
                Reason::NoLeg,
            ),
        Case::new("a leg that is not known yet", world).drops(
            Overlay(on.nic),
            &to(MONGO_HERE).bytes(),
            Reason::NoLeg,
        ),
        Case::new("a gateway has no ports", world)
            .sends(Overlay(leg), &knock.bytes(), leg, &rst(&knock).bytes())
            .counting(Reason::NoEndpoint)
            .sends(Overlay(leg), &datagram.bytes(), leg, &error)
            .counting(Reason::NoEndpoint),
    ]
}

/// The RST that answers a SYN.
pub(super) fn rst(syn: &Frame) -> Frame {
    let (dst, src) = syn.macs;
    Frame {
        seq: 0,
        ack: syn.seq + 1 + syn.payload.len() as u32,
        id: 0,
        frags: 0x4000,
        ttl: 64,
        window: 0,
        ..Frame::tcp((syn.dst, syn.dst_port), (syn.src, syn.src_port))
    }
    .flags(RST | ACK)
    .between(src, dst)
}

fn size(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = on.overlay[0];
    let mut narrow = world.clone();
    if let Some(peer) = narrow.peers.get_mut(&1) {
        peer.mtu = 1330;
    }
    let large = |length: usize| to(MONGO_ON_2).payload(&vec![7; length - 40]);
    let (fits, much) = (large(1280), large(1281));
    let told = |packet: Vec<u8>| {
        let error = IcmpError {
            mtu: 1280,
            quote: packet[..28].to_vec(),
            ..IcmpError::unreachable(MONGO_ON_2, CODE_FRAG_NEEDED, &much)
        };
        error.between(mac_of(ME), mac_of(MONGO_ON_2)).bytes()
    };
    let ping = Echo { payload: vec![7; 1300], ..Echo::request(ME, MONGO_ON_2) };
    let ping = ping.between(mac_of(MONGO_ON_2), mac_of(ME)).bytes();
    let piece = Frame { frags: 0x2003, payload: vec![7; 1300], ..to(MONGO_ON_2) };
    let error = IcmpError {
        quote: to(ME).from((MONGO_ON_2, 9)).payload(&[0; 1300]).packet(),
        ..IcmpError::unreachable(ME, CODE_PORT, &to(ME).from((MONGO_ON_2, 9)))
    };
    let error = error.between(mac_of(MONGO_ON_2), mac_of(ME)).bytes();
    let syn = to(MONGO_ON_2).flags(SYN).mss(1410);
    let clamped = by_tunnel(NODE_2, VNI, &syn.bytes(), syn.clone().mss(1240).bytes());
    let out = by_tunnel(NODE_2, VNI, &fits.bytes(), fits.bytes());
    let case = |name| Case::new(name, &narrow);
    vec![
        case("what a way does not carry is answered with its MTU")
            .sends(Overlay(leg), &fits.bytes(), on.nic, &out)
            .sends(Overlay(leg), &much.bytes(), leg, &told(much.packet()))
            .counting(Reason::TooBig)
            .sends(Overlay(leg), &ping, leg, &told(ping[14..].to_vec()))
            .counting(Reason::TooBig),
        case("but not an error or a later piece")
            .drops(Overlay(leg), &error, Reason::TooBig)
            .drops(Overlay(leg), &piece.bytes(), Reason::TooBig),
        case("a SYN tells what the way carries").sends(
            Overlay(leg),
            &syn.bytes(),
            on.nic,
            &clamped,
        ),
    ]
}
