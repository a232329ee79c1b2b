//! Overlay frames of other nodes: to the task they are for, or nowhere.

use lb_common::{
    addr::{Mac, V4, mac_of},
    drops::Reason,
    wire::MESH_VNI,
};

use super::{
    Case,
    Hook::{Nic, NicOverlay},
    sending::{by_tunnel, rst},
    wire::tunnelled,
};
use crate::{
    headers::{ACK, CODE_PORT, RST, SYN},
    testing::*,
};

pub(super) const PORT: u16 = 27_017;
pub(super) const CLIENT_PORT: u16 = 40_000;

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::overlay(*on);
    [carried(&world, on), refused(&world, on), forged(&world), lost(&world, on)].concat()
}

/// From a task of [`NODE_2`] to one here.
pub(super) fn to_me() -> Frame {
    Frame::tcp((MONGO_ON_2, PORT), (ME, CLIENT_PORT))
        .flags(ACK)
        .payload(b"hello")
        .between(mac_of(ME), mac_of(MONGO_ON_2))
}

/// The frame as its node sends it.
fn by(node: V4, vni: u32, inner: Vec<u8>) -> Vec<u8> {
    tunnelled(node, NODE, vni, 50_000, inner).bytes()
}

pub(super) fn by_2(inner: Vec<u8>) -> Vec<u8> {
    by(NODE_2, VNI, inner)
}

fn carried(world: &World, on: &Interfaces) -> Vec<Case> {
    let [me, mongo, second] = on.overlay;
    let ping = Echo::request(MONGO_ON_2, ME).between(mac_of(ME), mac_of(MONGO_ON_2));
    let syn = to_me().to((MONGO_HERE, 80)).flags(SYN).mss(1410);
    let syn = syn.between(mac_of(MONGO_HERE), mac_of(MONGO_ON_2)).bytes();
    let from_3 = Frame::udp((MONGO_ON_3, 9), (SECOND, 9)).between(mac_of(SECOND), CUSTOM_MAC);
    let across = from_3.clone().to((ME, 9)).between(mac_of(ME), CUSTOM_MAC);
    let stale = to_me().between([2, 9, 9, 9, 9, 9], mac_of(MONGO_ON_2));
    let case = |name, frame: &[u8], ifindex, out: &[u8]| {
        Case::new(name, world).passes(Nic, frame).delivers(NicOverlay, frame, ifindex, out)
    };
    vec![
        case("a segment arrives", &by_2(to_me().bytes()), me, &to_me().bytes()),
        case("a ping arrives", &by_2(ping.bytes()), me, &ping.bytes()),
        case(
            "a connection to a task's own address arrives as it was sent",
            &by_2(syn.clone()),
            mongo,
            &syn,
        ),
        case(
            "a frame of the second subnet",
            &by(NODE_3, VNI_2, from_3.bytes()),
            second,
            &from_3.bytes(),
        ),
        case(
            "a frame from the second subnet to the first",
            &by(NODE_3, VNI, across.bytes()),
            me,
            &across.bytes(),
        ),
        case(
            "a frame to a former Ethernet address gets the task's",
            &by_2(stale.bytes()),
            me,
            &to_me().bytes(),
        ),
        case("IP options are carried", &by_2(with_options()), me, &with_options()),
        case("a frame of the kernel's own vxlan device", &by_kernel(), me, &to_me().bytes()),
    ]
}

/// Header length six words: what follows looks like an option that nobody reads here.
fn with_options() -> Vec<u8> {
    let mut bytes = to_me().bytes();
    bytes[14] = 0x46;
    bytes
}

/// With a UDP checksum, an identification and without DF, as Linux sends it.
fn by_kernel() -> Vec<u8> {
    let plain = by_2(to_me().bytes());
    let outer = Frame {
        id: 0x7777,
        ttl: 64,
        payload: plain[42..].to_vec(),
        ..Frame::udp((NODE_2, 50_000), (NODE, 4789))
    };
    outer.between(NIC_MAC, node_mac(NODE_2)).bytes()
}

fn forged(world: &World) -> Vec<Case> {
    let drops = |name, frame: &[u8], reason| {
        Case::new(name, world).passes(Nic, frame).drops(NicOverlay, frame, reason)
    };
    let inner = to_me().bytes();
    let as_mac = |mac: Mac| by_2(to_me().between(mac_of(ME), mac).bytes());
    let as_src = |src: V4| by_2(to_me().from((src, PORT)).between(mac_of(ME), mac_of(src)).bytes());
    let mut other_flags = by_2(inner.clone());
    other_flags[42] = 0;
    let mut version = inner.clone();
    version[14] = 0x65;
    let arp = Arp::request((mac_of(MONGO_ON_2), MONGO_ON_2), ME).bytes();
    vec![
        drops(
            "an overlay frame of no node of the cluster",
            &by([198, 18, 0, 200], VNI, inner.clone()),
            Reason::UnknownPeer,
        ),
        drops(
            "an overlay frame in this node's own name",
            &by(NODE, VNI, inner.clone()),
            Reason::UnknownPeer,
        ),
        drops(
            "a frame of an unknown network",
            &by(NODE_2, UNKNOWN_VNI, inner.clone()),
            Reason::UnknownVni,
        ),
        drops(
            "anything else of an unknown network",
            &by(NODE_2, UNKNOWN_VNI, arp),
            Reason::UnknownVni,
        ),
        drops(
            "a task of another network",
            &by(NODE_2, OTHER_VNI, inner.clone()),
            Reason::ForgedFrame,
        ),
        drops("a task of another node", &by(NODE_3, VNI, inner.clone()), Reason::ForgedFrame),
        drops("a task of this node", &as_src(MONGO_HERE), Reason::ForgedFrame),
        drops(
            "another Ethernet address than the task's",
            &as_mac(mac_of(MONGO_HERE)),
            Reason::ForgedFrame,
        ),
        drops("an inner source that nobody has", &as_src(NOBODY), Reason::ForgedFrame),
        drops("an inner source that is a virtual IP", &as_src(VIP), Reason::ForgedFrame),
        drops("an inner source that is a gateway", &as_src(OVERLAY_GATEWAY), Reason::ForgedFrame),
        drops("an inner source of zeros", &as_src([0; 4]), Reason::ForgedFrame),
        drops("a VXLAN header without VNI", &other_flags, Reason::Malformed),
        drops(
            "a tunnel frame that ends in its VXLAN header",
            &by_2(inner.clone())[..46],
            Reason::Malformed,
        ),
        drops(
            "a tunnel frame that ends in its inner header",
            &by_2(inner[..30].to_vec()),
            Reason::Malformed,
        ),
        drops(
            "a tunnel frame that ends in its inner ports",
            &by_2(inner[..36].to_vec()),
            Reason::Malformed,
        ),
        drops("another IP version inside", &by_2(version), Reason::Malformed),
    ]
}

/// Frames to a task without leg: its clients are told.
fn refused(world: &World, on: &Interfaces) -> Vec<Case> {
    let macs = (mac_of(LEGLESS), mac_of(MONGO_ON_2));
    let syn = to_me().to((LEGLESS, 80)).flags(SYN).between(macs.0, macs.1);
    let datagram = Frame::udp((MONGO_ON_2, 9), (LEGLESS, 9)).between(macs.0, macs.1);
    let error = IcmpError::unreachable(LEGLESS, CODE_PORT, &datagram).between(macs.1, macs.0);
    let reset = to_me().to((LEGLESS, 80)).flags(RST).between(macs.0, macs.1);
    let back = |sent: &[u8], answer| by_tunnel(NODE_2, VNI, sent, answer);
    let (syn_back, error_back) =
        (back(&syn.bytes(), rst(&syn).bytes()), back(&datagram.bytes(), error.bytes()));
    vec![
        Case::new("a task without leg is dialled", world)
            .sends(NicOverlay, &by_2(syn.bytes()), on.nic, &syn_back)
            .counting(Reason::NoLeg),
        Case::new("a task without leg gets a datagram", world)
            .sends(NicOverlay, &by_2(datagram.bytes()), on.nic, &error_back)
            .counting(Reason::NoLeg),
        Case::new("a task without leg is refused itself", world).drops(
            NicOverlay,
            &by_2(reset.bytes()),
            Reason::NoLeg,
        ),
    ]
}

fn lost(world: &World, on: &Interfaces) -> Vec<Case> {
    let drops = |name, inner: Vec<u8>, reason| {
        Case::new(name, world).drops(NicOverlay, &by_2(inner), reason)
    };
    let to = |addr: V4| to_me().to((addr, 80)).bytes();
    let broadcast = to_me().between([0xff; 6], mac_of(MONGO_ON_2)).bytes();
    let mut ipv6 = to_me().bytes();
    ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
    let arp = Arp::request((mac_of(MONGO_ON_2), MONGO_ON_2), ME).bytes();
    let two = [to_me().bytes(), vec![7; 60]].concat();
    let padded = [to_me().bytes(), vec![0; 6]].concat();
    let short = by_2(to_me().bytes());
    let mut without = world.clone();
    without.endpoints.clear();
    let foreign = by_2(to_me().bytes());
    let mesh = by(NODE_2, MESH_VNI + 1, to_me().bytes());
    vec![
        drops("a frame to an address that nobody has", to(NOBODY), Reason::NoEndpoint),
        drops("a frame to a task that is elsewhere", to(MONGO_ON_3), Reason::NoEndpoint),
        drops("a frame to a virtual IP: its client's node chooses", to(VIP), Reason::NoEndpoint),
        drops("a frame to a gateway", to(OVERLAY_GATEWAY), Reason::NoEndpoint),
        drops("tunnel frames that were merged on their way", two, Reason::TunnelMerged),
        Case::new("a frame that is shorter than it says", world).drops(
            NicOverlay,
            &short[..short.len() - 1],
            Reason::Malformed,
        ),
        Case::new("padding is carried", world).delivers(
            NicOverlay,
            &by_2(padded.clone()),
            on.overlay[0],
            &padded,
        ),
        drops("a broadcast", broadcast, Reason::NotCarried),
        drops("a frame to a multicast group", to([224, 0, 0, 251]), Reason::NotCarried),
        drops("ARP over the wire", arp, Reason::NotCarried),
        drops("IPv6 over the wire", ipv6, Reason::NotCarried),
        Case::new("a cluster without networks leaves the port to others' networks", &without)
            .passes(NicOverlay, &foreign)
            .passes(NicOverlay, &by([198, 18, 0, 200], VNI, to_me().bytes()))
            .passes(NicOverlay, &foreign[..60]),
        Case::new("the mesh's frames are not the overlay's", world).passes(NicOverlay, &mesh),
        Case::new("what is no tunnel frame is the kernel's", world)
            .passes(NicOverlay, &to_me().to((NODE, 22)).bytes())
            .passes(NicOverlay, &Frame::udp((NODE_2, 4789), (NODE, 4790)).bytes())
            .passes(NicOverlay, &Frame::udp((NODE_2, 4789), (SECOND_ADDR, 4789)).bytes())
            .passes(NicOverlay, &[0; 20]),
    ]
}
