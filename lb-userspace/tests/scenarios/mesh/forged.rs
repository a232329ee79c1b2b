//! Forged tunnel frames: dropped and counted. Real UDP packets with a hand-made VXLAN payload, sent
//! by a host outside, once under its own address and once under a node's.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use anyhow::{Result, ensure};
use lb_common::{
    addr::Mac,
    drops::Reason,
    row::Row,
    wire::{MESH_VNI, VXLAN_PORT, carry},
};
use lb_testbed::{
    DIAL_LIMIT, Ns, TcpSession, eventually,
    forge::{self, ETHERTYPE_IPV4, Macs},
    in_ns,
};

use super::bed::{Bed, PATIENCE, PUBLISHED, meet, web};

/// Inner Ethernet addresses that carry nothing.
const NO_MACS: (Mac, Mac) = ([2; 6], [2; 6]);
/// What the inner datagram says.
const WORDS: &[u8] = b"let me in";
/// Backend number of the only task.
const TASK: Row = Row { backends: [1, 0, 0, 0] };
/// A port of the client that is asked to receive answers.
const CLIENT_PORT: u16 = 5555;

#[test]
fn a_forward_frame_from_no_node_is_dropped_and_counted() -> Result<()> {
    let bed = bed()?;
    let frame = forward(&bed);
    dropped_once(&bed, Reason::UnknownPeer, || send(forger(&bed), None, &bed, &frame))?;
    let seen = bed.server("web.1").seen()?;
    ensure!(seen.iter().all(|seen| seen.protocol == "tcp"), "the frame reached the task");
    // The same frame in a node's name arrives: it was the sender and nothing else.
    let heard = in_ns(bed.client(), || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT)))??;
    heard.set_read_timeout(Some(DIAL_LIMIT))?;
    send(forger(&bed), Some(borrow(&bed, "n2")?), &bed, &frame)?;
    let (_, from) = heard.recv_from(&mut [0; 256])?;
    ensure!(from == SocketAddr::V4(bed.at("n2", PUBLISHED)), "{from} answers");
    Ok(())
}

#[test]
fn a_forward_frame_that_names_an_unknown_entry_node_is_dropped_and_counted() -> Result<()> {
    let bed = bed()?;
    let peer = borrow(&bed, "n2")?;
    let inner = datagram(client_end(&bed), bed.at("n2", PUBLISHED));
    let frame = vxlan(MESH_VNI, carry(TASK, forger_address(&bed).octets()), &inner);
    dropped_once(&bed, Reason::UnknownPeer, || send(forger(&bed), Some(peer), &bed, &frame))
}

#[test]
fn a_reply_frame_whose_inner_source_is_not_ours_is_dropped_and_counted() -> Result<()> {
    let bed = bed()?;
    let heard = in_ns(bed.client(), || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT)))??;
    heard.set_nonblocking(true)?;
    let peer = borrow(&bed, "n2")?;
    // Another node's address, a stranger's, and our own with a port that is not published.
    let stranger = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), PUBLISHED);
    for source in [bed.at("n3", PUBLISHED), stranger, bed.at("n1", 4000)] {
        let frame = vxlan(MESH_VNI + 1, NO_MACS, &datagram(source, client_end(&bed)));
        dropped_once(&bed, Reason::ForgedReply, || send(forger(&bed), Some(peer), &bed, &frame))?;
    }
    // Our own published port, but from no node.
    let ours = datagram(bed.at("n1", PUBLISHED), client_end(&bed));
    let frame = vxlan(MESH_VNI + 1, NO_MACS, &ours);
    dropped_once(&bed, Reason::UnknownPeer, || send(forger(&bed), None, &bed, &frame))?;
    ensure!(heard.recv(&mut [0; 64]).is_err(), "a forged reply reached the client");
    // The same from a node arrives.
    send(forger(&bed), Some(peer), &bed, &frame)?;
    heard.set_nonblocking(false)?;
    heard.set_read_timeout(Some(DIAL_LIMIT))?;
    let (len, _) = heard.recv_from(&mut [0; 64])?;
    ensure!(len == WORDS.len(), "{len} bytes");
    Ok(())
}

#[test]
fn frames_on_other_vnis_pass_to_the_kernel() -> Result<()> {
    let bed = bed()?;
    let kernel = in_ns(bed.node("n1"), || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, VXLAN_PORT)))??;
    kernel.set_read_timeout(Some(DIAL_LIMIT))?;
    let inner = datagram(client_end(&bed), bed.at("n1", PUBLISHED));
    for vni in [MESH_VNI - 1, MESH_VNI + 2, 4097, 0] {
        let frame = vxlan(vni, carry(TASK, bed.cluster.address("n2").octets()), &inner);
        send(forger(&bed), None, &bed, &frame)?;
        let mut received = [0; 256];
        let len = kernel.recv(&mut received)?;
        ensure!(received[..len] == frame, "VNI {vni} arrives changed");
    }
    Ok(())
}

/// One task, at n1.
fn bed() -> Result<Bed> {
    let bed = Bed::new(&[web(&["n1"])])?;
    // Everybody knows everybody's Ethernet address before an address is borrowed.
    let forger = &bed.cluster.clients()[1];
    bed.cluster.sh_in(&forger.ns, &format!("ping -c 1 -W 5 {}", bed.cluster.address("n1")))?;
    eventually(PATIENCE, "n3 to answer", || {
        meet::<TcpSession>(bed.client(), bed.at("n3", 80), 1).is_ok()
    })?;
    Ok(bed)
}

fn forger(bed: &Bed) -> &Ns {
    &bed.cluster.clients()[1].ns
}

fn forger_address(bed: &Bed) -> Ipv4Addr {
    bed.cluster.clients()[1].address
}

fn client_end(bed: &Bed) -> SocketAddrV4 {
    SocketAddrV4::new(bed.cluster.client().address, CLIENT_PORT)
}

/// A client's datagram to n2's port, as n2 would hand it on to the task at n1.
fn forward(bed: &Bed) -> Vec<u8> {
    let inner = datagram(client_end(bed), bed.at("n2", PUBLISHED));
    vxlan(MESH_VNI, carry(TASK, bed.cluster.address("n2").octets()), &inner)
}

/// Lets the forger send under a node's address.
fn borrow(bed: &Bed, node: &str) -> Result<Ipv4Addr> {
    bed.cluster.borrow_address(forger(bed), node)
}

/// Sends a frame to n1's data-path port.
fn send(ns: &Ns, from: Option<Ipv4Addr>, bed: &Bed, frame: &[u8]) -> Result<()> {
    forge::send(ns, from, bed.at("n1", VXLAN_PORT), frame)
}

/// A tunnel frame around an IPv4 packet.
fn vxlan(vni: u32, (to, from): (Mac, Mac), packet: &[u8]) -> Vec<u8> {
    forge::vxlan(vni, Macs { to, from }, ETHERTYPE_IPV4, packet)
}

fn datagram(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    forge::datagram(from, to, WORDS)
}

/// Insists that n1 counts exactly one more drop of this reason.
fn dropped_once(bed: &Bed, reason: Reason, send: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = bed.dropped("n1", reason)?;
    send()?;
    eventually(PATIENCE, &format!("{} to be counted", reason.slug()), || {
        bed.dropped("n1", reason).is_ok_and(|count| count > before)
    })?;
    let more = bed.dropped("n1", reason)? - before;
    ensure!(more == 1, "{more} frames of one were counted");
    Ok(())
}
