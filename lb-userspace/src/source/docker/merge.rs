//! A Swarm without a manager to ask: the last facts, put right by what the gossip knows. Pure.
//!
//! The gossip covers the ingress network and those with a task here. In these, tasks that it lacks
//! go and tasks that it names come; where it lacks a whole node, that node's engine may be the only
//! thing that ended, so that its tasks keep their flows and take no new ones. Everything else stays as last heard: protocols, labels, tasks
//! that are about to stop, networks without a task here.
//! What only the gossip names is taken as far as it goes: a service goes by its name in place of its
//! id until a manager is heard, and the protocols of its ports are unknown.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use super::{
    documents::{GossipService, GossipTask, NetworkGossip},
    facts::{NetworkFacts, NodeFacts, PortFacts, ServiceFacts, SwarmFacts, TaskFacts},
};

/// What the gossip says, by id of the network that it covers.
pub(super) type Gossip = BTreeMap<String, NetworkGossip>;

/// The last facts put right.
pub(super) fn merge(
    last: &SwarmFacts,
    networks: &BTreeMap<String, NetworkFacts>,
    gossip: &Gossip,
) -> SwarmFacts {
    let mut facts = last.clone();
    facts.networks.extend(networks.iter().map(|(id, network)| (id.clone(), network.clone())));
    forget(&mut facts, gossip);
    for (network, told) in gossip {
        let is_ingress = facts.networks.get(network).is_some_and(|network| network.is_ingress);
        for (name, service) in &told.services {
            let id = service_id(&mut facts, name, service);
            let is_new = !last.services.contains_key(&id);
            learn_vip(&mut facts, &id, network, service.vip);
            if is_ingress {
                learn_ports(&mut facts, &id, &service.ports, is_new);
            }
            service.tasks.iter().for_each(|task| learn_task(&mut facts, &id, network, task));
        }
    }
    forget_halves(&mut facts, gossip);
    facts
}

/// Takes away what the gossip would name if it were still there.
fn forget(facts: &mut SwarmFacts, gossip: &Gossip) {
    let hosts: BTreeSet<_> = gossip.values().flat_map(|told| told.hosts.values()).collect();
    let is_covered = |network: &String| gossip.contains_key(network);
    let is_named = |network: &String, addr: &Ipv4Addr| {
        gossip.get(network).is_none_or(|told| told.hosts.contains_key(addr))
    };
    let SwarmFacts { tasks, nodes, .. } = facts;
    tasks.retain(|_, task| {
        if !task.addresses.keys().any(is_covered) {
            return true;
        }
        let node = nodes.get(&task.node).and_then(|node| node.address);
        if !node.is_some_and(|node| hosts.contains(&node)) {
            task.is_draining = true;
            return true;
        }
        task.addresses.retain(|network, addr| is_named(network, addr));
        task.addresses.keys().any(is_covered)
    });
}

/// Takes away tasks that are only half there: endpoints come and go one by one, and a task that is not
/// yet, or no longer, in every network of its service takes no flows.
fn forget_halves(facts: &mut SwarmFacts, gossip: &Gossip) {
    let SwarmFacts { tasks, services, .. } = facts;
    tasks.retain(|_, task| {
        let vips = services.get(&task.service).map(|service| &service.vips);
        let mut networks = vips.into_iter().flat_map(BTreeMap::keys);
        networks
            .all(|network| !gossip.contains_key(network) || task.addresses.contains_key(network))
    });
}

/// The id of a service by its name, which is unique in the Swarm.
fn service_id(facts: &mut SwarmFacts, name: &str, told: &GossipService) -> String {
    let known = facts.services.iter().find(|(_, service)| service.name == name);
    if let Some((id, _)) = known {
        return id.clone();
    }
    let is_dnsrr = told.vip.is_none();
    let service = ServiceFacts { name: name.into(), is_dnsrr, ..ServiceFacts::default() };
    facts.services.insert(name.into(), service);
    name.into()
}

fn learn_vip(facts: &mut SwarmFacts, service: &str, network: &str, vip: Option<Ipv4Addr>) {
    let Some(service) = facts.services.get_mut(service) else { return };
    match vip {
        Some(vip) => service.vips.insert(network.into(), vip),
        None => service.vips.remove(network),
    };
}

fn learn_ports(facts: &mut SwarmFacts, service: &str, told: &[(u16, u16)], is_new: bool) {
    let Some(service) = facts.services.get_mut(service) else { return };
    if is_new {
        service.ports = ports_of(told);
    } else {
        service.ports.retain(|port| told.contains(&(port.published, port.target)));
    }
}

/// Ports of a service that no manager has spoken of.
fn ports_of(told: &[(u16, u16)]) -> Vec<PortFacts> {
    let unknown =
        |&(published, target): &(u16, u16)| PortFacts { protocol: None, published, target };
    let mut ports: Vec<_> = told.iter().map(unknown).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn learn_task(facts: &mut SwarmFacts, service: &str, network: &str, told: &GossipTask) {
    let node = told.host.map(|host| node_at(facts, host)).unwrap_or_default();
    let task = facts.tasks.entry(told.id.clone()).or_insert_with(|| TaskFacts {
        service: service.into(),
        slot: told.slot.clone(),
        node,
        ..TaskFacts::default()
    });
    task.addresses.insert(network.into(), told.addr);
}

/// The id of the node at a data-path address; a node that nobody has spoken of goes by its address.
fn node_at(facts: &mut SwarmFacts, address: Ipv4Addr) -> String {
    let known = facts.nodes.iter().find(|(_, node)| node.address == Some(address));
    if let Some((id, _)) = known {
        return id.clone();
    }
    let hostname = address.to_string();
    let node =
        NodeFacts { hostname: hostname.clone(), address: Some(address), ..NodeFacts::default() };
    facts.nodes.insert(hostname.clone(), node);
    hostname
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Protocol,
        source::docker::{
            api::parse_tasks,
            documents::{document, network_gossip, networks, nodes, services, tasks},
        },
    };

    const WEB: &str = "i4q61u0e25kqz5c9umehrj0el";
    const INGRESS: &str = "ide65rkle9dpnajnn6162dfij";

    fn heard() -> SwarmFacts {
        let nodes = nodes(&document::<Vec<_>>("nodes.json"));
        let documents = parse_tasks(include_bytes!("testdata/tasks.json")).expect("tasks");
        SwarmFacts {
            networks: networks(&document::<Vec<_>>("networks_manager.json")),
            services: services(&document::<Vec<_>>("services.json")),
            tasks: tasks(&documents, &nodes),
            nodes,
            ..SwarmFacts::default()
        }
    }

    fn gossip() -> Gossip {
        let web = network_gossip(&document("web_verbose.json"));
        let ingress = network_gossip(&document("ingress_verbose.json"));
        Gossip::from([(WEB.to_owned(), web), (INGRESS.to_owned(), ingress)])
    }

    fn of_worker() -> BTreeMap<String, NetworkFacts> {
        networks(&document::<Vec<_>>("networks_worker.json"))
    }

    fn merged(last: &SwarmFacts, gossip: &Gossip) -> SwarmFacts {
        merge(last, &of_worker(), gossip)
    }

    #[test]
    fn what_both_know_stays_as_it_is() {
        let mut last = heard();
        // The gossip names what runs; the documents were taken a moment apart.
        let first = merged(&last, &gossip());
        last.tasks = first.tasks.clone();
        assert_eq!(merged(&last, &gossip()), last);
    }

    #[test]
    fn a_task_that_the_gossip_lacks_goes() {
        let (last, mut gossip) = (merged(&heard(), &gossip()), gossip());
        for told in gossip.values_mut() {
            let gone = told.services.get_mut("whoami").and_then(|one| one.tasks.pop());
            told.hosts.remove(&gone.expect("a task").addr);
        }
        let facts = merged(&last, &gossip);
        assert_eq!(facts.tasks.len(), last.tasks.len() - 1);
        assert_eq!(facts.services, last.services);
    }

    #[test]
    fn a_task_out_of_its_reach_stays() {
        let last = heard();
        let out_of_reach = last.tasks.iter().find(|(_, task)| {
            !task.addresses.keys().any(|network| [WEB, INGRESS].contains(&&**network))
        });
        let (id, task) = out_of_reach.expect("the task in network two");
        assert_eq!(merged(&last, &gossip()).tasks.get(id), Some(task));
    }

    #[test]
    fn a_task_that_is_half_gone_is_gone() {
        let (last, mut gossip) = (merged(&heard(), &gossip()), gossip());
        let web = gossip.get_mut(WEB).expect("web");
        let gone = web.services.get_mut("whoami").and_then(|one| one.tasks.pop()).expect("a task");
        web.hosts.remove(&gone.addr);
        assert!(last.tasks.contains_key(&gone.id));
        assert!(!merged(&last, &gossip).tasks.contains_key(&gone.id));
    }

    #[test]
    fn tasks_of_a_node_that_the_gossip_lost_keep_their_flows() {
        let (last, mut gossip) = (merged(&heard(), &gossip()), gossip());
        let lost: Ipv4Addr = [198, 18, 103, 3].into();
        for told in gossip.values_mut() {
            told.hosts.retain(|_, host| *host != lost);
            for service in told.services.values_mut() {
                service.tasks.retain(|task| task.host != Some(lost));
            }
        }
        let facts = merged(&last, &gossip);
        assert_eq!(facts.tasks.len(), last.tasks.len());
        let node = node_at(&mut facts.clone(), lost);
        let drains = |task: &TaskFacts| task.is_draining;
        assert!(facts.tasks.values().filter(|task| task.node == node).all(drains));
        let others = |task: &&TaskFacts| task.node != node && !task.addresses.is_empty();
        assert!(facts.tasks.values().filter(others).any(|task| !task.is_draining));
    }

    #[test]
    fn a_task_that_drained_drains_on() {
        let mut last = merged(&heard(), &gossip());
        last.tasks.values_mut().for_each(|task| task.is_draining = true);
        assert!(merged(&last, &gossip()).tasks.values().all(|task| task.is_draining));
    }

    #[test]
    fn from_nothing_the_gossip_gives_services_tasks_and_nodes() {
        let facts = merged(&SwarmFacts::default(), &gossip());
        let whoami = &facts.services["whoami"];
        let port = |published| PortFacts { protocol: None, published, target: 80 };
        assert_eq!(whoami.ports, [port(8053), port(8080)]);
        assert_eq!((whoami.vips.len(), whoami.is_dnsrr), (2, false));
        let mine: Vec<_> = facts.tasks.values().filter(|task| task.service == "whoami").collect();
        assert_eq!(mine.len(), gossip()[WEB].services["whoami"].tasks.len());
        assert!(mine.iter().all(|task| facts.nodes[&task.node].address.is_some()));
        assert_eq!(facts.networks, of_worker());
    }

    #[test]
    fn ports_of_a_known_service_keep_their_protocols_and_may_go() {
        let tcp = |published| PortFacts { protocol: Some(Protocol::Tcp), published, target: 80 };
        let service = ServiceFacts { ports: vec![tcp(80), tcp(81)], ..ServiceFacts::default() };
        let mut facts = SwarmFacts::default();
        facts.services.insert("web".into(), service);
        learn_ports(&mut facts, "web", &[(80, 80), (82, 80)], false);
        assert_eq!(facts.services["web"].ports, [tcp(80)]);
    }

    #[test]
    fn a_port_that_is_told_twice_is_one() {
        let port = PortFacts { protocol: None, published: 80, target: 8080 };
        assert_eq!(ports_of(&[(80, 8080), (80, 8080)]), [port]);
    }
}
