//! The gateway leg: made by the agent, the task's way to the outside in the node's name, closed
//! towards other tasks, and gone with its task.

use std::net::{SocketAddrV4, UdpSocket};

use anyhow::{Result, ensure};
use lb_testbed::{Ns, Session, TcpSession, UdpSession, dial, eventually, in_ns, ping};

use super::site::{HOME, LIMIT, Site, TARGET, WAYS};

/// Port of a server outside.
const OUTSIDE: u16 = 9000;
/// An address that no leg has.
const STRANGE: &str = "10.9.9.9";

#[test]
fn a_task_reaches_the_outside_in_its_nodes_name() -> Result<()> {
    let site = Site::new()?;
    let (task, node) = (site.task(WAYS[0]), site.cluster.address(HOME));
    let route = site.cluster.sh_in(task, "ip route show default")?;
    ensure!(route.contains("via 172.31.0.1 dev gw0"), "default route: {route}");
    let outside = site.cluster.start_whoami("outside", site.client(), &[OUTSIDE])?;
    let server = SocketAddrV4::new(site.client_address(), OUTSIDE);
    let tcp = TcpSession::open(task, server, 0)?.first().peer;
    let udp = UdpSession::open(task, server, 0)?.first().peer;
    for peer in [tcp, udp] {
        ensure!(peer.is_some_and(|peer| *peer.ip() == node), "the server sees {peer:?}");
    }
    let seen = outside.seen()?;
    ensure!(seen.iter().all(|seen| *seen.peer.ip() == node), "the server logs {seen:?}");
    ping(task, site.client_address(), 56, LIMIT)?;
    site.expect_drops(&[])
}

#[test]
fn tasks_do_not_reach_each_others_legs() -> Result<()> {
    let site = Site::new()?;
    let (from, to) = (site.task(WAYS[0]), site.leg_address(WAYS[1])?);
    let server = SocketAddrV4::new(to, TARGET);
    let isolated = || site.drops(HOME, "leg-isolation");
    let connected = dial(from, server, 0, LIMIT / 40)?;
    ensure!(connected.is_err(), "a task has connected to another one's leg");
    let after_tcp = isolated()?;
    ensure!(after_tcp > 0, "not counted");
    in_ns(from, || UdpSocket::bind("0.0.0.0:0")?.send_to(b"hello", server))??;
    counted(&site, "leg-isolation", after_tcp)?;
    let after_udp = isolated()?;
    ensure!(ping(from, to, 56, LIMIT / 40).is_err(), "a task has pinged another one's leg");
    ensure!(isolated()? > after_udp, "a ping is not counted");
    ensure!(site.server(WAYS[1]).seen()?.is_empty(), "the other task saw something");
    site.expect_drops(&["leg-isolation"])
}

#[test]
fn a_task_sends_from_no_other_address() -> Result<()> {
    let site = Site::new()?;
    let task = site.task(WAYS[0]);
    site.cluster.sh_in(task, &format!("ip addr add {STRANGE}/32 dev lo"))?;
    let wire = site.cluster.capture(site.client(), "eth0", &format!("host {STRANGE}"))?;
    let outside = SocketAddrV4::new(site.client_address(), OUTSIDE);
    in_ns(task, || UdpSocket::bind((STRANGE, 0))?.send_to(b"hello", outside))??;
    counted(&site, "leg-spoof", 0)?;
    let route = format!("ip route replace {} via 172.31.0.1 dev gw0 src {STRANGE}", outside.ip());
    site.cluster.sh_in(task, &route)?;
    let before = site.drops(HOME, "leg-spoof")?;
    ensure!(ping(task, *outside.ip(), 56, LIMIT / 40).is_err(), "a forged ping was answered");
    ensure!(site.drops(HOME, "leg-spoof")? > before, "a forged ping is not counted");
    let lines = wire.stop(&[])?;
    ensure!(lines.is_empty(), "forged packets left the node: {lines:?}");
    site.expect_drops(&["leg-spoof"])
}

#[test]
fn nothing_from_outside_reaches_a_leg_but_by_a_port() -> Result<()> {
    let site = Site::new()?;
    let leg = site.leg_address(WAYS[0])?;
    let node = site.cluster.address(HOME);
    site.cluster.sh_in(site.client(), &format!("ip route add {leg} via {node}"))?;
    let connected = dial(site.client(), SocketAddrV4::new(leg, TARGET), 0, LIMIT / 40)?;
    ensure!(connected.is_err(), "a client has connected to a leg");
    ensure!(ping(site.client(), leg, 56, LIMIT / 40).is_err(), "a client has pinged a leg");
    ensure!(site.drops(HOME, "leg-from-outside")? > 0, "not counted");
    ensure!(site.server(WAYS[0]).seen()?.is_empty(), "the task saw something");
    site.expect_drops(&["leg-from-outside"])
}

#[test]
fn a_removed_task_leaves_no_leg() -> Result<()> {
    let site = Site::new()?;
    let node = &site.cluster.node(HOME).ns;
    let legs = |ns: &Ns| -> Result<usize> {
        let links = site.cluster.sh_in(ns, "ip -o link show type veth")?;
        Ok(links.lines().filter(|line| line.contains(": slb") || line.contains(": gw0")).count())
    };
    ensure!(legs(node)? == WAYS.len(), "a leg for each task, not {}", legs(node)?);
    site.cluster.remove_ns(site.task(WAYS[0].silent()))?;
    eventually(LIMIT, "the leg to go with its namespace", || {
        legs(node).is_ok_and(|count| count == WAYS.len() - 1)
    })?;
    site.cluster.apply_config(&site.cluster.node_tables())?;
    eventually(LIMIT, "legs to go with their tasks", || legs(node).is_ok_and(|count| count == 0))?;
    let task = site.task(WAYS[0]);
    ensure!(legs(task)? == 0, "the task's end of its leg is still there");
    ensure!(site.cluster.sh_in(task, "ip route")?.is_empty(), "the task still has routes");
    let routes = site.cluster.sh_in(node, "ip route show table all")?;
    ensure!(!routes.contains("172.31."), "the node still has routes: {routes}");
    ensure!(dial(site.client(), site.dialled(WAYS[2]), 0, LIMIT)?.is_err(), "still published");
    site.expect_drops(&[])
}

/// Waits until a drop is counted beyond `before`.
fn counted(site: &Site, reason: &str, before: u64) -> Result<()> {
    eventually(LIMIT, reason, || site.drops(HOME, reason).is_ok_and(|count| count > before))
}
