//! ICMP errors about balanced packets: they reach the end that sent the packet, with a quote that it
//! recognises.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{dial, eventually, in_ns};

use super::{
    fragments::udp_in,
    site::{LIMIT, Site, TARGET, WAYS, Way},
};

#[test]
fn a_client_that_has_gone_refuses_the_late_answer() -> Result<()> {
    let site = Site::new()?;
    for way in WAYS.map(Way::silent) {
        let task = udp_in(&site, way, TARGET)?;
        let client = in_ns(site.client(), || UdpSocket::bind("0.0.0.0:0"))??;
        client.send_to(b"are you there?", site.dialled(way))?;
        let (_, from) = task.recv_from(&mut [0; 64])?;
        let real = SocketAddr::new(site.client_address().into(), client.local_addr()?.port());
        ensure!(from == real, "{way:?}: the task sees {from}, not {real}");
        drop(client);
        // Only a connected socket whose packet the error quotes hears of it.
        task.connect(from)?;
        task.set_read_timeout(Some(LIMIT / 40))?;
        // More than once: a process that another test is just starting may hold the client's socket
        // open for a moment.
        eventually(LIMIT, &format!("a refusal, {way:?}"), || {
            refused(task.send(b"here I am").and_then(|_| task.recv(&mut [0; 64]))).is_ok()
        })?;
    }
    site.expect_drops(&[])
}

#[test]
fn a_task_without_a_server_refuses_in_the_name_of_the_dialled_address() -> Result<()> {
    let site = Site::new()?;
    for way in WAYS.map(Way::silent) {
        let dialled = site.dialled(way);
        let at_client = site.cluster.capture(site.client(), "eth0", "icmp")?;
        let client = in_ns(site.client(), || UdpSocket::bind("0.0.0.0:0"))??;
        client.set_read_timeout(Some(LIMIT))?;
        client.connect(dialled)?;
        client.send(b"anybody?")?;
        refused(client.recv(&mut [0; 64])).with_context(|| format!("{way:?}"))?;
        let (from, to) = (dialled.ip(), site.client_address());
        let line = format!("{from} > {to}: ICMP {from} udp port {} unreachable", dialled.port());
        let shown = || at_client.lines(&[]).unwrap_or_default();
        eventually(LIMIT, &line, || shown().iter().any(|shown| shown.contains(&line)))?;
        refused(dial(site.client(), dialled, 0, LIMIT)?).with_context(|| format!("{way:?}"))?;
    }
    site.expect_drops(&[])
}

fn refused<T: std::fmt::Debug>(outcome: io::Result<T>) -> Result<()> {
    let kind = outcome.as_ref().map_err(io::Error::kind).err();
    ensure!(kind == Some(io::ErrorKind::ConnectionRefused), "not refused: {outcome:?}");
    Ok(())
}
