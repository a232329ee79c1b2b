//! What a cluster file makes, as plain values: for people as tables (`render`), for programs as
//! JSON.

use std::{collections::BTreeMap, net::Ipv4Addr};

use lb_common::addr::Mac;
use serde::Serialize;

use super::{
    memory::{self, Memory},
    places::Places,
};
use crate::{
    model::{
        DesiredState, EndpointMode, Netns, Network, NetworkSubnet, PublishMode, ReturnMode,
        Scheduler, Service, Task,
    },
    source::Warning,
};

/// What a cluster file makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// UDP port of the tunnel.
    pub vxlan_port: u16,
    /// VNI of the mesh's forward frames; replies use the next one.
    pub mesh_vni: u32,
    /// Subnet of gateway legs.
    pub gateway_subnet: String,
    /// How long other nodes wait before they use a new task, ms.
    pub hold_ms: u64,
    /// Nodes, in file order.
    pub nodes: Vec<NodePlan>,
    /// Networks, in file order.
    pub networks: Vec<NetworkPlan>,
    /// Services, in file order.
    pub services: Vec<ServicePlan>,
    /// Map elements and bytes that the cluster needs on each node.
    pub memory: Memory,
    /// What may surprise.
    pub warnings: Vec<Warning>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// Its data-path address.
    pub address: Ipv4Addr,
    /// Its interfaces; empty: the one that carries `address`.
    pub interfaces: Vec<String>,
    /// Number of tasks on it.
    pub tasks: usize,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkPlan {
    /// Its name.
    pub name: String,
    /// Its subnets; addresses that are left out are derived inside the first, or inside `range`.
    pub subnets: Vec<SubnetPlan>,
    /// No way out.
    pub internal: bool,
    /// Largest IP packet between its tasks, bytes; `None`: what the tunnel carries.
    pub mtu: Option<u16>,
}

/// A subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubnetPlan {
    /// In CIDR notation.
    pub subnet: String,
    /// Its VNI.
    pub vni: u32,
    /// The address that answers as its gateway.
    pub gateway: Ipv4Addr,
}

/// A service with its tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServicePlan {
    /// Its name.
    pub name: String,
    /// `vip` or `dnsrr`.
    pub mode: &'static str,
    /// `hash`, `source` or `rr`.
    pub scheduler: &'static str,
    /// A client's flows all go to one task.
    pub client_ip_affinity: bool,
    /// `tunnel` or `direct`.
    #[serde(rename = "return")]
    pub return_mode: &'static str,
    /// One virtual IP per network.
    pub vips: Vec<VipPlan>,
    /// Published ports.
    pub ports: Vec<PortPlan>,
    /// Its rows in `ROWS`; `None` where nobody takes new flows.
    pub rows: Option<Elements>,
    /// Its elements of `BACKENDS`, a power of two above the largest backend number; `None` where it
    /// has no task.
    pub backends: Option<Elements>,
    /// Tasks by backend number.
    pub tasks: Vec<TaskPlan>,
}

/// Elements of a map that a service owns on a node that starts with empty maps; each later change
/// of the service moves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Elements {
    /// Index of the first.
    pub first: u32,
    /// How many.
    pub len: u32,
}

/// A virtual IP, which is a service of its own in the maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VipPlan {
    /// Its name there, `SERVICE@NETWORK`.
    pub name: String,
    /// Its network.
    pub network: String,
    /// The address.
    pub address: Ipv4Addr,
    /// As [`ServicePlan::rows`].
    pub rows: Option<Elements>,
    /// As [`ServicePlan::backends`].
    pub backends: Option<Elements>,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortPlan {
    /// Port on the nodes.
    pub published: u16,
    /// Port in the tasks.
    pub target: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// `ingress` or `host`.
    pub mode: &'static str,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskPlan {
    /// Its name.
    pub name: String,
    /// Its node.
    pub node: String,
    /// Its network namespace on that node: a path or `pid:N`.
    pub netns: String,
    /// Its backend number.
    pub number: u16,
    /// Its address per network.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// Its Ethernet address per network.
    pub macs: BTreeMap<String, String>,
    /// Share of new flows.
    pub weight: u16,
    /// Whether it takes new flows.
    pub state: TaskState,
}

/// Whether a task takes new flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// It does.
    Active,
    /// Weight 0: it keeps its flows only.
    Draining,
}

/// Plans a valid cluster.
#[must_use]
pub fn plan(state: &DesiredState, warnings: Vec<Warning>) -> Plan {
    let mut places = Places::new();
    let services = state.services.iter().map(|entry| service(entry, &mut places)).collect();
    let memory = memory::of(state);
    Plan {
        vxlan_port: state.cluster.vxlan_port,
        mesh_vni: state.cluster.mesh_vni,
        gateway_subnet: state.cluster.gateway.to_string(),
        hold_ms: state.cluster.hold_ms,
        nodes: nodes(state),
        networks: state.networks.iter().map(network).collect(),
        services,
        warnings: warnings.into_iter().chain(memory.warnings()).collect(),
        memory,
    }
}

fn nodes(state: &DesiredState) -> Vec<NodePlan> {
    let mut tasks: BTreeMap<&str, usize> = BTreeMap::new();
    for task in state.services.iter().flat_map(|service| &service.tasks) {
        *tasks.entry(&task.node).or_default() += 1;
    }
    let plan = state.nodes.iter().map(|node| NodePlan {
        name: node.name.clone(),
        address: node.address,
        interfaces: node.interfaces.clone(),
        tasks: tasks.get(node.name.as_str()).copied().unwrap_or_default(),
    });
    plan.collect()
}

fn network(network: &Network) -> NetworkPlan {
    NetworkPlan {
        name: network.name.clone(),
        subnets: network.subnets().map(subnet).collect(),
        internal: network.internal,
        mtu: network.mtu,
    }
}

fn subnet(part: &NetworkSubnet) -> SubnetPlan {
    SubnetPlan { subnet: part.subnet.to_string(), vni: part.vni, gateway: part.gateway }
}

fn service(service: &Service, places: &mut Places) -> ServicePlan {
    let (rows, backends) = (places.rows(service), places.backends(service));
    ServicePlan {
        name: service.name.clone(),
        mode: endpoint_mode(service.mode),
        scheduler: scheduler(service.scheduler),
        client_ip_affinity: service.client_ip_affinity,
        return_mode: match service.return_mode {
            ReturnMode::Tunnel => "tunnel",
            ReturnMode::Direct => "direct",
        },
        vips: vips(service, places),
        ports: ports(service),
        rows,
        backends,
        tasks: service.tasks.iter().map(task).collect(),
    }
}

fn vips(service: &Service, places: &mut Places) -> Vec<VipPlan> {
    let plan = service.vips.iter().map(|(network, &address)| VipPlan {
        name: format!("{}@{network}", service.name),
        network: network.clone(),
        address,
        rows: places.rows(service),
        backends: places.backends(service),
    });
    plan.collect()
}

const fn endpoint_mode(mode: EndpointMode) -> &'static str {
    match mode {
        EndpointMode::Vip => "vip",
        EndpointMode::Dnsrr => "dnsrr",
    }
}

const fn scheduler(scheduler: Scheduler) -> &'static str {
    match scheduler {
        Scheduler::Hash => "hash",
        Scheduler::Source => "source",
        Scheduler::RoundRobin => "rr",
    }
}

fn ports(service: &Service) -> Vec<PortPlan> {
    let plan = service.publish.iter().map(|port| PortPlan {
        published: port.published,
        target: port.target,
        protocol: port.protocol.to_string(),
        mode: match port.mode {
            PublishMode::Ingress => "ingress",
            PublishMode::Host => "host",
        },
    });
    plan.collect()
}

fn mac([a, b, c, d, e, f]: Mac) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

fn task(task: &Task) -> TaskPlan {
    TaskPlan {
        name: task.name.clone(),
        node: task.node.clone(),
        netns: match &task.netns {
            Netns::Path(path) => path.display().to_string(),
            Netns::Pid(pid) => format!("pid:{pid}"),
        },
        number: task.number,
        addresses: task.addresses.clone(),
        macs: task
            .addresses
            .keys()
            .filter_map(|net| Some((net.clone(), mac(task.mac(net)?))))
            .collect(),
        weight: task.weight,
        state: if task.weight == 0 { TaskState::Draining } else { TaskState::Active },
    }
}
