//! What does not go through Docker's ingress network although a service has tasks beyond it, and what
//! comes from there and is none of ours.

use lb_common::{addr::V4, drops::Reason, port::TCP};

use super::{
    Case,
    Hook::{Leg, Nic, NicLate},
    beyond::{answer, by_beyond, query, to_beyond},
    dialling::{connected, dial},
    home::{at_a, by_2, to_web},
    wire::{forward, tunnelled},
};
use crate::{
    headers::{ACK, RST, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::beyond(*on);
    [entry(&world, on), followed(&world, on), others(&world)].concat()
}

fn entry(world: &World, on: &Interfaces) -> Vec<Case> {
    let mut with_agent = world.clone();
    with_agent.set_rows(WEB, &[row([ON_3, ON_2])]);
    let mut gone = connected(world, &query(), ON_2);
    gone.backend_mut(DNS, ON_2).generation = 2;
    gone.set_rows(DNS, &[row([ON_3])]);
    let mut full = world.clone();
    for port in 0x8000..=u16::MAX {
        full.publish(TCP, port, WEB, WEB_TARGET);
    }
    let (syn, ack) = (to_web().flags(SYN), to_web().flags(ACK));
    vec![
        Case::new("a new connection whose owner has an agent goes by the mesh", &with_agent).sends(
            Nic,
            &syn.bytes(),
            on.nic,
            &forward(NODE, NODE_3, row([ON_3, ON_2]), NODE, &syn.bytes()),
        ),
        Case::new(
            "an old one goes on although its row has another owner",
            &connected(&with_agent, &ack, ON_2),
        )
        .sends(Nic, &ack.bytes(), on.nic, &to_beyond(&ack, &ack)),
        Case::new("a datagram whose task is gone goes to another one", &gone).sends(
            Nic,
            &query().bytes(),
            on.nic,
            &forward(NODE, NODE_3, row([ON_3]), NODE, &query().bytes()),
        ),
        Case::new("a client's connection for which the node has no port is dropped", &full).drops(
            Nic,
            &syn.bytes(),
            Reason::PortsExhausted,
        ),
        Case::new("a container's segment of no connection is refused", world)
            .passes(Leg(on.legs[0]), &dial().flags(ACK).bytes())
            .counting(Reason::NoSocket),
        Case::new("a SYN+ACK answers the node itself, to such a service too", world)
            .passes(Nic, &to_web().flags(SYN | ACK).bytes()),
    ]
}

/// Segments of flows that never went through Docker's network, though their row's owner is there now.
fn followed(world: &World, on: &Interfaces) -> Vec<Case> {
    let ack = to_web().flags(ACK);
    let mut here = world.clone();
    here.set_rows(WEB, &[row([ON_2, A])]);
    let value = nat_value((NODE, WEB_PORT), CLIENT.1, 0, WEB);
    here.nat.get_mut().insert(web_key(CLIENT, TASK_A), value);
    let mut away = world.clone();
    away.set_rows(WEB, &[row([ON_2, ON_3])]);
    let refused = Frame { seq: 0, id: 0, ttl: 64, window: 0, frags: 0x4000, ..ack.clone() };
    let refused = refused.from((NODE, WEB_PORT)).to(CLIENT).flags(RST).between(CLIENT_MAC, NIC_MAC);
    let second = by_2(to_web().flags(ACK)).0;
    let arriving = forward(NODE_2, NODE, row([B, ON_2, ON_3]), NODE_2, &second.bytes());
    vec![
        Case::new("a segment passes by whom the mesh does not reach, to a task here", &here).sends(
            Nic,
            &ack.bytes(),
            on.legs[0],
            &at_a(&ack),
        ),
        Case::new("or to another node", &away).sends(
            Nic,
            &ack.bytes(),
            on.nic,
            &forward(NODE, NODE_3, row([ON_3]), NODE, &ack.bytes()),
        ),
        Case::new("if nobody else had it, it is refused", world)
            .sends(Nic, &ack.bytes(), on.nic, &refused.bytes())
            .counting(Reason::NoSocket),
        Case::new("a home passes it on likewise", world).sends(
            Nic,
            &arriving,
            on.nic,
            &forward(NODE, NODE_3, row([ON_3]), NODE_2, &second.bytes()),
        ),
    ]
}

fn others(world: &World) -> Vec<Case> {
    let world = &connected(world, &to_web(), ON_2);
    let ours = answer(&to_web()).flags(ACK);
    let stranger: V4 = [198, 18, 0, 200];
    let by = |node, vni| {
        let inner = by_beyond(&ours.bytes())[50..].to_vec();
        tunnelled(node, NODE, vni, 50_000, inner).bytes()
    };
    let passes =
        |name, frame: &[u8]| Case::new(name, world).passes(Nic, frame).passes(NicLate, frame);
    vec![
        passes(
            "Docker's own frame: another port",
            &by_beyond(&ours.clone().to((INGRESS_SEAT, 9)).bytes()),
        ),
        passes(
            "Docker's own frame: another task",
            &by_beyond(&ours.clone().from(([10, 200, 0, 18], WEB_PORT)).bytes()),
        ),
        passes(
            "Docker's own frame: the task's other port",
            &by_beyond(&ours.clone().from((BEYOND, WEB_PORT_2)).bytes()),
        ),
        passes(
            "Docker's own frame: to another address",
            &by_beyond(&ours.clone().to(([10, 200, 0, 3], 0x9000)).bytes()),
        ),
        passes("Docker's own frame: from another node", &by(NODE_3, INGRESS_VNI)),
        passes("Docker's own frame: from no node", &by(stranger, INGRESS_VNI)),
        passes("Docker's own frame: another network", &by(NODE_2, INGRESS_VNI + 1)),
    ]
}
