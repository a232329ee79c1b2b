//! Small clusters for the tests of this room: nodes n1 to n3, services with tasks.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf};

use lb_common::{
    addr::V4,
    backend::{STATE_ACTIVE, STATE_DRAINING},
};

use super::BackendContents;
use crate::model::{
    Cluster, DesiredState, Dns, DockerNode, EndpointMode, IngressSeat, Netns, Network,
    NetworkSubnet, Node, Reach, ReturnMode, Scheduler, Service, Shape, Subnet, Task,
};

pub(super) fn cluster(services: Vec<Service>) -> DesiredState {
    let node = |last: u8| Node {
        name: format!("n{last}"),
        address: Ipv4Addr::new(198, 18, 0, last),
        interfaces: Vec::new(),
        reach: Reach::Mesh,
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
        networks: networks(),
        services,
        dns: Dns::default(),
        shape: Shape::Standalone,
    }
}

/// The cluster with an engine that has address 10.0.0.2 in its ingress network.
pub(super) fn beside_docker(mut cluster: DesiredState) -> DesiredState {
    let (network, addr) = ("ingress".to_owned(), Ipv4Addr::new(10, 0, 0, 2));
    cluster.shape = Shape::BesideDocker(DockerNode {
        netns_dir: PathBuf::from("/run/docker/netns"),
        bridge: "docker_gwbridge".to_owned(),
        gateway: cluster.cluster.gateway.gateway(),
        legs: Vec::new(),
        bridges: Vec::new(),
        ingress: Some(IngressSeat { network, vni: 4099, addr, mtu: 1450 }),
        is_ingress_encrypted: false,
        has_ipvs: false,
    });
    cluster
}

/// The engine's side of such a cluster.
pub(super) fn docker(cluster: &mut DesiredState) -> &mut DockerNode {
    match &mut cluster.shape {
        Shape::BesideDocker(docker) => docker,
        Shape::Standalone => panic!("not beside Docker"),
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

/// Networks `front` with VNIs 4096 and 4097, 10.20.0.0/24 and 10.20.1.0/24, and `back`, internal,
/// with VNI 4098 and 10.30.0.0/24.
pub(super) fn networks() -> Vec<Network> {
    let part = |vni, net, third| {
        let subnet = Subnet { addr: Ipv4Addr::new(10, net, third, 0), prefix: 24 };
        NetworkSubnet { vni, subnet, gateway: subnet.gateway() }
    };
    let network = |name: &str, first, further, internal| Network {
        name: name.to_owned(),
        first,
        further,
        internal,
        mtu: None,
        namespace: None,
    };
    vec![
        network("front", part(4096, 20, 0), vec![part(4097, 20, 1)], false),
        network("back", part(4098, 30, 0), Vec::new(), true),
    ]
}

/// Puts a service with a virtual IP into a network, and tasks {number, address} with it.
pub(super) fn join(service: &mut Service, network: &str, vip: V4, tasks: &[(u16, V4)]) {
    service.networks.push(network.to_owned());
    service.vips.insert(network.to_owned(), vip.into());
    for (number, addr) in tasks {
        let member = service.tasks.iter_mut().filter(|task| task.number == *number);
        member.for_each(|task| task.addresses.extend([(network.to_owned(), (*addr).into())]));
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
    BackendContents {
        task,
        node,
        peer: 0,
        leg: None,
        addr: [0; 4],
        flags: 0,
        state,
        weight,
        generation: 1,
    }
}
