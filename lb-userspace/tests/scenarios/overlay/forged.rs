//! Forged frames: dropped and counted, never delivered. Sent by a host outside, under its own address
//! and under a node's.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use anyhow::{Result, ensure};
use lb_common::{addr::mac_of, drops::Reason, wire::VXLAN_PORT};
use lb_testbed::{
    Ns,
    forge::{self, ETHERTYPE_ARP, ETHERTYPE_IPV4, Macs},
    in_ns,
};

use super::bed::{Bed, PATIENCE, VNI};

/// Where the tasks listen for datagrams of this test.
const LISTEN: u16 = 7777;

#[test]
fn only_frames_that_their_node_may_send_are_delivered() -> Result<()> {
    let bed = Bed::new(&[("web", &["n1", "n2", "n3"])])?;
    let forger = &bed.cluster.clients()[1].ns;
    let heard = in_ns(bed.task("web.1"), || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, LISTEN)))??;
    heard.set_nonblocking(true)?;
    bed.cluster.sh_in(forger, &format!("ping -c 1 -W 5 {}", bed.cluster.address("n1")))?;
    let n2 = bed.cluster.borrow_address(forger, "n2")?;
    let frame = |vni, from: Ipv4Addr, mac: Ipv4Addr, to: Ipv4Addr| {
        let ends = (SocketAddrV4::new(from, 9), SocketAddrV4::new(to, LISTEN));
        let macs = Macs { to: mac_of(to.octets()), from: mac_of(mac.octets()) };
        forge::vxlan(vni, macs, ETHERTYPE_IPV4, &forge::datagram(ends.0, ends.1, b"let me in"))
    };
    let (one, two, three) = (bed.address("web.1"), bed.address("web.2"), bed.address("web.3"));
    let nobody = Ipv4Addr::new(10, 50, 0, 77);
    // From no node; of an unknown network; of another node's task; with another one's Ethernet
    // address; from nobody; to nobody; to a task that is elsewhere.
    dropped(&bed, forger, None, &frame(VNI, two, two, one), Reason::UnknownPeer)?;
    dropped(&bed, forger, Some(n2), &frame(VNI + 1, two, two, one), Reason::UnknownVni)?;
    dropped(&bed, forger, Some(n2), &frame(VNI, three, three, one), Reason::ForgedFrame)?;
    dropped(&bed, forger, Some(n2), &frame(VNI, two, three, one), Reason::ForgedFrame)?;
    dropped(&bed, forger, Some(n2), &frame(VNI, nobody, nobody, one), Reason::ForgedFrame)?;
    ensure!(heard.recv(&mut [0; 64]).is_err(), "a forged frame was delivered");
    // The same from its own node arrives: it was the sender and nothing else.
    forge::send(forger, Some(n2), at_n1(&bed), &frame(VNI, two, two, one))?;
    heard.set_nonblocking(false)?;
    heard.set_read_timeout(Some(PATIENCE))?;
    let (_, from) = heard.recv_from(&mut [0; 64])?;
    ensure!(from.ip() == two, "{from}");
    Ok(())
}

#[test]
fn arp_from_the_wire_is_never_delivered() -> Result<()> {
    let bed = Bed::new(&[("web", &["n1", "n2"])])?;
    let forger = &bed.cluster.clients()[1].ns;
    bed.cluster.sh_in(forger, &format!("ping -c 1 -W 5 {}", bed.cluster.address("n1")))?;
    let n2 = bed.cluster.borrow_address(forger, "n2")?;
    let (one, two) = (bed.address("web.1"), bed.address("web.2"));
    let capture = bed.cluster.capture(bed.task("web.1"), "any", "arp")?;
    let request = forge::arp_request((mac_of(two.octets()), two), one);
    let macs = Macs { to: [0xff; 6], from: mac_of(two.octets()) };
    forge::send(forger, Some(n2), at_n1(&bed), &forge::vxlan(VNI, macs, ETHERTYPE_ARP, &request))?;
    let frame =
        forge::datagram(SocketAddrV4::new(two, 9), SocketAddrV4::new(one, LISTEN), b"after");
    let macs = Macs { to: mac_of(one.octets()), from: mac_of(two.octets()) };
    let heard = in_ns(bed.task("web.1"), || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, LISTEN)))??;
    heard.set_read_timeout(Some(PATIENCE))?;
    forge::send(forger, Some(n2), at_n1(&bed), &forge::vxlan(VNI, macs, ETHERTYPE_IPV4, &frame))?;
    heard.recv(&mut [0; 64])?;
    let seen = capture.stop(&[])?;
    let asked = format!("tell {two}");
    ensure!(!seen.iter().any(|line| line.contains(&asked)), "{seen:#?}");
    Ok(())
}

fn at_n1(bed: &Bed) -> SocketAddrV4 {
    SocketAddrV4::new(bed.cluster.address("n1"), VXLAN_PORT)
}

/// Sends a frame and insists that n1 counts it.
fn dropped(bed: &Bed, ns: &Ns, from: Option<Ipv4Addr>, frame: &[u8], reason: Reason) -> Result<()> {
    let before = bed.dropped("n1", reason)?;
    forge::send(ns, from, at_n1(bed), frame)?;
    bed.await_drop("n1", reason, before)
}
