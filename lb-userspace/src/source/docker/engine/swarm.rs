//! The Swarm as its managers see it: what changes often (tasks) is asked for apart from what does
//! not (services, nodes, networks).
//!
//! Of the tasks only those that are to run are listed, and those that ran a moment ago and are not
//! to run any more are asked for one by one until they have stopped: the managers also keep five
//! dead tasks a slot, which would make a list of all of them several times as dear.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use crate::source::docker::{
    api::{Api, TaskDocument, TaskFilter},
    documents::{Place, ingress_of, network_gossip, networks, nodes, services, tasks},
    error::DockerError,
    facts::{NetworkFacts, NodeFacts, ServiceFacts, SwarmFacts, TaskFacts},
};

/// IANA's port for VXLAN, which a Swarm uses unless told otherwise.
pub(in crate::source::docker) const USUAL_VXLAN_PORT: u16 = 4789;

/// What the managers told.
#[derive(Clone, Debug, Default)]
pub(super) struct SwarmView {
    nodes: BTreeMap<String, NodeFacts>,
    networks: BTreeMap<String, NetworkFacts>,
    services: BTreeMap<String, ServiceFacts>,
    /// Data-path addresses by address in the ingress network, from the gossip.
    hosts: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// `None` before the first list.
    tasks: Option<BTreeMap<String, TaskDocument>>,
}

impl SwarmView {
    /// Asks for services, nodes and networks.
    pub(super) async fn look_at_rest(&mut self, api: &Api) -> Result<(), DockerError> {
        self.nodes = nodes(&api.nodes().await?);
        self.networks = networks(&api.networks().await?);
        self.services = services(&api.services().await?);
        if let Some(ingress) = ingress_of(&self.networks) {
            let told = api.network(ingress, true).await?;
            self.hosts = told.map(|told| network_gossip(&told).hosts).unwrap_or_default();
        }
        Ok(())
    }

    /// Asks for tasks.
    pub(super) async fn look_at_tasks(&mut self, api: &Api) -> Result<(), DockerError> {
        let Some(before) = &self.tasks else {
            self.tasks = Some(by_id(api.tasks(&TaskFilter::All).await?));
            return Ok(());
        };
        let mut now = by_id(api.tasks(&TaskFilter::ToRun).await?);
        let stopping = stopping(before, &now);
        if !stopping.is_empty() {
            now.extend(by_id(api.tasks(&TaskFilter::Ids(&stopping)).await?));
        }
        self.tasks = Some(now);
        Ok(())
    }

    /// Whether both have been asked for.
    pub(super) fn is_complete(&self) -> bool {
        self.tasks.is_some() && !self.nodes.is_empty()
    }

    /// What was told, as facts; the Swarm's id is for the caller to add.
    pub(super) fn facts(&self, place: &Place) -> SwarmFacts {
        let tasks = tasks(self.tasks.iter().flat_map(BTreeMap::values), &self.nodes);
        SwarmFacts {
            cluster_id: String::new(),
            vxlan_port: place.vxlan_port.unwrap_or(USUAL_VXLAN_PORT),
            nodes: self.nodes_at(&tasks),
            networks: self.networks.clone(),
            services: self.services.clone(),
            tasks,
            ended: BTreeSet::new(),
        }
    }

    /// Nodes with the data-path addresses that the gossip gives for their tasks.
    fn nodes_at(&self, tasks: &BTreeMap<String, TaskFacts>) -> BTreeMap<String, NodeFacts> {
        let mut nodes = self.nodes.clone();
        let told = tasks.values().flat_map(|task| {
            let hosts = task.addresses.values().filter_map(|addr| self.hosts.get(addr));
            hosts.map(|host| (&task.node, *host))
        });
        for (node, host) in told {
            if let Some(node) = nodes.get_mut(node) {
                node.address = Some(host);
            }
        }
        nodes
    }
}

fn by_id(documents: Vec<TaskDocument>) -> BTreeMap<String, TaskDocument> {
    documents.into_iter().map(|task| (task.id.clone(), task)).collect()
}

/// Ids of tasks that ran and are not to run any more.
fn stopping(
    before: &BTreeMap<String, TaskDocument>,
    now: &BTreeMap<String, TaskDocument>,
) -> Vec<String> {
    let ran = before.values().filter(|task| task.status.state == "running");
    let ids: BTreeSet<_> = ran.map(|task| &task.id).filter(|id| !now.contains_key(*id)).collect();
    ids.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::{api::parse_tasks, documents::document};

    fn documents() -> BTreeMap<String, TaskDocument> {
        by_id(parse_tasks(include_bytes!("../testdata/tasks.json")).expect("tasks"))
    }

    #[test]
    fn only_tasks_that_ran_are_asked_for_one_by_one() {
        let before = documents();
        let to_run = |task: &TaskDocument| task.desired_state == "running";
        let now: BTreeMap<_, _> = before
            .iter()
            .filter(|(_, task)| to_run(task))
            .map(|(id, task)| (id.clone(), task.clone()))
            .collect();
        let asked = stopping(&before, &now);
        let stopping_one =
            before.values().find(|task| !to_run(task) && task.status.state == "running");
        assert_eq!(asked, [stopping_one.expect("a stopping task").id.clone()]);
        assert_eq!(stopping(&now, &now), Vec::<String>::new());
    }

    #[test]
    fn a_node_is_where_the_gossip_says_its_tasks_are() {
        let nodes = nodes(&document::<Vec<_>>("nodes.json"));
        let mut view = SwarmView { nodes, tasks: Some(documents()), ..SwarmView::default() };
        let (seat, host) = ([10, 0, 0, 7].into(), [192, 0, 2, 3].into());
        view.hosts.insert(seat, host);
        let place = crate::source::docker::documents::place(&document("info_manager.json"));
        let facts = view.facts(&place.expect("a place"));
        let node = facts.tasks.values().find(|task| task.addresses.values().any(|a| *a == seat));
        let node = &node.expect("a task").node;
        assert_eq!(facts.nodes[node].address, Some(host));
        assert_eq!(facts.nodes.values().filter(|node| node.address == Some(host)).count(), 1);
        assert_eq!(facts.vxlan_port, 4789);
    }
}
