//! Refusals: where nobody answers, the client is told at once, by a reset or by ICMP.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use lb_common::drops::Reason;
use lb_testbed::{Ns, TcpSession, dial, eventually, in_ns};

use super::bed::{Bed, PATIENCE, PUBLISHED, meet, names, service, web};

/// Below the second after which TCP sends its SYN again, so that a lost first answer is noticed.
const AT_ONCE: Duration = Duration::from_millis(900);

/// Chances to be refused at once: a busy machine may miss some, a lost answer is lost each time.
const CHANCES: usize = 10;

/// Insists that a connection is refused at once.
pub(super) fn tcp_is_refused(ns: &Ns, to: SocketAddrV4) -> Result<()> {
    is_refused(|| dial(ns, to, 0, AT_ONCE).map(|dialled| dialled.map(drop)))
        .with_context(|| format!("TCP {} -> {to}", ns.name()))
}

/// Insists that a datagram is refused at once.
pub(super) fn udp_is_refused(ns: &Ns, to: SocketAddrV4) -> Result<()> {
    is_refused(|| in_ns(ns, || ask(to))).with_context(|| format!("UDP {} -> {to}", ns.name()))
}

fn is_refused(mut attempt: impl FnMut() -> Result<io::Result<()>>) -> Result<()> {
    let mut outcome = None;
    for _ in 0..CHANCES {
        outcome = attempt()?.err().map(|error| error.kind());
        if outcome == Some(ErrorKind::ConnectionRefused) {
            return Ok(());
        }
    }
    bail!("not refused but {outcome:?}")
}

fn ask(to: SocketAddrV4) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(AT_ONCE))?;
    socket.connect(to)?;
    socket.send(b"anybody?")?;
    socket.recv(&mut [0; 64]).map(drop)
}

fn both_are_refused(ns: &Ns, to: SocketAddrV4) -> Result<()> {
    tcp_is_refused(ns, to)?;
    udp_is_refused(ns, to)
}

#[test]
fn without_a_backend_everybody_is_refused_at_once() -> Result<()> {
    let idle = service("idle", "", &[])
        .publish(&[(81, 8080, "tcp", "ingress"), (81, 8080, "udp", "ingress")]);
    let drained = web(&["n1", "n2"]).weights(&[0, 0]);
    let asks = service("asks", "", &["n1", "n3"]);
    let bed = Bed::new(&[drained.clone(), idle.clone(), asks.clone()])?;
    for port in [PUBLISHED, 81] {
        for node in ["n1", "n2", "n3"] {
            let to = bed.at(node, port);
            both_are_refused(bed.client(), to)?;
            both_are_refused(bed.node(node), to)?;
            both_are_refused(bed.node(node), SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
            both_are_refused(bed.node("n3"), to)?;
            both_are_refused(bed.task("asks.1"), to)?;
            both_are_refused(bed.task("asks.2"), to)?;
        }
        unconnected_is_refused(bed.node("n3"), port)?;
    }
    ensure!(bed.dropped("n3", Reason::NoBackend)? > 0, "refusals are not counted");
    // The same port serves as soon as a task takes clients.
    bed.apply(&[drained.weights(&[0, 1]), idle, asks])?;
    let to = bed.at("n3", PUBLISHED);
    eventually(PATIENCE, "web.2 to answer", || meet::<TcpSession>(bed.client(), to, 1).is_ok())?;
    assert_eq!(meet::<TcpSession>(bed.client(), to, 8)?, names(["web.2"]));
    Ok(())
}

/// A node's own socket that is not connected hears of it from the send itself.
fn unconnected_is_refused(ns: &Ns, port: u16) -> Result<()> {
    let sent = in_ns(ns, || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.send_to(b"anybody?", (Ipv4Addr::LOCALHOST, port))
    })?;
    let error = sent.err().map(|error| error.kind());
    ensure!(error == Some(ErrorKind::ConnectionRefused), "unconnected: {error:?}");
    Ok(())
}

#[test]
fn a_task_whose_namespace_is_missing_is_refused_until_it_comes() -> Result<()> {
    let web = web(&["n2"]);
    let asks = service("asks", "", &["n1", "n2"]);
    let mut bed = Bed::without_tasks(&[web.clone(), asks.clone()])?;
    bed.start_tasks(&asks)?;
    bed.cluster.start_agents()?;
    for node in ["n1", "n2", "n3"] {
        both_are_refused(bed.client(), bed.at(node, PUBLISHED))?;
        both_are_refused(bed.node(node), SocketAddrV4::new(Ipv4Addr::LOCALHOST, PUBLISHED))?;
        both_are_refused(bed.task("asks.1"), bed.at(node, PUBLISHED))?;
        both_are_refused(bed.task("asks.2"), bed.at(node, PUBLISHED))?;
    }
    bed.start_tasks(&web)?;
    for node in ["n1", "n2", "n3"] {
        let to = bed.at(node, PUBLISHED);
        eventually(PATIENCE, "the new namespace to answer", || {
            meet::<TcpSession>(bed.client(), to, 1).is_ok()
        })?;
    }
    Ok(())
}
