//! Datagrams in several packets: fragments follow their first one, and what a task hands to its
//! stack as one buffer of many datagrams arrives as those.

use std::net::{SocketAddrV4, UdpSocket};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Session as _, UdpSession, eventually, in_ns};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};

use super::site::{LIMIT, Site, TARGET, WAYS, Way};

/// Length of one datagram of a buffer that the stack cuts.
const PIECE: usize = 1000;

#[test]
fn fragments_follow_their_first_in_both_directions() -> Result<()> {
    let site = Site::new()?;
    for way in WAYS {
        let node = site.dialled(way).ip().to_owned();
        let route = format!("ip route replace {node} dev eth0 mtu lock 1400");
        site.cluster.sh_in(site.client(), &route)?;
        let at_task = site.cluster.capture(site.task(way), "gw0", "ip[6:2]&0x1fff!=0")?;
        let session = UdpSession::open(site.client(), site.dialled(way), 0)?;
        for payload in [1500, 3000, 8000, 60_000] {
            let payload: Vec<u8> = (0..payload).map(|at: usize| (at / 8) as u8).collect();
            session.exchange(&payload).with_context(|| format!("{way:?}, {}", payload.len()))?;
        }
        let later = |to: &str| {
            let lines = at_task.lines(&[]).unwrap_or_default();
            lines.iter().any(|line| line.contains(to))
        };
        let client = site.client_address();
        eventually(LIMIT, "fragments to the task", || later(&format!("{client} > ")))?;
        eventually(LIMIT, "fragments to the client", || later(&format!(" > {client}")))?;
    }
    site.expect_drops(&[])
}

#[test]
fn fragments_between_tasks_follow_too() -> Result<()> {
    let site = Site::new()?;
    for way in WAYS {
        let session = UdpSession::open(site.neighbour(way), site.dialled(way), 0)?;
        for len_bytes in [3000, 8000] {
            session.exchange(&vec![7; len_bytes]).with_context(|| format!("{way:?}"))?;
        }
    }
    site.expect_drops(&[])
}

#[test]
fn a_buffer_of_datagrams_arrives_as_datagrams() -> Result<()> {
    let site = Site::new()?;
    for way in WAYS.map(Way::silent) {
        let task = udp_in(&site, way, TARGET)?;
        setsockopt(&task, UdpGsoSegment, &(PIECE as i32))?;
        let client = in_ns(site.client(), || UdpSocket::bind("0.0.0.0:0"))??;
        client.set_read_timeout(Some(LIMIT))?;
        client.connect(site.dialled(way))?;
        client.send(b"all of them")?;
        let (_, from) = task.recv_from(&mut [0; 64])?;
        task.send_to(&[7; 3 * PIECE + 1], from)?;
        let lengths = [0; 4].map(|_| client.recv(&mut [0; 4096]).unwrap_or_default());
        ensure!(lengths == [PIECE, PIECE, PIECE, 1], "{way:?}: {lengths:?}");
    }
    site.expect_drops(&[])
}

/// A UDP socket in a way's task.
pub(super) fn udp_in(site: &Site, way: Way, port: u16) -> Result<UdpSocket> {
    let address = SocketAddrV4::new([0, 0, 0, 0].into(), port);
    let socket = in_ns(site.task(way), || UdpSocket::bind(address))??;
    socket.set_read_timeout(Some(LIMIT))?;
    Ok(socket)
}
