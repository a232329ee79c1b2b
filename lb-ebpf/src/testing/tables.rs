//! [`Tables`] over plain maps. Every field is open: a test writes what it needs and reads what came
//! of it; a run of the real object copies them into kernel maps.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
};

use lb_common::{
    addr::{Mac, V4},
    backend::Backend,
    bridge::Bridge,
    drops::Reason,
    endpoint::{Endpoint, EndpointKey, OverlayLeg, VipFlowKey, VipFlowValue},
    flow::{
        FlowKey, FlowValue, FragKey, FragValue, NatKey, NatValue, SnatInKey, SnatInValue,
        SnatOutKey, SnatOutValue,
    },
    leg::Leg,
    peer::{PEER_PRESENT, Peer},
    port::PublishedPort,
    row::Row,
    service::Service,
    stats::ServiceStats,
};

use crate::tables::{Socket, Tables};

/// What the node's routes say about a destination; none: no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Everything is known.
    Resolved {
        /// Interface to send by.
        ifindex: u32,
        /// Destination and source MAC.
        macs: (Mac, Mac),
    },
    /// The neighbour has not answered ARP.
    Unresolved {
        /// Interface to send by.
        ifindex: u32,
    },
}

/// One node's maps and surroundings.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The node's data-path address.
    pub node_addr: V4,
    /// UDP port of the tunnel.
    pub vxlan_port: u16,
    /// VNI of forward frames.
    pub mesh_vni: u32,
    /// The cluster's flow hash key.
    pub hash_key: u64,
    /// The node's address on gateway legs.
    pub gateway_addr: V4,
    /// Netmask of the gateway subnet.
    pub gateway_mask: V4,
    /// Whether a Docker Engine keeps legs and networks.
    pub beside_docker: bool,
    /// VNI of Docker's ingress network; 0: none.
    pub ingress_vni: u32,
    /// The node's own address in it.
    pub ingress_addr: V4,
    /// See [`Tables::ingress_mtu`].
    pub ingress_mtu: u16,
    /// Interface index of the NIC.
    pub nic: u32,
    /// `PORTS`.
    pub ports: BTreeMap<u32, PublishedPort>,
    /// `SERVICES`; the round robin counters stand in `turns`.
    pub services: BTreeMap<u16, Service>,
    /// Round robin counters by service.
    pub turns: RefCell<BTreeMap<u16, u64>>,
    /// `ROWS`.
    pub rows: BTreeMap<u32, Row>,
    /// `BACKENDS`.
    pub backends: BTreeMap<u32, Backend>,
    /// `LEGS`.
    pub legs: BTreeMap<u16, Leg>,
    /// `BRIDGES`.
    pub bridges: BTreeMap<u32, Bridge>,
    /// `PEERS`.
    pub peers: BTreeMap<u16, Peer>,
    /// `PEER_INDEX`.
    pub peer_index: BTreeMap<V4, u16>,
    /// `OWN_ADDRS`.
    pub own_addrs: Vec<V4>,
    /// `NAT`.
    pub nat: RefCell<HashMap<NatKey<V4>, NatValue<V4>>>,
    /// `EMBRYO`.
    pub embryo: RefCell<HashMap<NatKey<V4>, NatValue<V4>>>,
    /// `FLOWS`.
    pub flows: RefCell<HashMap<FlowKey<V4>, FlowValue>>,
    /// `SNAT_OUT`.
    pub snat_out: RefCell<HashMap<SnatOutKey<V4>, SnatOutValue>>,
    /// `SNAT_IN`.
    pub snat_in: RefCell<HashMap<SnatInKey, SnatInValue<V4>>>,
    /// `FRAGS`.
    pub frags: RefCell<HashMap<FragKey<V4>, FragValue>>,
    /// `ENDPOINTS`.
    pub endpoints: BTreeMap<EndpointKey<V4>, Endpoint>,
    /// `OVERLAY_LEGS`, by interface index.
    pub overlay_legs: BTreeMap<u32, OverlayLeg>,
    /// `VIPFLOWS`.
    pub vip_flows: RefCell<HashMap<VipFlowKey<V4>, VipFlowValue<V4>>>,
    /// Connections that tasks' namespaces know.
    pub sockets: RefCell<HashMap<NatKey<V4>, Socket>>,
    /// The node's routes and neighbours, by destination.
    pub ways: BTreeMap<V4, Way>,
    /// Monotonic time, ns.
    pub now_ns: u64,
    /// The next random number; counts up.
    pub random: Cell<u32>,
    /// `DROPS`.
    pub drops: RefCell<HashMap<Reason, u64>>,
    /// `STATS`.
    pub stats: RefCell<BTreeMap<u16, ServiceStats>>,
}

/// Changes an entry in place.
fn change<K: Eq + std::hash::Hash, V, R>(
    map: &RefCell<HashMap<K, V>>,
    key: &K,
    change: impl FnOnce(&mut V) -> R,
) -> Option<R> {
    map.borrow_mut().get_mut(key).map(change)
}

/// Adds or replaces an entry; always succeeds, as LRU maps do.
fn insert<K: Copy + Eq + std::hash::Hash, V: Copy>(
    map: &RefCell<HashMap<K, V>>,
    key: &K,
    value: &V,
) -> bool {
    map.borrow_mut().insert(*key, *value);
    true
}

impl Tables for World {
    fn node_addr(&self) -> V4 {
        self.node_addr
    }

    fn vxlan_port(&self) -> u16 {
        self.vxlan_port
    }

    fn mesh_vni(&self) -> u32 {
        self.mesh_vni
    }

    fn hash_key(&self) -> u64 {
        self.hash_key
    }

    fn gateway_addr(&self) -> V4 {
        self.gateway_addr
    }

    fn gateway_mask(&self) -> V4 {
        self.gateway_mask
    }

    fn is_beside_docker(&self) -> bool {
        self.beside_docker
    }

    fn ingress_vni(&self) -> u32 {
        self.ingress_vni
    }

    fn ingress_addr(&self) -> V4 {
        self.ingress_addr
    }

    fn ingress_mtu(&self) -> u16 {
        self.ingress_mtu
    }

    fn port(&self, index: u32) -> Option<PublishedPort> {
        Some(self.ports.get(&index).copied().unwrap_or_default())
    }

    fn service(&self, index: u16) -> Option<&Service> {
        self.services.get(&index)
    }

    fn rr_next(&self, service: u16) -> u64 {
        let mut turns = self.turns.borrow_mut();
        let turn = turns.entry(service).or_default();
        *turn += 1;
        *turn - 1
    }

    fn row(&self, index: u32) -> Option<Row> {
        Some(self.rows.get(&index).copied().unwrap_or_default())
    }

    fn backend(&self, index: u32) -> Option<Backend> {
        Some(self.backends.get(&index).copied().unwrap_or_default())
    }

    fn leg(&self, index: u16) -> Option<Leg> {
        self.legs.get(&index).copied().filter(|leg| leg.ifindex != 0)
    }

    fn bridge(&self, ifindex: u32) -> Option<Bridge> {
        self.bridges.get(&ifindex).copied()
    }

    fn peer_ref(&self, index: u16) -> Option<&Peer> {
        self.peers.get(&index).filter(|peer| peer.flags & PEER_PRESENT != 0)
    }

    fn peer_index(&self, addr: V4) -> Option<u16> {
        self.peer_index.get(&addr).copied()
    }

    fn is_own(&self, addr: V4) -> bool {
        self.own_addrs.contains(&addr)
    }

    fn nat<R>(&self, key: &NatKey<V4>, f: impl FnOnce(&mut NatValue<V4>) -> R) -> Option<R> {
        change(&self.nat, key, f)
    }

    fn nat_insert(&self, key: &NatKey<V4>, value: &NatValue<V4>) -> bool {
        insert(&self.nat, key, value)
    }

    fn nat_remove(&self, key: &NatKey<V4>) {
        self.nat.borrow_mut().remove(key);
    }

    fn embryo<R>(&self, key: &NatKey<V4>, f: impl FnOnce(&mut NatValue<V4>) -> R) -> Option<R> {
        change(&self.embryo, key, f)
    }

    fn embryo_insert(&self, key: &NatKey<V4>, value: &NatValue<V4>) -> bool {
        insert(&self.embryo, key, value)
    }

    fn flow(&self, key: &FlowKey<V4>) -> Option<FlowValue> {
        self.flows.borrow().get(key).copied()
    }

    fn flow_insert(&self, key: &FlowKey<V4>, value: &FlowValue) -> bool {
        insert(&self.flows, key, value)
    }

    fn snat_out(&self, key: &SnatOutKey<V4>) -> Option<SnatOutValue> {
        self.snat_out.borrow().get(key).copied()
    }

    fn snat_out_insert(&self, key: &SnatOutKey<V4>, value: &SnatOutValue) -> bool {
        insert(&self.snat_out, key, value)
    }

    fn snat_in<R>(&self, key: &SnatInKey, f: impl FnOnce(&mut SnatInValue<V4>) -> R) -> Option<R> {
        change(&self.snat_in, key, f)
    }

    fn snat_in_insert(&self, key: &SnatInKey, value: &SnatInValue<V4>) -> bool {
        !self.snat_in.borrow().contains_key(key) && insert(&self.snat_in, key, value)
    }

    fn snat_in_remove(&self, key: &SnatInKey) {
        self.snat_in.borrow_mut().remove(key);
    }

    fn frag(&self, key: &FragKey<V4>) -> Option<FragValue> {
        self.frags.borrow().get(key).copied()
    }

    fn frag_insert(&self, key: &FragKey<V4>, value: &FragValue) -> bool {
        insert(&self.frags, key, value)
    }

    fn endpoint(&self, key: &EndpointKey<V4>) -> Option<Endpoint> {
        self.endpoints.get(key).copied()
    }

    fn overlay_leg(&self, ifindex: u32) -> Option<OverlayLeg> {
        self.overlay_legs.get(&ifindex).copied()
    }

    fn vip_flow<R>(
        &self,
        key: &VipFlowKey<V4>,
        f: impl FnOnce(&mut VipFlowValue<V4>) -> R,
    ) -> Option<R> {
        change(&self.vip_flows, key, f)
    }

    fn vip_flow_insert(&self, key: &VipFlowKey<V4>, value: &VipFlowValue<V4>) -> bool {
        insert(&self.vip_flows, key, value)
    }

    fn vip_flow_remove(&self, key: &VipFlowKey<V4>) {
        self.vip_flows.borrow_mut().remove(key);
    }

    fn socket(&self, leg: &Leg, key: &NatKey<V4>) -> Socket {
        match self.sockets.borrow().get(key) {
            Some(&socket) if leg.netns_id >= 0 => socket,
            _ => Socket::None,
        }
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn random(&self) -> u32 {
        self.random.replace(self.random.get().wrapping_add(1))
    }

    fn count(&self, reason: Reason) {
        *self.drops.borrow_mut().entry(reason).or_default() += 1;
    }

    fn stats(&self, service: u16, change: impl FnOnce(&mut ServiceStats)) {
        change(self.stats.borrow_mut().entry(service).or_default());
    }
}
