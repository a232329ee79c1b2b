//! Readers between, before and during any steps of a plan: executes plans on plain maps and checks
//! what `plan` promises to readers.

use std::collections::BTreeMap;

use lb_common::{
    addr::V4,
    backend::{NODE_SELF, STATE_ACTIVE},
    endpoint::{ENDPOINT_TASK, ENDPOINT_VIP, Endpoint, EndpointKey},
    port::PublishedPort,
    row::{BackendNumber, Row},
    service::{FLAG_INGRESS, SCHEDULER_HASH},
};
use proptest::prelude::*;

use super::{Change, is_vip, plan};
use crate::{
    compile::{
        BackendContents, EndpointContents, MapContents, NetworkContents, PeerContents,
        ServiceContents,
    },
    model::{Reach, Subnet},
};

const VNI: u32 = 4096;

/// Maps as a dumb executor fills them. A service whose scheduler is 0 is not there yet.
fn execute(maps: &mut MapContents, change: Change) {
    match change {
        Change::SetNetwork { vni, network } => drop(maps.networks.insert(vni, network)),
        Change::SetEndpoint { key, endpoint } => drop(maps.endpoints.insert(key, endpoint)),
        Change::SetPeer { index, peer } => drop(maps.peers.insert(index, peer)),
        Change::SetBackends { service, backends } => {
            element(maps, service).backends.extend(backends)
        }
        Change::SetRows { service, rows } => element(maps, service).rows = rows,
        Change::SetService { service, name, seed, scheduler, flags } => {
            let entry = element(maps, service);
            (entry.name, entry.seed, entry.scheduler, entry.flags) = (name, seed, scheduler, flags);
        }
        Change::SetPort { index, port } => drop(maps.ports.insert(index, port)),
        Change::RemovePort { index } => drop(maps.ports.remove(&index)),
        Change::Settle => (),
        Change::RemoveService { service } => drop(maps.services.remove(&service)),
        Change::RemoveBackends { service, numbers } => {
            element(maps, service).backends.retain(|number, _| !numbers.contains(number));
        }
        Change::RemoveEndpoint { key } => drop(maps.endpoints.remove(&key)),
        Change::RemovePeer { index } => drop(maps.peers.remove(&index)),
        Change::RemoveNetwork { vni } => drop(maps.networks.remove(&vni)),
    }
}

fn element(maps: &mut MapContents, service: u16) -> &mut ServiceContents {
    maps.services.entry(service).or_insert_with(|| ServiceContents {
        name: String::new(),
        seed: 0,
        scheduler: 0,
        flags: 0,
        rows: Vec::new(),
        backends: BTreeMap::new(),
    })
}

/// What a reader finds that reads names in `earlier` and what they name in `later`.
fn dangling(earlier: &MapContents, later: &MapContents) -> Option<String> {
    let there =
        |service: &u16| later.services.get(service).is_some_and(|service| service.scheduler != 0);
    if let Some((port, _)) = earlier.ports.iter().find(|(_, port)| !there(&port.service)) {
        return Some(format!("port {port} names no service"));
    }
    lost_endpoint(earlier, later).or_else(|| lost_backend(earlier, later))
}

/// A virtual IP without its service, or an endpoint without its node.
fn lost_endpoint(earlier: &MapContents, later: &MapContents) -> Option<String> {
    let there =
        |service: &u16| later.services.get(service).is_some_and(|service| service.scheduler != 0);
    earlier.endpoints.iter().find_map(|(key, held)| {
        let Endpoint { service, node, .. } = held.endpoint;
        let no_service = is_vip(held) && !there(&service);
        let no_node = node != NODE_SELF && !later.peers.contains_key(&node);
        (no_service || no_node).then(|| format!("{key:?}: {held:?} names what is not there"))
    })
}

/// A row without its backend, a backend without its node or its address.
fn lost_backend(earlier: &MapContents, later: &MapContents) -> Option<String> {
    let known = |addr: V4| later.endpoints.contains_key(&EndpointKey { vni: VNI, addr });
    earlier.services.iter().find_map(|(index, service)| {
        let backends = later.services.get(index).map(|service| &service.backends);
        let row_names =
            service.rows.iter().flat_map(|row| row.backends).filter(|&number| number != 0);
        let missing = |number: &BackendNumber| backends.is_none_or(|all| !all.contains_key(number));
        let peer_missing = |peer: u16| peer != NODE_SELF && !later.peers.contains_key(&peer);
        let addr_missing = |addr: V4| addr != [0; 4] && !known(addr);
        let lost = service
            .backends
            .values()
            .find(|backend| peer_missing(backend.peer) || addr_missing(backend.addr));
        let row = reachable(earlier, *index).then(|| row_names.into_iter().find(missing)).flatten();
        row.map(|number| {
            format!("a row of service {index} names backend {number}, which is not there")
        })
        .or_else(|| lost.map(|backend| format!("{backend:?} names what is not there")))
    })
}

fn reachable(maps: &MapContents, service: u16) -> bool {
    let vip = |held: &EndpointContents| is_vip(held) && held.endpoint.service == service;
    maps.ports.values().any(|port| port.service == service) || maps.endpoints.values().any(vip)
}

/// Small but self-consistent contents: names that repeat, so that two draws have much in common.
fn any_contents() -> impl Strategy<Value = MapContents> {
    let peers = proptest::collection::btree_map(1_u16..4, 1_u8..6, 0..3);
    let service = (
        0_u8..3,
        0_u8..8,
        proptest::collection::btree_map(1_u16..6, (0_u16..4, 0_u8..2), 0..5),
        any::<[u16; 4]>(),
    );
    let services = proptest::collection::btree_map(1_u16..5, service, 0..4);
    let ports = proptest::collection::btree_map(80_u32..86, (1_u16..5, 1_u16..4), 0..5);
    // Their addresses overlap with those of tasks, so that addresses change hands.
    let vips = proptest::collection::btree_map(1_u16..5, 4_u8..9, 0..3);
    let strategy = (peers, services, ports, vips, any::<bool>());
    strategy.prop_map(|(peers, services, ports, vips, has_network)| {
        let peers: BTreeMap<_, _> =
            peers.into_iter().map(|(index, last)| (index, peer(last))).collect();
        let services: BTreeMap<_, _> = services
            .into_iter()
            .map(|(index, (name, flags, backends, picks))| {
                let backends: BTreeMap<_, _> = backends
                    .into_iter()
                    .map(|(number, (at, life))| {
                        (
                            number,
                            backend(
                                number,
                                if peers.contains_key(&at) { at } else { NODE_SELF },
                                life,
                            ),
                        )
                    })
                    .collect();
                (index, service_of(name, flags, backends, picks))
            })
            .collect();
        let ports = ports.into_iter().filter(|(_, (service, _))| services.contains_key(service));
        let ports = ports
            .map(|(index, (service, target))| (index, PublishedPort { service, target, flags: 0 }));
        let ports = ports.collect();
        let networks = has_network.then(network).into_iter().collect();
        let mut contents =
            MapContents { ports, services, peers, networks, endpoints: BTreeMap::new() };
        vips.into_iter().for_each(|(service, last)| add_vip(&mut contents, service, last));
        contents
    })
}

fn network() -> (u32, NetworkContents) {
    let subnet = Subnet { addr: [10, 0, 0, 0].into(), prefix: 24 };
    let gateway = subnet.gateway().octets();
    (VNI, NetworkContents { name: "front".to_owned(), subnet, gateway, internal: false })
}

/// Makes a service that is there the virtual IP 10.0.0.`last`, unless a task has that address, and
/// gives its backends addresses.
fn add_vip(contents: &mut MapContents, service: u16, last: u8) {
    let Some(held) = contents.services.get_mut(&service) else { return };
    let mut tasks = BTreeMap::new();
    for (&number, backend) in &mut held.backends {
        backend.addr = [10, 0, 0, number as u8 + 10 * backend.generation];
        tasks.insert(backend.addr, (ENDPOINT_TASK, backend.peer, backend.task.clone()));
    }
    let vip = || (ENDPOINT_VIP, NODE_SELF, held.name.clone());
    tasks.entry([10, 0, 0, last]).or_insert_with(vip);
    for (addr, (kind, node, name)) in tasks {
        let endpoint = Endpoint { kind, node, service, vni: VNI, ..Default::default() };
        let key = EndpointKey { vni: VNI, addr };
        let taken = contents.endpoints.get(&key).is_some_and(|other| !is_vip(other));
        if kind == ENDPOINT_TASK || !taken {
            contents.endpoints.insert(key, EndpointContents { name, endpoint });
        }
    }
}

fn peer(last: u8) -> PeerContents {
    let reach = if last.is_multiple_of(2) { Reach::Mesh } else { Reach::Ingress };
    PeerContents { name: format!("n{last}"), addr: [198, 18, 0, last], reach }
}

fn backend(number: BackendNumber, peer: u16, generation: u8) -> BackendContents {
    let task = format!("task.{number}.{generation}");
    BackendContents {
        task,
        node: format!("n{peer}"),
        peer,
        leg: None,
        addr: [0; 4],
        flags: 0,
        state: STATE_ACTIVE,
        weight: 1,
        generation,
    }
}

fn service_of(
    name: u8,
    flags: u8,
    backends: BTreeMap<BackendNumber, BackendContents>,
    picks: [u16; 4],
) -> ServiceContents {
    let numbers: Vec<_> = backends.keys().copied().collect();
    let row = |pick: u16| Row::of(numbers[usize::from(pick) % numbers.len()]);
    let rows = if numbers.is_empty() { Vec::new() } else { picks.map(row).to_vec() };
    ServiceContents {
        name: format!("s{name}"),
        seed: name.into(),
        scheduler: SCHEDULER_HASH,
        flags,
        rows,
        backends,
    }
}

proptest! {
    #[test]
    fn a_plan_leads_to_what_is_wanted(current in any_contents(), wanted in any_contents()) {
        let mut maps = current.clone();
        plan(&current, &wanted).into_iter().for_each(|change| execute(&mut maps, change));
        prop_assert_eq!(&maps, &wanted);
        prop_assert_eq!(plan(&wanted, &wanted), []);
    }

    #[test]
    fn no_reader_ever_follows_a_name_to_nothing(current in any_contents(), wanted in any_contents()) {
        let mut since_settle = vec![current.clone()];
        let mut maps = current.clone();
        for change in plan(&current, &wanted) {
            if change == Change::Settle {
                since_settle = vec![maps.clone()];
                continue;
            }
            execute(&mut maps, change.clone());
            since_settle.push(maps.clone());
            for earlier in &since_settle {
                let found = dangling(earlier, &maps);
                prop_assert!(found.is_none(), "after {change:?}: {}", found.unwrap_or_default());
            }
        }
    }
}

#[test]
fn flows_by_the_ingress_network_are_looked_for_before_the_first_begins_and_until_the_last_backend_goes()
 {
    let contents = |flags, addr| {
        let backend = BackendContents { addr, ..backend(1, NODE_SELF, 1) };
        let service = service_of(1, flags, [(1, backend)].into(), [0; 4]);
        MapContents { services: [(1, service)].into(), ..Default::default() }
    };
    let (mesh, ingress) = (contents(0, [0; 4]), contents(FLAG_INGRESS, [10, 0, 0, 7]));
    let kinds = |changes: Vec<Change>| -> Vec<_> {
        let is_flag = |change: &Change| matches!(change, Change::SetService { .. });
        changes.iter().map(is_flag).collect()
    };
    assert_eq!(kinds(plan(&mesh, &ingress)), [true, false]);
    assert_eq!(kinds(plan(&ingress, &mesh)), [false, true]);
}
