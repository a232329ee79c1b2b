//! Through Docker's ingress network: whatever a client sends reaches the task as the node's own, its answer
//! reaches the client as if the node had answered, and bytes of any kind harm nobody.

use lb_common::addr::mac_of;
use proptest::prelude::*;

use super::overlay::{reversed, without_checks};
use crate::testing::{
    BEYOND, CLIENT, CLIENT_MAC, DNS_PORT, End, Frame, INGRESS_SEAT, INGRESS_VNI, Interfaces,
    NIC_MAC, NODE, NODE_2, Tunnelled, WEB_PORT, World, check, node_mac, xdp,
};

/// Bytes before the inner frame.
const OUTER: usize = 50;

/// Whatever a client may send that begins a flow or is a datagram.
fn from_client() -> impl Strategy<Value = Frame> {
    (super::frame(), any::<u16>()).prop_map(|(frame, port)| {
        let (dialled, flags) = match frame.proto {
            6 => (WEB_PORT, crate::headers::SYN),
            _ => (DNS_PORT, 0),
        };
        // Without options: a maximum segment size among them may be made smaller.
        let frame = Frame { flags, options: Vec::new(), ..frame };
        frame.from((CLIENT.0, port)).to((NODE, dialled)).between(NIC_MAC, CLIENT_MAC)
    })
}

/// What the task's node sends of that network.
fn by_task(inner: Vec<u8>) -> Vec<u8> {
    let (macs, port) = ((node_mac(NODE), node_mac(NODE_2)), lb_common::wire::VXLAN_PORT);
    let (src, dst, vni) = (NODE_2, NODE, INGRESS_VNI);
    Tunnelled { macs, src, dst, src_port: 50_000, port, vni, inner }.bytes()
}

/// A frame of any bytes behind headers that lead as far as possible, in either direction.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let bytes = (from_client(), any::<bool>()).prop_map(|(frame, inside)| {
        let back = frame.clone().from((BEYOND, frame.dst_port)).to((INGRESS_SEAT, 0x9000));
        if inside { by_task(back.bytes()) } else { frame.bytes() }
    });
    super::spoilt(bytes, 120, 250)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn there_and_back_each_end_sees_the_node_alone(frame in from_client()) {
        let (world, nic) = (World::beyond(Interfaces::default()), Interfaces::default().nic);
        let sent = xdp(&world, &frame.bytes());
        prop_assert_eq!(sent.end, End::Send(nic));
        let inner = &sent.frame[OUTER..];
        prop_assert_eq!(check(inner), Ok(()));
        let node_port = u16::from_be_bytes([inner[34], inner[35]]);
        let own = frame.clone().from((INGRESS_SEAT, node_port)).to((BEYOND, frame.dst_port));
        let own = own.between(mac_of(BEYOND), mac_of(INGRESS_SEAT));
        prop_assert_eq!(without_checks(inner), without_checks(&own.bytes()));

        let answer = xdp(&world, &by_task(reversed(&own).bytes()));
        prop_assert_eq!(answer.end, End::Send(nic));
        prop_assert_eq!(check(&answer.frame), Ok(()));
        let expected = reversed(&frame).between(CLIENT_MAC, NIC_MAC);
        prop_assert_eq!(without_checks(&answer.frame), without_checks(&expected.bytes()));
    }

    #[test]
    fn bytes_of_any_kind_end_somewhere(bytes in prop::collection::vec(anything(), 1..4)) {
        let world = World::beyond(Interfaces::default());
        for bytes in &bytes {
            let before: u64 = world.drops.borrow().values().sum();
            let ran = xdp(&world, bytes);
            let counted: u64 = world.drops.borrow().values().sum::<u64>() - before;
            prop_assert!(ran.end != End::Drop || counted > 0, "{:?}", world.drops);
        }
    }
}
