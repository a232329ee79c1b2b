//! Three nodes, the third without agent; `web`, published, with a task on the first two; `db`, not
//! published, with one on the second; a plain container on the first.

use std::{collections::BTreeSet, net::Ipv4Addr};

use lb_common::addr::{V4, mac_of};

use crate::{
    model::{DesiredState, Protocol, Subnet},
    source::{
        Warning,
        docker::{
            DockerOptions, TakeOver,
            desired::{NotReady, desired},
            facts::{
                BridgeFacts, ContainerFacts, LocalFacts, NetworkFacts, NodeFacts, PortFacts,
                ServiceFacts, SubnetFacts, SwarmFacts, TaskFacts,
            },
        },
    },
};

pub(super) const WEB_1: &str = "web1aaaaaaaaa";
pub(super) const WEB_2: &str = "web2bbbbbbbbb";

/// Everything that desired state follows from.
#[derive(Clone, Debug)]
pub(super) struct Swarm {
    pub(super) swarm: SwarmFacts,
    pub(super) local: LocalFacts,
    pub(super) options: DockerOptions,
}

impl Swarm {
    pub(super) fn usual() -> Self {
        Self { swarm: facts(), local: local(), options: options() }
    }

    pub(super) fn desired(&self) -> Result<(DesiredState, String, Vec<Warning>), NotReady> {
        desired(&self.swarm, &self.local, &self.options)
    }

    /// The service of that name.
    pub(super) fn service(&mut self, name: &str) -> &mut ServiceFacts {
        let mut services = self.swarm.services.values_mut();
        services.find(|service| service.name == name).expect("there")
    }

    /// The network of that name.
    pub(super) fn network(&mut self, name: &str) -> &mut NetworkFacts {
        let mut networks = self.swarm.networks.values_mut();
        networks.find(|network| network.name == name).expect("there")
    }
}

/// The virtual IP that a service has in a network.
pub(super) fn own_vip(network: &str) -> Ipv4Addr {
    if network == "front" { [10, 20, 0, 5].into() } else { [10, 30, 0, 5].into() }
}

pub(super) fn task_of(service: &str, node: &str, addresses: &[(&str, V4)]) -> TaskFacts {
    let address = |(id, addr): &(&str, V4)| ((*id).to_owned(), Ipv4Addr::from(*addr));
    TaskFacts {
        service: service.into(),
        slot: "1".into(),
        node: node.into(),
        is_draining: false,
        addresses: addresses.iter().map(address).collect(),
    }
}

fn facts() -> SwarmFacts {
    let node = |last: u8| {
        let address = Some([198, 18, 0, last].into());
        let hostname = format!("node-{last}");
        NodeFacts { hostname, address, has_agent: last < 3, ..NodeFacts::default() }
    };
    let web_2 = task_of("sweb", "n2id", &[("ing", [10, 0, 0, 7]), ("net-front-a", [10, 20, 0, 7])]);
    let tasks = [
        (
            WEB_1,
            task_of("sweb", "n1id", &[("ing", [10, 0, 0, 6]), ("net-front-a", [10, 20, 0, 6])]),
        ),
        (WEB_2, TaskFacts { slot: "2".into(), ..web_2 }),
        ("db1cccccccccc", task_of("sdb", "n2id", &[("net-back", [10, 30, 0, 9])])),
    ];
    SwarmFacts {
        cluster_id: "swarm-1".into(),
        vxlan_port: 4789,
        nodes: [1, 2, 3].map(|last| (format!("n{last}id"), node(last))).into(),
        networks: [
            ("ing".into(), network("ingress", 4096, [10, 0, 0, 0])),
            ("net-front-a".into(), network("front", 4098, [10, 20, 0, 0])),
            ("net-back".into(), network("back", 4097, [10, 30, 0, 0])),
        ]
        .into(),
        services: services(),
        tasks: tasks.map(|(id, task)| (id.to_owned(), task)).into(),
        ended: BTreeSet::new(),
    }
}

fn services() -> std::collections::BTreeMap<String, ServiceFacts> {
    let port = PortFacts { protocol: Some(Protocol::Tcp), published: 8080, target: 80 };
    let vip = |id: &str, addr: Ipv4Addr| (id.to_owned(), addr);
    let web = ServiceFacts {
        name: "web".into(),
        vips: [vip("ing", [10, 0, 0, 5].into()), vip("net-front-a", own_vip("front"))].into(),
        ports: vec![port],
        ..Default::default()
    };
    let vips = [vip("net-back", own_vip("back"))].into();
    let db = ServiceFacts { name: "db".into(), vips, ..Default::default() };
    [("sweb".into(), web), ("sdb".into(), db)].into()
}

fn network(name: &str, vni: u32, addr: V4) -> NetworkFacts {
    let [a, b, c, _] = addr;
    let subnet = SubnetFacts { vni, addr: addr.into(), prefix: 24, gateway: [a, b, c, 1].into() };
    NetworkFacts {
        name: name.into(),
        is_ingress: name == "ingress",
        subnets: vec![subnet],
        ..Default::default()
    }
}

fn local() -> LocalFacts {
    let subnet = Subnet { addr: [172, 18, 0, 0].into(), prefix: 16 };
    let gateway = [172, 18, 0, 1].into();
    let container = |task: Option<&str>, last: u8, netns: &str| ContainerFacts {
        task: task.map(ToOwned::to_owned),
        addr: [172, 18, 0, last].into(),
        mac: mac_of([172, 18, 0, last]),
        netns: format!("/run/docker/netns/{netns}").into(),
    };
    LocalFacts {
        node: "n1id".into(),
        cluster_id: "swarm-1".into(),
        address: Some([198, 18, 0, 1].into()),
        netns_dir: "/run/docker/netns".into(),
        bridge: Some(BridgeFacts { interface: "docker_gwbridge".into(), subnet, gateway }),
        bridges: vec![BridgeFacts {
            interface: "docker0".into(),
            subnet: Subnet { addr: [172, 17, 0, 0].into(), prefix: 16 },
            gateway: [172, 17, 0, 1].into(),
        }],
        containers: [
            ("c1".into(), container(Some(WEB_1), 3, "abc")),
            ("c2".into(), container(None, 9, "def")),
        ]
        .into(),
        running: None,
        ended: BTreeSet::new(),
        stopping: BTreeSet::new(),
        ingress_addr: Some([10, 0, 0, 2].into()),
        overlay_namespaces: [("net-back".into(), "/run/docker/netns/1-back".into())].into(),
        has_ipvs: false,
    }
}

fn options() -> DockerOptions {
    DockerOptions {
        host: "unix:///run/docker.sock".into(),
        exec_root: "/run/docker".into(),
        data_root: None,
        state_dir: "/run/swarmlb".into(),
        interfaces: vec!["eth0".into()],
        agent_port: 7950,
        mesh_vni: 4094,
        take_over: TakeOver::Auto,
    }
}
