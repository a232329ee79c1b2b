//! Small clusters for the tests of this room: nodes n1 to n3, services with tasks.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf};

use lb_common::backend::{STATE_ACTIVE, STATE_DRAINING};

use super::BackendContents;
use crate::model::{
    Cluster, DesiredState, Dns, EndpointMode, Netns, Node, ReturnMode, Scheduler, Service, Subnet,
    Task,
};

pub(super) fn cluster(services: Vec<Service>) -> DesiredState {
    let node = |last: u8| Node {
        name: format!("n{last}"),
        address: Ipv4Addr::new(198, 18, 0, last),
        interfaces: Vec::new(),
    };
    let cluster = Cluster {
        vxlan_port: 4789,
        mesh_vni: 4094,
        hash_key: 0x5ec2e7,
        gateway: Subnet { addr: Ipv4Addr::new(172, 18, 0, 0), prefix: 16 },
        hold_ms: 300,
    };
    DesiredState {
        cluster,
        nodes: [1, 2, 3].map(node).to_vec(),
        networks: Vec::new(),
        services,
        dns: Dns::default(),
    }
}

/// A service with tasks {name, node, weight}, numbered from 1.
pub(super) fn service(name: &str, tasks: &[(&str, &str, u16)]) -> Service {
    let task = |(number, &(name, node, weight)): (u16, &(&str, &str, u16))| {
        task(name, node, number, weight)
    };
    Service {
        name: name.to_owned(),
        aliases: Vec::new(),
        networks: Vec::new(),
        mode: EndpointMode::Vip,
        scheduler: Scheduler::Hash,
        client_ip_affinity: false,
        return_mode: ReturnMode::Tunnel,
        publish: Vec::new(),
        vips: BTreeMap::new(),
        tasks: (1..).zip(tasks).map(task).collect(),
    }
}

pub(super) fn task(name: &str, node: &str, number: u16, weight: u16) -> Task {
    Task {
        name: name.to_owned(),
        node: node.to_owned(),
        netns: Netns::Path(PathBuf::from(name)),
        weight,
        number,
        addresses: BTreeMap::new(),
        macs: BTreeMap::new(),
    }
}

pub(super) fn backend(task: &str, weight: u16) -> BackendContents {
    let state = if weight == 0 { STATE_DRAINING } else { STATE_ACTIVE };
    let (task, node) = (task.to_owned(), "n1".to_owned());
    BackendContents { task, node, peer: 0, leg: None, addr: [0; 4], state, weight, generation: 1 }
}
