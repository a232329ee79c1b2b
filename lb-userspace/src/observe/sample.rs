//! A node `n1` for the views' tests: a service `web` of three tasks, two of them in network `net`,
//! where it has a virtual IP, and a task of another service there.
use std::net::Ipv4Addr;

use lb_common::{
    addr::{V4, mac_of},
    backend::{NODE_SELF, STATE_ACTIVE, STATE_DRAINING},
    endpoint::{
        ANY_VNI, ENDPOINT_GATEWAY, ENDPOINT_NETWORK, ENDPOINT_TASK, ENDPOINT_VIP, Endpoint,
        EndpointKey,
    },
    port::{PublishedPort, TCP},
    service::{Range, SCHEDULER_HASH, Service},
};

use super::{
    EndpointRecord, NetworkRecord, NodeRecord, PortRecord, ServiceRecord, Snapshot, TaskRecord,
};
use crate::model::Subnet;

/// VNIs of the two subnets of `net`.
pub(super) const VNIS: [u32; 2] = [5001, 5000];
/// The virtual IP of `web` in `net`.
pub(super) const VIP: V4 = [10, 20, 0, 9];
/// Addresses of `web.1` (here), `web.2` (n2, in the second subnet) and `cli.1` (here) in `net`.
pub(super) const TASKS: [V4; 3] = [[10, 20, 0, 11], [10, 20, 1, 12], [10, 20, 0, 13]];

/// The snapshot; service index 3 is `web` with backends 1 (here), 2 (n2) and 3 (here, draining), 4 is
/// its virtual IP with the first two, 5 is `cli`, which has no virtual IP.
pub(super) fn snapshot() -> Snapshot {
    let task = |name: &str, node: &str, last: u8, weight, state| {
        let addr = if last == 0 { Ipv4Addr::UNSPECIFIED } else { [172, 31, 0, last].into() };
        TaskRecord { name: name.into(), node: node.into(), addr, weight, state }
    };
    let node = |name: &str, last| NodeRecord { name: name.into(), addr: [198, 18, 0, last].into() };
    let published = PublishedPort { service: 3, target: 8080, flags: 0 };
    Snapshot {
        services: [
            (3, service("web", 256)),
            (4, service("web@net", 512)),
            (5, service("cli", 768)),
        ]
        .into(),
        ports: vec![PortRecord { proto: TCP, port: 80, published }],
        tasks: [
            ((3, 1), task("web.1", "n1", 2, 1, STATE_ACTIVE)),
            ((3, 2), task("web.2", "n2", 0, 1, STATE_ACTIVE)),
            ((3, 3), task("web.3", "n1", 4, 0, STATE_DRAINING)),
            ((4, 1), task("web.1", "n1", 2, 1, STATE_ACTIVE)),
            ((4, 2), task("web.2", "n2", 0, 1, STATE_ACTIVE)),
            ((5, 1), task("cli.1", "n1", 0, 0, STATE_DRAINING)),
        ]
        .into(),
        nodes: [(0, node("n1", 1)), (1, node("n2", 2))].into(),
        networks: [(VNIS[0], network(0)), (VNIS[1], network(1))].into(),
        endpoints: VNIS.into_iter().flat_map(under).collect(),
    }
}

/// The same beside Docker, where the engine has made legs and gateways.
pub(super) fn beside_docker() -> Snapshot {
    let mut snapshot = snapshot();
    let members = snapshot.endpoints.into_iter().filter(|(key, record)| {
        let kept = [ENDPOINT_TASK, ENDPOINT_VIP].contains(&record.endpoint.kind);
        kept && key.vni == record.endpoint.vni
    });
    let any = |(key, mut record): (EndpointKey<V4>, EndpointRecord)| {
        record.endpoint.ifindex = 0;
        (EndpointKey { vni: ANY_VNI, ..key }, record)
    };
    snapshot.endpoints = members.map(any).collect();
    snapshot
}

fn service(name: &str, base: u32) -> ServiceRecord {
    let service = Service {
        rows: Range { base, log2: 2, generation: 9 }.pack(),
        backends: Range { base: 64, log2: 4, generation: 1 }.pack(),
        seed: 0xdead_beef,
        scheduler: SCHEDULER_HASH,
        ..Default::default()
    };
    ServiceRecord { name: name.into(), service }
}

fn network(third: u8) -> NetworkRecord {
    let subnet = Subnet { addr: [10, 20, third, 0].into(), prefix: 24 };
    NetworkRecord { name: "net".into(), subnet, gateway: subnet.gateway(), internal: false }
}

/// The endpoints as they stand under a VNI.
fn under(vni: u32) -> Vec<(EndpointKey<V4>, EndpointRecord)> {
    let entry = |addr: V4, name: &str, kind, node, ifindex| {
        let mac = if kind == ENDPOINT_NETWORK { [0; 6] } else { mac_of(addr) };
        let own = if kind == ENDPOINT_NETWORK { vni } else { VNIS[usize::from(addr[2])] };
        let endpoint =
            Endpoint { mac, kind, vni: own, node, ifindex, service: 4, ..Default::default() };
        (EndpointKey { vni, addr }, EndpointRecord { name: name.into(), endpoint })
    };
    vec![
        entry([0; 4], "", ENDPOINT_NETWORK, 0, 0),
        entry([10, 20, 0, 1], "", ENDPOINT_GATEWAY, 0, 0),
        entry([10, 20, 1, 1], "", ENDPOINT_GATEWAY, 0, 0),
        entry(VIP, "web", ENDPOINT_VIP, 0, 0),
        entry(TASKS[0], "web.1", ENDPOINT_TASK, NODE_SELF, 21),
        entry(TASKS[1], "web.2", ENDPOINT_TASK, 1, 0),
        entry(TASKS[2], "cli.1", ENDPOINT_TASK, NODE_SELF, 22),
    ]
}
