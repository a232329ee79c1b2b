//! What a Docker Engine made, found: legs on a bridge as it makes them, and interfaces in namespaces that
//! it hides.

use std::{path::Path, time::Duration};

use lb_userspace::{
    host::{
        Journal, Netlink,
        docker::{DockerLegs, FoundLegs},
        netns::Namespace,
        watch::HiddenLinks,
    },
    model::{DockerLeg, DockerNode},
};
use tokio::time::timeout;

use crate::world::{TestNs, is_root};

const MAC: [u8; 6] = [2, 0x42, 172, 18, 0, 3];

/// A node with a gateway bridge and one container on it.
struct Node {
    node: TestNs,
    task: TestNs,
    state: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let (node, task) = (TestNs::new("node"), TestNs::new("task"));
        node.sh("ip link add docker_gwbridge type bridge");
        // Another container's, on another bridge, towards the same namespace.
        node.sh("ip link add docker0 type bridge");
        for (port, bridge, end) in
            [("vetha", "docker0", "eth0"), ("vethb", "docker_gwbridge", "eth1")]
        {
            node.sh(&format!("ip link add {port} type veth peer name {end} netns {}", task.name));
            node.sh(&format!("ip link set {port} master {bridge}"));
        }
        task.sh("ip link set eth1 address 02:42:ac:12:00:03");
        Self { node, task, state: tempfile::tempdir().unwrap() }
    }

    fn leg(&self) -> DockerLeg {
        DockerLeg {
            task: Some("web.1".into()),
            container: "c0ffee".into(),
            addr: [172, 18, 0, 3].into(),
            mac: MAC,
            netns: self.task.netns(),
        }
    }

    fn find(&self, legs: &[DockerLeg]) -> FoundLegs {
        let docker = beside(legs);
        self.node.block_on(async || {
            let mut journal = self.journal();
            DockerLegs::new(Netlink::here().unwrap()).find(&docker, 1450, &mut journal).await
        })
    }

    fn journal(&self) -> Journal {
        Journal::open(&self.state.path().join("changed")).unwrap()
    }

    fn has_gro(&self) -> bool {
        self.task.sh("ethtool -k eth1").contains("generic-receive-offload: on")
    }
}

fn beside(legs: &[DockerLeg]) -> DockerNode {
    DockerNode {
        netns_dir: Path::new("/run/netns").into(),
        bridge: "docker_gwbridge".into(),
        gateway: [172, 18, 0, 1].into(),
        legs: legs.to_vec(),
        bridges: Vec::new(),
        ingress: None,
        is_ingress_encrypted: false,
        has_ipvs: false,
    }
}

#[test]
fn a_leg_is_found_by_its_bridge_and_namespace_and_gets_gro() {
    if !is_root() {
        return;
    }
    let node = Node::new();
    assert!(!node.has_gro(), "a veth has none at first");
    let found = node.find(&[node.leg()]);
    assert_eq!(found.problems, Vec::<String>::new());
    let leg = &found.present["web.1"];
    assert_eq!(leg.ifname, "vethb");
    assert_eq!((leg.addr, leg.task_mac, leg.mtu), ([172, 18, 0, 3].into(), MAC, 1450));
    let shown: Vec<String> = leg.host_mac.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(node.node.sh("ip link show docker_gwbridge").contains(&shown.join(":")));
    assert!(node.has_gro());
}

#[test]
fn gro_is_off_again_when_the_leg_leaves_and_after_detach() {
    if !is_root() {
        return;
    }
    let node = Node::new();
    node.find(&[node.leg()]);
    assert_eq!(node.find(&[]).problems, Vec::<String>::new());
    assert!(!node.has_gro(), "the leg left");
    node.find(&[node.leg()]);
    // Another agent, which knows the journal only.
    node.find(&[node.leg()]);
    node.node.block_on(async || node.journal().restore().await.unwrap());
    assert!(!node.has_gro(), "detached");
    assert!(!node.state.path().join("changed").exists());
}

#[test]
fn gro_that_was_on_before_stays_on() {
    if !is_root() {
        return;
    }
    let node = Node::new();
    node.task.sh("ethtool -K eth1 gro on");
    node.find(&[node.leg()]);
    node.find(&[]);
    assert!(node.has_gro());
}

#[test]
fn a_container_that_is_gone_has_no_leg_and_is_no_problem() {
    if !is_root() {
        return;
    }
    let node = Node::new();
    let gone = DockerLeg {
        netns: lb_userspace::model::Netns::Path("/run/netns/slbtest-nosuch".into()),
        ..node.leg()
    };
    assert_eq!(node.find(&[gone]), FoundLegs::default());
    let other = DockerLeg { mac: [2, 0x42, 172, 18, 0, 9], ..node.leg() };
    assert_eq!(node.find(&[other]), FoundLegs::default());
    assert!(!node.has_gro());
}

#[test]
fn links_in_namespaces_with_an_id_are_told() {
    if !is_root() {
        return;
    }
    let (node, hidden) = (TestNs::new("node"), TestNs::new("hidden"));
    node.block_on(async || {
        let netlink = Netlink::here().unwrap();
        netlink.ensure_netns_id(&Namespace::open(&hidden.netns()).unwrap()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut links = HiddenLinks::new(dir.path().into()).unwrap();
        let minute = Duration::from_secs(60);
        assert!(
            timeout(Duration::from_millis(100), links.changed()).await.is_err(),
            "all is quiet"
        );
        hidden.sh("ip link add veth0 type veth peer name veth9");
        timeout(minute, links.changed()).await.expect("a link is told");
        std::fs::write(dir.path().join("1-new"), "").unwrap();
        timeout(minute, links.changed()).await.expect("a name is told");
    });
}
