//! The node itself, as its engine and kernel see it.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use crate::source::docker::{
    api::Api,
    documents::{
        LocalDocuments, Place, bridges, ingress_of, local_facts, network_gossip, networks,
        tasks_by_container,
    },
    error::DockerError,
    facts::{LocalFacts, NetworkFacts},
    kernel,
};

/// The network of the gateway bridge, under whatever name its interface goes.
const GATEWAY_BRIDGE: &str = "docker_gwbridge";

/// What was seen of the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::source::docker) struct LocalSeen {
    /// Facts, the Swarm's id left empty.
    pub(in crate::source::docker) facts: LocalFacts,
    /// Overlay networks that the engine knows, by id.
    pub(in crate::source::docker) networks: BTreeMap<String, NetworkFacts>,
    /// Tasks by the ids of the containers that they run in.
    pub(in crate::source::docker) tasks: BTreeMap<String, String>,
}

impl LocalSeen {
    /// A container has ended, and with it the task that it was.
    pub(super) fn ended(&mut self, container: &str, task: Option<&str>) {
        self.facts.containers.remove(container);
        self.tasks.remove(container);
        if let (Some(running), Some(task)) = (&mut self.facts.running, task) {
            running.remove(task);
        }
    }
}

/// Looks at the node.
#[derive(Clone, Debug)]
pub(super) struct LocalView {
    exec_root: PathBuf,
    /// The node's own address in the ingress network with the data-path address that the gossip
    /// gives for it: both stay the same as a rule, and asking is dear in a large Swarm.
    data_path: Option<(Ipv4Addr, Ipv4Addr)>,
}

impl LocalView {
    pub(super) fn new(exec_root: &Path) -> Self {
        Self { exec_root: exec_root.into(), data_path: None }
    }

    /// The node as it is now.
    pub(super) async fn look(
        &mut self,
        api: &Api,
        place: &Place,
    ) -> Result<LocalSeen, DockerError> {
        let listed = api.networks().await?;
        let (networks, bridges) = (networks(&listed), bridges(&listed, GATEWAY_BRIDGE));
        let ingress = ingress_of(&networks).map(ToOwned::to_owned);
        let documents = LocalDocuments { bridges, ..documents(api, ingress.as_deref()).await? };
        let kernel = kernel::read(&self.exec_root.join("netns"));
        let mut facts = local_facts(place, &documents, &kernel, networks.keys(), &self.exec_root);
        if let Some(address) = self.data_path(api, ingress.as_deref(), facts.ingress_addr).await? {
            facts.address = Some(address);
        }
        Ok(LocalSeen { facts, networks, tasks: tasks_by_container(&documents.containers) })
    }

    /// The node's data-path address, if the gossip knows its seat in the ingress network.
    async fn data_path(
        &mut self,
        api: &Api,
        ingress: Option<&str>,
        seat: Option<Ipv4Addr>,
    ) -> Result<Option<Ipv4Addr>, DockerError> {
        let (Some(ingress), Some(seat)) = (ingress, seat) else { return Ok(None) };
        if self.data_path.is_none_or(|(known, _)| known != seat) {
            let told = api.network(ingress, true).await?;
            let host = told.and_then(|told| network_gossip(&told).hosts.get(&seat).copied());
            self.data_path = host.map(|host| (seat, host));
        }
        Ok(self.data_path.map(|(_, host)| host))
    }
}

/// Containers come last: a task that is said to run while its container does not has ended.
async fn documents(api: &Api, ingress: Option<&str>) -> Result<LocalDocuments, DockerError> {
    let bridge = api.network(GATEWAY_BRIDGE, false).await?;
    let ingress = match ingress {
        Some(ingress) => api.network(ingress, false).await?,
        None => None,
    };
    Ok(LocalDocuments { containers: api.containers().await?, bridge, ingress, bridges: Vec::new() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_task_ends_with_its_container() {
        let running = Some(BTreeSet::from(["t".to_owned(), "u".to_owned()]));
        let facts = LocalFacts { running, ..LocalFacts::default() };
        let mut seen = LocalSeen { facts, ..LocalSeen::default() };
        seen.ended("f", Some("t"));
        assert_eq!(seen.facts.running, Some(BTreeSet::from(["u".to_owned()])));
    }
}
