//! Desired state: what the cluster should be, validated, the same on every node and independent of
//! where it came from. `source/*` produce it, `compile` turns it into map contents.

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use lb_common::addr::{Mac, mac_of};

/// The whole cluster as a source describes it. Names are unique per kind; references hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredState {
    /// Cluster-wide settings.
    pub cluster: Cluster,
    /// Nodes in file order.
    pub nodes: Vec<Node>,
    /// Overlay networks.
    pub networks: Vec<Network>,
    /// Services with their tasks.
    pub services: Vec<Service>,
    /// How tasks' names are resolved.
    pub dns: Dns,
    /// Who makes legs, networks and names.
    pub shape: Shape,
}

/// Who makes interfaces, networks and names on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// swarmlb does.
    #[default]
    Standalone,
    /// A Docker Engine does; swarmlb finds what it made and adds what balances.
    BesideDocker(DockerNode),
}

/// What a Docker Engine made on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerNode {
    /// Where the engine keeps the files that name its network namespaces: `netns` in its exec-root.
    /// Overlay networks have one here (`1-` and ten letters of the network's id), and so has each
    /// container (twelve letters of its sandbox's id).
    pub netns_dir: PathBuf,
    /// Name of the bridge that gateway legs are ports of, `docker_gwbridge` as a rule; its subnet is
    /// [`Cluster::gateway`].
    pub bridge: String,
    /// The node's own address on that bridge.
    pub gateway: Ipv4Addr,
    /// The gateway legs of all containers here, those that belong to no service among them.
    pub legs: Vec<DockerLeg>,
    /// Bridges whose containers have no gateway leg, `docker0` first: they may be clients.
    pub bridges: Vec<DockerBridge>,
    /// This node's place in Docker's ingress network; `None`: it has none, or the network is
    /// encrypted and must not carry anything of ours.
    pub ingress: Option<IngressSeat>,
    /// The ingress network is encrypted: published ports reach only tasks of the node that is asked,
    /// since the way to others would be in clear.
    pub is_ingress_encrypted: bool,
    /// The kernel has IPVS: the engine balances what is not taken over, and listens itself on
    /// published ports.
    pub has_ipvs: bool,
}

/// A container's interface on the gateway bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerLeg {
    /// Name of the task that the container is, if it is one.
    pub task: Option<String>,
    /// The container's id.
    pub container: String,
    /// Its address on the bridge.
    pub addr: Ipv4Addr,
    /// Its Ethernet address there.
    pub mac: Mac,
    /// Its namespace.
    pub netns: Netns,
}

/// A bridge of a network that only this node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerBridge {
    /// The interface.
    pub interface: String,
    /// Where its containers have their addresses.
    pub subnet: Subnet,
}

/// A node's place in Docker's ingress network, from which it reaches tasks of nodes that run no agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressSeat {
    /// Name of the network in [`Task::addresses`].
    pub network: String,
    /// Its VNI.
    pub vni: u32,
    /// The node's own address in it, that of Docker's `ingress-sbox`.
    pub addr: Ipv4Addr,
    /// Largest IP packet between its interfaces, bytes.
    pub mtu: u16,
}

/// Where tasks find their resolver: the address that Docker's tasks know.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// How tasks resolve names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Whether there is a resolver in tasks' namespaces at all.
    pub enabled: bool,
    /// Whether the agent keeps `/etc/netns/NAME/resolv.conf` for namespaces under `/run/netns`.
    pub resolv_conf: bool,
    /// Name servers for names that the cluster does not know, in the order in which they are asked;
    /// empty: those of the node's own `/etc/resolv.conf`.
    pub upstream: Vec<SocketAddr>,
    /// `options ndots:` of tasks' resolv.conf. Above 0, names of one label that the cluster does not
    /// know are not asked upstream.
    pub ndots: u8,
    /// Search domains of tasks' resolv.conf.
    pub search: Vec<String>,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            enabled: true,
            resolv_conf: true,
            upstream: Vec::new(),
            ndots: 0,
            search: Vec::new(),
        }
    }
}

/// Cluster-wide settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// UDP port of the tunnel.
    pub vxlan_port: u16,
    /// VNI of the mesh's forward frames; replies use the next one. Both below 4096.
    pub mesh_vni: u32,
    /// Key of the flow hash, from the cluster's secret.
    pub hash_key: u64,
    /// Subnet of gateway legs, a /16 or longer, the same on every node and never on the wire.
    pub gateway: Subnet,
    /// How long other nodes wait before they use a task that is new on its home node, ms.
    pub hold_ms: u64,
}

/// An IPv4 subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subnet {
    /// Network address, host bits zero.
    pub addr: Ipv4Addr,
    /// Prefix length, 0..=32.
    pub prefix: u8,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name, unique.
    pub name: String,
    /// Data-path address, unique.
    pub address: Ipv4Addr,
    /// Interfaces that get the XDP program; empty: the one that carries `address`.
    pub interfaces: Vec<String>,
    /// How published ports reach its tasks.
    pub reach: Reach,
}

/// How published ports reach the tasks of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// By the mesh: an agent runs there, and the task sees the client's address.
    #[default]
    Mesh,
    /// No agent runs there: by full NAT through Docker's ingress network.
    Ingress,
    /// An agent ran there, and fell silent without taking leave: new flows as without an agent, since
    /// nobody keeps its tasks up to date; the mesh goes on with the flows that it carries.
    Silent,
}

/// An overlay network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Name, unique.
    pub name: String,
    /// Its subnet, the first of several.
    pub first: NetworkSubnet,
    /// Further subnets, which share no address with the first and each other.
    pub further: Vec<NetworkSubnet>,
    /// No way out.
    pub internal: bool,
    /// Largest IP packet between its tasks, bytes; left out, what the tunnel carries.
    pub mtu: Option<u16>,
    /// Beside Docker, the file that names the network's namespace on this node as soon as a task is in
    /// it, whether or not that is there yet; the tasks' node ends lie in it. `None`: Docker balances
    /// nothing there, as in its ingress network.
    pub namespace: Option<PathBuf>,
}

/// One subnet of a network, with a VNI of its own (moby allocates one per IPv4 subnet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSubnet {
    /// VXLAN network identifier, 4096 or above.
    pub vni: u32,
    /// The subnet.
    pub subnet: Subnet,
    /// The address that answers as its gateway, by default its first host.
    pub gateway: Ipv4Addr,
}

/// Whether a service has a virtual IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointMode {
    /// One virtual IP per network.
    Vip,
    /// Names resolve to all tasks.
    Dnsrr,
}

/// How a backend is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Consistent hash over client address and port.
    Hash,
    /// Consistent hash over the client's address.
    Source,
    /// Round robin.
    RoundRobin,
}

/// How replies reach the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnMode {
    /// Through the entry node.
    Tunnel,
    /// Straight from the home node.
    Direct,
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Where a published port answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishMode {
    /// On every node.
    Ingress,
    /// On the task's node only.
    Host,
}

/// A published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Port on the nodes.
    pub published: u16,
    /// Port in the task.
    pub target: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Where it answers.
    pub mode: PublishMode,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Name, unique.
    pub name: String,
    /// Further names under which its networks know it; services may share one.
    pub aliases: Vec<String>,
    /// Names of its networks, in file order; the first one's addresses give backend numbers.
    pub networks: Vec<String>,
    /// VIP or DNS round robin.
    pub mode: EndpointMode,
    /// Scheduler.
    pub scheduler: Scheduler,
    /// `affinity = "client-ip"`.
    pub client_ip_affinity: bool,
    /// Return path.
    pub return_mode: ReturnMode,
    /// Published ports.
    pub publish: Vec<Publish>,
    /// Virtual IP per network name; empty for `dnsrr`.
    pub vips: BTreeMap<String, Ipv4Addr>,
    /// Tasks, sorted by backend number.
    pub tasks: Vec<Task>,
}

/// Where a task's network namespace is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Netns {
    /// A file that names the namespace (`/run/netns/NAME` or any path).
    Path(PathBuf),
    /// The namespace of a process.
    Pid(i32),
}

impl Netns {
    /// The file that stands for it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Pid(pid) => format!("/proc/{pid}/ns/net").into(),
        }
    }
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Name, unique.
    pub name: String,
    /// Name of the node it runs on.
    pub node: String,
    /// Its namespace on that node.
    pub netns: Netns,
    /// Share of new flows; 0 drains.
    pub weight: u16,
    /// Backend number: unique in the service, never 0, the same on every node.
    pub number: u16,
    /// Its address per network name.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// Its Ethernet address per network name, where it is not [`lb_common::addr::mac_of`] the address.
    pub macs: BTreeMap<String, Mac>,
}

impl Network {
    /// The subnet that has `addr`.
    #[must_use]
    pub fn subnet_of(&self, addr: Ipv4Addr) -> Option<&NetworkSubnet> {
        self.subnets().find(|part| part.subnet.contains(addr))
    }

    /// All its subnets.
    pub fn subnets(&self) -> impl Iterator<Item = &NetworkSubnet> {
        std::iter::once(&self.first).chain(&self.further)
    }
}

impl Task {
    /// Its Ethernet address in a network that it is in.
    #[must_use]
    pub fn mac(&self, network: &str) -> Option<Mac> {
        let derived = || self.addresses.get(network).map(|addr| mac_of(addr.octets()));
        self.macs.get(network).copied().or_else(derived)
    }
}

impl DesiredState {
    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// What a Docker Engine made on this node, if one does.
    #[must_use]
    pub const fn docker(&self) -> Option<&DockerNode> {
        match &self.shape {
            Shape::Standalone => None,
            Shape::BesideDocker(docker) => Some(docker),
        }
    }

    /// Whether the tasks of a service have a gateway leg: unless all its networks are internal, and
    /// in any case if it publishes a port, since clients come in by that leg.
    #[must_use]
    pub fn has_way_out(&self, service: &Service) -> bool {
        let is_internal = |name: &String| {
            self.networks.iter().any(|network| network.name == *name && network.internal)
        };
        service.networks.is_empty()
            || !service.publish.is_empty()
            || !service.networks.iter().all(is_internal)
    }
}

impl Subnet {
    /// The netmask in network byte order.
    #[must_use]
    pub fn mask(&self) -> [u8; 4] {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0).to_be_bytes()
    }

    /// Whether `addr` lies inside.
    #[must_use]
    pub fn contains(&self, addr: Ipv4Addr) -> bool {
        let mask = u32::from_be_bytes(self.mask());
        u32::from(addr) & mask == u32::from(self.addr) & mask
    }

    /// Whether the two share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.addr) || other.contains(self.addr)
    }

    /// The last address, which is for broadcast.
    #[must_use]
    pub fn last(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.addr) | !u32::from_be_bytes(self.mask()))
    }

    /// The first usable address, which a gateway has unless it is given another one.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.addr) + 1)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl Protocol {
    /// IP protocol number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => lb_common::port::TCP,
            Self::Udp => lb_common::port::UDP,
        }
    }
}
