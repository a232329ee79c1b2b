//! What this node's engine and kernel say of the node: its gateway bridge with the containers on it,
//! its seat in the ingress network, the namespaces of its overlay networks.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum as State, EndpointResource, NetworkInspect,
};
use lb_common::addr::Mac;

use super::{Place, addr_of, bridges::bridge};
use crate::source::docker::facts::{BridgeFacts, ContainerFacts, LocalFacts};

/// Label by which the engine knows the task that a container is.
const TASK: &str = "com.docker.swarm.task.id";
/// Name of Docker's own endpoint in the ingress network, in place of a container's id.
const INGRESS_SEAT: &str = "ingress-sbox";
/// Endpoints on the bridge are named so, with the first letters of their sandbox's id after it.
const GATEWAY: &str = "gateway_";

/// What the engine says of the node itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::source::docker) struct LocalDocuments {
    /// Running containers.
    pub(in crate::source::docker) containers: Vec<ContainerSummary>,
    /// The network of the gateway bridge.
    pub(in crate::source::docker) bridge: Option<NetworkInspect>,
    /// The ingress network.
    pub(in crate::source::docker) ingress: Option<NetworkInspect>,
    /// Bridges of the other networks that only this node has.
    pub(in crate::source::docker) bridges: Vec<BridgeFacts>,
}

/// What the kernel says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source::docker) struct Kernel {
    /// Names of the files in the engine's directory of namespaces.
    pub(in crate::source::docker) namespaces: Vec<String>,
    /// It has IPVS.
    pub(in crate::source::docker) has_ipvs: bool,
}

/// Facts about the node; `cluster_id`, from its certificate, and its data-path address, from the
/// gossip, are for the caller to add.
pub(in crate::source::docker) fn local_facts<'a>(
    place: &Place,
    documents: &LocalDocuments,
    kernel: &Kernel,
    networks: impl Iterator<Item = &'a String>,
    exec_root: &Path,
) -> LocalFacts {
    let netns_dir = exec_root.join("netns");
    let tasks = tasks_of(&documents.containers);
    let bridge = documents.bridge.as_ref();
    LocalFacts {
        node: place.node.clone(),
        cluster_id: String::new(),
        address: place.address,
        bridge: bridge.and_then(gateway_bridge),
        bridges: documents.bridges.clone(),
        containers: bridge.map(|bridge| containers(bridge, &tasks, &netns_dir)).unwrap_or_default(),
        running: Some(tasks.values().flatten().map(|task| (*task).to_owned()).collect()),
        ended: BTreeSet::new(),
        stopping: BTreeSet::new(),
        ingress_addr: documents.ingress.as_ref().and_then(seat),
        overlay_namespaces: overlay_namespaces(networks, &kernel.namespaces, &netns_dir),
        has_ipvs: kernel.has_ipvs,
        netns_dir,
    }
}

/// Tasks by the ids of their containers, of those that run.
pub(in crate::source::docker) fn tasks_by_container(
    containers: &[ContainerSummary],
) -> BTreeMap<String, String> {
    let named = tasks_of(containers);
    named.into_iter().filter_map(|(id, task)| Some((id.to_owned(), task?.to_owned()))).collect()
}

/// The task of each running container.
fn tasks_of(containers: &[ContainerSummary]) -> BTreeMap<&str, Option<&str>> {
    let runs = |state| !matches!(state, Some(State::EXITED | State::DEAD | State::REMOVING));
    let running = containers.iter().filter(|container| runs(container.state));
    running.filter_map(|container| Some((container.id.as_deref()?, task_of(container)))).collect()
}

fn task_of(container: &ContainerSummary) -> Option<&str> {
    container.labels.as_ref()?.get(TASK).map(String::as_str)
}

fn gateway_bridge(network: &NetworkInspect) -> Option<BridgeFacts> {
    bridge(network.id.as_deref()?, network.options.as_ref(), network.ipam.as_ref())
}

/// Containers with a leg on the bridge. Those put there by hand (`docker network connect`) have no
/// gateway endpoint, and no way in.
fn containers(
    bridge: &NetworkInspect,
    tasks: &BTreeMap<&str, Option<&str>>,
    netns_dir: &Path,
) -> BTreeMap<String, ContainerFacts> {
    let legs = bridge.containers.iter().flatten();
    let here = legs.filter_map(|(id, leg)| {
        let task = *tasks.get(id.as_str())?;
        Some((id.clone(), container(leg, task, netns_dir)?))
    });
    here.collect()
}

fn container(
    leg: &EndpointResource,
    task: Option<&str>,
    netns_dir: &Path,
) -> Option<ContainerFacts> {
    let sandbox = leg.name.as_deref()?.strip_prefix(GATEWAY)?;
    Some(ContainerFacts {
        task: task.map(Into::into),
        addr: addr_of(leg.ipv4_address.as_deref()?)?,
        mac: mac(leg.mac_address.as_deref()?)?,
        netns: netns_dir.join(sandbox),
    })
}

fn mac(text: &str) -> Option<Mac> {
    let bytes: Option<Vec<u8>> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes?.try_into().ok()
}

/// The node's own address in the ingress network.
fn seat(ingress: &NetworkInspect) -> Option<Ipv4Addr> {
    addr_of(ingress.containers.as_ref()?.get(INGRESS_SEAT)?.ipv4_address.as_deref()?)
}

/// The namespace of each network that has one here: a number, a dash and ten letters of the
/// network's id (moby, drivers/overlay/ov_network.go). Of several the last one counts.
fn overlay_namespaces<'a>(
    networks: impl Iterator<Item = &'a String>,
    files: &[String],
    netns_dir: &Path,
) -> BTreeMap<String, PathBuf> {
    let of = |network: &String| {
        let named = files.iter().filter_map(|file| {
            let (number, name) = file.split_once('-')?;
            let number: u32 = number.parse().ok()?;
            (name.len() == 10 && network.starts_with(name)).then_some((number, file))
        });
        named.max().map(|(_, file)| netns_dir.join(file))
    };
    networks.filter_map(|network| Some((network.clone(), of(network)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::documents::{document, networks, place};

    fn documents() -> LocalDocuments {
        LocalDocuments {
            containers: document("containers.json"),
            bridge: Some(document("gwbridge.json")),
            ingress: Some(document("ingress_verbose.json")),
            bridges: Vec::new(),
        }
    }

    fn facts(documents: &LocalDocuments) -> LocalFacts {
        let place = place(&document("info_worker.json")).expect("a place");
        let files =
            ["1-i4q61u0e25", "1-ide65rkle9", "67ef2e37476d", "ingress_sbox", "lb_i4q61u0e2"];
        let kernel = Kernel { namespaces: files.map(Into::into).into(), has_ipvs: false };
        let networks = networks(&document::<Vec<_>>("networks_worker.json"));
        local_facts(&place, documents, &kernel, networks.keys(), Path::new("/run/n2/exec"))
    }

    #[test]
    fn the_bridge_is_the_subnet_of_gateway_legs() {
        let bridge = facts(&documents()).bridge.expect("a bridge");
        assert_eq!(bridge.interface, "docker_gwbridge");
        assert_eq!(bridge.subnet.to_string(), "172.18.0.0/16");
        assert_eq!(bridge.gateway, Ipv4Addr::new(172, 18, 0, 1));
    }

    #[test]
    fn legs_belong_to_tasks_and_plain_containers_but_not_to_docker() {
        let facts = facts(&documents());
        let tasks: Vec<_> = facts.containers.values().map(|one| one.task.is_some()).collect();
        assert_eq!(tasks, [false, true, true]);
        let plain = facts.containers.values().next().expect("a container");
        assert_eq!(plain.addr, Ipv4Addr::new(172, 18, 0, 5));
        assert_eq!(plain.mac, [0x02, 0x42, 0xac, 0x12, 0, 5]);
        assert_eq!(plain.netns, Path::new("/run/n2/exec/netns/67ef2e37476d"));
        assert_eq!(facts.ingress_addr, Some(Ipv4Addr::new(10, 0, 0, 3)));
    }

    #[test]
    fn a_container_that_ended_has_no_leg() {
        let mut documents = documents();
        let running = |documents: &LocalDocuments| facts(documents).running.expect("known").len();
        let all = running(&documents);
        let ended = documents
            .containers
            .iter_mut()
            .find(|one| one.labels.as_ref().is_some_and(|labels| labels.contains_key(TASK)));
        ended.expect("a task").state = Some(State::EXITED);
        assert_eq!(facts(&documents).containers.len(), 2);
        assert_eq!(running(&documents), all - 1);
    }

    #[test]
    fn networks_are_found_by_their_namespaces() {
        let namespaces = facts(&documents()).overlay_namespaces;
        let files: Vec<_> = namespaces.values().collect();
        let dir = Path::new("/run/n2/exec/netns");
        assert_eq!(files, [&dir.join("1-i4q61u0e25"), &dir.join("1-ide65rkle9")]);
    }

    #[test]
    fn of_two_namespaces_of_a_network_the_later_one_counts() {
        let files = ["9-i4q61u0e25", "10-i4q61u0e25", "x-i4q61u0e25"].map(String::from);
        let network = "i4q61u0e25kqz5c9umehrj0el".to_owned();
        let found = overlay_namespaces([&network].into_iter(), &files, Path::new("/n"));
        assert_eq!(found[&network], Path::new("/n/10-i4q61u0e25"));
    }

    #[test]
    fn before_the_first_swarm_there_is_no_bridge() {
        let facts = facts(&LocalDocuments::default());
        assert_eq!((facts.bridge, facts.ingress_addr), (None, None));
        assert!(facts.containers.is_empty());
    }
}
