//! Tasks that run, as the managers see them.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::addr_of;
use crate::source::docker::{
    api::{Attachment, TaskDocument},
    facts::{NodeFacts, TaskFacts},
};

/// States that a task is brought to when it shall not run any longer. `complete` is not among
/// them: that is what a job is to reach by itself.
const END: [&str; 5] = ["shutdown", "failed", "rejected", "remove", "orphaned"];

/// Facts about the tasks that run, by id. Those of a lost node run on as far as anybody knows.
pub(in crate::source::docker) fn tasks<'a>(
    documents: impl IntoIterator<Item = &'a TaskDocument>,
    nodes: &BTreeMap<String, NodeFacts>,
) -> BTreeMap<String, TaskFacts> {
    let running = documents.into_iter().filter(|task| task.status.state == "running");
    running.map(|task| (task.id.clone(), facts(task, nodes))).collect()
}

fn facts(task: &TaskDocument, nodes: &BTreeMap<String, NodeFacts>) -> TaskFacts {
    let is_node_lost = nodes.get(&task.node).is_none_or(|node| node.is_down);
    TaskFacts {
        service: task.service.clone(),
        slot: if task.slot == 0 { task.node.clone() } else { task.slot.to_string() },
        node: task.node.clone(),
        is_draining: is_node_lost || END.contains(&&*task.desired_state),
        addresses: task.networks_attachments.iter().flatten().filter_map(address).collect(),
    }
}

fn address(attachment: &Attachment) -> Option<(String, Ipv4Addr)> {
    let addr = attachment.addresses.iter().flatten().find_map(|addr| addr_of(addr))?;
    Some((attachment.network.id.clone(), addr))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::{
        api::parse_tasks,
        documents::{document, nodes},
    };

    const WEB: &str = "i4q61u0e25kqz5c9umehrj0el";

    fn told(nodes: &BTreeMap<String, NodeFacts>) -> BTreeMap<String, TaskFacts> {
        let documents = parse_tasks(include_bytes!("../testdata/tasks.json")).expect("tasks");
        tasks(&documents, nodes)
    }

    fn in_web(tasks: &BTreeMap<String, TaskFacts>) -> Vec<(String, &str, bool)> {
        let mut told: Vec<_> = tasks
            .values()
            .filter_map(|task| Some((task.addresses.get(WEB)?, task)))
            .map(|(addr, task)| (addr.to_string(), &*task.slot, task.is_draining))
            .collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn tasks_that_run_count_and_those_that_shall_stop_drain() {
        let tasks = told(&nodes(&document::<Vec<_>>("nodes.json")));
        let of_replicas: Vec<_> =
            in_web(&tasks).into_iter().filter(|(_, slot, _)| slot.len() == 1).collect();
        let task = |addr: &str, slot, drains| (addr.to_owned(), slot, drains);
        assert_eq!(
            of_replicas,
            [
                task("10.103.0.14", "2", true),
                task("10.103.0.4", "3", false),
                task("10.103.0.5", "1", false)
            ]
        );
    }

    #[test]
    fn the_slot_of_a_global_service_is_its_node() {
        let tasks = told(&nodes(&document::<Vec<_>>("nodes.json")));
        let global: Vec<_> = tasks.values().filter(|task| task.slot == task.node).collect();
        assert_eq!(global.len(), 3);
    }

    #[test]
    fn tasks_of_a_lost_node_drain() {
        let mut nodes = nodes(&document::<Vec<_>>("nodes.json"));
        nodes.values_mut().for_each(|node| node.is_down = true);
        assert!(told(&nodes).values().all(|task| task.is_draining));
        assert!(told(&BTreeMap::new()).values().all(|task| task.is_draining));
    }
}
