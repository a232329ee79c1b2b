//! What stays closed: only published ports are reachable, on the nodes that publish them, and
//! nobody else can take one.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket},
};

use anyhow::{Result, ensure};
use lb_common::drops::Reason;
use lb_testbed::{DIAL_LIMIT, Ns, TcpSession, UdpSession, dial, eventually, in_ns};

use super::{
    bed::{Bed, PATIENCE, PUBLISHED, TARGET, meet, meet_translated, names, service, web},
    refused::{tcp_is_refused, udp_is_refused},
};

#[test]
fn a_host_mode_port_answers_on_its_tasks_node_only() -> Result<()> {
    let ports = [(PUBLISHED, TARGET, "tcp", "host"), (PUBLISHED, TARGET, "udp", "host")];
    let bed = Bed::new(&[service("web", "", &["n2"]).publish(&ports)])?;
    let there = bed.at("n2", PUBLISHED);
    assert_eq!(meet::<TcpSession>(bed.client(), there, 4)?, names(["web.1"]));
    assert_eq!(meet::<UdpSession>(bed.client(), there, 4)?, names(["web.1"]));
    let loopback = SocketAddrV4::new(Ipv4Addr::LOCALHOST, PUBLISHED);
    assert_eq!(meet_translated::<TcpSession>(bed.node("n2"), loopback, 4)?, names(["web.1"]));
    for node in ["n1", "n3"] {
        tcp_is_refused(bed.client(), bed.at(node, PUBLISHED))?;
        udp_is_refused(bed.client(), bed.at(node, PUBLISHED))?;
    }
    Ok(())
}

#[test]
fn a_target_port_is_no_port_of_the_nodes() -> Result<()> {
    let bed = Bed::new(&[web(&["n1", "n2"])])?;
    for node in ["n1", "n2", "n3"] {
        tcp_is_refused(bed.client(), bed.at(node, TARGET))?;
        udp_is_refused(bed.client(), bed.at(node, TARGET))?;
    }
    Ok(())
}

#[test]
fn gateway_legs_are_unreachable_from_outside_and_attempts_are_counted() -> Result<()> {
    let bed = Bed::new(&[web(&["n1"])])?;
    let leg = bed.leg("web.1")?;
    let route = format!("ip route add {leg} via {}", bed.cluster.address("n1"));
    bed.cluster.sh_in(bed.client(), &route)?;
    for port in [TARGET, PUBLISHED] {
        let before = bed.dropped("n1", Reason::LegFromOutside)?;
        let to = SocketAddrV4::new(leg, port);
        in_ns(bed.client(), || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.send_to(b"hello", to)
        })??;
        let error = dial(bed.client(), to, 0, std::time::Duration::from_millis(300))?.err();
        let kind = error.map(|error| error.kind());
        ensure!(kind == Some(ErrorKind::TimedOut), "{to}: {kind:?}");
        eventually(PATIENCE, &format!("the datagram and a SYN to {to} to be counted"), || {
            bed.dropped("n1", Reason::LegFromOutside).is_ok_and(|after| after >= before + 2)
        })?;
    }
    ensure!(bed.server("web.1").seen()?.is_empty(), "the task was reached");
    Ok(())
}

#[test]
fn a_published_port_is_reserved_until_it_is_withdrawn() -> Result<()> {
    let bed = Bed::new(&[web(&["n1"])])?;
    for node in ["n1", "n3"] {
        let ns = bed.node(node);
        ensure!(kind(listen(ns)?) == Some(ErrorKind::AddrInUse), "TCP, {node}");
        ensure!(kind(bind(ns)?) == Some(ErrorKind::AddrInUse), "UDP, {node}");
        // An outbound connection cannot have it for its own end either, so none can be captured.
        let out = dial(ns, bed.at("n2", TARGET), PUBLISHED, DIAL_LIMIT)?;
        ensure!(kind(out) == Some(ErrorKind::AddrInUse), "outbound, {node}");
    }
    bed.apply(&[service("web", "", &["n1"])])?;
    for node in ["n1", "n3"] {
        let ns = bed.node(node);
        eventually(PATIENCE, "the port to be free", || {
            matches!(listen(ns), Ok(Ok(_))) && matches!(bind(ns), Ok(Ok(_)))
        })?;
    }
    Ok(())
}

#[test]
fn a_port_that_a_process_of_the_node_holds_stays_its_own_until_it_ends() -> Result<()> {
    let web = web(&["n1"]);
    let mut bed = Bed::without_tasks(std::slice::from_ref(&web))?;
    bed.start_tasks(&web)?;
    let holder = bed.cluster.start_whoami("holder", bed.node("n3"), &[PUBLISHED])?;
    bed.cluster.start_agents()?;
    for (node, answers) in [("n1", "web.1"), ("n2", "web.1"), ("n3", "holder")] {
        let to = bed.at(node, PUBLISHED);
        assert_eq!(meet::<TcpSession>(bed.client(), to, 4)?, names([answers]), "TCP, {node}");
        assert_eq!(meet::<UdpSession>(bed.client(), to, 4)?, names([answers]), "UDP, {node}");
    }
    holder.terminate()?;
    let to = bed.at("n3", PUBLISHED);
    eventually(PATIENCE, "the port to be published after all", || {
        meet::<TcpSession>(bed.client(), to, 1).is_ok_and(|tasks| tasks == names(["web.1"]))
    })
}

fn listen(ns: &Ns) -> Result<io::Result<TcpListener>> {
    in_ns(ns, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, PUBLISHED)))
}

fn bind(ns: &Ns) -> Result<io::Result<UdpSocket>> {
    in_ns(ns, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PUBLISHED)))
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}
