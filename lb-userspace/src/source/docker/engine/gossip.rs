//! The gossip, asked for while no manager is heard.

use std::path::PathBuf;

use super::{GossipSeen, LocalSeen};
use crate::source::docker::{
    api::Api, documents::network_gossip, error::DockerError, facts::NetworkFacts, kernel,
    merge::Gossip,
};

/// What the gossip says of the networks that have a namespace here. The port of overlay networks
/// never changes, so it is looked for once.
pub(super) async fn ask(
    api: &Api,
    local: &LocalSeen,
    known_port: Option<u16>,
) -> Result<GossipSeen, DockerError> {
    let mut gossip = Gossip::new();
    for id in local.networks.keys() {
        if let Some(told) = api.network(id, true).await? {
            gossip.insert(id.clone(), network_gossip(&told));
        }
    }
    let vxlan_port = match ingress_namespace(local).filter(|_| known_port.is_none()) {
        Some(namespace) => kernel::vxlan_port(&namespace).await,
        None => known_port,
    };
    Ok(GossipSeen { networks: local.networks.clone(), gossip, vxlan_port })
}

fn ingress_namespace(local: &LocalSeen) -> Option<PathBuf> {
    let is_ingress =
        |id: &String| local.networks.get(id).is_some_and(|one: &NetworkFacts| one.is_ingress);
    let mut namespaces = local.facts.overlay_namespaces.iter();
    namespaces.find(|(id, _)| is_ingress(id)).map(|(_, path)| path.clone())
}
