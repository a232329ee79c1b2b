//! Flows to virtual IPs while their service changes.

use lb_common::{
    backend::{STATE_DRAINING, STATE_NONE},
    drops::Reason,
    endpoint::VIPFLOW_ANSWERED,
    flow::{FlowKey, FlowValue},
    port::{TCP, UDP},
    row::Row,
};

use super::{
    Case,
    Hook::Overlay,
    sending::{by_tunnel, rst, to},
    vips::{at, back},
};
use crate::{
    headers::{ACK, RST, SYN},
    testing::*,
};

const PORT: u16 = 27_017;
const CLIENT_PORT: u16 = 40_000;

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::overlay(*on);
    [moved(&world, on), ended(&world, on), datagrams(&world, on), direct(&world, on)].concat()
}

/// The service's one row is this; the flow went to the task here, which has answered or not.
fn flowing(world: &World, proto: u8, flags: u8, row: Row) -> World {
    let mut world = world.clone();
    world.set_rows(VIP_SERVICE, &[row]);
    let key = vip_key(CLIENT_PORT, MONGO_HERE, PORT, proto);
    world.vip_flows.get_mut().insert(key, vip_flow(A, flags));
    world
}

fn to_2(sent: &Frame) -> Vec<u8> {
    by_tunnel(NODE_2, VNI, &sent.bytes(), at(MONGO_ON_2, sent).bytes())
}

fn here(sent: &Frame) -> Vec<u8> {
    at(MONGO_HERE, sent).bytes()
}

fn moved(world: &World, on: &Interfaces) -> Vec<Case> {
    let [leg, mongo, _] = on.overlay;
    let answered = flowing(world, TCP, VIPFLOW_ANSWERED, row([ON_2, A]));
    let asked = flowing(world, TCP, 0, row([ON_2, A]));
    let mut drained = flowing(world, TCP, VIPFLOW_ANSWERED, row([0, A]));
    drained.backend_mut(VIP_SERVICE, A).state = STATE_DRAINING;
    let (syn, ack) = (to(VIP).flags(SYN), to(VIP).flags(ACK));
    let late = back(MONGO_HERE, &ack).bytes();
    vec![
        Case::new("a connection keeps its task when the owner changes", &answered).delivers(
            Overlay(leg),
            &ack.bytes(),
            mongo,
            &here(&ack),
        ),
        Case::new("a new connection with the same ports is the owner's", &answered)
            .sends(Overlay(leg), &syn.bytes(), on.nic, &to_2(&syn))
            .sends(Overlay(leg), &ack.bytes(), on.nic, &to_2(&ack))
            .delivers(Overlay(mongo), &late, leg, &late),
        Case::new("a SYN that is sent again goes where the first one went", &asked).delivers(
            Overlay(leg),
            &syn.bytes(),
            mongo,
            &here(&syn),
        ),
        Case::new("a connection keeps its task while it drains", &drained)
            .delivers(Overlay(leg), &ack.bytes(), mongo, &here(&ack))
            .sends(Overlay(leg), &syn.bytes(), leg, &rst(&syn).bytes())
            .counting(Reason::NoBackend),
    ]
}

fn ended(world: &World, on: &Interfaces) -> Vec<Case> {
    let leg = Overlay(on.overlay[0]);
    let ack = to(VIP).flags(ACK);
    let case = |name, change: fn(&mut World)| {
        let mut world = flowing(world, TCP, VIPFLOW_ANSWERED, row([ON_2, A]));
        change(&mut world);
        Case::new(name, &world).sends(leg, &ack.bytes(), on.nic, &to_2(&ack))
    };
    let mut gone = flowing(world, TCP, VIPFLOW_ANSWERED, row([A]));
    gone.backend_mut(VIP_SERVICE, A).state = STATE_NONE;
    let refused = Frame { seq: 0, ack: 0, ..rst(&ack) }.flags(RST);
    vec![
        case("a connection to a dead task goes to the owner, which resets it", |world| {
            world.backend_mut(VIP_SERVICE, A).state = STATE_NONE;
        }),
        case("so does one to a former life of a task", |world| {
            world.backend_mut(VIP_SERVICE, A).generation = 2;
        }),
        case("so does one to a former address of the service", |world| {
            world.vip_flows.get_mut().values_mut().for_each(|flow| flow.vip = EMPTY_VIP);
        }),
        Case::new("a connection to a dead task of an empty service is reset", &gone)
            .sends(leg, &ack.bytes(), on.overlay[0], &refused.bytes())
            .counting(Reason::TaskGone),
    ]
}

fn datagrams(world: &World, on: &Interfaces) -> Vec<Case> {
    let [leg, mongo, _] = on.overlay;
    let sent = Frame { proto: UDP, ..to(VIP) };
    let mut cached = flowing(world, UDP, 0, row([ON_2, A]));
    let key = FlowKey {
        client: ME,
        client_port: CLIENT_PORT.to_be_bytes(),
        published_port: PORT.to_be_bytes(),
        service: VIP_SERVICE,
        proto: UDP,
        reserved: 0,
    };
    let generation = 1;
    let value = FlowValue { backend: A, generation, reserved: 0 };
    cached.flows.get_mut().insert(key, value);
    let mut dead = cached.clone();
    dead.backend_mut(VIP_SERVICE, A).state = STATE_NONE;
    vec![
        Case::new("datagrams keep their task when the owner changes", &cached).delivers(
            Overlay(leg),
            &sent.bytes(),
            mongo,
            &here(&sent),
        ),
        Case::new("datagrams leave a dead task at once", &dead).sends(
            Overlay(leg),
            &sent.bytes(),
            on.nic,
            &to_2(&sent),
        ),
    ]
}

fn direct(world: &World, on: &Interfaces) -> Vec<Case> {
    let [leg, mongo, _] = on.overlay;
    let case = |name, proto: u8, flags: u8| {
        let known = flowing(world, proto, VIPFLOW_ANSWERED, row([A]));
        let sent = Frame { proto, ..to(MONGO_HERE) }.flags(flags);
        let answer = back(MONGO_HERE, &sent).flags(ACK).bytes();
        let frame = sent.bytes();
        Case::new(name, &known).delivers(Overlay(leg), &frame, mongo, &frame).delivers(
            Overlay(mongo),
            &answer,
            leg,
            &answer,
        )
    };
    let kept = flowing(world, TCP, VIPFLOW_ANSWERED, row([A]));
    let segment = to(MONGO_HERE).bytes();
    let answer = back(MONGO_HERE, &to(MONGO_HERE));
    let from_vip = answer.clone().from((VIP, PORT)).bytes();
    vec![
        case("a connection to the task itself is none to the virtual IP", TCP, SYN),
        case("nor is a datagram", UDP, 0),
        Case::new("a segment of no new connection forgets nothing", &kept)
            .delivers(Overlay(leg), &segment, mongo, &segment)
            .delivers(Overlay(mongo), &answer.bytes(), leg, &from_vip),
    ]
}
