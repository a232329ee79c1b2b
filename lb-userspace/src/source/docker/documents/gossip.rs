//! What the gossip knows of a network's endpoints everywhere: `GET /networks/ID?verbose=true`, which
//! workers answer too, for the ingress network and those that have a task on the node. It knows
//! neither protocols nor labels nor which tasks are about to stop.

use std::{collections::BTreeMap, net::Ipv4Addr};

use bollard::models::{NetworkInspect, NetworkTaskInfo, ServiceInfo};

use super::addr_of;

/// What is said of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source::docker) struct NetworkGossip {
    /// Services by name.
    pub(in crate::source::docker) services: BTreeMap<String, GossipService>,
    /// Data-path address of the node of each endpoint, by the endpoint's address.
    pub(in crate::source::docker) hosts: BTreeMap<Ipv4Addr, Ipv4Addr>,
}

/// A service in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source::docker) struct GossipService {
    /// Its virtual IP there; none with `--endpoint-mode dnsrr`.
    pub(in crate::source::docker) vip: Option<Ipv4Addr>,
    /// Its published ports and what they lead to, in the ingress network only. A port that is
    /// published for both protocols stands here twice.
    pub(in crate::source::docker) ports: Vec<(u16, u16)>,
    /// Its tasks.
    pub(in crate::source::docker) tasks: Vec<GossipTask>,
}

/// A task in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source::docker) struct GossipTask {
    /// Its id.
    pub(in crate::source::docker) id: String,
    /// Its slot, or the id of its node.
    pub(in crate::source::docker) slot: String,
    /// Its address in the network.
    pub(in crate::source::docker) addr: Ipv4Addr,
    /// Data-path address of its node.
    pub(in crate::source::docker) host: Option<Ipv4Addr>,
}

/// What the gossip says of a network.
pub(in crate::source::docker) fn network_gossip(document: &NetworkInspect) -> NetworkGossip {
    let told = document.services.iter().flatten();
    let told = told.filter_map(|(name, service)| {
        Some((name, serde_json::from_value::<ServiceInfo>(service.clone()).ok()?))
    });
    let mut gossip = NetworkGossip::default();
    for (name, service) in told {
        let endpoints = service.tasks.iter().flatten();
        gossip.hosts.extend(endpoints.filter_map(|one| Some((addr(one)?, host(one)?))));
        // Endpoints under no name: those of Docker itself and plain containers.
        if !name.is_empty() {
            gossip.services.insert(name.clone(), facts(name, &service));
        }
    }
    gossip
}

fn facts(name: &str, service: &ServiceInfo) -> GossipService {
    let mut tasks: Vec<_> =
        service.tasks.iter().flatten().filter_map(|one| task(name, one)).collect();
    tasks.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    GossipService {
        vip: service.vip.as_deref().and_then(addr_of),
        ports: service.ports.iter().flatten().filter_map(|text| port(text)).collect(),
        tasks,
    }
}

/// A task by its name, `SERVICE.SLOT.ID`; a service's name has no dot.
fn task(service: &str, endpoint: &NetworkTaskInfo) -> Option<GossipTask> {
    let name = endpoint.name.as_deref()?.strip_prefix(service)?.strip_prefix('.')?;
    let (slot, id) = name.split_once('.')?;
    Some(GossipTask {
        id: id.into(),
        slot: slot.into(),
        addr: addr(endpoint)?,
        host: host(endpoint),
    })
}

fn addr(endpoint: &NetworkTaskInfo) -> Option<Ipv4Addr> {
    addr_of(endpoint.endpoint_ip.as_deref()?)
}

fn host(endpoint: &NetworkTaskInfo) -> Option<Ipv4Addr> {
    addr_of(endpoint.info.as_ref()?.get("Host IP")?)
}

/// `Target: 80, Publish: 8080` (moby, libnetwork/networkdb and daemon/network.go): published first.
fn port(text: &str) -> Option<(u16, u16)> {
    let (target, published) = text.strip_prefix("Target: ")?.split_once(", Publish: ")?;
    Some((published.parse().ok().filter(|port| *port != 0)?, target.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::documents::document;

    #[test]
    fn the_ingress_network_tells_ports_and_every_node() {
        let gossip = network_gossip(&document("ingress_verbose.json"));
        let whoami = &gossip.services["whoami"];
        assert_eq!(whoami.ports, [(8080, 80), (8053, 80)]);
        assert_eq!(whoami.vip, Some([10, 0, 0, 5].into()));
        let node = |last: u8| Ipv4Addr::from([198, 18, 103, last]);
        let seats = [2, 3, 4].map(|last| gossip.hosts[&Ipv4Addr::from([10, 0, 0, last])]);
        assert_eq!(seats, [node(1), node(2), node(3)]);
    }

    #[test]
    fn tasks_have_their_ids_slots_and_nodes() {
        let gossip = network_gossip(&document("web_verbose.json"));
        let task = &gossip.services["hostmode"].tasks[0];
        assert_eq!(task.slot.len(), task.id.len(), "a global service's slot is a node's id");
        let replicas = &gossip.services["whoami"].tasks;
        let told: Vec<_> =
            replicas.iter().map(|task| (&*task.slot, task.addr, task.host)).collect();
        let addr = |last| Ipv4Addr::from([10, 103, 0, last]);
        let host = |last| Some(Ipv4Addr::from([198, 18, 103, last]));
        assert!(told.contains(&("3", addr(4), host(3))), "{told:?}");
        assert!(told.contains(&("1", addr(5), host(1))), "{told:?}");
    }

    #[test]
    fn plain_containers_and_docker_itself_are_no_service() {
        let web = network_gossip(&document("web_verbose.json"));
        assert_eq!(web.services.keys().collect::<Vec<_>>(), ["hostmode", "whoami"]);
        let plain = Ipv4Addr::from([10, 103, 0, 13]);
        assert_eq!(web.hosts.get(&plain), Some(&[198, 18, 103, 2].into()));
    }

    #[test]
    fn ports_in_other_words_are_left_out() {
        assert_eq!(port("Target: 80, Publish: 0"), None);
        assert_eq!(port("Target: 80"), None);
        assert_eq!(port("80"), None);
    }
}
