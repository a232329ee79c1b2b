//! Overlay networks in the small cluster's first node: a network with two subnets, tasks here and on
//! both other nodes, virtual IPs with and without a live backend, and a second network apart.

use lb_common::{
    addr::{Mac, V4, mac_of},
    backend::NODE_SELF,
    endpoint::{
        ANY_VNI, ENDPOINT_GATEWAY, ENDPOINT_NETWORK, ENDPOINT_TASK, ENDPOINT_VIP, Endpoint,
        EndpointKey, OverlayLeg, VipFlowKey, VipFlowValue,
    },
    wire::MESH_VNI,
};

use super::{A, Interfaces, LEG_MTU, NODE_2, NODE_3, ON_2, ON_3, World, row};

/// VNI of the network's first subnet, 10.0.1.0/24.
pub const VNI: u32 = 4097;
/// VNI of the network's second subnet, 10.0.2.0/24.
pub const VNI_2: u32 = 4098;
/// VNI of another network, 10.0.3.0/24.
pub const OTHER_VNI: u32 = 4099;
/// A VNI that the node does not know.
pub const UNKNOWN_VNI: u32 = 4100;

/// Gateway of the first subnet.
pub const OVERLAY_GATEWAY: V4 = [10, 0, 1, 1];
/// Gateway of the second subnet.
pub const OVERLAY_GATEWAY_2: V4 = [10, 0, 2, 1];
/// Gateway of the other network.
pub const OTHER_GATEWAY: V4 = [10, 0, 3, 1];

/// A task here that has no service in the network, on overlay leg 0.
pub const ME: V4 = [10, 0, 1, 10];
/// Backend [`A`] of the virtual IP, here, on overlay leg 1.
pub const MONGO_HERE: V4 = [10, 0, 1, 11];
/// Backend [`ON_2`] of the virtual IP, on [`NODE_2`].
pub const MONGO_ON_2: V4 = [10, 0, 1, 12];
/// Backend [`ON_3`] of the virtual IP, on [`NODE_3`], in the second subnet and with a MAC of its own.
pub const MONGO_ON_3: V4 = [10, 0, 2, 13];
/// Ethernet address of [`MONGO_ON_3`].
pub const CUSTOM_MAC: Mac = [2, 0xcc, 0, 0, 0, 13];
/// A task here whose leg is not there yet.
pub const LEGLESS: V4 = [10, 0, 1, 14];
/// A task here in the second subnet, on overlay leg 2.
pub const SECOND: V4 = [10, 0, 2, 15];
/// A task of the other network, on [`NODE_2`].
pub const STRANGER: V4 = [10, 0, 3, 16];
/// An address of the network that nobody has.
pub const NOBODY: V4 = [10, 0, 1, 99];

/// The virtual IP of [`VIP_SERVICE`].
pub const VIP: V4 = [10, 0, 1, 2];
/// Service of [`VIP`]; all rows are `[A]`.
pub const VIP_SERVICE: u16 = 3;
/// The virtual IP of [`EMPTY_SERVICE`].
pub const EMPTY_VIP: V4 = [10, 0, 1, 3];
/// A service without rows.
pub const EMPTY_SERVICE: u16 = 4;

/// The VNIs of the network that most cases are about.
const NETWORK: [u32; 2] = [VNI, VNI_2];

impl World {
    /// The small cluster with its overlay networks, seen from its first node.
    #[must_use]
    pub fn overlay(interfaces: Interfaces) -> Self {
        let mut world = Self::small(interfaces);
        let any = Endpoint { kind: ENDPOINT_NETWORK, vni: MESH_VNI, ..Endpoint::default() };
        world.add_endpoint(&[MESH_VNI], [0; 4], any);
        world.add_subnet(VNI, &NETWORK, OVERLAY_GATEWAY);
        world.add_subnet(VNI_2, &NETWORK, OVERLAY_GATEWAY_2);
        world.add_subnet(OTHER_VNI, &[OTHER_VNI], OTHER_GATEWAY);
        world.add_tasks(interfaces.overlay);
        world.add_vip(VIP, VIP_SERVICE);
        world.add_vip(EMPTY_VIP, EMPTY_SERVICE);
        for (number, node, addr) in
            [(A, NODE_SELF, MONGO_HERE), (ON_2, 1, MONGO_ON_2), (ON_3, 2, MONGO_ON_3)]
        {
            world.set_backend(VIP_SERVICE, number, node, 0);
            world.backend_mut(VIP_SERVICE, number).addr = addr;
        }
        world.set_rows(VIP_SERVICE, &[row([A])]);
        world
    }

    /// The same where a Docker Engine made the networks: tasks and virtual IPs alone are known.
    #[must_use]
    pub fn beside_docker(interfaces: Interfaces) -> Self {
        let mut world = Self { beside_docker: true, ..Self::overlay(interfaces) };
        world.overlay_legs.clear();
        let known = std::mem::take(&mut world.endpoints).into_iter();
        let known = known.filter(|(_, who)| matches!(who.kind, ENDPOINT_TASK | ENDPOINT_VIP));
        world.endpoints = known
            .map(|(key, who)| (EndpointKey { vni: ANY_VNI, ..key }, Endpoint { ifindex: 0, ..who }))
            .collect();
        world
    }

    fn add_tasks(&mut self, [me, mongo, second]: [u32; 3]) {
        let there = |addr, vni, node, service| Endpoint { node, service, ..task(addr, vni, 0) };
        let here = |ifindex, addr, vni, service| Endpoint { service, ..task(addr, vni, ifindex) };
        self.add_endpoint(&NETWORK, ME, here(me, ME, VNI, 0));
        self.add_endpoint(&NETWORK, MONGO_HERE, here(mongo, MONGO_HERE, VNI, VIP_SERVICE));
        self.add_endpoint(&NETWORK, SECOND, here(second, SECOND, VNI_2, 0));
        self.add_endpoint(&NETWORK, LEGLESS, here(0, LEGLESS, VNI, 0));
        self.add_endpoint(&NETWORK, MONGO_ON_2, there(MONGO_ON_2, VNI, 1, VIP_SERVICE));
        let custom = Endpoint { mac: CUSTOM_MAC, ..there(MONGO_ON_3, VNI_2, 2, VIP_SERVICE) };
        self.add_endpoint(&NETWORK, MONGO_ON_3, custom);
        self.add_endpoint(&[OTHER_VNI], STRANGER, there(STRANGER, OTHER_VNI, 1, 0));
        for (ifindex, addr, vni, service) in
            [(me, ME, VNI, 0), (mongo, MONGO_HERE, VNI, VIP_SERVICE), (second, SECOND, VNI_2, 0)]
        {
            self.add_overlay_leg(ifindex, addr, vni, service);
        }
    }

    /// Adds a subnet with its gateway to the network that has these VNIs.
    pub fn add_subnet(&mut self, vni: u32, network: &[u32], gateway: V4) {
        let known = Endpoint { kind: ENDPOINT_NETWORK, vni, ..Endpoint::default() };
        self.add_endpoint(&[vni], [0; 4], known);
        let gateway_of = Endpoint { kind: ENDPOINT_GATEWAY, ..task(gateway, vni, 0) };
        self.add_endpoint(network, gateway, gateway_of);
    }

    /// Adds a virtual IP of the first subnet and its service, which has no backends yet.
    pub fn add_vip(&mut self, vip: V4, service: u16) {
        let endpoint = Endpoint { kind: ENDPOINT_VIP, service, ..task(vip, VNI, 0) };
        self.add_endpoint(&NETWORK, vip, endpoint);
        self.add_service_of(service, &[]);
    }

    /// Enters an endpoint under these VNIs.
    pub fn add_endpoint(&mut self, vnis: &[u32], addr: V4, endpoint: Endpoint) {
        self.endpoints.extend(vnis.iter().map(|&vni| (EndpointKey { vni, addr }, endpoint)));
    }

    /// Adds the overlay leg of a task here.
    pub fn add_overlay_leg(&mut self, ifindex: u32, addr: V4, vni: u32, service: u16) {
        let mac = mac_of(addr);
        let leg = OverlayLeg { ifindex, vni, addr, mac, mtu: LEG_MTU, service, reserved: 0 };
        self.overlay_legs.insert(ifindex, leg);
    }

    /// The endpoint of an address of the network under its first VNI, to be changed.
    pub fn endpoint_mut(&mut self, addr: V4) -> &mut Endpoint {
        self.endpoints.entry(EndpointKey { vni: VNI, addr }).or_default()
    }
}

/// The endpoint of a task on this node.
fn task(addr: V4, vni: u32, ifindex: u32) -> Endpoint {
    Endpoint {
        mac: mac_of(addr),
        kind: ENDPOINT_TASK,
        vni,
        ifindex,
        node: NODE_SELF,
        ..Endpoint::default()
    }
}

/// The node that a task of the overlay cases runs on, if it is another one.
#[must_use]
pub fn node_of(task: V4) -> Option<V4> {
    match task {
        MONGO_ON_2 | STRANGER => Some(NODE_2),
        MONGO_ON_3 => Some(NODE_3),
        _ => None,
    }
}

/// The key of a flow from [`ME`] to port `port` of a virtual IP that `backend` was chosen for.
#[must_use]
pub fn vip_key(client_port: u16, backend: V4, port: u16, proto: u8) -> VipFlowKey<V4> {
    VipFlowKey {
        vni: VNI,
        client: ME,
        backend,
        client_port: client_port.to_be_bytes(),
        port: port.to_be_bytes(),
        proto,
        reserved: 0,
        reserved2: 0,
    }
}

/// A flow's entry: it dialled [`VIP`] and went to this backend.
#[must_use]
pub fn vip_flow(backend: u16, flags: u8) -> VipFlowValue<V4> {
    VipFlowValue { vip: VIP, service: VIP_SERVICE, backend, generation: 1, flags, reserved: 0 }
}
