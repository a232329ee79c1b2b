//! The kernel's own vxlan device as a node of the network: frames mean the same to both sides.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use lb_common::addr::mac_of;
use lb_testbed::{
    Bulk, Direction, KernelNetwork, Session as _, TaskTable, TcpSession, UdpSession, eventually,
    ping,
};

use super::bed::{Bed, PATIENCE, PORT, VNI};

/// A transfer that has super-packets in it, bytes.
const BULK_BYTES: u64 = 20_000_000;

#[test]
fn tasks_and_those_of_a_kernel_overlay_reach_each_other_and_virtual_ips() -> Result<()> {
    let mut bed = Bed::new(&[("web", &["n1"]), ("far", &[])])?;
    let host = bed.cluster.clients()[0].clone();
    let address = Ipv4Addr::new(10, 50, 0, 50);
    let network = KernelNetwork::new(VNI, 24);
    let peer = bed.cluster.kernel_peer(&host, "far-1", network, address)?;
    peer.learn(
        bed.address("web.1"),
        mac_of(bed.address("web.1").octets()),
        bed.cluster.address("n1"),
    )?;
    let server = bed.cluster.start_whoami("far.1", &peer.task, &[PORT])?;
    bed.file = bed.file.clone().node("kernel", host.address);
    let task = TaskTable::new("far.1", "kernel", &peer.task).address("net", address);
    bed.file.service_mut("far").tasks.push(task);
    bed.apply()?;
    let (web, far) = (bed.at("web.1"), std::net::SocketAddrV4::new(address, PORT));
    eventually(PATIENCE, "the kernel's task to answer", || {
        TcpSession::open(bed.task("web.1"), far, 0).is_ok()
    })?;
    ping(bed.task("web.1"), address, 1422, PATIENCE)?;
    ping(&peer.task, bed.address("web.1"), 1422, PATIENCE)?;
    for (from, to) in
        [(bed.task("web.1"), far), (&peer.task, web), (bed.task("web.1"), bed.vip("far"))]
    {
        TcpSession::open(from, to, 0)?;
        UdpSession::open(from, to, 0)?;
        for direction in [Direction::Download, Direction::Upload] {
            Bulk::run(from, to, direction, BULK_BYTES)?;
        }
    }
    let own = bed.address("web.1");
    ensure!(server.seen()?.iter().all(|seen| *seen.peer.ip() == own), "another source");
    Ok(())
}
