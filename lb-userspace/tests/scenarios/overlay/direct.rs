//! Tasks that talk to each other by their own addresses.

use anyhow::{Result, ensure};
use lb_common::{addr::mac_of, drops::Reason};
use lb_testbed::{TcpSession, UdpSession, ping};

use super::bed::{Bed, PATIENCE, meet, names};

/// Two tasks on n1, one on n2; n3 has none.
const SERVICES: [(&str, &[&str]); 1] = [("web", &["n1", "n1", "n2"])];

#[test]
fn tasks_meet_on_one_node_and_across_nodes_and_see_each_others_addresses() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    for (from, to) in [("web.1", "web.2"), ("web.1", "web.3"), ("web.3", "web.2")] {
        ensure!(meet::<TcpSession>(&bed, from, bed.at(to), 20)? == names([to]));
        ensure!(meet::<UdpSession>(&bed, from, bed.at(to), 20)? == names([to]));
        ping(bed.task(from), bed.address(to), 56, PATIENCE)?;
    }
    Ok(())
}

#[test]
fn a_task_has_its_address_its_mac_and_the_networks_mtu() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let [a, b, c, d, e, f] = mac_of(bed.address("web.3").octets());
    let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
    let shown = bed.cluster.sh_in(bed.task("web.3"), "ip address")?;
    ensure!(shown.contains(&format!("inet {}/24", bed.address("web.3"))), "{shown}");
    ensure!(shown.contains(&mac) && shown.contains("mtu 1450"), "{shown}");
    Ok(())
}

#[test]
fn the_gateway_answers_ping_and_nobody_else_does() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    ping(bed.task("web.1"), [10, 50, 0, 1].into(), 56, PATIENCE)?;
    let silence = ping(bed.task("web.1"), [10, 50, 0, 77].into(), 56, PATIENCE / 60);
    ensure!(silence.is_err(), "an address that nobody has answers");
    Ok(())
}

#[test]
fn arp_is_answered_at_the_node_and_nothing_is_flooded() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let wire = bed.cluster.capture_wire("n1", "udp port 4789")?;
    let before = bed.dropped("n1", Reason::NoEndpoint)?;
    for address in ["10.50.0.77", "10.50.0.13", "10.50.0.101", "10.50.0.1"] {
        bed.cluster.sh_in(bed.task("web.1"), "ip neigh flush all")?;
        // Whether it answers does not matter here.
        let _ = ping(bed.task("web.1"), address.parse()?, 0, PATIENCE / 60);
    }
    bed.await_drop("n1", Reason::NoEndpoint, before)?;
    let lines = wire.stop(&["-e"])?;
    ensure!(!lines.iter().any(|line| line.contains("ARP")), "{lines:#?}");
    ensure!(!lines.iter().any(|line| line.contains("10.50.0.77")), "{lines:#?}");
    Ok(())
}

#[test]
fn a_task_cannot_send_in_another_ones_name() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let before = bed.dropped("n1", Reason::OverlaySpoof)?;
    let spoof = bed.address("web.2");
    bed.cluster.sh_in(bed.task("web.1"), &format!("ip address add {spoof}/32 dev lo"))?;
    let line = format!("ping -c 1 -W 1 -I {spoof} {}", bed.address("web.3"));
    ensure!(bed.cluster.sh_in(bed.task("web.1"), &line).is_err(), "an answer");
    bed.await_drop("n1", Reason::OverlaySpoof, before)
}
