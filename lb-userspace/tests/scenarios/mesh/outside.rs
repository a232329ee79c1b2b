//! Clients outside: every node answers, on every address, and tasks see who asks.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use anyhow::{Result, ensure};
use lb_testbed::{Session, TcpSession, UdpSession, eventually};

use super::bed::{Bed, PATIENCE, PUBLISHED, TARGET, meet, names, service, web};

/// Enough flows that both of two tasks get one but once in 2^31 runs.
const FLOWS: u16 = 32;

#[test]
fn every_node_answers_with_or_without_a_task_and_tasks_see_the_client() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2"])])?;
    let tasks = names(["web.1", "web.2"]);
    for node in ["n1", "n2", "n3"] {
        let to = bed.at(node, PUBLISHED);
        assert_eq!(meet::<TcpSession>(bed.client(), to, FLOWS)?, tasks, "TCP, {node}");
        assert_eq!(meet::<UdpSession>(bed.client(), to, FLOWS)?, tasks, "UDP, {node}");
    }
    Ok(())
}

#[test]
fn an_address_added_later_answers_at_once_and_a_removed_one_no_longer() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2"])])?;
    let tasks = names(["web.1", "web.2"]);
    // A second address of the NIC, and one of another interface.
    for (node, address) in [("n1", [198, 18, 0, 51]), ("n3", [198, 18, 0, 53])] {
        let address = Ipv4Addr::from(address);
        bed.cluster.sh_in(bed.node(node), &format!("ip addr add {address}/24 dev eth0"))?;
        answers(&bed, address, &tasks)?;
    }
    let other = Ipv4Addr::new(203, 0, 113, 1);
    bed.cluster.sh_in(bed.node("n3"), "ip link add other0 type bridge")?;
    bed.cluster.sh_in(bed.node("n3"), "ip link set other0 up")?;
    bed.cluster.sh_in(bed.node("n3"), &format!("ip addr add {other}/32 dev other0"))?;
    let route = format!("ip route add {other} via {}", bed.cluster.address("n3"));
    bed.cluster.sh_in(bed.client(), &route)?;
    answers(&bed, other, &tasks)?;
    bed.cluster.sh_in(bed.node("n3"), &format!("ip addr del {other}/32 dev other0"))?;
    let gone = SocketAddrV4::new(other, PUBLISHED);
    eventually(PATIENCE, "the removed address to be forgotten", || {
        TcpSession::open(bed.client(), gone, 0).is_err()
    })
}

fn answers(bed: &Bed, address: Ipv4Addr, tasks: &BTreeSet<String>) -> Result<()> {
    let to = SocketAddrV4::new(address, PUBLISHED);
    eventually(PATIENCE, "the new address to answer", || {
        TcpSession::open(bed.client(), to, 0).is_ok()
    })?;
    // Datagrams are ours once the agent has told the programs; TCP's segments a moment earlier.
    eventually(PATIENCE, "the new address to answer datagrams", || {
        UdpSession::open(bed.client(), to, 0).is_ok()
    })?;
    ensure!(meet::<TcpSession>(bed.client(), to, FLOWS)? == *tasks, "TCP, {to}");
    ensure!(meet::<UdpSession>(bed.client(), to, FLOWS)? == *tasks, "UDP, {to}");
    Ok(())
}

#[test]
fn each_published_port_leads_to_its_own_target_and_service() -> Result<()> {
    let web = web(&["n1"]).listen(&[TARGET, 8081]);
    let more = service("more", "", &["n2"]).listen(&[80, 8053, 8054]).publish(&[
        (TARGET, 80, "tcp", "ingress"),
        (53, 8053, "udp", "ingress"),
        (53, 8054, "tcp", "ingress"),
        (81, 80, "tcp", "ingress"),
    ]);
    let bed = Bed::new(&[web, more])?;
    for node in ["n1", "n2", "n3"] {
        for (port, task, target) in [
            (80, "web.1", TARGET),
            (TARGET, "more.1", 80),
            (81, "more.1", 80),
            (53, "more.1", 8054),
        ] {
            let flow = TcpSession::open(bed.client(), bed.at(node, port), 0)?;
            let local = SocketAddrV4::new(bed.leg(task)?, target);
            ensure!(flow.first().local == Some(local), "{node}, {port}: {:?}", flow.first());
            ensure!(flow.first().task_name() == task, "{node}, {port}: {:?}", flow.first());
        }
        UdpSession::open(bed.client(), bed.at(node, 53), 0)?;
    }
    let seen = bed.server("more.1").seen()?;
    let datagrams = seen.iter().filter(|seen| seen.protocol == "udp");
    ensure!(datagrams.clone().all(|seen| seen.local.port() == 8053), "{seen:?}");
    ensure!(datagrams.count() == 3, "{seen:?}");
    Ok(())
}
