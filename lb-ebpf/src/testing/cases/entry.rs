//! A client's packet at its entry node.

use lb_common::{
    flow::{FlowKey, FlowValue},
    port::UDP,
    row::Row,
    service::SCHEDULER_RR,
};

use super::{Case, Hook::Nic, from_client, wire::forward};
use crate::{
    headers::{ACK, FIN, SYN},
    testing::*,
};

pub(super) fn cases(interfaces: &Interfaces) -> Vec<Case> {
    let small = World::small(*interfaces);
    vec![
        away(&small, interfaces),
        second_address(&small, interfaces),
        udp_away(&small, interfaces),
        udp_moves(&small, interfaces),
        udp_stays(&small, interfaces),
        turns(&small, interfaces),
        draining_row(&small, interfaces),
        padded(&small, interfaces),
    ]
}

fn to_web(client: (lb_common::addr::V4, u16)) -> Frame {
    from_client(Frame::tcp(client, (NODE, WEB_PORT)))
}

fn sent_to_2(row: Row, frame: &Frame) -> Vec<u8> {
    forward(NODE, NODE_2, row, NODE, &frame.bytes())
}

fn away(small: &World, on: &Interfaces) -> Case {
    let mut world = small.clone();
    let row = row([ON_2, A, ON_3]);
    world.set_rows(WEB, &[row]);
    let syn = to_web(CLIENT).flags(SYN).mss(1460);
    let data = to_web(CLIENT).flags(ACK).payload(b"GET / HTTP/1.1\r\n\r\n");
    let fin = to_web(CLIENT).flags(ACK | FIN);
    [syn, data, fin].iter().fold(
        Case::new("an entry node forwards the untouched packet with row and entry address", &world),
        |case, frame| case.sends(Nic, &frame.bytes(), on.nic, &sent_to_2(row, frame)),
    )
}

fn second_address(small: &World, on: &Interfaces) -> Case {
    let mut world = small.clone();
    world.set_rows(WEB, &[row([ON_2])]);
    let syn = to_web(CLIENT).to((SECOND_ADDR, WEB_PORT_2)).flags(SYN);
    Case::new("a port answers on every address of the node", &world).sends(
        Nic,
        &syn.bytes(),
        on.nic,
        &sent_to_2(row([ON_2]), &syn),
    )
}

fn query() -> Frame {
    from_client(Frame::udp(CLIENT, (NODE, DNS_PORT)))
}

fn cache_key() -> FlowKey<lb_common::addr::V4> {
    FlowKey {
        client: CLIENT.0,
        client_port: CLIENT.1.to_be_bytes(),
        published_port: DNS_PORT.to_be_bytes(),
        service: DNS,
        proto: UDP,
        reserved: 0,
    }
}

fn udp_away(small: &World, on: &Interfaces) -> Case {
    let mut world = small.clone();
    world.set_rows(DNS, &[row([ON_2, ON_3])]);
    let (first, rest) = (sent_to_2(row([ON_2, ON_3]), &query()), sent_to_2(row([ON_2]), &query()));
    Case::new("a datagram's backend is remembered", &world)
        .sends(Nic, &query().bytes(), on.nic, &first)
        .sends(Nic, &query().bytes(), on.nic, &rest)
}

fn udp_moves(small: &World, on: &Interfaces) -> Case {
    let mut world = small.clone();
    world.set_rows(DNS, &[row([ON_2])]);
    // Backend A was replaced by another task with the same number since the flow was cached.
    let stale = FlowValue { backend: A, generation: 0, reserved: 0 };
    world.flows.get_mut().insert(cache_key(), stale);
    Case::new("a UDP flow moves as soon as its backend is gone", &world).sends(
        Nic,
        &query().bytes(),
        on.nic,
        &sent_to_2(row([ON_2]), &query()),
    )
}

fn udp_stays(small: &World, on: &Interfaces) -> Case {
    let mut world = small.clone();
    let held = FlowValue { backend: ON_2, generation: 1, reserved: 0 };
    world.flows.get_mut().insert(cache_key(), held);
    world.backend_mut(DNS, ON_2).state = lb_common::backend::STATE_DRAINING;
    Case::new("a UDP flow stays with a backend that drains, whatever the row says", &world).sends(
        Nic,
        &query().bytes(),
        on.nic,
        &sent_to_2(row([ON_2]), &query()),
    )
}

fn turns(small: &World, on: &Interfaces) -> Case {
    let mut world = small.clone();
    world.service_mut(WEB).scheduler = SCHEDULER_RR;
    world.set_rows(WEB, &[row([ON_2]), row([ON_3])]);
    let one = to_web(CLIENT).flags(SYN);
    let other = to_web((CLIENT.0, 40_001)).flags(SYN);
    let to_3 = forward(NODE, NODE_3, row([ON_3]), NODE, &other.bytes());
    let later = to_web(CLIENT).flags(ACK);
    Case::new("round robin gives each SYN the next backend and keeps it", &world)
        .sends(Nic, &one.bytes(), on.nic, &sent_to_2(row([ON_2]), &one))
        .sends(Nic, &other.bytes(), on.nic, &to_3)
        .sends(Nic, &later.bytes(), on.nic, &sent_to_2(row([ON_2]), &later))
}

fn draining_row(small: &World, on: &Interfaces) -> Case {
    let mut world = small.clone();
    world.set_rows(WEB, &[row([9, ON_2])]);
    let data = to_web(CLIENT).flags(ACK);
    Case::new("a segment whose owner is unknown goes to the former owner", &world).sends(
        Nic,
        &data.bytes(),
        on.nic,
        &sent_to_2(row([ON_2]), &data),
    )
}

fn padded(small: &World, on: &Interfaces) -> Case {
    let mut world = small.clone();
    world.set_rows(WEB, &[row([ON_2])]);
    let ack = to_web(CLIENT).flags(ACK);
    let pad = [0; 6];
    Case::new("Ethernet padding stays padding in the tunnel", &world).sends(
        Nic,
        &[&ack.bytes()[..], &pad].concat(),
        on.nic,
        &[&sent_to_2(row([ON_2]), &ack)[..], &pad].concat(),
    )
}
