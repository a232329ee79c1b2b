//! What the programs share among themselves and with user space.

use aya_ebpf::{
    btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray},
    macros::btf_map,
};

use crate::{
    floor::{Real, RealStats, Vip, VipKey},
    floor_tc::NatTo,
    plan::{FLOOR_FLOWS, Plan, RING_LEN, Route, Seen},
};

#[btf_map]
pub static PLAN: Array<Plan, 1> = Array::new();
/// The measured program; an array per hook, since a program array takes programs of one kind.
#[btf_map]
pub static XDP_TARGET: ProgramArray<1> = ProgramArray::new();
#[btf_map]
pub static TC_TARGET: ProgramArray<1> = ProgramArray::new();
#[btf_map]
pub static ROUTE: Array<Route, 1> = Array::new();
#[btf_map]
pub static SEEN: PerCpuArray<Seen, 1> = PerCpuArray::new();

#[btf_map]
pub static VIPS: HashMap<VipKey, Vip, 512> = HashMap::new();
#[btf_map]
pub static RING: Array<u32, { RING_LEN as usize }> = Array::new();
#[btf_map]
pub static REALS: Array<Real, 4096> = Array::new();
#[btf_map]
pub static REAL_STATS: PerCpuArray<RealStats, 4096> = PerCpuArray::new();
#[btf_map]
pub static FLOOR_LRU: LruHashMap<FlowKey, u32, { FLOOR_FLOWS as usize }> = LruHashMap::new();
#[btf_map]
pub static FLOOR_NAT: LruHashMap<FlowKey, NatTo, { FLOOR_FLOWS as usize }> = LruHashMap::new();

/// A flow in 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FlowKey {
    pub src: u32,
    pub dst: u32,
    pub ports: u32,
    pub proto: u32,
}
