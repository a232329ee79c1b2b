//! Rules about how much fits: nodes into the cluster, gateway legs into a node.

use std::collections::HashMap;

use lb_common::peer::PEERS_LEN;

use super::{
    entry::{FileEntry, NetworkEntry, ServiceEntry},
    report::{At, Place, Report},
};

/// Nodes that `PEERS` has room for.
const MAX_NODES: usize = PEERS_LEN as usize - 1;

/// Checks the file's sizes.
pub(super) fn check(file: &FileEntry, report: &mut Report) {
    nodes(file, report);
    gateway_legs(file, report);
}

fn nodes(file: &FileEntry, report: &mut Report) {
    if file.nodes.is_empty() && report.is_empty() {
        let fix = "add a [[node]] with a name and an address";
        report.add(&Place::entry(1, ""), "the file names no node", fix);
    }
    if let Some(beyond) = file.nodes.get(MAX_NODES) {
        let message = format!("a cluster has at most {MAX_NODES} nodes");
        report.add(&beyond.name.place, message, "make two clusters");
    }
}

/// Each task has a leg in the gateway subnet of its node, unless all its networks are internal.
fn gateway_legs(file: &FileEntry, report: &mut Report) {
    let gateway = &file.cluster.gateway;
    let size = 1usize << (32 - u32::from(gateway.value.prefix));
    let room = size.saturating_sub(3);
    let mut tasks: HashMap<&str, usize> = HashMap::new();
    for node in file.services.iter().filter(|service| has_way_out(service, file)).flat_map(nodes_of)
    {
        *tasks.entry(&node.value).or_default() += 1;
    }
    for node in &file.nodes {
        let count = tasks.get(node.name.value.as_str()).copied().unwrap_or_default();
        if count > room {
            let subnet = gateway.value;
            let message = format!(
                "its {count} tasks do not fit gateway_subnet {subnet}, which has room for {room}"
            );
            report.add(
                &node.name.place,
                message,
                "give gateway_subnet a shorter prefix, /16 at most",
            );
        }
    }
}

fn nodes_of(service: &ServiceEntry) -> impl Iterator<Item = &At<String>> {
    service.tasks.iter().filter_map(|task| task.node.as_ref())
}

fn has_way_out(service: &ServiceEntry, file: &FileEntry) -> bool {
    let internal = |net: &NetworkEntry| {
        net.internal && service.networks.iter().any(|name| name.value == net.name.value)
    };
    let internal = file.networks.iter().filter(|net| internal(net)).count();
    service.networks.is_empty() || internal < service.networks.len() || !service.publish.is_empty()
}
