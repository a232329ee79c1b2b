//! The kernel maps, BTF-typed so that `bpftool map dump` prints field names. Written by the agent
//! (and, for per-flow state, by the packet path); read through [`crate::tables::Tables`] only.

use aya_ebpf::{
    Global,
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    btf_maps::{Array, DevMapHash, HashMap, LruHashMap, PerCpuArray},
    macros::btf_map,
};
use lb_common::{
    addr::V4, backend::*, bridge::*, drops::DROPS_LEN, endpoint::*, flow::*, info::*, leg::*,
    peer::*, port::*, row::*, service::*, stats::ServiceStats, wire,
};

const MMAPABLE: usize = BPF_F_MMAPABLE as usize;
const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;

// Written by the agent, read per packet.
#[btf_map]
pub static PORTS: Array<PublishedPort, { PORTS_LEN as usize }, MMAPABLE> = Array::new();
#[btf_map]
pub static SERVICES: Array<Service, { SERVICES_LEN as usize }, MMAPABLE> = Array::new();
#[btf_map]
pub static ROWS: Array<Row, { ROWS_LEN as usize }, MMAPABLE> = Array::new();
#[btf_map]
pub static BACKENDS: Array<Backend, { BACKENDS_LEN as usize }, MMAPABLE> = Array::new();
#[btf_map]
pub static LEGS: Array<Leg, { LEGS_LEN as usize }, MMAPABLE> = Array::new();
#[btf_map]
pub static PEERS: Array<Peer, { PEERS_LEN as usize }, MMAPABLE> = Array::new();
/// Data-path address of a node -> index into `PEERS`.
#[btf_map]
pub static PEER_INDEX: HashMap<V4, u32, { PEERS_LEN as usize }> = HashMap::new();
/// Every address of this node -> 1.
#[btf_map]
pub static OWN_ADDRS: HashMap<V4, u32, 1024> = HashMap::new();
/// Interface index -> device, for `bpf_redirect_map`.
#[btf_map]
pub static DEVICES: DevMapHash<4096> = DevMapHash::new();
/// Interface index of a bridge of containers that have no leg -> their subnet.
#[btf_map]
pub static BRIDGES: HashMap<u32, Bridge, { BRIDGES_LEN as usize }, NO_PREALLOC> = HashMap::new();
/// Who has which address in which overlay network.
#[btf_map]
pub static ENDPOINTS: HashMap<EndpointKey<V4>, Endpoint, { ENDPOINTS_LEN as usize }, NO_PREALLOC> =
    HashMap::new();
/// The node's overlay legs, by interface index.
#[btf_map]
pub static OVERLAY_LEGS: Array<OverlayLeg, { OVERLAY_LEGS_LEN as usize }, MMAPABLE> = Array::new();

// Written and read by the packet path.
#[btf_map]
pub static NAT: LruHashMap<NatKey<V4>, NatValue<V4>, { NAT_LEN as usize }> = LruHashMap::new();
#[btf_map]
pub static EMBRYO: LruHashMap<NatKey<V4>, NatValue<V4>, { EMBRYO_LEN as usize }> =
    LruHashMap::new();
#[btf_map]
pub static FLOWS: LruHashMap<FlowKey<V4>, FlowValue, { FLOWS_LEN as usize }> = LruHashMap::new();
#[btf_map]
pub static SNAT_OUT: LruHashMap<SnatOutKey<V4>, SnatOutValue, { SNAT_LEN as usize }> =
    LruHashMap::new();
#[btf_map]
pub static SNAT_IN: LruHashMap<SnatInKey, SnatInValue<V4>, { SNAT_LEN as usize }> =
    LruHashMap::new();
#[btf_map]
pub static FRAGS: LruHashMap<FragKey<V4>, FragValue, { FRAGS_LEN as usize }> = LruHashMap::new();
#[btf_map]
pub static SOCKETS: LruHashMap<SocketKey<V4>, SocketValue<V4>, { SOCKETS_LEN as usize }> =
    LruHashMap::new();
#[btf_map]
pub static VIPFLOWS: LruHashMap<VipFlowKey<V4>, VipFlowValue<V4>, { VIPFLOWS_LEN as usize }> =
    LruHashMap::new();
#[btf_map]
pub static STATS: PerCpuArray<ServiceStats, { SERVICES_LEN as usize }> = PerCpuArray::new();
#[btf_map]
pub static DROPS: PerCpuArray<u64, { DROPS_LEN as usize }> = PerCpuArray::new();

// Written by the agent for people, never read per packet.
#[btf_map]
pub static SERVICE_INFO: HashMap<u32, ServiceInfo, { SERVICES_LEN as usize }, NO_PREALLOC> =
    HashMap::new();
#[btf_map]
pub static TASK_INFO: HashMap<TaskKey, TaskInfo, 131_072, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub static NODE_INFO: HashMap<u32, NodeInfo, { PEERS_LEN as usize }, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub static NETWORK_INFO: HashMap<u32, NetworkInfo, { NETWORKS_LEN as usize }, NO_PREALLOC> =
    HashMap::new();
#[btf_map]
pub static ENDPOINT_INFO: HashMap<
    EndpointKey<V4>,
    EndpointInfo,
    { ENDPOINTS_LEN as usize },
    NO_PREALLOC,
> = HashMap::new();

// Set at load (`override_global`), so that the verifier knows them and dead branches vanish. Addresses
// are numbers in network order here: arrays would be loaded byte by byte.
/// The node's data-path address.
#[unsafe(no_mangle)]
pub static NODE_ADDR: Global<u32> = Global::new(0);
/// UDP port of the tunnel, host order.
#[unsafe(no_mangle)]
pub static VXLAN_PORT: Global<u16> = Global::new(wire::VXLAN_PORT);
/// VNI of forward frames; replies use the next one.
#[unsafe(no_mangle)]
pub static MESH_VNI: Global<u32> = Global::new(wire::MESH_VNI);
/// The cluster's flow hash key.
#[unsafe(no_mangle)]
pub static HASH_KEY: Global<u64> = Global::new(0);
/// The node's address on gateway legs.
#[unsafe(no_mangle)]
pub static GATEWAY_ADDR: Global<u32> = Global::new(0);
/// Netmask of the gateway subnet.
#[unsafe(no_mangle)]
pub static GATEWAY_MASK: Global<u32> = Global::new(u32::MAX);
/// Not 0: a Docker Engine keeps legs and networks here.
#[unsafe(no_mangle)]
pub static BESIDE_DOCKER: Global<u32> = Global::new(0);
/// VNI of Docker's ingress network; 0: none that may carry anything of ours. Docker's own number as long
/// as nobody sets it, so that whoever just loads the object sees what all of its paths cost.
#[unsafe(no_mangle)]
pub static INGRESS_VNI: Global<u32> = Global::new(wire::FIRST_NETWORK_VNI);
/// The node's own address in it.
#[unsafe(no_mangle)]
pub static INGRESS_ADDR: Global<u32> = Global::new(0);
/// Largest packet between its interfaces, bytes; Docker's own number as long as nobody sets it.
#[unsafe(no_mangle)]
pub static INGRESS_MTU: Global<u32> = Global::new(1450);
/// Cookie of the node's network namespace: cgroup programs see every namespace's sockets.
#[unsafe(no_mangle)]
pub static NETNS_COOKIE: Global<u64> = Global::new(0);
