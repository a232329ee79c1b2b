//! Networks and services of other kinds: attachable networks with plain containers, services without
//! a virtual IP.

use std::net::SocketAddrV4;

use anyhow::{Result, ensure};
use lb_testbed::{TcpSession, UdpSession};

use super::bed::{Bed, NODES, await_answer, meet, names};

#[test]
fn plain_containers_in_an_attachable_network_reach_services() -> Result<()> {
    let bed = Bed::shared()?;
    bed.swarm.docker("n1", "network create --driver overlay --attachable open")?;
    let tasks = bed.service("db-open", "--replicas 2 --network open whoami")?;
    for node in NODES {
        let container = bed.swarm.docker(node, "run --detach --network open whoami")?;
        let ns = bed.swarm.container_ns(node, container.trim())?;
        let to = SocketAddrV4::new(bed.vip(&ns, "db-open")?, 80);
        await_answer(&ns, to)?;
        assert_eq!(meet::<TcpSession>(&ns, to)?, names(&tasks), "TCP, {node}");
        assert_eq!(meet::<UdpSession>(&ns, to)?, names(&tasks), "UDP, {node}");
    }
    Ok(())
}

/// Its name leads to the tasks themselves.
#[test]
fn a_service_by_dns_round_robin_is_left_alone() -> Result<()> {
    let bed = Bed::shared()?;
    bed.swarm.docker("n1", "network create --driver overlay turns")?;
    let words = "--replicas 2 --endpoint-mode dnsrr --network turns whoami";
    let tasks = bed.swarm.create_service("rounds", words)?;
    let askers = bed.swarm.create_service("ask-turns", "--replicas 1 --network turns whoami")?;
    let ns = bed.swarm.task_ns(&askers[0])?;
    let found = bed.resolve(&ns, "rounds")?;
    ensure!(found == tasks.iter().map(|task| task.addresses["turns"]).collect(), "{found:?}");
    for address in found {
        assert_eq!(meet::<TcpSession>(&ns, SocketAddrV4::new(address, 80))?.len(), 1);
    }
    Ok(())
}
