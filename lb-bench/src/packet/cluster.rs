//! The cluster that the measured node is in: its services, by the ports and addresses that frames name,
//! as the desired state that the agent's own code compiles.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf};

use lb_common::{addr::V4, wire};
use lb_userspace::model::{
    Cluster, DesiredState, Dns, DockerNode, EndpointMode, IngressSeat, Netns, Network,
    NetworkSubnet, Node, Protocol, Publish, PublishMode, Reach, ReturnMode, Scheduler, Service,
    Shape, Subnet, Task,
};

use super::place::{GATEWAY, NODE, PEERS};

/// Published ports of the services, whose tasks are elsewhere unless it says otherwise.
pub const ENTRY: u16 = 80;
/// 100 tasks.
pub const ENTRY_100: u16 = 81;
/// 5 000 tasks.
pub const ENTRY_5000: u16 = 82;
/// Round robin.
pub const ENTRY_RR: u16 = 83;
/// UDP.
pub const ENTRY_UDP: u16 = 53;
/// One task, here; TCP and UDP.
pub const HOME: u16 = 84;
/// The same for flows that come in at this node.
pub const HOME_ENTRY: u16 = 85;
/// First of the ports of many services.
pub const MANY: u16 = 10_000;
/// Nobody's port.
pub const UNPUBLISHED: u16 = 22;
/// What tasks listen on.
pub const TARGET: u16 = 8080;

/// The task here, on its gateway leg.
pub const TASK: V4 = [10, 231, 0, 2];
/// VNI of the network.
pub const VNI: u32 = 4096;
/// A task here that dials.
pub const ME: V4 = [10, 0, 9, 2];
/// A backend here.
pub const BACKEND_HERE: V4 = [10, 0, 9, 3];
/// A backend on the first peer.
pub const BACKEND_THERE: V4 = [10, 0, 9, 4];
/// A task on the first peer without a virtual IP.
pub const OTHER_THERE: V4 = [10, 0, 9, 5];
/// Virtual IP of [`BACKEND_HERE`].
pub const VIP_HERE: V4 = [10, 0, 9, 100];
/// Virtual IP of [`BACKEND_THERE`].
pub const VIP_THERE: V4 = [10, 0, 9, 101];

/// Largest packet on a leg.
pub const LEG_MTU: u16 = 1500 - wire::TUNNEL_OVERHEAD;
/// The network of those.
pub const NETWORK: &str = "front";
/// This node, and its peers.
pub const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// VNI of Docker's ingress network.
pub const INGRESS_VNI: u32 = 4200;
/// The node's address in it.
pub const INGRESS_ADDR: V4 = [10, 0, 0, 2];
/// Any key; the same in each run, so that flows fall on the same rows.
pub const HASH_KEY: u64 = 0x5eed_0fbe_7c4a_11ed;

/// How many services there are, and how many tasks each of the many has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Services.
    pub services: u16,
    /// Tasks of each.
    pub backends: u16,
}

/// What else is on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing.
    Standalone,
    /// A Docker Engine, whose bridges carry what is not for us.
    BesideDocker,
}

/// The cluster, with the many services that are asked for.
#[must_use]
pub fn desired(size: Size, kind: Kind) -> DesiredState {
    let addresses = [NODE, PEERS[0], PEERS[1]];
    let node = |(name, address): (&str, V4)| Node {
        name: name.to_owned(),
        address: address.into(),
        interfaces: Vec::new(),
        reach: Reach::Mesh,
    };
    let cluster = Cluster {
        vxlan_port: wire::VXLAN_PORT,
        mesh_vni: wire::MESH_VNI,
        hash_key: HASH_KEY,
        gateway: Subnet { addr: Ipv4Addr::new(10, 231, 0, 0), prefix: 16 },
        hold_ms: 0,
    };
    DesiredState {
        cluster,
        nodes: NODES.into_iter().zip(addresses).map(node).collect(),
        networks: vec![network()],
        services: services(size),
        dns: Dns::default(),
        shape: match kind {
            Kind::Standalone => Shape::Standalone,
            Kind::BesideDocker => Shape::BesideDocker(engine()),
        },
    }
}

fn engine() -> DockerNode {
    let seat = IngressSeat {
        network: "ingress".to_owned(),
        vni: INGRESS_VNI,
        addr: INGRESS_ADDR.into(),
        mtu: 1450,
    };
    DockerNode {
        netns_dir: PathBuf::from("/nowhere"),
        bridge: "docker_gwbridge".to_owned(),
        gateway: GATEWAY.into(),
        legs: Vec::new(),
        bridges: Vec::new(),
        ingress: Some(seat),
        is_ingress_encrypted: false,
        has_ipvs: false,
    }
}

fn network() -> Network {
    let subnet = Subnet { addr: Ipv4Addr::new(10, 0, 9, 0), prefix: 24 };
    Network {
        name: NETWORK.to_owned(),
        first: NetworkSubnet { vni: VNI, subnet, gateway: subnet.gateway() },
        further: Vec::new(),
        internal: false,
        mtu: None,
        namespace: None,
    }
}

fn services(size: Size) -> Vec<Service> {
    let away = |name: &str, port, tasks| service(name, tasks).publishing(port, Protocol::Tcp);
    let mut services = vec![
        away("entry", ENTRY, 3),
        away("entry-100", ENTRY_100, 100),
        away("entry-5000", ENTRY_5000, 5000),
        Service { scheduler: Scheduler::RoundRobin, ..away("entry-rr", ENTRY_RR, 3) },
        service("entry-udp", 3).publishing(ENTRY_UDP, Protocol::Udp),
        service("home", 1).on(0).publishing(HOME, Protocol::Tcp).publishing(HOME, Protocol::Udp),
        service("home-entry", 1).on(0).publishing(HOME_ENTRY, Protocol::Tcp),
        service("me", 1).on(0).in_network(ME, None),
        service("here", 1).on(0).in_network(BACKEND_HERE, Some(VIP_HERE)),
        service("there", 1).on(1).in_network(BACKEND_THERE, Some(VIP_THERE)),
        service("other", 1).on(1).in_network(OTHER_THERE, None),
    ];
    let many = |number: u16| away(&format!("many-{number}"), MANY + number, size.backends);
    services.extend((0..size.services).map(many));
    services
}

/// A service whose tasks are on both other nodes in turns.
fn service(name: &str, tasks: u16) -> Service {
    let task = |number: u16| Task {
        name: format!("{name}.{number}"),
        node: NODES[1 + usize::from(number % 2)].to_owned(),
        netns: Netns::Path(PathBuf::from("/nowhere")),
        weight: 1,
        number,
        addresses: BTreeMap::new(),
        macs: BTreeMap::new(),
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
        tasks: (1..=tasks).map(task).collect(),
    }
}

/// What services differ in.
trait Differently {
    /// Publishes a port.
    fn publishing(self, port: u16, protocol: Protocol) -> Self;
    /// Has all tasks on this node.
    fn on(self, node: usize) -> Self;
    /// Puts its one task into the network.
    fn in_network(self, task: V4, vip: Option<V4>) -> Self;
}

impl Differently for Service {
    fn publishing(mut self, published: u16, protocol: Protocol) -> Self {
        let mode = PublishMode::Ingress;
        self.publish.push(Publish { published, target: TARGET, protocol, mode });
        self
    }

    fn on(mut self, node: usize) -> Self {
        self.tasks.iter_mut().for_each(|task| task.node = NODES[node].to_owned());
        self
    }

    fn in_network(mut self, task: V4, vip: Option<V4>) -> Self {
        self.networks.push(NETWORK.to_owned());
        self.vips.extend(vip.map(|vip| (NETWORK.to_owned(), vip.into())));
        let member = |member: &mut Task| {
            member.addresses.insert(NETWORK.to_owned(), task.into());
        };
        self.tasks.iter_mut().for_each(member);
        self
    }
}
