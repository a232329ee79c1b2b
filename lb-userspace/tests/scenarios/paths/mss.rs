//! The MSS that both ends of a connection see: what the tunnel carries, whatever they could do.

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Bulk, Capture, Direction, Session as _, TcpSession, eventually_some};

use super::site::{LIMIT, Site, WAYS, Way};

/// 1500 on the wire, 50 for the tunnel, 40 for IPv4 and TCP headers.
const MSS: u16 = 1410;
const BYTES: u64 = 10 << 20;

#[test]
fn syn_and_syn_ack_tell_what_the_tunnel_carries() -> Result<()> {
    let site = Site::new()?;
    clamped_all_ways(&site)
}

#[test]
fn a_client_with_jumbo_frames_is_told_the_same() -> Result<()> {
    let site = Site::new()?;
    site.cluster.sh_in(site.cluster.bridge_ns(), "ip link set c1 mtu 9000")?;
    site.cluster.sh_in(site.client(), "ip link set eth0 mtu 9000")?;
    clamped_all_ways(&site)
}

fn clamped_all_ways(site: &Site) -> Result<()> {
    for way in WAYS {
        clamped(site, way).with_context(|| format!("{way:?}"))?;
        for direction in [Direction::Download, Direction::Upload] {
            Bulk::run(site.client(), site.dialled(way), direction, BYTES)?;
        }
    }
    site.expect_drops(&[])
}

fn clamped(site: &Site, way: Way) -> Result<()> {
    let at_task = site.cluster.capture(site.task(way), "gw0", "tcp[tcpflags]&tcp-syn!=0")?;
    let at_client = site.cluster.capture(site.client(), "eth0", "tcp[tcpflags]&tcp-syn!=0")?;
    TcpSession::open(site.client(), site.dialled(way), 0)?.ping()?;
    let syn = mss(&at_task, "Flags [S],")?;
    let answer = mss(&at_client, "Flags [S.],")?;
    ensure!((syn, answer) == (MSS, MSS), "SYN at the task {syn}, SYN+ACK at the client {answer}");
    Ok(())
}

/// The MSS of the packet that tcpdump shows with these flags.
fn mss(capture: &Capture, flags: &str) -> Result<u16> {
    let find = || {
        let lines = capture.lines(&[]).ok()?;
        let line = lines.iter().find(|line| line.contains(flags))?;
        line.split_once("mss ")?.1.split(',').next()?.parse().ok()
    };
    eventually_some(LIMIT, &format!("a packet with {flags}"), find)
}
