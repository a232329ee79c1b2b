//! From a task to one of another node and back, over the maps of both nodes: what arrives is what was
//! sent, and an answer comes from whom the client dialled, with checksums as a full recomputation has
//! them.

use std::mem::swap;

use lb_common::addr::{V4, mac_of};
use proptest::prelude::*;

use crate::testing::{
    End, Frame, Hook, Interfaces, ME, MONGO_ON_2, NODE, NODE_2, ON_2, VIP, VIP_SERVICE, VNI, World,
    arrive, check, row,
};

const ON: Interfaces = Interfaces { nic: 2, legs: [3, 4], overlay: [5, 6, 7], bridge: 8 };
/// The leg of [`MONGO_ON_2`] on its own node.
const MONGO_LEG: u32 = 6;

/// The first node, where [`ME`] runs: all new flows to the virtual IP go to [`MONGO_ON_2`].
fn client_node() -> World {
    let mut world = World::overlay(ON);
    world.set_rows(VIP_SERVICE, &[row([ON_2])]);
    world
}

/// The same networks as the second node sees them.
fn home_node() -> World {
    let mut world = World::overlay(ON);
    (world.node_addr, world.own_addrs) = (NODE_2, vec![NODE_2]);
    world.peer_index.clear();
    world.peer_index.insert(NODE_2, 0);
    world.add_peer(1, NODE, ON.nic);
    for (key, endpoint) in &mut world.endpoints {
        match key.addr {
            ME => (endpoint.node, endpoint.ifindex) = (1, 0),
            MONGO_ON_2 => (endpoint.node, endpoint.ifindex) = (0, MONGO_LEG),
            _ => {}
        }
    }
    for (ifindex, addr) in [(ON.overlay[0], [0; 4]), (MONGO_LEG, MONGO_ON_2)] {
        world.add_overlay_leg(ifindex, addr, VNI, VIP_SERVICE);
    }
    world
}

/// Lets a frame leave by a leg of one node and arrive at the other.
fn travel(from: &World, leg: u32, to: &World, frame: &[u8]) -> Result<Vec<u8>, TestCaseError> {
    let sent = arrive(from, Hook::Overlay(leg), frame);
    prop_assert_eq!(sent.end, End::Send(ON.nic));
    prop_assert_eq!(check(&sent.frame), Ok(()), "the tunnel frame");
    prop_assert_eq!(arrive(to, Hook::Nic, &sent.frame).end, End::Pass, "the overlay's, not XDP's");
    let received = arrive(to, Hook::NicOverlay, &sent.frame);
    prop_assert!(matches!(received.end, End::Deliver(_)), "{:?}", to.drops);
    prop_assert_eq!(check(&received.frame), Ok(()), "the frame in the tunnel");
    Ok(received.frame)
}

/// Any frame of [`ME`] to `dst` that a client of a service would send.
pub(super) fn from_me(dst: V4) -> impl Strategy<Value = Frame> {
    super::frame().prop_map(move |frame| {
        let (src_port, dst_port) = (frame.src_port, frame.dst_port);
        frame.from((ME, src_port)).to((dst, dst_port)).between(mac_of(dst), mac_of(ME))
    })
}

/// The same payload on its way back.
pub(super) fn reversed(frame: &Frame) -> Frame {
    let mut back = frame.clone();
    swap(&mut back.src, &mut back.dst);
    swap(&mut back.src_port, &mut back.dst_port);
    back.macs = (back.macs.1, back.macs.0);
    back
}

/// The frame without the checksums that one's complement has two forms of.
pub(super) fn without_checks(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let at = if frame[23] == 6 { 50 } else { 40 };
    frame[24..26].fill(0);
    frame[at..at + 2].fill(0);
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_arrives_is_what_was_sent(frame in from_me(MONGO_ON_2)) {
        let sent = frame.bytes();
        let received = travel(&client_node(), ON.overlay[0], &home_node(), &sent)?;
        prop_assert_eq!(received, sent);
    }

    #[test]
    fn an_answer_comes_from_whom_the_client_dialled(frame in from_me(VIP)) {
        let (here, there) = (client_node(), home_node());
        let received = travel(&here, ON.overlay[0], &there, &frame.bytes())?;
        let dialled = frame.clone().to((MONGO_ON_2, frame.dst_port));
        let dialled = dialled.between(mac_of(MONGO_ON_2), mac_of(ME));
        prop_assert_eq!(without_checks(&received), without_checks(&dialled.bytes()));

        let answer = travel(&there, MONGO_LEG, &here, &reversed(&dialled).bytes())?;
        let expected = reversed(&frame).between(mac_of(ME), mac_of(MONGO_ON_2));
        prop_assert_eq!(without_checks(&answer), without_checks(&expected.bytes()));
    }
}
