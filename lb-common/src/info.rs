//! What people want to read and packets never do: names. Kept in maps of their own
//! (`SERVICE_INFO`, `TASK_INFO`, `NODE_INFO`, `NETWORK_INFO`, `ENDPOINT_INFO`), so that the CLI and `bpftool map dump` show names
//! from pinned state while no agent runs, and a restarted agent finds its indices again.

use crate::addr::V4;

/// Bytes of a name in a map; longer names are refused by `check`.
pub const NAME_LEN: usize = 64;

/// Elements of `NETWORK_INFO`.
pub const NETWORKS_LEN: u32 = 4096;

/// A name, UTF-8, padded with zeros.
pub type Name = [u8; NAME_LEN];

/// Key of `TASK_INFO`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TaskKey {
    /// Index into `SERVICES`.
    pub service: u16,
    /// Backend number.
    pub backend: u16,
}

/// Value of `TASK_INFO`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskInfo {
    /// The task's name.
    pub name: Name,
    /// Name of the node it runs on.
    pub node: Name,
    /// Its gateway leg's address where it runs on this node, else zeros.
    pub addr: V4,
    /// Weight; 0 drains.
    pub weight: u16,
    /// [`crate::backend::Backend::state`].
    pub state: u8,
    /// Zero.
    pub reserved: u8,
}

/// Value of `SERVICE_INFO`, keyed by service index.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceInfo {
    /// The service's name; host-mode ports are services of their own, `NAME@host:PORT/PROTO`,
    /// and so are virtual IPs, `NAME@NETWORK`.
    pub name: Name,
}

/// Value of `NODE_INFO`, keyed by peer index.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// The node's name.
    pub name: Name,
    /// Its data-path address.
    pub addr: V4,
}

/// Value of `NETWORK_INFO`, keyed by VNI.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// The network's name; several subnets, each with a VNI, share it.
    pub name: Name,
    /// The subnet's address.
    pub subnet: V4,
    /// The subnet's gateway.
    pub gateway: V4,
    /// Prefix length of the subnet.
    pub prefix: u8,
    /// 1: no way out.
    pub internal: u8,
    /// Zero.
    pub reserved: u16,
}

/// Value of `ENDPOINT_INFO`, keyed as `ENDPOINTS`, for tasks and virtual IPs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointInfo {
    /// The task's or the service's name.
    pub name: Name,
}

/// Packs a name; bytes past [`NAME_LEN`] are cut.
#[must_use]
pub fn pack_name(name: &str) -> Name {
    let mut out = [0; NAME_LEN];
    for (to, from) in out.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    out
}

/// Reads a packed name; bytes that are no UTF-8 end it.
#[must_use]
pub fn unpack_name(name: &Name) -> &str {
    let end = name.iter().position(|&b| b == 0).unwrap_or(NAME_LEN);
    core::str::from_utf8(&name[..end]).unwrap_or("")
}

const _: () = assert!(size_of::<TaskInfo>() == 136);
const _: () = assert!(size_of::<NodeInfo>() == 68);
const _: () = assert!(size_of::<NetworkInfo>() == 76);
