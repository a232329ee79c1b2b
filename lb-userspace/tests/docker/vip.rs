//! Virtual IPs inside overlay networks, by Docker's own names: from every node, TCP and UDP, with the
//! asker's own address.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use anyhow::{Result, ensure};
use lb_testbed::{Bulk, Direction, Ns, SwarmTask, TcpSession, UdpSession, ping};

use super::bed::{AMPLE, Bed, await_answer, meet, meet_translated, names};

/// More than windows open at once, so that large segments and long frames pass.
const BULK_BYTES: u64 = 4 << 20;

#[test]
fn tasks_on_every_node_reach_a_service_by_its_name() -> Result<()> {
    let bed = Bed::shared()?;
    bed.swarm.docker("n1", "network create --driver overlay plain")?;
    let askers = reach_by_name(&bed, "plain")?;
    own_vip(&bed, "ask-plain", &askers, &askers)
}

/// Docker gives tasks of such a network the virtual IP on `lo`, for another balancer than IPVS.
#[test]
fn tasks_of_a_dsr_network_reach_a_service_by_its_name() -> Result<()> {
    let bed = Bed::shared()?;
    bed.swarm.docker("n1", "network create --driver overlay --opt dsr direct")?;
    let askers = reach_by_name(&bed, "direct")?;
    // Its own it has itself.
    own_vip(&bed, "ask-direct", &askers, &askers[..1])
}

/// Has a task on each node reach a service by its name; returns those tasks.
fn reach_by_name(bed: &Bed, network: &str) -> Result<Vec<SwarmTask>> {
    let (db, ask) = (format!("db-{network}"), format!("ask-{network}"));
    let tasks = bed.service(&db, &format!("--replicas 2 --network {network} whoami"))?;
    let askers = bed.service(&ask, &format!("--mode global --network {network} whoami"))?;
    for asker in &askers {
        let ns = bed.swarm.task_ns(asker)?;
        let vip = bed.vip(&ns, &db)?;
        let to = SocketAddrV4::new(vip, 80);
        await_answer(&ns, to)?;
        assert_eq!(meet::<TcpSession>(&ns, to)?, names(&tasks), "TCP, {}", asker.node);
        assert_eq!(meet::<UdpSession>(&ns, to)?, names(&tasks), "UDP, {}", asker.node);
        ping(&ns, vip, 56, AMPLE)?;
        let behind = bed.resolve(&ns, &format!("tasks.{db}"))?;
        assert_eq!(behind, addresses(&tasks, network));
        Bulk::run(&ns, to, Direction::Upload, BULK_BYTES)?;
        Bulk::run(&ns, to, Direction::Download, BULK_BYTES)?;
    }
    Ok(askers)
}

/// The first task asks its own service and meets those.
fn own_vip(bed: &Bed, service: &str, tasks: &[SwarmTask], met: &[SwarmTask]) -> Result<()> {
    let ns: Ns = bed.swarm.task_ns(&tasks[0])?;
    let to = SocketAddrV4::new(bed.vip(&ns, service)?, 80);
    await_answer(&ns, to)?;
    assert_eq!(meet_translated::<TcpSession>(&ns, to)?, names(met), "TCP, own");
    assert_eq!(meet_translated::<UdpSession>(&ns, to)?, names(met), "UDP, own");
    Ok(())
}

fn addresses(tasks: &[SwarmTask], network: &str) -> BTreeSet<Ipv4Addr> {
    tasks.iter().map(|task| task.addresses[network]).collect()
}

/// A service in two networks has a virtual IP in each.
#[test]
fn a_service_in_two_networks_is_reached_in_each() -> Result<()> {
    let bed = Bed::shared()?;
    for network in ["front", "back"] {
        bed.swarm.docker("n1", &format!("network create --driver overlay {network}"))?;
    }
    let words = "--replicas 2 --network front --network back whoami";
    let tasks = bed.service("both", words)?;
    let mut vips = BTreeSet::new();
    for network in ["front", "back"] {
        let words = format!("--replicas 1 --network {network} whoami");
        let askers = bed.service(&format!("ask-{network}"), &words)?;
        let ns = bed.swarm.task_ns(&askers[0])?;
        let vip = bed.vip(&ns, "both")?;
        await_answer(&ns, SocketAddrV4::new(vip, 80))?;
        assert_eq!(
            meet::<TcpSession>(&ns, SocketAddrV4::new(vip, 80))?,
            names(&tasks),
            "{network}"
        );
        vips.insert(vip);
    }
    ensure!(vips.len() == 2, "one address in two networks: {vips:?}");
    Ok(())
}
