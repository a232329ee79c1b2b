//! A published port belongs to the mesh: nobody else on the node can have it, until it is released.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Result, ensure};
use lb_testbed::{eventually, in_ns};

use super::bed::{AMPLE, Bed, NODES};

const PORT: u16 = 8200;

#[test]
fn a_published_port_is_reserved_on_every_node_and_released() -> Result<()> {
    let bed = Bed::shared()?;
    let words = "--replicas 1 --publish published=8200,target=80 \
                 --publish published=8200,target=80,protocol=udp whoami";
    bed.service("reserved", words)?;
    for node in NODES {
        ensure!(!is_free(&bed, node)?, "the port can be taken on {node}");
    }
    bed.swarm.remove_service("reserved")?;
    for node in NODES {
        let free = || is_free(&bed, node).is_ok_and(|free| free);
        eventually(AMPLE, &format!("the release of the port on {node}"), free)?;
    }
    Ok(())
}

/// Whether a process of the node can listen on the port, TCP and UDP.
fn is_free(bed: &Bed, node: &str) -> Result<bool> {
    let address = (Ipv4Addr::UNSPECIFIED, PORT);
    in_ns(bed.node(node), || TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok())
}
