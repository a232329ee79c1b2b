//! Rules about names: their characters, that each is defined once, and that references hold.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::{
    entry::{FileEntry, ServiceEntry, TaskEntry},
    report::{At, Place, Report},
    suggest::did_you_mean,
};
use crate::{
    fit::MAX_NAME,
    model::{EndpointMode, PublishMode},
};

/// What a host-mode port adds to its service's name in the maps: `@host:65535/tcp`.
const HOST_SUFFIX: usize = "@host:65535/tcp".len();
/// Longest name of an interface, bytes (IFNAMSIZ less the final zero).
const MAX_INTERFACE: usize = 15;

/// Checks all names of the file.
pub(super) fn check(file: &FileEntry, report: &mut Report) {
    let tasks = || file.services.iter().flat_map(|service| &service.tasks);
    once("node", file.nodes.iter().map(|node| &node.name), report);
    once("network", file.networks.iter().map(|network| &network.name), report);
    once("service", file.services.iter().map(|service| &service.name), report);
    once("task", tasks().map(|task| &task.name), report);
    interfaces(file, report);
    namespaces(tasks(), report);
    let nodes: Vec<&str> = file.nodes.iter().map(|node| node.name.value.as_str()).collect();
    let networks: Vec<&str> = file.networks.iter().map(|net| net.name.value.as_str()).collect();
    for service in &file.services {
        host_suffix(service, report);
        vip_suffix(service, report);
        once_in_list(&service.networks, report);
        once_in_list(&service.aliases, report);
        service.aliases.iter().for_each(|alias| spelling(alias, report));
        known("network", service.networks.iter(), &networks, report);
        known("node", service.tasks.iter().filter_map(|task| task.node.as_ref()), &nodes, report);
    }
}

/// The first place of each key, and for each further one its place and the first.
pub(super) fn repeated<'a, K: Hash + Eq>(
    items: impl IntoIterator<Item = (K, &'a Place)>,
) -> Vec<(&'a Place, &'a Place)> {
    let mut first = HashMap::new();
    let mut repeated = Vec::new();
    for (key, place) in items {
        match first.get(&key) {
            Some(earlier) => repeated.push((place, *earlier)),
            None => drop(first.insert(key, place)),
        }
    }
    repeated
}

fn once<'a>(kind: &str, names: impl Iterator<Item = &'a At<String>>, report: &mut Report) {
    let names: Vec<_> = names.collect();
    names.iter().for_each(|name| spelling(name, report));
    for (place, first) in repeated(names.iter().map(|name| (&name.value, &name.place))) {
        let message = format!("a {kind} of this name is already defined in line {}", first.line);
        report.add(place, message, "rename one of them or remove it");
    }
}

fn spelling(name: &At<String>, report: &mut Report) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let length = name.value.len();
    if name.value.is_empty() {
        report.add(&name.place, "the name is empty", "give it a name");
    } else if length > MAX_NAME {
        let message = format!("the name has {length} bytes");
        report.add(&name.place, message, format!("use at most {MAX_NAME}"));
    } else if let Some(other) = name.value.chars().find(|&c| !allowed(c)) {
        let message = format!("the name contains {other:?}");
        report.add(&name.place, message, "use letters, digits, '_', '.' and '-' only");
    }
}

fn host_suffix(service: &ServiceEntry, report: &mut Report) {
    let host = service.publish.iter().any(|publish| publish.mode == PublishMode::Host);
    let limit = MAX_NAME - HOST_SUFFIX;
    let length = service.name.value.len();
    if host && length > limit && length <= MAX_NAME {
        let message = format!("the name of a service with host-mode ports has {length} bytes");
        report.add(&service.name.place, message, format!("use at most {limit}"));
    }
}

/// A virtual IP is a service of its own in the maps, `SERVICE@NETWORK`.
fn vip_suffix(service: &ServiceEntry, report: &mut Report) {
    let name = &service.name;
    let longest = service.networks.iter().max_by_key(|network| network.value.len());
    let Some(network) = longest.filter(|_| service.mode == EndpointMode::Vip) else { return };
    let length = name.value.len() + "@".len() + network.value.len();
    if length > MAX_NAME && name.value.len() <= MAX_NAME && network.value.len() <= MAX_NAME {
        let message = format!(
            "the names of the service and of network {:?} have {} bytes together",
            network.value,
            length - 1
        );
        report.add(&name.place, message, format!("use at most {}", MAX_NAME - 1));
    }
}

fn interfaces(file: &FileEntry, report: &mut Report) {
    for node in &file.nodes {
        once_in_list(&node.interfaces, report);
        for interface in &node.interfaces {
            let text = &interface.value;
            let wrong = text.is_empty() || text.len() > MAX_INTERFACE;
            if wrong || text.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
                let message = format!("{text:?} cannot be the name of an interface");
                report.add(&interface.place, message, "use a name that `ip link` shows");
            }
        }
    }
}

fn namespaces<'a>(tasks: impl Iterator<Item = &'a TaskEntry>, report: &mut Report) {
    let places = tasks.filter_map(|task| {
        let (node, netns) = (task.node.as_ref()?, task.netns.as_ref()?);
        Some(((&node.value, &netns.value), &netns.place))
    });
    for (place, first) in repeated(places) {
        let message = format!("this namespace is already that of {}", first.reference());
        report.add(place, message, "give each task on a node a namespace of its own");
    }
}

fn once_in_list(names: &[At<String>], report: &mut Report) {
    let mut seen = HashSet::new();
    for name in names.iter().filter(|name| !seen.insert(&name.value)) {
        report.add(
            &name.place,
            format!("{:?} is listed twice", name.value),
            "remove one of the two",
        );
    }
}

fn known<'a>(
    kind: &str,
    references: impl Iterator<Item = &'a At<String>>,
    names: &[&str],
    report: &mut Report,
) {
    for reference in references.filter(|reference| !names.contains(&reference.value.as_str())) {
        let fix = did_you_mean(&reference.value, names.iter().copied());
        report.add(&reference.place, format!("there is no {kind} {:?}", reference.value), fix);
    }
}
