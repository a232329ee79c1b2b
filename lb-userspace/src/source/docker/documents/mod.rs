//! The engine's documents turned into facts, purely: what the managers say of the Swarm (`nodes`,
//! `networks`, `services`, `tasks`), what this node's engine says of itself (`place`, `local`),
//! what the gossip says of networks that have a leg here (`gossip`). What cannot be understood is
//! left out; an operator sees it missing by its name.

mod bridges;
mod gossip;
mod local;
mod networks;
mod nodes;
mod place;
mod services;
mod tasks;

use std::net::Ipv4Addr;

use crate::model::Subnet;

pub(super) use self::{
    bridges::bridges,
    gossip::{GossipService, GossipTask, NetworkGossip, network_gossip},
    local::{Kernel, LocalDocuments, local_facts, tasks_by_container},
    networks::{ingress_of, networks},
    nodes::nodes,
    place::{Place, place},
    services::services,
    tasks::tasks,
};

/// The address in `10.0.0.7/24` or `10.0.0.7`; none in IPv6 and in what the engine prints for none.
fn addr_of(text: &str) -> Option<Ipv4Addr> {
    text.split('/').next()?.parse().ok()
}

/// The subnet that `10.0.0.7/24` or `10.0.0.0/24` lies in.
fn subnet_of(text: &str) -> Option<Subnet> {
    let (addr, prefix) = text.split_once('/')?;
    let addr: Ipv4Addr = addr.parse().ok()?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
    let mask = u32::from_be_bytes(Subnet { addr, prefix }.mask());
    Some(Subnet { addr: (u32::from(addr) & mask).into(), prefix })
}

/// A document that an engine really gave, of the folder `testdata`.
#[cfg(test)]
pub(super) fn document<T: serde::de::DeserializeOwned>(file: &str) -> T {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/docker/testdata");
    let text = std::fs::read(path.join(file)).expect(file);
    serde_json::from_slice(&text).expect(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_and_without_prefix() {
        assert_eq!(addr_of("10.0.0.7/24"), Some([10, 0, 0, 7].into()));
        assert_eq!(addr_of("10.0.0.7"), Some([10, 0, 0, 7].into()));
        assert_eq!((addr_of("<nil>"), addr_of(""), addr_of("fd00::1/64")), (None, None, None));
    }

    #[test]
    fn a_subnet_has_no_host_bits() {
        let subnet = subnet_of("172.18.3.1/16").map(|subnet| subnet.to_string());
        assert_eq!(subnet.as_deref(), Some("172.18.0.0/16"));
        assert_eq!((subnet_of("10.0.0.0/33"), subnet_of("fd00::/64")), (None, None));
    }
}
