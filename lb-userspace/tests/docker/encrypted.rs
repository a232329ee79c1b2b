//! Encrypted networks: nothing of them is ever in a frame of ours.

use std::net::SocketAddrV4;

use anyhow::{Result, ensure};
use lb_common::wire::{MESH_VNI, VXLAN_PORT};
use lb_testbed::{TcpSession, dial, vni_filter};

use super::bed::{AMPLE, Bed, NODES, await_answer, meet, names};

/// Frames of the mesh, either way.
fn mesh_frames() -> String {
    format!("({}) or ({})", vni_filter(MESH_VNI), vni_filter(MESH_VNI + 1))
}

/// Published ports are then served by the tasks of the node that is asked, and by them alone.
#[test]
fn an_encrypted_ingress_network_is_served_locally_and_never_in_clear() -> Result<()> {
    let bed = Bed::without_agents()?;
    bed.swarm.api_delete("n1", "/networks/ingress")?;
    let create = "network create --driver overlay --ingress --opt encrypted hidden-ingress";
    bed.swarm.docker("n1", create)?;
    bed.swarm.start_agents(NODES)?;
    let words = "--replicas 2 --constraint node.hostname!=n3 \
                 --publish published=8080,target=80 whoami";
    let tasks = bed.swarm.create_service("web", words)?;
    let capture =
        bed.swarm.cluster().capture(bed.swarm.cluster().bridge_ns(), "br0", &mesh_frames())?;
    for task in &tasks {
        let to = bed.at(&task.node, 8080);
        await_answer(bed.client(), to)?;
        let met = meet::<TcpSession>(bed.client(), to)?;
        ensure!(met == names(std::slice::from_ref(task)), "{to} led to {met:?}");
    }
    ensure!(dial(bed.client(), bed.at("n3", 8080), 0, AMPLE)?.is_err(), "n3 answers");
    let frames = capture.stop(&[])?;
    ensure!(frames.is_empty(), "in clear:\n{}", frames.join("\n"));
    let status = bed.swarm.swarmlb("n1", "status")?;
    ensure!(status.contains("encrypted"), "status does not say so:\n{status}");
    Ok(())
}

/// Virtual IPs work there as elsewhere, and leave the way between nodes to Docker.
#[test]
fn a_virtual_ip_in_an_encrypted_network_sends_no_frames_of_ours() -> Result<()> {
    let bed = Bed::shared()?;
    bed.swarm.docker("n1", "network create --driver overlay --opt encrypted secret")?;
    let at = "--replicas 1 --constraint node.hostname==n2 --network secret whoami";
    let tasks = bed.swarm.create_service("db-secret", at)?;
    let askers = bed.swarm.create_service("ask-secret", at)?;
    let ns = bed.swarm.task_ns(&askers[0])?;
    let to = SocketAddrV4::new(bed.vip(&ns, "db-secret")?, 80);
    await_answer(&ns, to)?;
    let (from, own) = (askers[0].addresses["secret"], tasks[0].addresses["secret"]);
    // Inner addresses, 50 bytes into the frame's UDP payload: nothing between the two leaves n2.
    let inside =
        |at: u32, address: std::net::Ipv4Addr| format!("udp[{at}:4]=0x{:08x}", u32::from(address));
    let filter = format!("udp port {VXLAN_PORT} and ({} or {})", inside(42, from), inside(42, own));
    let capture = bed.swarm.cluster().capture_wire("n2", &filter)?;
    assert_eq!(meet::<TcpSession>(&ns, to)?, names(&tasks));
    let frames = capture.stop(&[])?;
    ensure!(frames.is_empty(), "in clear:\n{}", frames.join("\n"));
    Ok(())
}
