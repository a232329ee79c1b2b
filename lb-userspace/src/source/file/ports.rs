//! Rules about published ports: one owner per protocol and port on each node.

use std::collections::HashMap;

use super::{
    entry::{FileEntry, PublishEntry, ServiceEntry},
    report::{Place, Report},
};
use crate::model::{EndpointMode, Protocol, PublishMode, Scheduler};

/// Who took a port first: for ingress everywhere, for host mode on some nodes.
#[derive(Debug)]
enum Owner<'a> {
    Everywhere(&'a Place),
    On(HashMap<&'a str, &'a Place>),
}

/// Checks the published ports of all services.
pub(super) fn check(file: &FileEntry, report: &mut Report) {
    let mut owners = HashMap::new();
    for service in &file.services {
        affinity(service, report);
        for publish in &service.publish {
            dnsrr(service, publish, report);
            tunnel(file, publish, report);
            match publish.mode {
                PublishMode::Ingress => everywhere(publish, &mut owners, report),
                PublishMode::Host => on_nodes(service, publish, &mut owners, report),
            }
        }
    }
}

type Owners<'a> = HashMap<(Protocol, u16), Owner<'a>>;

fn everywhere<'a>(publish: &'a PublishEntry, owners: &mut Owners<'a>, report: &mut Report) {
    let place = &publish.published.place;
    let first = match owners.get(&key(publish)) {
        None => None,
        Some(Owner::Everywhere(first)) => Some(*first),
        Some(Owner::On(nodes)) => nodes.values().min_by_key(|place| place.line).copied(),
    };
    match first {
        Some(first) => conflict(publish, first, report),
        None => drop(owners.insert(key(publish), Owner::Everywhere(place))),
    }
}

fn on_nodes<'a>(
    service: &'a ServiceEntry,
    publish: &'a PublishEntry,
    owners: &mut Owners<'a>,
    report: &mut Report,
) {
    let owner = owners.entry(key(publish)).or_insert_with(|| Owner::On(HashMap::new()));
    let nodes = match owner {
        Owner::Everywhere(first) => return conflict(publish, first, report),
        Owner::On(nodes) => nodes,
    };
    for task in &service.tasks {
        let Some(node) = &task.node else { continue };
        match nodes.get(node.value.as_str()) {
            Some(first) if *first != &publish.published.place => {
                return conflict(publish, first, report);
            }
            Some(_) => second_task(publish, &node.place, &node.value, report),
            None => drop(nodes.insert(&node.value, &publish.published.place)),
        }
    }
}

fn conflict(publish: &PublishEntry, first: &Place, report: &mut Report) {
    let (protocol, published) = key(publish);
    let place = &publish.published.place;
    let owner = first.reference();
    let message = format!("port {published}/{protocol} is already published by {owner}");
    report.add(place, message, "choose another port or remove one");
}

fn second_task(publish: &PublishEntry, place: &Place, node: &str, report: &mut Report) {
    let (protocol, published) = key(publish);
    let message = format!(
        "a second task on node {node:?}, where host-mode port {published}/{protocol} is taken"
    );
    report.add(place, message, "move the task to another node or publish with mode = \"ingress\"");
}

fn dnsrr(service: &ServiceEntry, publish: &PublishEntry, report: &mut Report) {
    if service.mode == EndpointMode::Dnsrr && publish.mode == PublishMode::Ingress {
        let message = "a service with mode = \"dnsrr\" cannot publish in ingress mode";
        report.add(
            &publish.place,
            message,
            "use mode = \"host\" here or mode = \"vip\" for the service",
        );
    }
}

fn tunnel(file: &FileEntry, publish: &PublishEntry, report: &mut Report) {
    if key(publish) == (Protocol::Udp, file.cluster.vxlan_port.value) {
        let message =
            format!("port {}/udp is the tunnel's own (vxlan_port)", publish.published.value);
        report.add(&publish.published.place, message, "choose another port or another vxlan_port");
    }
}

fn affinity(service: &ServiceEntry, report: &mut Report) {
    if let (Scheduler::RoundRobin, Some(place)) = (service.scheduler, &service.affinity) {
        let message = "affinity contradicts scheduler = \"rr\", which ignores who the client is";
        report.add(place, message, "use scheduler = \"hash\" or remove affinity");
    }
}

fn key(publish: &PublishEntry) -> (Protocol, u16) {
    (publish.protocol, publish.published.value)
}
