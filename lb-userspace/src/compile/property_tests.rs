//! What holds for any cluster and any history of edits.

use std::collections::BTreeSet;

use lb_common::{
    addr::V4,
    backend::BACKEND_INGRESS,
    endpoint::{ANY_VNI, EndpointKey},
    row::{BackendNumber, Row},
    service::FLAG_INGRESS,
};
use proptest::prelude::*;

use super::{
    BackendContents, EndpointContents, LocalLegs, MapContents, Previous, compile, fixtures,
};
use crate::{
    model::{DesiredState, Protocol, Publish, PublishMode, Reach, Scheduler, Service},
    plan::plan,
};

/// Clusters of up to three services with up to six tasks, drawn from few names, so that two draws
/// look like an edit.
fn any_cluster() -> impl Strategy<Value = DesiredState> {
    let task = (1_u8..4, 0_u16..4, 0_u8..2);
    let tasks = proptest::collection::btree_map(1_u16..9, task, 0..6);
    let publish =
        proptest::option::of(prop_oneof![Just(PublishMode::Ingress), Just(PublishMode::Host)]);
    let scheduler = prop_oneof![Just(Scheduler::Hash), Just(Scheduler::RoundRobin)];
    let service = (tasks, publish, scheduler);
    let services = proptest::collection::btree_map(0_u8..4, service, 0..4);
    services.prop_map(|services| {
        let services = services.into_iter().map(|(name, (tasks, mode, scheduler))| {
            let tasks = tasks.into_iter().map(|(number, (node, weight, life))| {
                fixtures::task(
                    &format!("s{name}.{number}.{life}"),
                    &format!("n{node}"),
                    number,
                    weight,
                )
            });
            let published = 8000 + u16::from(name);
            let port = |mode| Publish { published, target: 80, protocol: Protocol::Tcp, mode };
            let publish = mode.map(port).into_iter().collect();
            let service = fixtures::service(&format!("s{name}"), &[]);
            let service = Service { tasks: tasks.collect(), publish, scheduler, ..service };
            in_front(service, name)
        });
        fixtures::cluster(services.collect())
    })
}

/// The service with even number in network `front`, with its tasks of low number.
fn in_front(mut service: Service, name: u8) -> Service {
    if name.is_multiple_of(2) {
        let addr = |number: u16| [10, 20, name / 2, number as u8];
        let members: Vec<_> = (1..6).map(|number| (number, addr(number))).collect();
        fixtures::join(&mut service, "front", addr(200), &members);
    }
    service
}

fn at(node: &str, desired: &DesiredState, held: &[&str], previous: &Previous) -> MapContents {
    let held: BTreeSet<String> = held.iter().map(|&task| task.to_owned()).collect();
    compile(desired, node, &LocalLegs::default(), &held, previous).expect("small")
}

fn owners(rows: &[Row]) -> Vec<BackendNumber> {
    rows.iter().map(|row| row.owner()).collect()
}

/// Every number of every row in use, every port's service, every backend's peer are there.
fn is_closed(contents: &MapContents) -> bool {
    let closed = contents.services.values().all(|service| {
        let named = service.rows.iter().flat_map(|row| row.backends).filter(|&number| number != 0);
        let peers = service.backends.values().map(|backend| backend.peer).filter(|&peer| peer != 0);
        named.into_iter().all(|number| service.backends.contains_key(&number))
            && peers.into_iter().all(|peer| contents.peers.contains_key(&peer))
    });
    let there = |service: u16| contents.services.contains_key(&service);
    let endpoints = contents.endpoints.values().map(|held| held.endpoint);
    closed
        && contents.ports.values().all(|port| there(port.service))
        && endpoints.clone().all(|endpoint| endpoint.service == 0 || there(endpoint.service))
        && endpoints.clone().all(|at| at.node == 0 || contents.peers.contains_key(&at.node))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn contents_are_closed_and_settled(edits in proptest::collection::vec(any_cluster(), 1..5)) {
        let mut previous = Previous::default();
        for desired in &edits {
            let contents = at("n1", desired, &[], &previous);
            prop_assert!(is_closed(&contents));
            previous = previous.after(&contents);
            prop_assert_eq!(plan(&contents, &at("n1", desired, &[], &previous)), []);
        }
    }

    #[test]
    fn all_nodes_agree_on_owners_and_numbers(desired in any_cluster()) {
        let [first, second] = ["n1", "n2"].map(|node| at(node, &desired, &[], &Previous::default()));
        for service in first.services.values().filter(|service| !service.name.contains("@host")) {
            let twin = second.services.values().find(|twin| twin.name == service.name).expect("at both");
            prop_assert_eq!((service.seed, &service.rows), (twin.seed, &twin.rows));
            prop_assert!(service.backends.keys().eq(twin.backends.keys()));
        }
    }

    #[test]
    fn all_nodes_know_the_same_endpoints(desired in any_cluster()) {
        let [first, second] = ["n1", "n2"].map(|node| at(node, &desired, &[], &Previous::default()));
        let place = |contents: &MapContents| -> Vec<_> {
            let endpoint = |(key, held): (&EndpointKey<V4>, &EndpointContents)| {
                (*key, held.name.clone(), held.endpoint.kind, held.endpoint.vni, held.endpoint.mac)
            };
            contents.endpoints.iter().map(endpoint).collect()
        };
        prop_assert_eq!(place(&first), place(&second));
        prop_assert_eq!(&first.networks, &second.networks);
        for service in &desired.services {
            let vips = service.vips.values();
            let members = service.tasks.iter().flat_map(|task| task.addresses.values());
            for addr in vips.chain(members) {
                let known = |vni| first.endpoints.contains_key(&EndpointKey { vni, addr: addr.octets() });
                prop_assert!(known(4096) && known(4097) && !known(4098), "{addr}");
            }
        }
    }

    #[test]
    fn beside_docker_a_backend_beyond_has_an_address_and_its_service_the_flag(
        desired in any_cluster(),
        beyond in 1_usize..4,
        has_seat in any::<bool>(),
    ) {
        let mut desired = fixtures::beside_docker(desired);
        desired.nodes[beyond - 1].reach = Reach::Ingress;
        if !has_seat {
            fixtures::docker(&mut desired).ingress = None;
        }
        let node = format!("n{beyond}");
        for task in desired.services.iter_mut().flat_map(|service| &mut service.tasks) {
            task.addresses.insert("ingress".into(), [10, 0, 0, task.number as u8].into());
        }
        let contents = at("n1", &desired, &[], &Previous::default());
        prop_assert!(is_closed(&contents));
        for service in contents.services.values().filter(|service| !service.name.contains('@')) {
            let by_ingress = |backend: &BackendContents| backend.flags & BACKEND_INGRESS != 0;
            let is_beyond = |backend: &BackendContents| backend.node == node && node != "n1";
            prop_assert!(service.backends.values().all(|backend| by_ingress(backend) == is_beyond(backend)));
            let flag = service.flags & FLAG_INGRESS != 0;
            prop_assert_eq!(flag, service.backends.values().any(by_ingress));
            prop_assert!(has_seat || !flag);
        }
        let any_vni = |key: &EndpointKey<V4>| key.vni == ANY_VNI;
        prop_assert!(contents.endpoints.keys().all(any_vni));
    }

    #[test]
    fn who_owns_rows_takes_new_flows_and_is_not_held(desired in any_cluster()) {
        let held = ["s0.1.0", "s0.2.0", "s1.1.0", "s1.2.1"];
        for service in at("n3", &desired, &held, &Previous::default()).services.values() {
            let free = |task: &str| !held.contains(&task);
            let any_free = service.backends.values().any(|backend| backend.weight > 0 && free(&backend.task));
            for owner in owners(&service.rows) {
                let backend = &service.backends[&owner];
                prop_assert!(backend.weight > 0 && (free(&backend.task) || !any_free));
            }
        }
    }

    #[test]
    fn indices_stay_and_two_edits_keep_owners_within_reach(edits in [any_cluster(), any_cluster(), any_cluster()]) {
        let mut chain = Vec::new();
        let mut previous = Previous::default();
        for desired in &edits {
            chain.push(at("n1", desired, &[], &previous));
            previous = previous.after(&chain[chain.len() - 1]);
        }
        for (index, before) in &chain[0].services {
            let lives = |contents: &MapContents| contents.services.get(index).filter(|now| now.name == before.name).cloned();
            let [Some(middle), Some(last)] = [lives(&chain[1]), lives(&chain[2])] else { continue };
            let same = |number: &BackendNumber| {
                let task = |service: &super::ServiceContents| service.backends.get(number).map(|backend| backend.task.clone());
                task(before).is_some() && task(before) == task(&middle) && task(before) == task(&last)
            };
            let hash = [before, &middle, &last].iter().all(|service| service.scheduler == lb_common::service::SCHEDULER_HASH);
            for (row, owner) in owners(&before.rows).into_iter().enumerate().filter(|(_, owner)| hash && same(owner)) {
                prop_assert!(last.rows[row].backends.contains(&owner), "row {row} lost {owner}");
            }
        }
    }
}

#[test]
fn a_service_and_a_peer_keep_their_places_when_others_go() {
    let services = |names: &[&str]| {
        names.iter().map(|name| fixtures::service(name, &[("t", "n2", 1)])).collect()
    };
    let mut desired = fixtures::cluster(services(&["a", "b"]));
    let first = at("n1", &desired, &[], &Previous::default());
    desired.services = services(&["b", "c"]);
    desired.nodes.remove(1);
    let second = at("n1", &desired, &[], &Previous::default().after(&first));
    let names = |contents: &MapContents| -> Vec<_> {
        contents.services.iter().map(|(&index, service)| (index, service.name.clone())).collect()
    };
    assert_eq!(names(&first), [(1, "a".to_owned()), (2, "b".to_owned())]);
    assert_eq!(names(&second), [(2, "b".to_owned()), (3, "c".to_owned())]);
    assert_eq!(second.peers.keys().collect::<Vec<_>>(), [&2]);
}
