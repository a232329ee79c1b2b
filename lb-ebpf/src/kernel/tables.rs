//! [`Tables`] over the kernel maps.

use core::ptr::addr_of;

use aya_ebpf::{
    bindings::{BPF_NOEXIST, bpf_sock_tuple},
    helpers::generated::{
        bpf_get_prandom_u32, bpf_ktime_get_coarse_ns, bpf_sk_release, bpf_skc_lookup_tcp,
    },
};
use lb_common::{
    addr::V4,
    backend::Backend,
    bridge::Bridge,
    drops::Reason,
    endpoint::{Endpoint, EndpointKey, OverlayLeg, VipFlowKey, VipFlowValue, overlay_leg_index},
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

use super::fib::is_local;
use crate::{
    maps,
    tables::{Socket, Tables},
};

/// `TCP_TIME_WAIT`, include/net/tcp_states.h.
const TCP_TIME_WAIT: u32 = 6;
/// `TCP_CLOSE`.
const TCP_CLOSE: u32 = 7;
/// `TCP_LISTEN`.
const TCP_LISTEN: u32 = 10;

/// The kernel maps, seen from one run of a program.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    ctx: *mut core::ffi::c_void,
}

impl Kernel {
    /// The maps as seen from a program that was started with `ctx`.
    #[inline(always)]
    #[must_use]
    pub fn new(ctx: *mut core::ffi::c_void) -> Self {
        Self { ctx }
    }
}

/// Changes the value behind a map pointer.
#[inline(always)]
fn change<V, R>(value: *mut V, change: impl FnOnce(&mut V) -> R) -> R {
    // SAFETY: a pointer that a map look-up returned is valid for the rest of the program; the
    // kernel keeps elements alive under RCU. Another CPU may change the same element; fields are
    // independent and of machine size, so the worst is that one of two notes is lost.
    change(unsafe { &mut *value })
}

impl Tables for Kernel {
    #[inline(always)]
    fn node_addr(&self) -> V4 {
        maps::NODE_ADDR.load().to_ne_bytes()
    }

    #[inline(always)]
    fn vxlan_port(&self) -> u16 {
        maps::VXLAN_PORT.load()
    }

    #[inline(always)]
    fn mesh_vni(&self) -> u32 {
        maps::MESH_VNI.load()
    }

    #[inline(always)]
    fn hash_key(&self) -> u64 {
        maps::HASH_KEY.load()
    }

    #[inline(always)]
    fn gateway_addr(&self) -> V4 {
        maps::GATEWAY_ADDR.load().to_ne_bytes()
    }

    #[inline(always)]
    fn gateway_mask(&self) -> V4 {
        maps::GATEWAY_MASK.load().to_ne_bytes()
    }

    #[inline(always)]
    fn is_beside_docker(&self) -> bool {
        maps::BESIDE_DOCKER.load() != 0
    }

    #[inline(always)]
    fn ingress_vni(&self) -> u32 {
        maps::INGRESS_VNI.load()
    }

    #[inline(always)]
    fn ingress_addr(&self) -> V4 {
        maps::INGRESS_ADDR.load().to_ne_bytes()
    }

    #[inline(always)]
    fn ingress_mtu(&self) -> u16 {
        maps::INGRESS_MTU.load() as u16
    }

    #[inline(always)]
    fn port(&self, index: u32) -> Option<PublishedPort> {
        maps::PORTS.get(index).copied()
    }

    #[inline(always)]
    fn service(&self, index: u16) -> Option<&Service> {
        maps::SERVICES.get(index.into())
    }

    #[inline(always)]
    fn rr_next(&self, service: u16) -> u64 {
        let Some(service) = maps::SERVICES.get_ptr_mut(service.into()) else { return 0 };
        // Not atomic: two CPUs that meet here take the same turn once, which evens out.
        change(service, |service| {
            let turn = service.rr_next;
            service.rr_next = turn.wrapping_add(1);
            turn
        })
    }

    #[inline(always)]
    fn row(&self, index: u32) -> Option<Row> {
        maps::ROWS.get(index).copied()
    }

    #[inline(always)]
    fn backend(&self, index: u32) -> Option<Backend> {
        maps::BACKENDS.get(index).copied()
    }

    #[inline(always)]
    fn leg(&self, index: u16) -> Option<Leg> {
        maps::LEGS.get(index.into()).copied().filter(|leg| leg.ifindex != 0)
    }

    #[inline(always)]
    fn bridge(&self, ifindex: u32) -> Option<Bridge> {
        // SAFETY: a bridge never changes in place; a reused element tells of another one.
        unsafe { maps::BRIDGES.get(ifindex) }.copied()
    }

    #[inline(always)]
    fn peer_ref(&self, index: u16) -> Option<&Peer> {
        maps::PEERS.get(index.into()).filter(|peer| peer.flags & PEER_PRESENT != 0)
    }

    #[inline(always)]
    fn peer_index(&self, addr: V4) -> Option<u16> {
        // SAFETY: the value is one aligned word; a reused element gives another valid index.
        unsafe { maps::PEER_INDEX.get(addr) }.map(|&index| index as u16)
    }

    #[inline(always)]
    fn is_own(&self, addr: V4) -> bool {
        maps::OWN_ADDRS.get_ptr(addr).is_some()
    }

    #[inline(always)]
    fn is_local(&self, addr: V4) -> bool {
        is_local(self.ctx, addr)
    }

    #[inline(always)]
    fn nat<R>(&self, key: &NatKey<V4>, f: impl FnOnce(&mut NatValue<V4>) -> R) -> Option<R> {
        maps::NAT.get_ptr_mut(key).map(|value| change(value, f))
    }

    #[inline(always)]
    fn nat_insert(&self, key: &NatKey<V4>, value: &NatValue<V4>) -> bool {
        counted(self, maps::NAT.insert(key, value, 0).is_ok())
    }

    #[inline(always)]
    fn nat_remove(&self, key: &NatKey<V4>) {
        // An entry that is gone already is as good as removed.
        let _: Result<(), i32> = maps::NAT.remove(key);
    }

    #[inline(always)]
    fn embryo<R>(&self, key: &NatKey<V4>, f: impl FnOnce(&mut NatValue<V4>) -> R) -> Option<R> {
        maps::EMBRYO.get_ptr_mut(key).map(|value| change(value, f))
    }

    #[inline(always)]
    fn embryo_insert(&self, key: &NatKey<V4>, value: &NatValue<V4>) -> bool {
        counted(self, maps::EMBRYO.insert(key, value, 0).is_ok())
    }

    #[inline(always)]
    fn flow(&self, key: &FlowKey<V4>) -> Option<FlowValue> {
        // SAFETY: the value is one aligned word, read at once.
        unsafe { maps::FLOWS.get(key) }.copied()
    }

    #[inline(always)]
    fn flow_insert(&self, key: &FlowKey<V4>, value: &FlowValue) -> bool {
        counted(self, maps::FLOWS.insert(key, value, 0).is_ok())
    }

    #[inline(always)]
    fn snat_out(&self, key: &SnatOutKey<V4>) -> Option<SnatOutValue> {
        // SAFETY: copied at once; a reused element fails the comparison with `SNAT_IN`.
        unsafe { maps::SNAT_OUT.get(key) }.copied()
    }

    #[inline(always)]
    fn snat_out_insert(&self, key: &SnatOutKey<V4>, value: &SnatOutValue) -> bool {
        counted(self, maps::SNAT_OUT.insert(key, value, 0).is_ok())
    }

    #[inline(always)]
    fn snat_in<R>(&self, key: &SnatInKey, f: impl FnOnce(&mut SnatInValue<V4>) -> R) -> Option<R> {
        maps::SNAT_IN.get_ptr_mut(key).map(|value| change(value, f))
    }

    #[inline(always)]
    fn snat_in_insert(&self, key: &SnatInKey, value: &SnatInValue<V4>) -> bool {
        maps::SNAT_IN.insert(key, value, BPF_NOEXIST.into()).is_ok()
    }

    #[inline(always)]
    fn snat_in_remove(&self, key: &SnatInKey) {
        // An entry that is gone already is as good as removed.
        let _: Result<(), i32> = maps::SNAT_IN.remove(key);
    }

    #[inline(always)]
    fn frag(&self, key: &FragKey<V4>) -> Option<FragValue> {
        // SAFETY: the value is one aligned word, read at once.
        unsafe { maps::FRAGS.get(key) }.copied()
    }

    #[inline(always)]
    fn frag_insert(&self, key: &FragKey<V4>, value: &FragValue) -> bool {
        counted(self, maps::FRAGS.insert(key, value, 0).is_ok())
    }

    #[inline(always)]
    fn endpoint(&self, key: &EndpointKey<V4>) -> Option<Endpoint> {
        // SAFETY: copied at once; the map is not preallocated, so an element that is replaced or
        // removed stays whole as long as this program runs.
        unsafe { maps::ENDPOINTS.get(key) }.copied()
    }

    #[inline(always)]
    fn overlay_leg(&self, ifindex: u32) -> Option<OverlayLeg> {
        let leg = maps::OVERLAY_LEGS.get(overlay_leg_index(ifindex)).copied();
        leg.filter(|leg| leg.ifindex == ifindex)
    }

    #[inline(always)]
    fn vip_flow<R>(
        &self,
        key: &VipFlowKey<V4>,
        f: impl FnOnce(&mut VipFlowValue<V4>) -> R,
    ) -> Option<R> {
        maps::VIPFLOWS.get_ptr_mut(key).map(|value| change(value, f))
    }

    #[inline(always)]
    fn vip_flow_insert(&self, key: &VipFlowKey<V4>, value: &VipFlowValue<V4>) -> bool {
        counted(self, maps::VIPFLOWS.insert(key, value, 0).is_ok())
    }

    #[inline(always)]
    fn vip_flow_remove(&self, key: &VipFlowKey<V4>) {
        // An entry that is gone already is as good as removed.
        let _: Result<(), i32> = maps::VIPFLOWS.remove(key);
    }

    #[inline(always)]
    fn socket(&self, leg: &Leg, key: &NatKey<V4>) -> Socket {
        let Ok(netns) = u64::try_from(leg.netns_id) else { return Socket::None };
        match socket_state(self.ctx, key, netns) {
            None | Some(TCP_CLOSE | TCP_LISTEN) => Socket::None,
            Some(TCP_TIME_WAIT) => Socket::TimeWait,
            Some(_) => Socket::Alive,
        }
    }

    #[inline(always)]
    fn now_ns(&self) -> u64 {
        // SAFETY: no arguments.
        unsafe { bpf_ktime_get_coarse_ns() }
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: no arguments.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn count(&self, reason: Reason) {
        if let Some(counter) = maps::DROPS.get_ptr_mut(reason as u32) {
            change(counter, |counter| *counter += 1);
        }
    }

    #[inline(always)]
    fn stats(&self, service: u16, f: impl FnOnce(&mut ServiceStats)) {
        if let Some(stats) = maps::STATS.get_ptr_mut(service.into()) {
            change(stats, f);
        }
    }
}

#[inline(always)]
fn counted(kernel: &Kernel, inserted: bool) -> bool {
    if !inserted {
        kernel.count(Reason::MapFull);
    }
    inserted
}

/// State of the TCP socket for the flow in namespace `netns`, if there is one.
#[inline(always)]
fn socket_state(ctx: *mut core::ffi::c_void, key: &NatKey<V4>, netns: u64) -> Option<u32> {
    // The kernel reads twelve bytes of the tuple, `struct bpf_sock_tuple.ipv4`.
    let mut tuple = [
        u32::from_ne_bytes(key.client),
        u32::from_ne_bytes(key.task),
        u32::from(u16::from_ne_bytes(key.client_port))
            | u32::from(u16::from_ne_bytes(key.target_port)) << 16,
    ];
    let tuple = (&raw mut tuple).cast::<bpf_sock_tuple>();
    // SAFETY: `ctx` is the running program's, `tuple` points at twelve initialised bytes.
    let sock = unsafe { bpf_skc_lookup_tcp(ctx, tuple, 12, netns, 0) };
    if sock.is_null() {
        return None;
    }
    // SAFETY: not null, so a referenced `bpf_sock` until it is released.
    let state = unsafe { addr_of!((*sock).state).read_volatile() };
    // SAFETY: releases the reference taken above, once.
    unsafe { bpf_sk_release(sock.cast()) };
    Some(state)
}
