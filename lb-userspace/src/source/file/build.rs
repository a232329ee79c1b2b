//! Puts the rules together and makes the state. Where an entry lacks something, that has been
//! reported and the entry is left out: the state then never leaves [`super::parse_with`].

use std::{io, path::Path};

use super::{
    addresses::{Assigned, AssignedTask, Assigner},
    capacity, dns_names,
    entry::{ClusterEntry, FileEntry, NodeEntry, PublishEntry, ServiceEntry, TaskEntry},
    names, networks, ports,
    report::Report,
    subnets,
};
use crate::{
    model::{Cluster, DesiredState, Node, Publish, Reach, Service, Shape, Task},
    source::derive,
};

/// Checks the file and makes the state.
pub(super) fn state(
    file: &FileEntry,
    read_seed: &dyn Fn(&Path) -> io::Result<String>,
    report: &mut Report,
) -> DesiredState {
    names::check(file, report);
    dns_names::check(file, report);
    ports::check(file, report);
    capacity::check(file, report);
    let networks = networks::resolve(file, report);
    subnets::check(file, &networks, report);
    let mut assigner = Assigner::new(&networks);
    let mut services = Vec::with_capacity(file.services.len());
    for entry in &file.services {
        services.push(service(entry, assigner.service(entry, report)));
    }
    DesiredState {
        cluster: cluster(&file.cluster, seed(&file.cluster, read_seed, report)),
        nodes: file.nodes.iter().filter_map(node).collect(),
        networks: networks.into_iter().map(|resolved| resolved.network).collect(),
        services,
        dns: file.dns.clone(),
        shape: Shape::Standalone,
    }
}

/// Whether the file names a secret for the flow hash.
pub(super) fn has_seed(file: &FileEntry) -> bool {
    file.cluster.seed.is_some() || file.cluster.seed_file.is_some()
}

fn seed(
    cluster: &ClusterEntry,
    read: &dyn Fn(&Path) -> io::Result<String>,
    report: &mut Report,
) -> Option<String> {
    let (place, seed) = match (&cluster.seed, &cluster.seed_file) {
        (Some(_), Some(file)) => {
            report.add(&file.place, "seed and seed_file are both given", "remove one of them");
            return None;
        }
        (Some(seed), None) => (&seed.place, seed.value.clone()),
        (None, Some(file)) => match read(Path::new(&file.value)) {
            Ok(text) => (&file.place, text.trim().to_owned()),
            Err(error) => {
                let message = format!("cannot read {:?}: {error}", file.value);
                report.add(
                    &file.place,
                    message,
                    "check the path, which is relative to the cluster file",
                );
                return None;
            }
        },
        (None, None) => return None,
    };
    if seed.is_empty() {
        report.add(
            place,
            "the seed is empty",
            "write a secret, such as `openssl rand -hex 16` gives",
        );
    }
    Some(seed)
}

fn cluster(entry: &ClusterEntry, seed: Option<String>) -> Cluster {
    Cluster {
        vxlan_port: entry.vxlan_port.value,
        mesh_vni: entry.mesh_vni.value,
        hash_key: derive::hash_key(seed.as_deref()),
        gateway: entry.gateway.value,
        hold_ms: entry.hold_ms,
    }
}

fn node(entry: &NodeEntry) -> Option<Node> {
    Some(Node {
        name: entry.name.value.clone(),
        address: entry.address.as_ref()?.value,
        interfaces: entry.interfaces.iter().map(|interface| interface.value.clone()).collect(),
        reach: Reach::Mesh,
    })
}

fn service(entry: &ServiceEntry, assigned: Assigned) -> Service {
    let tasks = entry.tasks.iter().zip(assigned.tasks);
    let mut tasks: Vec<_> = tasks.filter_map(|(entry, assigned)| task(entry, assigned)).collect();
    tasks.sort_by_key(|task| task.number);
    Service {
        name: entry.name.value.clone(),
        aliases: entry.aliases.iter().map(|alias| alias.value.clone()).collect(),
        networks: entry.networks.iter().map(|network| network.value.clone()).collect(),
        mode: entry.mode,
        scheduler: entry.scheduler,
        client_ip_affinity: entry.affinity.is_some(),
        return_mode: entry.return_mode,
        publish: entry.publish.iter().map(publish).collect(),
        vips: assigned.vips,
        tasks,
    }
}

fn publish(entry: &PublishEntry) -> Publish {
    Publish {
        published: entry.published.value,
        target: entry.target,
        protocol: entry.protocol,
        mode: entry.mode,
    }
}

fn task(entry: &TaskEntry, assigned: AssignedTask) -> Option<Task> {
    Some(Task {
        name: entry.name.value.clone(),
        node: entry.node.as_ref()?.value.clone(),
        netns: entry.netns.as_ref()?.value.clone(),
        weight: entry.weight,
        number: assigned.number?,
        addresses: assigned.addresses,
        macs: assigned.macs,
    })
}
