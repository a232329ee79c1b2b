//! However much nodes disagree, a segment's way along its row ends: after at most as many tunnel
//! frames as a row has places, at a task, or with an answer that is counted.

use lb_common::{
    addr::V4,
    leg::leg_index,
    port::TCP,
    row::{ROW_LEN, Row},
};
use proptest::prelude::*;

use crate::{
    headers::ACK,
    tables::Socket,
    testing::{
        CLIENT, End, Frame, Interfaces, NODE, NODE_2, NODE_3, TASK_A, WEB, WEB_PORT, WEB_TARGET,
        World, web_key, xdp,
    },
};

const NODES: [V4; 3] = [NODE, NODE_2, NODE_3];
const LEG: u32 = 3;

/// What a node believes: where backends 1 to 6 are (3: nowhere), and its own rows' single row.
#[derive(Clone, Debug)]
struct Belief {
    places: [u16; 6],
    row: Row,
    knows_flow: bool,
}

fn belief() -> impl Strategy<Value = Belief> {
    let numbers = prop::array::uniform4(0u16..8);
    (prop::array::uniform6(0u16..4), numbers, prop::bool::weighted(0.2)).prop_map(
        |(places, backends, knows_flow)| Belief { places, row: Row { backends }, knows_flow },
    )
}

/// The maps of node `own`, which numbers itself 0 and the others 1 and 2 in cyclic order.
fn world(own: u16, belief: &Belief) -> World {
    let addr = |peer: u16| NODES[usize::from((own + peer) % 3)];
    let mut world = World { node_addr: addr(0), own_addrs: vec![addr(0)], ..World::empty() };
    world.peer_index = [(addr(0), 0)].into();
    for peer in 1..3 {
        world.add_peer(peer, addr(peer), Interfaces::default().nic);
    }
    world.add_leg(TASK_A, LEG);
    world.publish(TCP, WEB_PORT, WEB, WEB_TARGET);
    world.add_service(WEB);
    for (number, place) in (1..).zip(belief.places) {
        world.set_backend(WEB, number, (place + 3 - own) % 3, leg_index(TASK_A));
        if place == 3 {
            world.backend_mut(WEB, number).state = 0;
        }
    }
    world.set_rows(WEB, &[belief.row]);
    if belief.knows_flow {
        world.sockets.get_mut().insert(web_key(CLIENT, TASK_A), Socket::Alive);
    }
    world
}

/// Whom a tunnel frame is for.
fn receiver(frame: &[u8]) -> Option<usize> {
    NODES.iter().position(|node| node[..] == frame[30..34])
}

fn is_forward(frame: &[u8]) -> bool {
    frame.len() > 50 && frame[36..38] == 4789u16.to_be_bytes() && frame[46..49] == [0, 0x0f, 0xfe]
}

/// Tunnel frames that a segment causes which enters at the first node, and how it ends.
fn walk(worlds: &[World]) -> (usize, End) {
    let segment = Frame::tcp(CLIENT, (NODE, WEB_PORT)).flags(ACK);
    let (mut at, mut frame, mut hops) = (0, segment.bytes(), 0);
    loop {
        let ran = xdp(&worlds[at], &frame);
        let next = receiver(&ran.frame).filter(|_| is_forward(&ran.frame));
        match (ran.end, next) {
            (End::Send(_), Some(next)) if hops <= ROW_LEN => {
                (at, frame, hops) = (next, ran.frame, hops + 1)
            }
            (end, _) => return (hops, end),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_segment_never_travels_in_circles(beliefs in prop::array::uniform3(belief())) {
        let worlds: Vec<_> = (0..).zip(&beliefs).map(|(own, belief)| world(own, belief)).collect();
        let (hops, end) = walk(&worlds);
        prop_assert!(hops <= ROW_LEN, "{hops} hops");
        prop_assert!(end != End::Pass, "lost to a kernel");
    }

    #[test]
    fn nodes_that_agree_find_the_task_that_has_the_flow(
        places in prop::array::uniform6(0u16..3), has in 0u16..3,
        backends in prop::sample::subsequence(vec![1u16, 2, 3, 4, 5, 6], ROW_LEN).prop_shuffle(),
    ) {
        let row = Row { backends: [backends[0], backends[1], backends[2], backends[3]] };
        let belief = |own| Belief { places, row, knows_flow: own == has };
        let worlds: Vec<_> = (0..3).map(|own| world(own, &belief(own))).collect();
        let on_row = row.backends.iter().any(|&number| places[usize::from(number) - 1] == has);
        let (_, end) = walk(&worlds);
        prop_assert_eq!(end == End::Send(LEG), on_row);
    }
}
