//! What the floors' maps hold: one virtual IP, three backends, and the flows that a NAT knows.

use anyhow::{Context as _, Result};
use aya::{
    Pod,
    maps::{Array, HashMap, Map, MapData},
};
use lb_bench_ebpf::plan::{FIRST_PORT, PORT_BITS, RING_LEN};
use lb_common::{addr::V4, port::TCP};

use super::{
    cluster::{ENTRY, TARGET, TASK},
    frames::CLIENT,
    place::{NIC_MAC, NODE, PEERS, ROUTER_MAC},
};
use crate::object::Measuring;

/// As `lb_bench_ebpf::floor::VipKey`, which exists for the BPF target only; so the others.
#[repr(C)]
#[derive(Clone, Copy)]
struct VipKey {
    addr: [u32; 4],
    port: u16,
    proto: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Vip {
    flags: u32,
    number: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Real {
    addr: V4,
    ip_sum: u32,
    macs: [[u8; 6]; 2],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct FlowKey {
    src: V4,
    dst: V4,
    ports: u32,
    proto: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct NatTo {
    addr: V4,
    port: u16,
    reserved: u16,
}

// SAFETY: `repr(C)` integers without padding.
unsafe impl Pod for VipKey {}
// SAFETY: as above.
unsafe impl Pod for Vip {}
// SAFETY: as above.
unsafe impl Pod for Real {}
// SAFETY: as above.
unsafe impl Pod for FlowKey {}
// SAFETY: as above.
unsafe impl Pod for NatTo {}

/// Fills them; the NAT knows `flows` flows.
pub(super) fn fill(measuring: &mut Measuring, flows: u64) -> Result<()> {
    let vip = VipKey {
        addr: [u32::from_ne_bytes(NODE), 0, 0, 0],
        port: ENTRY.to_be(),
        proto: TCP.into(),
    };
    hash(measuring.map_mut("VIPS")?)?.insert(vip, Vip { flags: 0, number: 1 }, 0)?;
    let mut reals: Array<&mut MapData, Real> = measuring.map_mut("REALS")?.try_into()?;
    for (number, addr) in (1..).zip([PEERS[0], PEERS[1], PEERS[0]]) {
        let real = Real { addr, ip_sum: ip_sum(addr), macs: [ROUTER_MAC, NIC_MAC] };
        reals.set(number, real, 0)?;
    }
    let mut ring: Array<&mut MapData, u32> = measuring.map_mut("RING")?.try_into()?;
    for slot in 0..RING_LEN {
        ring.set(slot, 1 + slot % 3, 0)?;
    }
    let mut nat: HashMap<&mut MapData, FlowKey, NatTo> = hash(measuring.map_mut("FLOOR_NAT")?)?;
    for flow in 0..flows {
        nat.insert(nat_key(flow as u32), NatTo { addr: NODE, port: ENTRY.to_be(), reserved: 0 }, 0)
            .context("cannot fill the floor's NAT")?;
    }
    Ok(())
}

fn hash<K: Pod, V: Pod>(map: &mut Map) -> Result<HashMap<&mut MapData, K, V>> {
    Ok(map.try_into()?)
}

/// What the task's answer of a flow looks like; see `lb_bench_ebpf::plan::Plan::flow`.
fn nat_key(flow: u32) -> FlowKey {
    let [a, b, c, d] = CLIENT;
    let low = u16::from_be_bytes([c, d]).wrapping_add((flow >> PORT_BITS) as u16);
    let [c, d] = low.to_be_bytes();
    let port = FIRST_PORT | (flow as u16 & ((1 << PORT_BITS) - 1));
    let [e, f] = TARGET.to_be_bytes();
    let [g, h] = port.to_be_bytes();
    FlowKey { src: TASK, dst: [a, b, c, d], ports: u32::from_ne_bytes([e, f, g, h]), proto: 6 }
}

/// Sum of the outer IPv4 header without its length, in native words.
fn ip_sum(dst: V4) -> u32 {
    let header = [&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0][..], &NODE, &dst].concat();
    header.chunks(2).map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair[1]]))).sum()
}
