//! What holds for any facts, however little sense they make.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::addr::V4;
use proptest::{collection, option, prelude::*};

use super::swarm::{Swarm, task_of};
use crate::{
    compile::{LocalLegs, Previous, compile},
    model::{DesiredState, Protocol},
    source::docker::{
        TakeOver,
        facts::{NetworkFacts, NodeFacts, PortFacts, ServiceFacts, SubnetFacts, TaskFacts},
    },
};

/// Few ids and names, so that draws meet.
fn id(kind: char) -> impl Strategy<Value = String> {
    (0_u8..4).prop_map(move |id| format!("{kind}{id}"))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("a".to_owned()),
        Just("b@c".to_owned()),
        Just("é".repeat(40)),
        "[a-z]{60,70}",
    ]
}

/// Addresses of three subnets and of anywhere.
fn addr() -> impl Strategy<Value = V4> {
    prop_oneof![(0_u8..3, 0_u8..6).prop_map(|(net, host)| [10, net, 0, host]), any::<V4>()]
}

fn networks() -> impl Strategy<Value = BTreeMap<String, NetworkFacts>> {
    let vni = prop_oneof![
        0_u32..3,
        4096_u32..4100,
        any::<u32>().prop_filter("ours", |vni| !(4094..4096).contains(vni))
    ];
    let prefix = prop_oneof![Just(24_u8), any::<u8>()];
    let subnet = (vni, addr(), prefix, addr()).prop_map(|(vni, addr, prefix, gateway)| {
        SubnetFacts { vni, addr: addr.into(), prefix, gateway: gateway.into() }
    });
    let network = (name(), any::<[bool; 3]>(), collection::vec(subnet, 0..3));
    let network = network.prop_map(|(name, [is_ingress, is_internal, is_encrypted], subnets)| {
        NetworkFacts { name, is_ingress, is_internal, is_encrypted, subnets, mtu: None }
    });
    collection::btree_map(id('n'), network, 0..4)
}

fn services() -> impl Strategy<Value = BTreeMap<String, ServiceFacts>> {
    let protocol = option::of(prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)]);
    let published = prop_oneof![0_u16..3, Just(2377), Just(7946)];
    let port = (protocol, published, 0_u16..3)
        .prop_map(|(protocol, published, target)| PortFacts { protocol, published, target });
    let key = prop_oneof![Just("enable"), Just("weight"), Just("scheduler"), Just("x")];
    let value = prop_oneof![Just("true"), Just("false"), Just("rr"), Just("9")];
    let label = (key, value).prop_map(|(key, value)| (format!("swarmlb.{key}"), value.to_owned()));
    let labels = collection::vec(label, 0..3).prop_map(BTreeMap::from_iter);
    let vips = collection::btree_map(id('n'), addr().prop_map(Into::into), 0..4);
    let service = (name(), labels, any::<bool>(), vips, collection::vec(port, 0..4));
    let service = service.prop_map(|(name, labels, is_dnsrr, vips, ports)| ServiceFacts {
        name,
        labels,
        is_dnsrr,
        vips,
        ports,
    });
    collection::btree_map(id('s'), service, 0..4)
}

fn tasks() -> impl Strategy<Value = BTreeMap<String, TaskFacts>> {
    let addresses = collection::btree_map(id('n'), addr().prop_map(Into::into), 0..3);
    let task = (id('s'), name(), id('k'), any::<bool>(), addresses);
    let task = task.prop_map(|(service, slot, node, is_draining, addresses)| TaskFacts {
        service,
        slot,
        node,
        is_draining,
        addresses,
    });
    collection::btree_map("[a-b]{7,9}", task, 0..8)
}

fn any_swarm() -> impl Strategy<Value = Swarm> {
    let node = (name(), option::of(addr()), any::<[bool; 3]>());
    let node = node.prop_map(|(hostname, address, [is_down, has_agent, is_silent])| NodeFacts {
        hostname,
        address: address.map(Into::into),
        is_down,
        has_agent,
        is_silent,
    });
    let nodes = collection::btree_map(id('k'), node, 0..4);
    let take_over =
        prop_oneof![Just(TakeOver::Auto), Just(TakeOver::All), Just(TakeOver::Labelled)];
    let own = (id('k'), option::of(addr()), any::<bool>(), take_over);
    (nodes, networks(), services(), tasks(), own).prop_map(
        |(nodes, networks, services, tasks, (here, ingress_addr, has_ipvs, take_over))| {
            let mut swarm = Swarm::usual();
            (swarm.swarm.nodes, swarm.swarm.networks) = (nodes, networks);
            (swarm.swarm.services, swarm.swarm.tasks) = (services, tasks);
            (swarm.local.node, swarm.local.has_ipvs) = (here, has_ipvs);
            swarm.local.ingress_addr = ingress_addr.map(Into::into);
            swarm.options.take_over = take_over;
            swarm
        },
    )
}

fn is_unique<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

/// Names are unique and fit, references hold, nobody shares a port, an address or a number.
fn is_sound(state: &DesiredState) -> bool {
    let tasks = || state.services.iter().flat_map(|service| &service.tasks);
    let names = [
        state.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
        state.networks.iter().map(|network| network.name.as_str()).collect(),
        state.services.iter().map(|service| service.name.as_str()).collect(),
        tasks().map(|task| task.name.as_str()).collect(),
    ];
    let ports = state.services.iter().flat_map(|service| &service.publish);
    let subnets: Vec<_> = state.networks.iter().flat_map(|network| network.subnets()).collect();
    let apart = |(at, part): (usize, &&crate::model::NetworkSubnet)| {
        subnets[..at]
            .iter()
            .all(|other| !other.subnet.overlaps(&part.subnet) && other.vni != part.vni)
    };
    names.iter().all(|names| names.iter().all(|name| name.len() < 64) && is_unique(names.iter()))
        && is_unique(state.nodes.iter().map(|node| node.address))
        && is_unique(ports.map(|port| (port.protocol, port.published)))
        && subnets.iter().enumerate().all(apart)
        && tasks().all(|task| task.number != 0 && state.node(&task.node).is_some())
        && state
            .services
            .iter()
            .all(|service| is_unique(service.tasks.iter().map(|task| task.number)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_facts_give_sound_state_that_compiles(swarm in any_swarm()) {
        if let Ok((state, here, _)) = swarm.desired() {
            prop_assert!(is_sound(&state), "{state:#?}");
            let held = BTreeSet::new();
            compile(&state, &here, &LocalLegs::default(), &held, &Previous::default()).expect("small");
        }
    }

    #[test]
    fn the_order_of_ports_does_not_matter(swarm in any_swarm()) {
        let mut turned = swarm.clone();
        turned.swarm.services.values_mut().for_each(|service| service.ports.reverse());
        prop_assert_eq!(swarm.desired(), turned.desired());
    }

    #[test]
    fn all_nodes_agree_on_services_tasks_and_numbers(swarm in any_swarm(), other in id('k')) {
        let mut elsewhere = swarm.clone();
        elsewhere.local.node = other;
        let (Ok((one, ..)), Ok((other, ..))) = (swarm.desired(), elsewhere.desired()) else { return Ok(()) };
        // Each node has an address of its own words, and who shares it goes.
        prop_assume!(one.nodes.iter().map(|node| (&node.name, node.address)).eq(other.nodes.iter().map(|node| (&node.name, node.address))));
        prop_assert_eq!(&one.cluster, &other.cluster);
        let numbers = |state: &DesiredState| -> Vec<_> {
            let tasks = state.services.iter().flat_map(|service| &service.tasks);
            tasks.map(|task| (task.name.clone(), task.node.clone(), task.number, task.weight)).collect()
        };
        prop_assert_eq!(numbers(&one), numbers(&other));
    }

    #[test]
    fn numbers_stay_when_a_task_joins(hosts in collection::btree_set(2_u8..250, 1..12), joins in 2_u8..250) {
        prop_assume!(!hosts.contains(&joins));
        let mut swarm = Swarm::usual();
        swarm.swarm.tasks.clear();
        let add = |swarm: &mut Swarm, host: u8| {
            let task = task_of("sweb", "n2id", &[("ing", [10, 0, 0, host]), ("net-front-a", [10, 20, 0, host])]);
            swarm.swarm.tasks.insert(format!("{host:08}"), task);
        };
        hosts.iter().for_each(|host| add(&mut swarm, *host));
        let numbers = |swarm: &Swarm| -> BTreeMap<String, u16> {
            let (state, ..) = swarm.desired().expect("ready");
            let tasks = state.services.into_iter().flat_map(|service| service.tasks);
            tasks.map(|task| (task.name, task.number)).collect()
        };
        let before = numbers(&swarm);
        add(&mut swarm, joins);
        let after = numbers(&swarm);
        prop_assert_eq!(before.len() + 1, after.len());
        prop_assert!(before.iter().all(|(task, number)| after[task] == *number));
    }
}
