//! Bridges that the engine keeps on this node, from its list of networks.

use std::collections::HashMap;

use bollard::models::{Ipam, Network};

use super::{addr_of, subnet_of};
use crate::source::docker::facts::BridgeFacts;

/// The option that names the interface of a bridge.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

/// Bridges of networks that only this node has and that lead outside, sorted; `gateway`, the network of
/// gateway legs, is not among them.
pub(in crate::source::docker) fn bridges(documents: &[Network], gateway: &str) -> Vec<BridgeFacts> {
    let is_open = |network: &&Network| {
        network.driver.as_deref() == Some("bridge")
            && network.name.as_deref() != Some(gateway)
            && network.internal != Some(true)
    };
    let open = documents.iter().filter(is_open);
    let mut bridges: Vec<_> = open.filter_map(facts).collect();
    bridges.sort();
    bridges
}

fn facts(network: &Network) -> Option<BridgeFacts> {
    bridge(network.id.as_deref()?, network.options.as_ref(), network.ipam.as_ref())
}

/// The bridge of the network with that id: named by an option, or else after the network (moby,
/// drivers/bridge/bridge.go). `None`: it has no IPv4 subnet.
pub(super) fn bridge(
    id: &str,
    options: Option<&HashMap<String, String>>,
    ipam: Option<&Ipam>,
) -> Option<BridgeFacts> {
    let named = options.and_then(|options| options.get(BRIDGE_NAME)).cloned();
    let by_id = || Some(format!("br-{}", id.get(..12)?));
    let mut configs = ipam?.config.iter().flatten();
    let (config, subnet) =
        configs.find_map(|config| Some((config, config.subnet.as_deref().and_then(subnet_of)?)))?;
    let gateway = config.gateway.as_deref().and_then(addr_of);
    Some(BridgeFacts {
        interface: named.or_else(by_id)?,
        subnet,
        gateway: gateway.unwrap_or_else(|| subnet.gateway()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::documents::document;

    #[test]
    fn bridges_that_lead_outside_are_told_and_the_gateways_is_not() {
        let told = bridges(&document::<Vec<_>>("networks_local.json"), "docker_gwbridge");
        let told: Vec<_> =
            told.iter().map(|one| format!("{} {}", one.interface, one.subnet)).collect();
        assert_eq!(told, ["br-3f6b4aa3e478 172.19.0.0/16", "docker0 172.17.0.0/16"]);
    }
}
