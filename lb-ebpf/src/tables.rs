//! How decisions see the maps: a small trait, implemented over kernel maps in `kernel::tables`, over
//! plain maps in `testing`, so that the same decisions run in both.

use lb_common::{
    addr::V4,
    backend::Backend,
    bridge::Bridge,
    drops::Reason,
    endpoint::{Endpoint, EndpointKey, OverlayLeg, VipFlowKey, VipFlowValue},
    flow::{
        FlowKey, FlowValue, FragKey, FragValue, NatKey, NatValue, SnatInKey, SnatInValue,
        SnatOutKey, SnatOutValue,
    },
    leg::Leg,
    peer::Peer,
    port::PublishedPort,
    row::Row,
    service::Service,
    stats::ServiceStats,
};

/// What a task's namespace knows about a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// No such connection.
    None,
    /// A connection that is open, opening or closing.
    Alive,
    /// Only its TIME-WAIT remains: it is over, and the client may use the port for the next one.
    TimeWait,
}

/// Everything a decision may ask or change. Methods that take a closure change a value in place;
/// they return `None` if there is no such entry.
pub trait Tables {
    /// The node's data-path address.
    fn node_addr(&self) -> V4;
    /// UDP port of the tunnel.
    fn vxlan_port(&self) -> u16;
    /// VNI of forward frames; replies use the next one.
    fn mesh_vni(&self) -> u32;
    /// The cluster's flow hash key.
    fn hash_key(&self) -> u64;
    /// The node's address on gateway legs.
    fn gateway_addr(&self) -> V4;
    /// Netmask of the gateway subnet.
    fn gateway_mask(&self) -> V4;
    /// Whether a Docker Engine keeps legs, networks and its own tunnel on this node: what is not ours
    /// is its business, also on legs.
    fn is_beside_docker(&self) -> bool;
    /// VNI of Docker's ingress network; 0: none that may carry anything of ours.
    fn ingress_vni(&self) -> u32;
    /// The node's own address in it.
    fn ingress_addr(&self) -> V4;
    /// Largest packet between its interfaces, bytes.
    fn ingress_mtu(&self) -> u16;

    /// Element of `PORTS`.
    fn port(&self, index: u32) -> Option<PublishedPort>;
    /// Element of `SERVICES`.
    fn service(&self, index: u16) -> Option<&Service>;
    /// Advances a service's round robin counter and returns its former value.
    fn rr_next(&self, service: u16) -> u64;
    /// Element of `ROWS`.
    fn row(&self, index: u32) -> Option<Row>;
    /// Element of `BACKENDS`.
    fn backend(&self, index: u32) -> Option<Backend>;
    /// Element of `LEGS`, if there is such a leg.
    fn leg(&self, index: u16) -> Option<Leg>;
    /// The bridge of containers without legs whose interface is `ifindex`.
    fn bridge(&self, ifindex: u32) -> Option<Bridge>;
    /// Element of `PEERS`, if there is such a node.
    fn peer_ref(&self, index: u16) -> Option<&Peer>;
    /// The same, copied.
    #[inline(always)]
    fn peer(&self, index: u16) -> Option<Peer> {
        self.peer_ref(index).copied()
    }
    /// Index of the node with this data-path address; this node's own is 0.
    fn peer_index(&self, addr: V4) -> Option<u16>;
    /// Whether the address is one of this node's.
    fn is_own(&self, addr: V4) -> bool;
    /// Whether the routing table has the address as this node's: slower, and right at once when an
    /// address comes. Tables without routes know no more than [`Tables::is_own`].
    fn is_local(&self, addr: V4) -> bool {
        self.is_own(addr)
    }

    /// Looks up and changes a `NAT` entry.
    fn nat<R>(&self, key: &NatKey<V4>, change: impl FnOnce(&mut NatValue<V4>) -> R) -> Option<R>;
    /// Adds a `NAT` entry.
    fn nat_insert(&self, key: &NatKey<V4>, value: &NatValue<V4>) -> bool;
    /// Removes a `NAT` entry.
    fn nat_remove(&self, key: &NatKey<V4>);
    /// Looks up and changes an `EMBRYO` entry.
    fn embryo<R>(&self, key: &NatKey<V4>, change: impl FnOnce(&mut NatValue<V4>) -> R)
    -> Option<R>;
    /// Adds an `EMBRYO` entry.
    fn embryo_insert(&self, key: &NatKey<V4>, value: &NatValue<V4>) -> bool;
    /// Looks up a `FLOWS` entry.
    fn flow(&self, key: &FlowKey<V4>) -> Option<FlowValue>;
    /// Adds or replaces a `FLOWS` entry.
    fn flow_insert(&self, key: &FlowKey<V4>, value: &FlowValue) -> bool;
    /// Looks up a `SNAT_OUT` entry.
    fn snat_out(&self, key: &SnatOutKey<V4>) -> Option<SnatOutValue>;
    /// Adds a `SNAT_OUT` entry.
    fn snat_out_insert(&self, key: &SnatOutKey<V4>, value: &SnatOutValue) -> bool;
    /// Looks up and changes a `SNAT_IN` entry.
    fn snat_in<R>(
        &self,
        key: &SnatInKey,
        change: impl FnOnce(&mut SnatInValue<V4>) -> R,
    ) -> Option<R>;
    /// Adds a `SNAT_IN` entry; `false` if the port is taken.
    fn snat_in_insert(&self, key: &SnatInKey, value: &SnatInValue<V4>) -> bool;
    /// Removes a `SNAT_IN` entry.
    fn snat_in_remove(&self, key: &SnatInKey);
    /// Looks up a `FRAGS` entry.
    fn frag(&self, key: &FragKey<V4>) -> Option<FragValue>;
    /// Adds a `FRAGS` entry.
    fn frag_insert(&self, key: &FragKey<V4>, value: &FragValue) -> bool;

    /// Looks up an `ENDPOINTS` element.
    fn endpoint(&self, key: &EndpointKey<V4>) -> Option<Endpoint>;
    /// The overlay leg whose node end is interface `ifindex`.
    fn overlay_leg(&self, ifindex: u32) -> Option<OverlayLeg>;
    /// Looks up and changes a `VIPFLOWS` entry.
    fn vip_flow<R>(
        &self,
        key: &VipFlowKey<V4>,
        change: impl FnOnce(&mut VipFlowValue<V4>) -> R,
    ) -> Option<R>;
    /// Adds or replaces a `VIPFLOWS` entry.
    fn vip_flow_insert(&self, key: &VipFlowKey<V4>, value: &VipFlowValue<V4>) -> bool;
    /// Removes a `VIPFLOWS` entry.
    fn vip_flow_remove(&self, key: &VipFlowKey<V4>);

    /// Asks the task's namespace for the connection {client, client port} -> {leg, target port}.
    fn socket(&self, leg: &Leg, key: &NatKey<V4>) -> Socket;
    /// Monotonic time, ns, coarse.
    fn now_ns(&self) -> u64;
    /// Random bits.
    fn random(&self) -> u32;
    /// Counts a drop or refusal.
    fn count(&self, reason: Reason);
    /// Changes a service's counters on this CPU.
    fn stats(&self, service: u16, change: impl FnOnce(&mut ServiceStats));
}
