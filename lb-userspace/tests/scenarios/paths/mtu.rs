//! Path MTU: a sender of packets that are too large for the tunnel, or for a link beyond a router, is
//! told so, and what it sends next arrives.

use std::io;

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Bulk, Cluster, Direction, Ns, Session as _, UdpSession, eventually};

use super::site::{LIMIT, Site, WAYS, Way};

/// Payload of the largest datagram that fits the client's own link.
const FULL: usize = 1472;
const BYTES: u64 = 20 << 20;
/// MTU of the link between router and client.
const NARROW: u16 = 1300;

#[test]
fn a_datagram_too_large_for_the_tunnel_comes_back_as_fragmentation_needed() -> Result<()> {
    let site = Site::new()?;
    for way in WAYS {
        site.forget_mtus(site.client())?;
        told(&site, way).with_context(|| format!("{way:?}"))?;
    }
    site.expect_drops(&["too-big"])
}

fn told(site: &Site, way: Way) -> Result<()> {
    let dialled = site.dialled(way);
    let session = UdpSession::open(site.client(), dialled, 0)?;
    // Nor need the node know the client's Ethernet address to tell it so.
    site.forget_client(way.node)?;
    let refusal = session.exchange(&[7; FULL]).err().context("a datagram of 1500 bytes passed")?;
    let code = refusal.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    ensure!(code == Some(nix::errno::Errno::EMSGSIZE as i32), "{refusal:#}");
    let route = site.cluster.sh_in(site.client(), &format!("ip route get {}", dialled.ip()))?;
    ensure!(route.contains("mtu 1450"), "the client knows: {route}");
    // Now the client's stack cuts it, and the task's stack its answer, which is larger still.
    session.exchange(&[7; FULL]).map(drop)
}

#[test]
fn a_client_behind_a_narrow_link_gets_its_downloads() -> Result<()> {
    let site = narrow_site()?;
    for way in WAYS {
        Bulk::run(site.client(), site.dialled(way), Direction::Download, BYTES)?;
        let known = path_mtu(&site, site.task(way))?;
        ensure!(known.contains(&format!("mtu {NARROW}")), "{way:?}: the task knows {known}");
    }
    site.expect_drops(&[])
}

#[test]
fn large_answers_to_a_client_behind_a_narrow_link_arrive_once_its_mtu_is_known() -> Result<()> {
    let site = narrow_site()?;
    for way in WAYS {
        site.forget_mtus(site.task(way))?;
        let session = UdpSession::open(site.client(), site.dialled(way), 0)?;
        session.set_limit(LIMIT / 20)?;
        // The first answer is the one that the router refuses.
        eventually(LIMIT, &format!("an answer {way:?}"), || session.exchange(&[7; 1340]).is_ok())?;
        let known = path_mtu(&site, site.task(way))?;
        ensure!(known.contains(&format!("mtu {NARROW}")), "{way:?}: the task knows {known}");
    }
    site.expect_drops(&[])
}

/// Between router and client fits less than the tunnel carries, and only the router knows.
fn narrow_site() -> Result<Site> {
    let site = Site::on(Cluster::builder().nodes(2).client_behind_router())?;
    let router = site.cluster.router_ns().context("a router")?;
    let address = site.client_address();
    site.cluster.sh_in(router, &format!("ip route add {address} dev c1 mtu {NARROW}"))?;
    Ok(site)
}

/// What a task knows of the way to the client.
fn path_mtu(site: &Site, task: &Ns) -> Result<String> {
    site.cluster.sh_in(task, &format!("ip route get {}", site.client_address()))
}
