//! A service's tasks: where they run, what they are called, whether they take new flows.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    View,
    networks::Networks,
    nodes::{Nodes, first_letters},
    numbers::{Offset, numbers},
};
use crate::{
    fit::{MAX_NAME, fit},
    model::{Netns, Task},
    source::docker::facts::TaskFacts,
};

/// Letters of a task's id in its name.
const LETTERS: usize = 8;

/// Tasks of the whole Swarm by id.
pub(super) type Tasks<'a> = BTreeMap<&'a str, &'a TaskFacts>;

/// The tasks of each service by the service's id, as far as they can be backends: on a node that is
/// known, with an address in a network that is known.
pub(super) fn by_service<'a>(
    view: View<'a>,
    nodes: &Nodes,
    networks: &Networks,
) -> BTreeMap<&'a str, Tasks<'a>> {
    let mut services: BTreeMap<_, Tasks<'a>> = BTreeMap::new();
    let is_backend =
        |task: &TaskFacts| nodes.names.contains_key(&task.node) && offset(task, networks).is_some();
    for (id, task) in view.swarm.tasks.iter().filter(|(_, task)| is_backend(task)) {
        services.entry(task.service.as_str()).or_default().insert(id, task);
    }
    services
}

/// Names of all tasks by id: `SERVICE.SLOT.` and the first letters of the id; the id alone where two
/// would be called alike. `services` are names by id.
pub(super) fn names<'a>(
    view: View<'a>,
    services: &BTreeMap<&str, String>,
) -> BTreeMap<&'a str, String> {
    let name = |(id, task): (&'a String, &'a TaskFacts)| {
        let service = services.get(task.service.as_str())?;
        let tail = format!(".{}.{}", fit(&task.slot, 25), first_letters(id, LETTERS));
        let room = MAX_NAME.saturating_sub(tail.len());
        Some((id.as_str(), fit(&format!("{}{tail}", fit(service, room)), MAX_NAME)))
    };
    let mut names: BTreeMap<_, _> = view.swarm.tasks.iter().filter_map(name).collect();
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for name in names.values() {
        if !seen.insert(name.clone()) {
            twice.insert(name.clone());
        }
    }
    for (id, name) in names.iter_mut().filter(|(_, name)| twice.contains(*name)) {
        *name = fit(id, MAX_NAME);
    }
    names
}

/// The tasks of one service, by number.
pub(super) fn tasks(
    view: View<'_>,
    (nodes, networks): (&Nodes, &Networks),
    facts: &Tasks<'_>,
    (names, weight): (&BTreeMap<&str, String>, u16),
) -> Vec<Task> {
    let offsets = facts.iter().filter_map(|(&id, task)| Some((id, offset(task, networks)?)));
    let numbers = numbers(offsets);
    let task = |(&id, task): (&&str, &&TaskFacts)| {
        let is_down = view.swarm.nodes.get(&task.node).is_some_and(|node| node.is_down);
        Some(Task {
            name: names.get(id)?.clone(),
            node: nodes.names.get(&task.node)?.clone(),
            netns: netns(view, id),
            weight: if task.is_draining || is_down { 0 } else { weight },
            number: *numbers.get(id)?,
            addresses: addresses(task, networks),
            macs: BTreeMap::new(),
        })
    };
    let mut tasks: Vec<_> = facts.iter().filter_map(task).collect();
    tasks.sort_by_key(|task| task.number);
    tasks
}

fn addresses(task: &TaskFacts, networks: &Networks) -> BTreeMap<String, std::net::Ipv4Addr> {
    let known = |(id, addr): (&String, &std::net::Ipv4Addr)| {
        networks.offset(id, *addr)?;
        Some((networks.names.get(id)?.clone(), *addr))
    };
    task.addresses.iter().filter_map(known).collect()
}

/// What its number follows from: its address in the ingress network, else in its first other one.
fn offset(task: &TaskFacts, networks: &Networks) -> Option<Offset> {
    task.addresses
        .iter()
        .filter_map(|(id, addr)| networks.offset(id, *addr))
        .min_by_key(|offset| matches!(offset, Offset::Other(_)))
}

/// Its container's namespace; of tasks elsewhere, and of those without a gateway leg, a file that is not
/// there.
fn netns(view: View<'_>, id: &str) -> Netns {
    let mut containers = view.local.containers.values();
    let container = containers.find(|container| container.task.as_deref() == Some(id));
    let none = || view.local.netns_dir.join(id);
    Netns::Path(container.map_or_else(none, |container| container.netns.clone()))
}
