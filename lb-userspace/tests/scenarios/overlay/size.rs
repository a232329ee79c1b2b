//! Sizes: what fits, what does not, and how the sender learns.

use std::net::UdpSocket;

use anyhow::{Result, ensure};
use lb_testbed::{Bulk, Direction, in_ns};

use super::bed::{Bed, PATIENCE, PORT};

/// Enough for many super-packets, bytes.
const BULK_BYTES: u64 = 100_000_000;

#[test]
fn packets_of_the_networks_mtu_pass_and_larger_ones_are_told_at_the_source() -> Result<()> {
    let bed = Bed::new(&[("web", &["n1", "n2"])])?;
    let to = bed.address("web.2");
    let line = |bytes| format!("ping -c 3 -W 5 -M do -s {bytes} {to}");
    bed.cluster.sh_in(bed.task("web.1"), &line(1450 - 28))?;
    ensure!(bed.cluster.sh_in(bed.task("web.1"), &line(1451 - 28)).is_err(), "1451 bytes pass");
    // What may be cut arrives all the same.
    let line = format!("ping -c 1 -W 5 -M dont -s 4000 {to}");
    bed.cluster.sh_in(bed.task("web.1"), &line)?;
    Ok(())
}

#[test]
fn datagrams_in_fragments_reach_tasks_and_virtual_ips() -> Result<()> {
    let bed = Bed::new(&[("web", &["n2"]), ("app", &["n1"])])?;
    for to in [bed.at("web.1"), bed.vip("web")] {
        let answered = in_ns(bed.task("app.1"), || -> Result<usize> {
            let socket = UdpSocket::bind(("0.0.0.0", 0))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.connect(to)?;
            socket.send(&[b'x'; 4000])?;
            Ok(socket.recv(&mut [0; 8000])?)
        })??;
        ensure!(answered > 4000, "{to}: {answered} bytes");
    }
    Ok(())
}

#[test]
fn tcp_carries_bulk_on_one_node_and_across_nodes() -> Result<()> {
    let bed = Bed::new(&[("web", &["n1", "n1", "n2"])])?;
    for to in ["web.2", "web.3"] {
        for direction in [Direction::Download, Direction::Upload] {
            let done = Bulk::run(bed.task("web.1"), bed.at(to), direction, BULK_BYTES)?;
            println!("{direction:?} {to}:{PORT}: {:.2} Gbit/s", done.gbit_per_s());
        }
    }
    Ok(())
}
