//! A small cluster as the maps of its first node: three nodes, two tasks here and one on each other
//! node, a TCP service with two published ports and a UDP service.

use lb_common::{
    addr::{Mac, V4, mac_of},
    backend::{BACKEND_CUT_OFF, BACKEND_INGRESS, Backend, STATE_ACTIVE},
    bridge::Bridge,
    flow::{NatKey, NatValue},
    leg::{Leg, leg_index},
    peer::{PEER_INGRESS, PEER_PRESENT, PEER_RESOLVED, Peer},
    port::{PORT_CLOSED, PublishedPort, TCP, UDP, port_index},
    row::{BackendNumber, Row},
    service::{FLAG_INGRESS, Range, SCHEDULER_HASH, Service},
    wire,
};

use super::{Way, World};
use crate::{
    checksum::sum_bytes,
    parse::{Fragment, Kind, Parsed},
};

/// This node.
pub const NODE: V4 = [198, 18, 0, 1];
/// Peer 1.
pub const NODE_2: V4 = [198, 18, 0, 2];
/// Peer 2.
pub const NODE_3: V4 = [198, 18, 0, 3];
/// Another address of this node.
pub const SECOND_ADDR: V4 = [192, 0, 2, 1];
/// Where this node's legs meet.
pub const GATEWAY: V4 = [10, 231, 0, 1];
/// Task of backend 1, here.
pub const TASK_A: V4 = [10, 231, 0, 2];
/// Task of backend 4, here.
pub const TASK_B: V4 = [10, 231, 1, 3];
/// A client on the underlay.
pub const CLIENT: (V4, u16) = ([198, 18, 0, 100], 40_000);
/// A client whose Ethernet address is not known.
pub const QUIET_CLIENT: (V4, u16) = ([198, 18, 0, 101], 40_000);
/// A client that no route leads to.
pub const LOST_CLIENT: (V4, u16) = ([203, 0, 113, 9], 40_000);

/// A container on a bridge of the node's own.
pub const GUEST: (V4, u16) = ([172, 17, 0, 5], 50_000);
/// Ethernet address of that bridge.
pub const BRIDGE_MAC: Mac = [2, 0x42, 172, 17, 0, 1];

/// VNI of Docker's ingress network.
pub const INGRESS_VNI: u32 = 5000;
/// This node's address in Docker's ingress network.
pub const INGRESS_SEAT: V4 = [10, 200, 0, 2];
/// Address there of the task of backend 2, where its node runs no agent.
pub const BEYOND: V4 = [10, 200, 0, 17];

/// The TCP service, published on [`WEB_PORT`] and [`WEB_PORT_2`].
pub const WEB: u16 = 1;
/// The UDP service, published on [`DNS_PORT`].
pub const DNS: u16 = 2;
/// Published for [`WEB`].
pub const WEB_PORT: u16 = 80;
/// Published for [`WEB`] too.
pub const WEB_PORT_2: u16 = 8080;
/// What [`WEB`]'s tasks listen on.
pub const WEB_TARGET: u16 = 8081;
/// Published for [`DNS`].
pub const DNS_PORT: u16 = 53;
/// What [`DNS`]'s tasks listen on.
pub const DNS_TARGET: u16 = 5353;

/// Backend number of [`TASK_A`].
pub const A: BackendNumber = 1;
/// Backend number of a task on [`NODE_2`].
pub const ON_2: BackendNumber = 2;
/// Backend number of a task on [`NODE_3`].
pub const ON_3: BackendNumber = 3;
/// Backend number of [`TASK_B`].
pub const B: BackendNumber = 4;

/// Largest packet on the underlay.
pub const UNDERLAY_MTU: u16 = 1500;
/// Largest packet on a leg: what the tunnel carries.
pub const LEG_MTU: u16 = UNDERLAY_MTU - wire::TUNNEL_OVERHEAD;
/// Ethernet address of this node's NIC.
pub const NIC_MAC: Mac = [2, 0, 198, 18, 0, 1];
/// Ethernet address of [`CLIENT`].
pub const CLIENT_MAC: Mac = [2, 0, 198, 18, 0, 100];

/// Interfaces of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interfaces {
    /// The NIC.
    pub nic: u32,
    /// Host ends of the legs of [`TASK_A`] and [`TASK_B`].
    pub legs: [u32; 2],
    /// Node ends of the overlay legs of [`super::ME`], [`super::MONGO_HERE`] and [`super::SECOND`].
    pub overlay: [u32; 3],
    /// The bridge of [`GUEST`].
    pub bridge: u32,
}

impl Default for Interfaces {
    fn default() -> Self {
        Self { nic: 2, legs: [3, 4], overlay: [5, 6, 7], bridge: 8 }
    }
}

/// Ethernet address that a node is reached at.
#[must_use]
pub const fn node_mac(addr: V4) -> Mac {
    let [a, b, c, d] = addr;
    [2, 0, a, b, c, d]
}

/// Ethernet address of the node's end of a leg.
#[must_use]
pub const fn host_mac(task: V4) -> Mac {
    let [a, b, c, d] = task;
    [2, 1, a, b, c, d]
}

/// A row with an owner and former owners.
#[must_use]
pub fn row<const N: usize>(numbers: [BackendNumber; N]) -> Row {
    let mut row = Row::default();
    row.backends[..N].copy_from_slice(&numbers);
    row
}

impl World {
    /// The small cluster, seen from [`NODE`]; every row of both services is `[A]`.
    #[must_use]
    pub fn small(interfaces: Interfaces) -> Self {
        let mut world = Self { nic: interfaces.nic, ..Self::empty() };
        world.add_peer(1, NODE_2, interfaces.nic);
        world.add_peer(2, NODE_3, interfaces.nic);
        for (task, ifindex) in [TASK_A, TASK_B].into_iter().zip(interfaces.legs) {
            world.add_leg(task, ifindex);
        }
        world.publish(TCP, WEB_PORT, WEB, WEB_TARGET);
        world.publish(TCP, WEB_PORT_2, WEB, WEB_TARGET);
        world.publish(UDP, DNS_PORT, DNS, DNS_TARGET);
        for service in [WEB, DNS] {
            world.add_service(service);
            world.set_rows(service, &[row([A])]);
        }
        let macs = (CLIENT_MAC, NIC_MAC);
        world.ways.insert(CLIENT.0, Way::Resolved { ifindex: interfaces.nic, macs });
        world.ways.insert(QUIET_CLIENT.0, Way::Unresolved { ifindex: interfaces.nic });
        world
    }

    /// A node with nothing on it.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            node_addr: NODE,
            vxlan_port: wire::VXLAN_PORT,
            mesh_vni: wire::MESH_VNI,
            hash_key: 42,
            gateway_addr: GATEWAY,
            gateway_mask: [255, 255, 0, 0],
            nic: Interfaces::default().nic,
            peer_index: [(NODE, 0)].into(),
            own_addrs: vec![NODE, SECOND_ADDR, GATEWAY],
            ingress_vni: INGRESS_VNI,
            ingress_addr: INGRESS_SEAT,
            ingress_mtu: LEG_MTU,
            ..Self::default()
        }
    }

    /// Adds another node of the cluster.
    pub fn add_peer(&mut self, index: u16, addr: V4, ifindex: u32) {
        let peer = Peer {
            dst_mac: node_mac(addr),
            src_mac: node_mac(self.node_addr),
            flags: PEER_PRESENT | PEER_RESOLVED,
            ifindex,
            addr,
            ip_sum: outer_sum(self.node_addr, addr),
            mtu: UNDERLAY_MTU,
            ..Peer::default()
        };
        self.peers.insert(index, peer);
        self.peer_index.insert(addr, index);
    }

    /// Adds the gateway leg of a task here.
    pub fn add_leg(&mut self, addr: V4, ifindex: u32) {
        let leg = Leg {
            ifindex,
            netns_id: 7,
            addr,
            task_mac: mac_of(addr),
            host_mac: host_mac(addr),
            mtu: LEG_MTU,
            ..Leg::default()
        };
        self.legs.insert(leg_index(addr), leg);
    }

    /// Publishes a port.
    pub fn publish(&mut self, proto: u8, port: u16, service: u16, target: u16) {
        if let Some(index) = port_index(proto, port) {
            self.ports.insert(index, PublishedPort { service, target, flags: 0 });
        }
    }

    /// Closes a published port to clients of this node.
    pub fn close(&mut self, proto: u8, port: u16) {
        if let Some(port) = port_index(proto, port).and_then(|index| self.ports.get_mut(&index)) {
            port.flags |= PORT_CLOSED;
        }
    }

    /// Adds a service with backends [`A`], [`ON_2`], [`ON_3`] and [`B`], and no rows.
    pub fn add_service(&mut self, service: u16) {
        let (a, b) = (leg_index(TASK_A), leg_index(TASK_B));
        self.add_service_of(service, &[(A, 0, a), (ON_2, 1, 0), (ON_3, 2, 0), (B, 0, b)]);
    }

    /// Adds a service with these backends (number, peer, leg) and no rows.
    pub fn add_service_of(&mut self, service: u16, numbers: &[(BackendNumber, u16, u16)]) {
        let backends = Range { base: u32::from(service) << 8, log2: 8, generation: 1 };
        let element = Service {
            backends: backends.pack(),
            seed: 7,
            scheduler: SCHEDULER_HASH,
            ..Service::default()
        };
        self.services.insert(service, element);
        for &(number, node, leg) in numbers {
            self.set_backend(service, number, node, leg);
        }
    }

    /// Makes `number` an active backend of a service, on peer `node`.
    pub fn set_backend(&mut self, service: u16, number: BackendNumber, node: u16, leg: u16) {
        let backend =
            Backend { node, leg, state: STATE_ACTIVE, generation: 1, ..Backend::default() };
        self.backends.insert(backend_index(service, number), backend);
    }

    /// The same cluster where [`NODE_2`] runs no agent: its task of both services is [`BEYOND`], and
    /// every row is its.
    #[must_use]
    pub fn beyond(interfaces: Interfaces) -> Self {
        let mut world = Self::small(interfaces);
        world.peers.entry(1).or_default().flags |= PEER_INGRESS;
        for service in [WEB, DNS] {
            let backend = world.backend_mut(service, ON_2);
            backend.addr = BEYOND;
            backend.flags = BACKEND_INGRESS | BACKEND_CUT_OFF;
            world.service_mut(service).flags |= FLAG_INGRESS;
            world.set_rows(service, &[row([ON_2])]);
        }
        world
    }

    /// The same cluster beside Docker, with a bridge where [`GUEST`] is.
    #[must_use]
    pub fn with_bridge(mut world: Self, on: &Interfaces) -> Self {
        world.beside_docker = true;
        let bridge =
            Bridge { addr: [172, 17, 0, 0], mask: [255, 255, 0, 0], mtu: LEG_MTU, reserved: 0 };
        world.bridges.insert(on.bridge, bridge);
        let macs = (mac_of(GUEST.0), BRIDGE_MAC);
        world.ways.insert(GUEST.0, Way::Resolved { ifindex: on.bridge, macs });
        world
    }

    /// A backend of a service, to be changed.
    pub fn backend_mut(&mut self, service: u16, number: BackendNumber) -> &mut Backend {
        self.backends.entry(backend_index(service, number)).or_default()
    }

    /// A service, to be changed.
    pub fn service_mut(&mut self, service: u16) -> &mut Service {
        self.services.entry(service).or_default()
    }

    /// Gives a service these rows, a power of two of them.
    pub fn set_rows(&mut self, service: u16, rows: &[Row]) {
        let base = u32::from(service) << 16;
        for (index, row) in (base..).zip(rows) {
            self.rows.insert(index, *row);
        }
        let range = Range { base, log2: rows.len().ilog2() as u8, generation: 1 };
        self.service_mut(service).rows = range.pack();
    }

    /// How often `reason` was counted.
    #[must_use]
    pub fn dropped(&self, reason: lb_common::drops::Reason) -> u64 {
        self.drops.borrow().get(&reason).copied().unwrap_or_default()
    }
}

fn backend_index(service: u16, number: BackendNumber) -> u32 {
    (u32::from(service) << 8) + u32::from(number)
}

/// The key of a TCP flow between a client and a local task of [`WEB`].
#[must_use]
pub fn web_key(client: (V4, u16), task: V4) -> NatKey<V4> {
    key(client, (task, WEB_TARGET), TCP)
}

/// The key of a UDP flow between a client and a local task of [`DNS`].
#[must_use]
pub fn dns_key(client: (V4, u16), task: V4) -> NatKey<V4> {
    key(client, (task, DNS_TARGET), UDP)
}

fn key(client: (V4, u16), task: (V4, u16), proto: u8) -> NatKey<V4> {
    NatKey {
        client: client.0,
        task: task.0,
        client_port: client.1.to_be_bytes(),
        target_port: task.1.to_be_bytes(),
        proto,
        reserved: [0; 3],
    }
}

/// [`Peer::ip_sum`] by its definition.
#[must_use]
pub fn outer_sum(own: V4, peer: V4) -> u16 {
    let header = [&[0x45, 0, 0, 0, 0, 0, 0x40, 0, wire::OUTER_TTL, UDP, 0, 0], &own[..], &peer[..]];
    u16::from_be(sum_bytes(&header.concat()).fold())
}

/// A `NAT` value: what was dialled, the client's port, the entry node.
#[must_use]
pub fn nat_value(dialled: (V4, u16), client_port: u16, entry: u16, service: u16) -> NatValue<V4> {
    NatValue {
        dialled: dialled.0,
        dialled_port: dialled.1.to_be_bytes(),
        client_port: client_port.to_be_bytes(),
        entry,
        service,
        flags: 0,
        generation: 0,
        reserved: [0; 2],
    }
}

/// The facts about an unfragmented packet.
#[must_use]
pub fn facts(proto: u8, src: (V4, u16), dst: (V4, u16), flags: u8) -> Parsed {
    Parsed {
        src: src.0,
        dst: dst.0,
        src_port: src.1.to_be_bytes(),
        dst_port: dst.1.to_be_bytes(),
        id: [0; 2],
        total_len: 40,
        segment_len: 40,
        kind: if proto == TCP { Kind::Tcp } else { Kind::Udp },
        proto,
        flags,
        fragment: Fragment::Whole,
        reserved: 0,
    }
}
