//! Constants of the programs, set at load so that the verifier knows them and dead branches vanish.

use aya::EbpfLoader;
use lb_common::addr::V4;

/// What the packet path knows about its node and never looks up; see `lb-ebpf/src/maps.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// The node's data-path address.
    pub node_addr: V4,
    /// UDP port of the tunnel, host order.
    pub vxlan_port: u16,
    /// VNI of forward frames; replies use the next one.
    pub mesh_vni: u32,
    /// The cluster's flow hash key.
    pub hash_key: u64,
    /// The node's address on gateway legs.
    pub gateway_addr: V4,
    /// Netmask of the gateway subnet.
    pub gateway_mask: V4,
    /// Not 0: a Docker Engine keeps legs and networks on this node.
    pub beside_docker: u32,
    /// VNI of Docker's ingress network; 0: none that may carry anything of ours.
    pub ingress_vni: u32,
    /// The node's own address in it.
    pub ingress_addr: V4,
    /// Largest packet between interfaces in it, bytes.
    pub ingress_mtu: u32,
    /// Cookie of the node's network namespace (`SO_NETNS_COOKIE`).
    pub netns_cookie: u64,
}

impl Globals {
    /// Hands every constant to the loader; an object that lacks one does not load.
    pub(super) fn set<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
        loader
            .override_global("NODE_ADDR", &self.node_addr, true)
            .override_global("VXLAN_PORT", &self.vxlan_port, true)
            .override_global("MESH_VNI", &self.mesh_vni, true)
            .override_global("HASH_KEY", &self.hash_key, true)
            .override_global("GATEWAY_ADDR", &self.gateway_addr, true)
            .override_global("GATEWAY_MASK", &self.gateway_mask, true)
            .override_global("BESIDE_DOCKER", &self.beside_docker, true)
            .override_global("INGRESS_VNI", &self.ingress_vni, false)
            .override_global("INGRESS_ADDR", &self.ingress_addr, false)
            .override_global("INGRESS_MTU", &self.ingress_mtu, false)
            .override_global("NETNS_COOKIE", &self.netns_cookie, true);
    }
}
