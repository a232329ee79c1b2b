//! What a task answers on its leg.

use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
    flow::NAT_DIRECT,
};

use super::{
    Case,
    Hook::{Leg, Nic},
    from_client,
    home::{at_a, to_web},
    wire::reply,
};
use crate::{
    headers::{ACK, FIN, RST, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    vec![
        by_entry(&world, on),
        from_here(&world, on),
        unresolved(&world, on),
        unreachable(&world, on),
        direct(&world, on),
        direct_to_a_node(&world, on),
        handshake(&world, on),
        datagram(&world, on),
        reset(&world, on),
        no_way_to_entry(&world, on),
    ]
}

/// What [`TASK_A`] sends.
pub(super) fn from_a(client: (V4, u16)) -> Frame {
    Frame::tcp((TASK_A, WEB_TARGET), client).between(host_mac(TASK_A), mac_of(TASK_A))
}

fn answer() -> Frame {
    from_a(CLIENT).flags(ACK).payload(b"HTTP/1.1 200 OK")
}

/// A node with one flow of [`TASK_A`], which dialled this node or node 2.
fn with_flow(world: &World, client: (V4, u16), entry: u16, flags: u8) -> World {
    let mut world = world.clone();
    let dialled = if entry == 1 { NODE_2 } else { NODE };
    let value = nat_value((dialled, WEB_PORT), client.1, entry, WEB);
    world
        .nat
        .get_mut()
        .insert(web_key(client, TASK_A), lb_common::flow::NatValue { flags, ..value });
    world
}

fn by_entry(world: &World, on: &Interfaces) -> Case {
    let back = answer().from((NODE_2, WEB_PORT));
    let fin = answer().flags(FIN | ACK);
    let fin_back = fin.clone().from((NODE_2, WEB_PORT));
    Case::new("a reply goes back by its entry node", &with_flow(world, CLIENT, 1, 0))
        .sends(
            Leg(on.legs[0]),
            &answer().bytes(),
            on.nic,
            &reply(NODE, NODE_2, &answer().bytes(), &back.bytes()),
        )
        .sends(
            Leg(on.legs[0]),
            &fin.bytes(),
            on.nic,
            &reply(NODE, NODE_2, &fin.bytes(), &fin_back.bytes()),
        )
}

fn to_client(frame: Frame, dialled: V4) -> Vec<u8> {
    frame.from((dialled, WEB_PORT)).between(CLIENT_MAC, NIC_MAC).bytes()
}

fn from_here(world: &World, on: &Interfaces) -> Case {
    Case::new("a reply to a client that came in here leaves here", &with_flow(world, CLIENT, 0, 0))
        .sends(Leg(on.legs[0]), &answer().bytes(), on.nic, &to_client(answer(), NODE))
}

fn unresolved(world: &World, on: &Interfaces) -> Case {
    let frame = from_a(QUIET_CLIENT).flags(ACK);
    let out = frame.clone().from((NODE, WEB_PORT));
    Case::new(
        "a reply to a client whose Ethernet address is unknown waits for ARP",
        &with_flow(world, QUIET_CLIENT, 0, 0),
    )
    .asks(Leg(on.legs[0]), &frame.bytes(), on.nic, &out.bytes())
}

fn unreachable(world: &World, on: &Interfaces) -> Case {
    let frame = from_a(LOST_CLIENT).flags(ACK);
    Case::new("a reply that no route leads on is dropped", &with_flow(world, LOST_CLIENT, 0, 0))
        .drops(Leg(on.legs[0]), &frame.bytes(), Reason::NoNextHop)
}

fn direct(world: &World, on: &Interfaces) -> Case {
    Case::new("direct return leaves from the home node", &with_flow(world, CLIENT, 1, NAT_DIRECT))
        .sends(Leg(on.legs[0]), &answer().bytes(), on.nic, &to_client(answer(), NODE_2))
}

fn direct_to_a_node(world: &World, on: &Interfaces) -> Case {
    let client = (NODE_3, 40_000);
    let frame = from_a(client).flags(ACK);
    let back = frame.clone().from((NODE_2, WEB_PORT));
    Case::new(
        "a node as the client gets its reply by the entry node all the same",
        &with_flow(world, client, 1, NAT_DIRECT),
    )
    .sends(
        Leg(on.legs[0]),
        &frame.bytes(),
        on.nic,
        &reply(NODE, NODE_2, &frame.bytes(), &back.bytes()),
    )
}

fn handshake(world: &World, on: &Interfaces) -> Case {
    let syn = to_web().flags(SYN);
    let syn_ack = from_a(CLIENT).flags(SYN | ACK).mss(1460);
    let clamped = syn_ack.clone().mss(LEG_MTU - 40);
    Case::new("a SYN+ACK is translated and its MSS clamped", world)
        .sends(Nic, &syn.bytes(), on.legs[0], &at_a(&syn))
        .sends(Leg(on.legs[0]), &syn_ack.bytes(), on.nic, &to_client(clamped, NODE))
}

fn datagram(world: &World, on: &Interfaces) -> Case {
    let query = from_client(Frame::udp(CLIENT, (NODE, DNS_PORT)));
    let at_task = super::home::at_task(&query, (TASK_A, DNS_TARGET));
    let answer = Frame::udp((TASK_A, DNS_TARGET), CLIENT).payload(b"answer");
    let bare = Frame { udp_checksum: false, ..answer.clone() };
    let out =
        |frame: &Frame| frame.clone().from((NODE, DNS_PORT)).between(CLIENT_MAC, NIC_MAC).bytes();
    Case::new("an answered datagram's flow is established", world)
        .sends(Nic, &query.bytes(), on.legs[0], &at_task.bytes())
        .sends(Leg(on.legs[0]), &answer.bytes(), on.nic, &out(&answer))
        .sends(Leg(on.legs[0]), &bare.bytes(), on.nic, &out(&bare))
}

fn reset(world: &World, on: &Interfaces) -> Case {
    let rst = from_a(CLIENT).flags(RST);
    Case::new("a task's RST is delivered and ends the entry", &with_flow(world, CLIENT, 0, 0))
        .sends(Leg(on.legs[0]), &rst.bytes(), on.nic, &to_client(rst.clone(), NODE))
        .passes(Leg(on.legs[0]), &rst.bytes())
}

fn no_way_to_entry(world: &World, on: &Interfaces) -> Case {
    let mut world = with_flow(world, CLIENT, 1, 0);
    if let Some(peer) = world.peers.get_mut(&1) {
        peer.flags = lb_common::peer::PEER_PRESENT;
    }
    let syn = to_web().flags(SYN);
    world.set_rows(WEB, &[row([ON_2])]);
    Case::new("a node whose Ethernet address is unknown gets nothing", &world)
        .drops(Leg(on.legs[0]), &answer().bytes(), Reason::NoNextHop)
        .drops(Nic, &syn.bytes(), Reason::NoNextHop)
}
