//! A node of the Swarm without an agent: its tasks are reached through Docker's own ingress network.

use anyhow::{Result, ensure};
use lb_testbed::{Session, TcpSession, UdpSession, eventually};

use super::bed::{AMPLE, Bed, await_answer, meet, meet_translated, names};

#[test]
fn tasks_on_a_node_without_agent_are_reached_and_later_see_the_client() -> Result<()> {
    let bed = Bed::without_agents()?;
    bed.swarm.start_agents(["n1", "n2"])?;
    let words = "--replicas 2 --constraint node.hostname!=n1 --publish published=8080,target=80 \
                 --publish published=8080,target=80,protocol=udp whoami";
    let tasks = bed.swarm.create_service("web", words)?;
    bed.await_known(["n1", "n2"], "web", 2)?;
    for node in ["n1", "n2"] {
        let to = bed.at(node, 8080);
        await_answer(bed.client(), to)?;
        assert_eq!(meet_translated::<TcpSession>(bed.client(), to)?, names(&tasks), "TCP, {node}");
        assert_eq!(meet_translated::<UdpSession>(bed.client(), to)?, names(&tasks), "UDP, {node}");
    }
    let nodes = bed.swarm.swarmlb("n1", "node ls")?;
    ensure!(nodes.contains("ingress"), "node ls does not tell how n3 is reached:\n{nodes}");
    bed.swarm.start_agent("n3")?;
    bed.await_known(super::bed::NODES, "web", 2)?;
    for node in super::bed::NODES {
        let to = bed.at(node, 8080);
        eventually(AMPLE, &format!("all tasks to see the client, by {node}"), || sees(&bed, to))?;
        assert_eq!(meet::<TcpSession>(bed.client(), to)?, names(&tasks), "TCP, {node}");
        assert_eq!(meet::<UdpSession>(bed.client(), to)?, names(&tasks), "UDP, {node}");
    }
    Ok(())
}

/// Whether whoever answers sees the client itself, many times over.
fn sees(bed: &Bed, to: std::net::SocketAddrV4) -> bool {
    (0..16).all(|_| {
        let flow = TcpSession::open(bed.client(), to, 0);
        flow.is_ok_and(|flow| flow.first().peer == Some(flow.local()))
    })
}
