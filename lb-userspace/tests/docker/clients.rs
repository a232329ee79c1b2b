//! Clients inside: nodes' own processes by every local address, containers on any node.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context as _, Result};
use lb_testbed::{Ns, SwarmTask, TcpSession, UdpSession, eventually};

use super::bed::{AMPLE, Bed, NODES, meet_translated, names};

const PUBLISH: &str = "--publish published=8100,target=80 \
                       --publish published=8100,target=80,protocol=udp";

/// The loopback's, the wire's, and those of Docker's bridges.
#[test]
fn own_processes_reach_tasks_by_every_local_address() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 2 --constraint node.hostname!=n3 \
                 --publish published=8101,target=80 --publish published=8101,target=80,protocol=udp \
                 whoami";
    let tasks = bed.service("local", words)?;
    for node in NODES {
        let ns = bed.node(node);
        let lines = bed.swarm.cluster().sh_in(ns, "ip -4 -o addr show")?;
        let addresses =
            lines.lines().filter_map(|line| line.split_whitespace().nth(3)?.split('/').next());
        for address in addresses.map(str::parse::<Ipv4Addr>) {
            let to = SocketAddrV4::new(address?, 8101);
            let context = || format!("on {node}");
            let tcp = meet_translated::<TcpSession>(ns, to).with_context(context)?;
            let udp = meet_translated::<UdpSession>(ns, to).with_context(context)?;
            assert_eq!((tcp, udp), (names(&tasks), names(&tasks)), "{node}, {to}");
        }
    }
    Ok(())
}

/// A container beside a task, one on a node without, and a task itself; by their own node, by another,
/// and by the gateway.
#[test]
fn containers_reach_published_ports() -> Result<()> {
    let bed = Bed::shared()?;
    let words = format!("--replicas 2 --constraint node.hostname!=n3 {PUBLISH} whoami");
    let tasks = bed.service("meshed", &words)?;
    let mut clients = vec![bed.swarm.task_ns(&tasks[0])?];
    bed.swarm.docker("n1", "network create --driver overlay asking")?;
    let asking = bed.swarm.create_service("asking", "--mode global --network asking whoami")?;
    for task in &asking {
        clients.push(bed.swarm.task_ns(task)?);
    }
    clients.iter().try_for_each(|ns| reaches_all(&bed, ns, 8100, &tasks))
}

/// Containers that no service and no network of the Swarm has: on `docker0` and on a bridge of their own,
/// beside a task and on a node without.
#[test]
fn containers_on_other_bridges_reach_published_ports() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 2 --constraint node.hostname!=n3 \
                 --publish published=8102,target=80 --publish published=8102,target=80,protocol=udp \
                 whoami";
    let tasks = bed.service("bridged", words)?;
    for node in ["n1", "n3"] {
        let container = bed.swarm.docker(node, "run --detach whoami")?;
        reaches_all(&bed, &bed.swarm.container_ns(node, container.trim())?, 8102, &tasks)?;
    }
    bed.swarm.docker("n3", "network create own")?;
    let container = bed.swarm.docker("n3", "run --detach --network own whoami")?;
    let ns = bed.swarm.container_ns("n3", container.trim())?;
    reaches_all(&bed, &ns, 8102, &tasks)?;
    // The program goes with its bridge.
    bed.swarm.docker("n3", &format!("rm --force {}", container.trim()))?;
    bed.swarm.docker("n3", "network rm own")?;
    eventually(AMPLE, "one bridge less", || {
        let links = bed.swarm.swarmlb("n3", "status").unwrap_or_default();
        links.matches("tcx2-br-").count() == 0 && links.contains("tcx2-docker0")
    })
}

/// All tasks answer by all nodes' addresses and by the default gateway.
fn reaches_all(bed: &Bed, ns: &Ns, port: u16, tasks: &[SwarmTask]) -> Result<()> {
    let gateway = bed.swarm.cluster().sh_in(ns, "ip -4 route show default")?;
    let gateway = gateway.split_whitespace().nth(2).context("no default route")?.parse()?;
    let gateway = SocketAddrV4::new(gateway, port);
    super::bed::await_answer(ns, gateway)?;
    for to in bed.everywhere(port).into_iter().chain([gateway]) {
        assert_eq!(meet_translated::<TcpSession>(ns, to)?, names(tasks), "TCP, {ns:?}, {to}");
        assert_eq!(meet_translated::<UdpSession>(ns, to)?, names(tasks), "UDP, {ns:?}, {to}");
    }
    Ok(())
}
