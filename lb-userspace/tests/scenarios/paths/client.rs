//! Clients in unusual places: behind a router, in the range that legs use, forgotten by the node.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Bulk, Cluster, Direction, Session, TcpSession, UdpSession, dial};

use super::site::{HOME, LIMIT, Site, WAYS, Way};

const BYTES: u64 = 10 << 20;
/// In the default gateway subnet, and no leg's.
const IN_GATEWAY_SUBNET: Ipv4Addr = Ipv4Addr::new(172, 31, 9, 9);

#[test]
fn a_client_behind_a_router_is_answered() -> Result<()> {
    let site = Site::on(Cluster::builder().nodes(2).client_behind_router())?;
    for way in WAYS {
        seen_as::<TcpSession>(&site, way, site.client_address())?;
        seen_as::<UdpSession>(&site, way, site.client_address())?;
        for direction in [Direction::Download, Direction::Upload] {
            Bulk::run(site.client(), site.dialled(way), direction, BYTES)?;
        }
    }
    site.expect_drops(&[])
}

#[test]
fn a_client_whose_address_is_in_the_gateway_subnet_is_answered() -> Result<()> {
    let site = Site::new()?;
    let (address, client) = (IN_GATEWAY_SUBNET, site.client_address());
    site.cluster.sh_in(site.client(), &format!("ip addr add {address}/32 dev lo"))?;
    for node in site.cluster.nodes() {
        site.cluster.sh_in(&node.ns, &format!("ip route add {address} via {client}"))?;
        let from = format!("ip route add {} dev eth0 src {address}", node.address);
        site.cluster.sh_in(site.client(), &from)?;
    }
    for way in WAYS {
        seen_as::<TcpSession>(&site, way, address)?;
        seen_as::<UdpSession>(&site, way, address)?;
    }
    site.expect_drops(&[])
}

#[test]
fn a_client_with_the_address_of_a_leg_is_not_answered_at_that_leg() -> Result<()> {
    let site = Site::new()?;
    let leg = site.leg_address(WAYS[0].silent())?;
    site.cluster.sh_in(site.client(), &format!("ip addr add {leg}/32 dev lo"))?;
    for way in WAYS {
        // Neighbours know each other before the client takes the strange address.
        TcpSession::open(site.client(), site.dialled(way), 0)?;
        let node = site.cluster.address(way.node);
        let route = format!("{node} dev eth0 src {leg}");
        site.cluster.sh_in(site.client(), &format!("ip route add {route}"))?;
        let before = site.drops(HOME, "leg-from-outside")?;
        let connected = dial(site.client(), site.dialled(way), 0, LIMIT / 40)?;
        ensure!(connected.is_err(), "{way:?}: connected");
        ensure!(site.drops(HOME, "leg-from-outside")? > before, "{way:?}: not counted");
        site.cluster.sh_in(site.client(), &format!("ip route del {route}"))?;
    }
    site.expect_drops(&["leg-from-outside"])
}

#[test]
fn the_first_answer_to_a_client_whose_ethernet_address_is_forgotten_arrives() -> Result<()> {
    let site = Site::new()?;
    for way in WAYS {
        let mut tcp = TcpSession::open(site.client(), site.dialled(way), 0)?;
        let mut udp = UdpSession::open(site.client(), site.dialled(way), 0)?;
        let sessions: [&mut dyn FnMut() -> Result<()>; 2] =
            [&mut || tcp.ping(), &mut || udp.ping()];
        for ping in sessions {
            site.forget_client(way.last())?;
            ping().with_context(|| format!("{way:?}"))?;
        }
    }
    site.expect_drops(&[])
}

/// The task sees the client's own address and port, and its answer arrives.
fn seen_as<S: Session>(site: &Site, way: Way, client: Ipv4Addr) -> Result<()> {
    let mut session = S::open(site.client(), site.dialled(way), 0)?;
    session.ping()?;
    ensure!(*session.local().ip() == client, "the client dials from {}", session.local());
    let peer = session.first().peer;
    ensure!(peer == Some(session.local()), "{way:?}: the task sees {peer:?}");
    Ok(())
}
