//! The cluster that the measured node is in, and the production data plane that holds it: loaded, filled
//! and addressed by the same code as the agent's.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::PathBuf,
    process,
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_common::{
    addr::{V4, mac_of},
    endpoint::OverlayLeg,
    leg::Leg,
    wire,
};
use lb_userspace::{
    compile::{LocalLegs, MapContents, Previous, compile},
    dataplane::{Dataplane, Globals, Object, PeerHop, detach},
    model::{
        Cluster, DesiredState, Dns, EndpointMode, Netns, Network, NetworkSubnet, Node, Protocol,
        Publish, PublishMode, Reach, ReturnMode, Scheduler, Service, Shape, Subnet, Task,
    },
};

use super::place::{GATEWAY, NIC_MAC, NODE, PEERS, Place, ROUTER_MAC};

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
const LEG_MTU: u16 = 1500 - wire::TUNNEL_OVERHEAD;
const NETWORK: &str = "front";
const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// How many services there are, and how many tasks each of the many has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Services.
    pub services: u16,
    /// Tasks of each.
    pub backends: u16,
}

/// The production data plane of the node; gone when this is dropped.
#[derive(Debug)]
pub struct World {
    /// It.
    pub dataplane: Option<Dataplane>,
    pin_root: PathBuf,
    previous: Previous,
    place: Place,
}

impl World {
    /// Loads it with production's options, in the namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel refuses, or bpffs cannot be mounted.
    pub fn load(place: Place) -> Result<Self> {
        let pin_root = PathBuf::from(format!("/sys/fs/bpf/lb-bench-{}", process::id()));
        let globals = Globals {
            node_addr: NODE,
            vxlan_port: wire::VXLAN_PORT,
            mesh_vni: wire::MESH_VNI,
            hash_key: HASH_KEY,
            gateway_addr: GATEWAY,
            gateway_mask: [255, 255, 0, 0],
            beside_docker: 0,
            ingress_vni: 0,
            ingress_addr: [0; 4],
            netns_cookie: 1,
        };
        let dataplane = Dataplane::open(&pin_root, &Object::Embedded, &globals)
            .context("cannot load the production object")?;
        let mut world =
            Self { dataplane: Some(dataplane), pin_root, previous: Previous::default(), place };
        world.node()?;
        Ok(world)
    }

    /// The loaded data plane.
    ///
    /// # Errors
    /// None while the world is there.
    pub fn dataplane(&mut self) -> Result<&mut Dataplane> {
        self.dataplane.as_mut().context("the data plane is gone")
    }

    /// What follows from the host.
    fn node(&mut self) -> Result<()> {
        let Place { nic, leg, overlay } = self.place;
        let dataplane = self.dataplane()?;
        dataplane.set_node(NODES[0], NODE)?;
        dataplane.set_own_addrs(&BTreeSet::from([NODE, GATEWAY]))?;
        dataplane.set_devices(&BTreeSet::from([nic, leg, overlay[0], overlay[1]]))?;
        dataplane.set_leg(Leg {
            ifindex: leg,
            netns_id: -1,
            addr: TASK,
            task_mac: mac_of(TASK),
            host_mac: [2, 1, 10, 231, 0, 2],
            mtu: LEG_MTU,
            ..Leg::default()
        })?;
        Ok(())
    }

    /// Has the maps hold a cluster of this size; returns what compiling and writing took.
    ///
    /// # Errors
    /// It has more of something than the maps have room for.
    pub fn apply(&mut self, size: Size) -> Result<(Duration, Duration)> {
        self.hold(&desired(size))
    }

    /// The same where the first task of one of the many services drains, a change of one task.
    ///
    /// # Errors
    /// As [`World::apply`].
    pub fn apply_drained(&mut self, size: Size, service: u16) -> Result<(Duration, Duration)> {
        let mut desired = desired(size);
        let name = format!("many-{service}");
        let named = desired.services.iter_mut().filter(|service| service.name == name);
        named.filter_map(|service| service.tasks.first_mut()).for_each(|task| task.weight = 0);
        self.hold(&desired)
    }

    fn hold(&mut self, desired: &DesiredState) -> Result<(Duration, Duration)> {
        let legs = LocalLegs {
            gateway: BTreeMap::from([
                ("home.1".to_owned(), TASK),
                ("home-entry.1".to_owned(), TASK),
            ]),
            overlay: BTreeMap::from([
                (("me.1".to_owned(), NETWORK.to_owned()), self.place.overlay[0]),
                (("here.1".to_owned(), NETWORK.to_owned()), self.place.overlay[1]),
            ]),
        };
        let start = std::time::Instant::now();
        let contents = compile(desired, NODES[0], &legs, &BTreeSet::new(), &self.previous)?;
        let compiled = start.elapsed();
        let overlay = overlay_legs(&contents, self.place);
        let start = std::time::Instant::now();
        self.dataplane()?.set_overlay_legs(&overlay)?;
        self.dataplane()?.apply(&contents)?;
        let applied = start.elapsed();
        self.previous = self.previous.after(&contents);
        let nic = self.place.nic;
        for &index in contents.peers.keys() {
            let hop = PeerHop { ifindex: nic, src_mac: NIC_MAC, dst_mac: ROUTER_MAC, mtu: 1500 };
            self.dataplane()?.set_peer_hop(index, Some(hop))?;
        }
        Ok((compiled, applied))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Its lock on the pins first.
        drop(self.dataplane.take());
        if let Err(error) = detach(&self.pin_root) {
            eprintln!("cannot remove {}: {error}", self.pin_root.display());
        }
    }
}

/// Any key; the same in each run, so that flows fall on the same rows.
const HASH_KEY: u64 = 0x5eed_0fbe_7c4a_11ed;

fn overlay_legs(contents: &MapContents, place: Place) -> Vec<OverlayLeg> {
    let service = |addr: V4| {
        let key = lb_common::endpoint::EndpointKey { vni: VNI, addr };
        contents.endpoints.get(&key).map_or(0, |entry| entry.endpoint.service)
    };
    let leg = |addr: V4, ifindex| OverlayLeg {
        ifindex,
        vni: VNI,
        addr,
        mac: mac_of(addr),
        mtu: LEG_MTU,
        service: service(addr),
        reserved: 0,
    };
    vec![leg(ME, place.overlay[0]), leg(BACKEND_HERE, place.overlay[1])]
}

fn desired(size: Size) -> DesiredState {
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
        shape: Shape::Standalone,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_compiles_and_publishes_every_port() {
        let size = Size { services: 3, backends: 2 };
        let (legs, held) = (LocalLegs::default(), BTreeSet::new());
        let contents = compile(&desired(size), NODES[0], &legs, &held, &Previous::default());
        let contents = contents.expect("contents");
        assert_eq!(contents.ports.len(), 8 + 3);
        let legs = overlay_legs(&contents, Place { nic: 2, leg: 3, overlay: [4, 5] });
        assert_eq!((legs[0].service, legs[1].service != 0), (0, true));
    }
}
