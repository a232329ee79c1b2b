//! Tasks as clients of published ports: of their own node and of others, of other services and of
//! their own, also where the answer comes from themselves.

use std::net::SocketAddrV4;

use anyhow::{Context as _, Result};
use lb_testbed::{Bulk, Direction, Ns, Session as _, TcpSession, UdpSession};

use super::bed::{Bed, PUBLISHED, meet_translated, names, service, web};

/// Enough flows that both of two tasks get one.
const FLOWS: u16 = 32;
/// Enough that windows open and segments are merged and cut.
const BULK_BYTES: u64 = 4 << 20;
/// Datagrams both ways, a megabyte in all, each as large as a leg's MTU of 1450 bytes lets its answer
/// be.
const DATAGRAMS: usize = 400;
const DATAGRAM_BYTES: usize = 1350;

#[test]
fn a_task_reaches_published_ports_of_its_own_node_and_of_others() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2"]), service("asks", "", &["n1", "n3"])])?;
    // A task beside a backend, and one on a node without any.
    for task in ["asks.1", "asks.2"] {
        reaches_every_node(&bed, bed.task(task))?;
    }
    Ok(())
}

#[test]
fn a_task_reaches_its_own_service_and_itself() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2"])])?;
    reaches_every_node(&bed, bed.task("web.1"))
}

#[test]
fn a_task_reaches_its_node_by_the_gateway_address_too() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2"]), service("asks", "", &["n1", "n3"])])?;
    for task in ["asks.1", "asks.2", "web.1"] {
        let to = SocketAddrV4::new(bed.gateway(task)?, PUBLISHED);
        reaches(bed.task(task), to)?;
    }
    Ok(())
}

#[test]
fn tasks_move_megabytes_through_the_mesh() -> Result<()> {
    let bed = Bed::new(&[
        web(&["n1"]),
        service("away", "", &["n2"])
            .publish(&[(81, 8080, "tcp", "ingress"), (81, 8080, "udp", "ingress")]),
        service("asks", "", &["n1"]),
    ])?;
    // A local backend, a remote one, and itself; by its own node and by another.
    for (task, port) in [("asks.1", 80), ("asks.1", 81), ("web.1", 80)] {
        for node in ["n1", "n3"] {
            for direction in [Direction::Upload, Direction::Download] {
                let to = bed.at(node, port);
                Bulk::run(bed.task(task), to, direction, BULK_BYTES)
                    .with_context(|| format!("{task} -> {node}"))?;
            }
            let flow = UdpSession::open(bed.task(task), bed.at(node, port), 0)?;
            for _ in 0..DATAGRAMS {
                flow.exchange(&[7; DATAGRAM_BYTES])?;
            }
        }
    }
    Ok(())
}

fn reaches_every_node(bed: &Bed, task: &Ns) -> Result<()> {
    ["n1", "n2", "n3"].iter().try_for_each(|node| reaches(task, bed.at(node, PUBLISHED)))
}

fn reaches(task: &Ns, to: SocketAddrV4) -> Result<()> {
    let tasks = names(["web.1", "web.2"]);
    assert_eq!(meet_translated::<TcpSession>(task, to, FLOWS)?, tasks, "TCP, {task:?}, {to}");
    assert_eq!(meet_translated::<UdpSession>(task, to, FLOWS)?, tasks, "UDP, {task:?}, {to}");
    Ok(())
}
