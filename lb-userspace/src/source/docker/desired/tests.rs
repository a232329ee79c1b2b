//! A small Swarm and what becomes of it; and what holds for any facts.

mod left_out;
mod properties;
mod swarm;

use std::{net::Ipv4Addr, path::PathBuf};

use super::*;
use crate::model::{
    EndpointMode, IngressSeat, Netns, Protocol, PublishMode, Reach, ReturnMode, Scheduler, Service,
};
use swarm::{Swarm, WEB_1, WEB_2, own_vip, task_of};

fn service<'a>(state: &'a DesiredState, name: &str) -> &'a Service {
    state.services.iter().find(|service| service.name == name).expect("there")
}

#[test]
fn the_usual_swarm() {
    let (state, here, warnings) = Swarm::usual().desired().expect("ready");
    assert_eq!((here.as_str(), warnings), ("node-1", Vec::new()));
    let nodes: Vec<_> = state.nodes.iter().map(|node| (&*node.name, node.reach)).collect();
    assert_eq!(
        nodes,
        [("node-1", Reach::Mesh), ("node-2", Reach::Mesh), ("node-3", Reach::Ingress)]
    );
    assert_eq!(state.nodes[0].interfaces, ["eth0"]);
    let networks: Vec<_> = state.networks.iter().map(|net| (&*net.name, net.first.vni)).collect();
    assert_eq!(networks, [("back", 4097), ("front", 4098)], "without the ingress network");
    let namespaces: Vec<_> = state.networks.iter().map(|net| net.namespace.clone()).collect();
    let path = |name: &str| Some(PathBuf::from(format!("/run/docker/netns/{name}")));
    assert_eq!(namespaces, [path("1-back"), path("1-net-front-")], "whether or not it is there");
    assert_eq!((state.cluster.vxlan_port, state.cluster.hold_ms), (4789, 300));
    assert!(!state.dns.enabled);
}

#[test]
fn a_service_with_its_tasks() {
    let (state, ..) = Swarm::usual().desired().expect("ready");
    let web = service(&state, "web");
    assert_eq!(
        (web.mode, web.scheduler, web.return_mode),
        (EndpointMode::Vip, Scheduler::Hash, ReturnMode::Tunnel)
    );
    assert_eq!(web.vips, [("front".to_owned(), own_vip("front"))].into());
    assert_eq!(web.publish.len(), 1);
    let port = web.publish[0];
    assert_eq!(
        (port.published, port.target, port.protocol, port.mode),
        (8080, 80, Protocol::Tcp, PublishMode::Ingress)
    );
    let tasks: Vec<_> =
        web.tasks.iter().map(|task| (&*task.name, &*task.node, task.number, task.weight)).collect();
    assert_eq!(tasks, [("web.1.web1aaaa", "node-1", 6, 1), ("web.2.web2bbbb", "node-2", 7, 1)]);
    let addresses = &web.tasks[0].addresses;
    assert_eq!(addresses["ingress"], Ipv4Addr::new(10, 0, 0, 6));
    assert_eq!(addresses["front"], Ipv4Addr::new(10, 20, 0, 6));
    assert_eq!(web.tasks[0].netns, Netns::Path("/run/docker/netns/abc".into()));
}

#[test]
fn the_engine_s_side() {
    let (state, ..) = Swarm::usual().desired().expect("ready");
    let docker = state.docker().expect("beside Docker");
    let addr = Ipv4Addr::new(10, 0, 0, 2);
    assert_eq!(
        docker.ingress,
        Some(IngressSeat { network: "ingress".into(), vni: 4096, addr, mtu: 1450 })
    );
    let legs: Vec<_> =
        docker.legs.iter().map(|leg| (leg.task.as_deref(), leg.addr.octets()[3])).collect();
    assert_eq!(legs, [(Some("web.1.web1aaaa"), 3), (None, 9)]);
    assert_eq!((docker.bridge.as_str(), docker.gateway.octets()[3]), ("docker_gwbridge", 1));
    assert!(!docker.is_ingress_encrypted && !docker.has_ipvs);
}

#[test]
fn a_dnsrr_service_has_no_virtual_ip() {
    let mut swarm = Swarm::usual();
    swarm.service("db").is_dnsrr = true;
    let (state, ..) = swarm.desired().expect("ready");
    let db = service(&state, "db");
    assert_eq!((db.mode, db.vips.len(), db.tasks.len()), (EndpointMode::Dnsrr, 0, 1));
}

#[test]
fn a_task_that_stops_drains_and_so_does_one_on_a_lost_node() {
    let mut swarm = Swarm::usual();
    swarm.swarm.tasks.get_mut(WEB_1).expect("there").is_draining = true;
    swarm.swarm.nodes.get_mut("n2id").expect("there").is_down = true;
    let (state, ..) = swarm.desired().expect("ready");
    let weights: Vec<_> = service(&state, "web").tasks.iter().map(|task| task.weight).collect();
    assert_eq!(weights, [0, 0]);
}

#[test]
fn a_task_here_is_a_backend_before_its_container_is_seen() {
    let mut swarm = Swarm::usual();
    swarm.local.running = Some([WEB_2.to_owned()].into());
    let (state, ..) = swarm.desired().expect("ready");
    let web = service(&state, "web");
    assert_eq!(web.tasks.iter().map(|task| task.number).collect::<Vec<_>>(), [6, 7]);
}

#[test]
fn labels_choose_and_wrong_ones_are_told() {
    let mut swarm = Swarm::usual();
    let labels = [("swarmlb.scheduler", "rr"), ("swarmlb.weight", "many")];
    swarm.service("web").labels = labels.map(|(key, value)| (key.into(), value.into())).into();
    let (state, _, warnings) = swarm.desired().expect("ready");
    assert_eq!(service(&state, "web").scheduler, Scheduler::RoundRobin);
    assert!(warnings[0].is_of_service("web") && warnings[0].text.contains("swarmlb.weight=many"));
}

#[test]
fn the_gossip_tells_no_protocol() {
    let mut swarm = Swarm::usual();
    swarm.service("web").ports[0].protocol = None;
    let (state, _, warnings) = swarm.desired().expect("ready");
    let protocols: Vec<_> =
        service(&state, "web").publish.iter().map(|port| port.protocol).collect();
    assert_eq!(protocols, [Protocol::Tcp, Protocol::Udp]);
    assert_eq!(warnings, []);
}

#[test]
fn numbers_stay_when_a_service_publishes_its_first_port() {
    let mut swarm = Swarm::usual();
    let number = |swarm: &Swarm, name: &str| {
        let (state, ..) = swarm.desired().expect("ready");
        let tasks = service(&state, "db").tasks.clone();
        tasks.into_iter().find(|task| task.name == name).expect("there").number
    };
    let before = number(&swarm, "db.1.db1ccccc");
    let task = task_of("sdb", "n2id", &[("ing", [10, 0, 0, 9]), ("net-back", [10, 30, 0, 9])]);
    swarm.swarm.tasks.insert("db2dddddddd".into(), task);
    assert_eq!(number(&swarm, "db.1.db1ccccc"), before);
    assert_eq!(number(&swarm, "db.1.db2ddddd"), 9);
}
