//! Clients inside: nodes' own processes by every local address, containers on any node.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context as _, Result};
use lb_testbed::{TcpSession, UdpSession};

use super::bed::{Bed, NODES, meet_translated, names};

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
    for ns in &clients {
        let gateway = bed.swarm.cluster().sh_in(ns, "ip -4 route show default")?;
        let gateway = gateway.split_whitespace().nth(2).context("no default route")?.parse()?;
        let gateway = SocketAddrV4::new(gateway, 8100);
        super::bed::await_answer(ns, gateway)?;
        for to in bed.everywhere(8100).into_iter().chain([gateway]) {
            assert_eq!(meet_translated::<TcpSession>(ns, to)?, names(&tasks), "TCP, {ns:?}, {to}");
            assert_eq!(meet_translated::<UdpSession>(ns, to)?, names(&tasks), "UDP, {ns:?}, {to}");
        }
    }
    Ok(())
}
