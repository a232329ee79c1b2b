//! What cannot be served is left out, told, and stops nothing else.

use std::net::Ipv4Addr;

use super::{super::NotReady, service, swarm::Swarm};
use crate::{
    model::{Protocol, Subnet},
    source::docker::{TakeOver, facts::PortFacts},
};

/// The subjects and texts of the warnings.
fn told(swarm: &Swarm) -> String {
    let (.., warnings) = swarm.desired().expect("ready");
    warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

#[test]
fn without_the_node_s_own_facts_there_is_nothing_to_do() {
    let mut swarm = Swarm::usual();
    swarm.local.bridge = None;
    assert_eq!(swarm.desired().unwrap_err(), NotReady::NoBridge);
    let mut swarm = Swarm::usual();
    swarm.local.bridge.as_mut().unwrap().subnet.prefix = 12;
    let subnet = Subnet { addr: Ipv4Addr::new(172, 18, 0, 0), prefix: 12 };
    assert_eq!(swarm.desired().unwrap_err(), NotReady::Bridge(subnet));
    let mut swarm = Swarm::usual();
    swarm.local.node.clear();
    assert_eq!(swarm.desired().unwrap_err(), NotReady::NoSwarm);
    let mut swarm = Swarm::usual();
    (swarm.local.address, swarm.swarm.nodes) = (None, [].into());
    assert_eq!(swarm.desired().unwrap_err(), NotReady::NoAddress);
    let mut swarm = Swarm::usual();
    swarm.local.cluster_id = "another".into();
    assert!(matches!(swarm.desired().unwrap_err(), NotReady::OtherSwarm { .. }));
    let mut swarm = Swarm::usual();
    swarm.network("front").subnets[0].vni = 4095;
    let error = swarm.desired().unwrap_err();
    assert_eq!(error, NotReady::MeshVni { network: "front".into(), vni: 4095 });
}

#[test]
fn a_node_without_address_and_its_tasks() {
    let mut swarm = Swarm::usual();
    swarm.swarm.nodes.get_mut("n2id").unwrap().address = None;
    let (state, _, warnings) = swarm.desired().unwrap();
    assert_eq!((state.nodes.len(), service(&state, "web").tasks.len()), (2, 1));
    assert!(warnings[0].to_string().contains("node \"node-2\": nobody knows"), "{warnings:?}");
}

#[test]
fn a_machine_that_joined_again_counts_once() {
    let mut swarm = Swarm::usual();
    let mut former = swarm.swarm.nodes["n1id"].clone();
    former.is_down = true;
    swarm.swarm.nodes.insert("a-former-life".into(), former);
    let (state, here, warnings) = swarm.desired().unwrap();
    assert_eq!((state.nodes.len(), here.as_str(), warnings), (3, "node-1", Vec::new()));
}

#[test]
fn the_second_network_of_a_subnet_or_name() {
    for (from, to) in [([10, 20, 0, 0], "same"), ([10, 40, 0, 0], "back")] {
        let mut swarm = Swarm::usual();
        let mut other = swarm.network("front").clone();
        other.name = to.into();
        (other.subnets[0].vni, other.subnets[0].addr) = (4200, from.into());
        swarm.swarm.networks.insert("a-late-one".into(), other);
        let (state, _, warnings) = swarm.desired().unwrap();
        assert_eq!((state.networks.len(), warnings.len()), (2, 1), "{warnings:?}");
        assert!(service(&state, "web").vips.contains_key("front"));
    }
}

#[test]
fn a_port_that_two_services_or_the_swarm_have() {
    let mut swarm = Swarm::usual();
    let port = |protocol, published| PortFacts { protocol, published, target: 90 };
    let (tcp, udp) = (Some(Protocol::Tcp), Some(Protocol::Udp));
    // By its id this one is the first, and it does not know the protocol of its port.
    swarm.service("db").ports =
        vec![port(None, 8080), port(tcp, 2377), port(udp, 4789), port(tcp, 7950)];
    let (state, ..) = swarm.desired().unwrap();
    let ports = |name| {
        service(&state, name)
            .publish
            .iter()
            .map(|port| (port.published, port.protocol))
            .collect::<Vec<_>>()
    };
    assert_eq!(ports("web"), [(8080, Protocol::Tcp)]);
    assert_eq!(ports("db"), [(8080, Protocol::Udp)]);
    let told = told(&swarm);
    for part in ["2377/tcp is not published, since the Swarm's managers", "4789/udp", "7950/tcp"] {
        assert!(told.contains(part), "{told}");
    }
    swarm.service("db").ports = vec![port(tcp, 8080)];
    assert!(
        self::told(&swarm)
            .contains("service \"web\": port 8080/tcp is not published, since another service")
    );
}

#[test]
fn services_that_stay_with_docker() {
    let names = |swarm: &Swarm| {
        let (state, ..) = swarm.desired().unwrap();
        state.services.into_iter().map(|service| service.name).collect::<Vec<_>>()
    };
    let mut swarm = Swarm::usual();
    swarm.service("db").labels = [("swarmlb.enable".into(), "false".into())].into();
    assert_eq!(names(&swarm), ["web"]);
    let mut swarm = Swarm::usual();
    swarm.local.has_ipvs = true;
    assert_eq!(names(&swarm), [""; 0]);
    assert!(told(&swarm).contains("Docker goes on balancing 2 services"));
    swarm.service("db").labels = [("swarmlb.enable".into(), "true".into())].into();
    assert_eq!(names(&swarm), ["db"]);
    swarm.options.take_over = TakeOver::All;
    assert_eq!(names(&swarm), ["db", "web"]);
    (swarm.options.take_over, swarm.local.has_ipvs) = (TakeOver::Labelled, false);
    assert!(names(&swarm) == ["db"] && told(&swarm).contains("balanced by nobody"));
}

#[test]
fn a_service_that_only_publishes_in_host_mode_is_docker_s() {
    let mut swarm = Swarm::usual();
    let web = swarm.service("web");
    (web.ports, web.vips) = (Vec::new(), [].into());
    swarm.swarm.tasks.retain(|_, task| task.service != "sweb");
    let (state, ..) = swarm.desired().unwrap();
    assert!(state.services.iter().all(|service| service.name != "web"));
}

#[test]
fn an_encrypted_ingress_network_carries_nothing() {
    let mut swarm = Swarm::usual();
    swarm.network("ingress").is_encrypted = true;
    let (state, ..) = swarm.desired().unwrap();
    let docker = state.docker().unwrap();
    assert!(docker.is_ingress_encrypted && docker.ingress.is_none());
    assert!(told(&swarm).contains("ingress network: it is encrypted"));
    assert!(service(&state, "web").tasks.iter().all(|task| task.weight == 1));
}

#[test]
fn without_a_place_in_the_ingress_network_nodes_without_agent_are_told() {
    let mut swarm = Swarm::usual();
    swarm.local.ingress_addr = None;
    assert_eq!(told(&swarm), "");
    swarm.swarm.nodes.get_mut("n2id").unwrap().has_agent = false;
    assert!(told(&swarm).contains("nodes without agent (node-2)"));
}

#[test]
fn names_fit_the_maps() {
    let mut swarm = Swarm::usual();
    swarm.service("web").name = "w".repeat(63);
    swarm.network("front").name = "f".repeat(100);
    let (state, ..) = swarm.desired().unwrap();
    let web = service(&state, &"w".repeat(63));
    assert!(web.tasks.iter().all(|task| task.name.len() == 63 && task.name.starts_with("www")));
    assert_eq!(web.tasks[0].name.rsplit_once('.').unwrap().1, "web1aaaa");
    assert!(web.vips.keys().all(|network| network.len() == 63));
}

#[test]
fn clients_in_a_subnet_of_the_tasks_networks() {
    let mut swarm = Swarm::usual();
    assert!(!told(&swarm).contains("never answer"), "{}", told(&swarm));
    let address = Ipv4Addr::new(10, 20, 0, 77);
    swarm.swarm.nodes.get_mut("n2id").unwrap().address = Some(address);
    assert_eq!(swarm.network("front").subnets[0].addr, Ipv4Addr::new(10, 20, 0, 0));
    let told = told(&swarm);
    assert!(
        told.contains("network \"front\": its subnet 10.20.0.0/24 has the address of node"),
        "{told}"
    );
    assert!(told.contains("10.20.0.77"), "{told}");
}
