//! Desired states for the tests of the agent's pure parts.
use std::{collections::BTreeMap, path::PathBuf};

use crate::model::{
    Cluster, DesiredState, Dns, EndpointMode, Netns, Protocol, Publish, PublishMode, ReturnMode,
    Scheduler, Service, Shape, Subnet, Task,
};

/// One service `web`, TCP port 80, with these tasks, each with the name of its node.
pub(super) fn desired(tasks: &[(&str, &str)]) -> DesiredState {
    let tasks = (1..).zip(tasks).map(|(number, (name, node))| Task {
        name: (*name).into(),
        node: (*node).into(),
        netns: Netns::Path(PathBuf::from("/run/netns").join(name)),
        weight: 1,
        number,
        addresses: BTreeMap::new(),
        macs: BTreeMap::new(),
    });
    let publish = Publish {
        published: 80,
        target: 8080,
        protocol: Protocol::Tcp,
        mode: PublishMode::Ingress,
    };
    DesiredState {
        cluster: Cluster {
            vxlan_port: 4789,
            mesh_vni: 4094,
            hash_key: 1,
            gateway: Subnet { addr: [172, 31, 0, 0].into(), prefix: 16 },
            hold_ms: 300,
        },
        dns: Dns::default(),
        shape: Shape::Standalone,
        nodes: Vec::new(),
        networks: Vec::new(),
        services: vec![Service {
            name: "web".into(),
            aliases: Vec::new(),
            networks: Vec::new(),
            mode: EndpointMode::Vip,
            scheduler: Scheduler::Hash,
            client_ip_affinity: false,
            return_mode: ReturnMode::Tunnel,
            publish: vec![publish],
            vips: BTreeMap::new(),
            tasks: tasks.collect(),
        }],
    }
}
