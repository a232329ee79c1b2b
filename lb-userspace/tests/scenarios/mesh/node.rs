//! The node's own processes as clients: no NIC is passed, and yet nothing differs for them.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use anyhow::{Result, ensure};
use lb_testbed::{DIAL_LIMIT, Ns, Session as _, TcpSession, UdpSession, dial, eventually, in_ns};

use super::bed::{Bed, PATIENCE, PUBLISHED, meet_translated, names, web};

/// Enough flows that both of two tasks get one.
const FLOWS: u16 = 32;
/// An address added while the agent runs.
const SECOND: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 60);

#[test]
fn own_processes_reach_local_and_remote_tasks_by_loopback_and_own_addresses() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2"])])?;
    let tasks = names(["web.1", "web.2"]);
    for node in ["n1", "n3"] {
        let ns = bed.node(node);
        for to in own_addresses(&bed, node)? {
            assert_eq!(meet_translated::<TcpSession>(ns, to, FLOWS)?, tasks, "TCP, {node}, {to}");
            assert_eq!(meet_translated::<UdpSession>(ns, to, FLOWS)?, tasks, "UDP, {node}, {to}");
            unconnected(ns, to)?;
            peer_name_is_what_was_dialled(ns, to)?;
        }
    }
    Ok(())
}

#[test]
fn own_processes_are_seen_by_their_address_at_another_nodes_port() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2"])])?;
    for to in ["n1", "n2"] {
        let tasks = super::bed::meet::<TcpSession>(bed.node("n3"), bed.at(to, PUBLISHED), FLOWS)?;
        assert_eq!(tasks, names(["web.1", "web.2"]), "{to}");
        super::bed::meet::<UdpSession>(bed.node("n3"), bed.at(to, PUBLISHED), FLOWS)?;
    }
    Ok(())
}

/// Every kind of address that means the node itself.
fn own_addresses(bed: &Bed, node: &str) -> Result<Vec<SocketAddrV4>> {
    bed.cluster.sh_in(bed.node(node), &format!("ip addr add {SECOND}/32 dev lo"))?;
    let second = SocketAddrV4::new(SECOND, PUBLISHED);
    eventually(PATIENCE, "the second address", || {
        TcpSession::open(bed.node(node), second, 0).is_ok()
    })?;
    let loopback = [1, 7].map(|host| SocketAddrV4::new([127, 0, 0, host].into(), PUBLISHED));
    Ok([&loopback[..], &[bed.at(node, PUBLISHED), second]].concat())
}

/// One socket, many datagrams, by `sendmsg` and `recvmsg`: each answer comes from where the question
/// went.
fn unconnected(ns: &Ns, to: SocketAddrV4) -> Result<()> {
    in_ns(ns, || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(DIAL_LIMIT))?;
        for question in 0..4_u8 {
            socket.send_to(&[question], to)?;
            let mut answer = [0; 256];
            let (len, from) = socket.recv_from(&mut answer)?;
            ensure!(from == SocketAddr::V4(to), "asked {to}, {from} answers");
            ensure!(answer[..len].ends_with(&[question]), "another question's answer");
        }
        Ok(())
    })?
}

fn peer_name_is_what_was_dialled(ns: &Ns, to: SocketAddrV4) -> Result<()> {
    let stream = dial(ns, to, 0, DIAL_LIMIT)??;
    ensure!(stream.peer_addr()? == SocketAddr::V4(to), "TCP peer is {}", stream.peer_addr()?);
    in_ns(ns, || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(to)?;
        ensure!(socket.peer_addr()? == SocketAddr::V4(to), "UDP peer is {}", socket.peer_addr()?);
        Ok(())
    })?
}
