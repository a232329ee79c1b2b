//! By which way replies travel, as seen on the wire at the home node.

use anyhow::{Result, ensure};
use lb_testbed::{Capture, Session as _, TcpSession, UdpSession, eventually};

use super::site::{HOME, LIMIT, Site, TUNNEL, WAYS, Way};

/// What was captured at the home node's port: frames between nodes, and packets of published ports
/// that are in no frame.
struct Wire {
    frames: Capture,
    plain: Capture,
}

impl Wire {
    fn of(site: &Site) -> Result<Self> {
        let frames = site.cluster.capture_wire(HOME, "udp port 4789")?;
        let plain = site.cluster.capture_wire(HOME, "src port 80 or src port 90")?;
        Ok(Self { frames, plain })
    }

    /// How many replies with the dialled address as source were in frames on the reply VNI, and how
    /// many in none.
    fn replies(&self, site: &Site, way: Way, shown_as: &str) -> Result<(usize, usize)> {
        let dialled = site.dialled(way);
        let flow = format!("{}.{} > {}.", dialled.ip(), dialled.port(), site.client_address());
        let is_reply = |line: &str| line.contains(&flow) && line.contains(shown_as);
        let frames = self.frames.lines(&[])?;
        // tcpdump shows the inner packet on a line of its own after that of the frame.
        let framed = frames.windows(2).filter(|pair| pair[0].contains("vni 4095"));
        let framed = framed.filter(|pair| is_reply(&pair[1])).count();
        let plain = self.plain.lines(&[])?.iter().filter(|line| is_reply(line)).count();
        Ok((framed, plain))
    }
}

#[test]
fn replies_travel_as_the_service_says() -> Result<()> {
    let site = Site::new()?;
    let wire = Wire::of(&site)?;
    for way in WAYS {
        let mut tcp = TcpSession::open(site.client(), site.dialled(way), 0)?;
        let mut udp = UdpSession::open(site.client(), site.dialled(way), 0)?;
        tcp.ping()?;
        udp.ping()?;
        for (peer, local) in [(tcp.first().peer, tcp.local()), (udp.first().peer, udp.local())] {
            ensure!(peer.is_some_and(|peer| *peer.ip() == site.client_address()), "{way:?}");
            ensure!(peer.map(|peer| peer.port()) == Some(local.port()), "{way:?}: {peer:?}");
        }
        for shown_as in ["Flags [", "UDP, length"] {
            expect_way(&site, &wire, way, shown_as)?;
        }
    }
    site.expect_drops(&[])
}

fn expect_way(site: &Site, wire: &Wire, way: Way, shown_as: &str) -> Result<()> {
    let seen = || wire.replies(site, way, shown_as).unwrap_or_default();
    eventually(LIMIT, &format!("replies of {way:?}"), || seen() != (0, 0))?;
    let (framed, plain) = seen();
    let by_tunnel = way.port == TUNNEL && !way.is_local();
    ensure!(by_tunnel == (framed > 0), "{way:?} {shown_as}: {framed} replies in frames");
    ensure!(by_tunnel == (plain == 0), "{way:?} {shown_as}: {plain} replies in no frame");
    Ok(())
}
