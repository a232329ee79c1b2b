//! The last task of a service drains: what is established goes on, what is new is refused at once.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Session, Sessions, TcpSession, UdpSession, dial};

use super::{
    super::bed::{Bed, PATIENCE},
    expect_none,
};

/// On another node, beside the task, and the task itself.
const CLIENTS: [&str; 3] = ["app.1", "app.2", "web.1"];
/// Nobody answers sooner than after the first retransmission, a second, but for a refusal.
const AT_ONCE: Duration = Duration::from_millis(500);
/// A busy machine may be slow more than once, but not always.
const TRIES: usize = 10;

#[test]
fn the_last_task_that_drains_keeps_its_flows_and_new_ones_are_refused_at_once() -> Result<()> {
    let mut bed = Bed::new(&[("web", &["n1"]), ("app", &["n3", "n1"])])?;
    let mut tcp = open::<TcpSession>(&bed)?;
    let mut udp = open::<UdpSession>(&bed)?;
    bed.file.service_mut("web").task_mut("web.1").weight = 0;
    bed.apply()?;
    for client in CLIENTS {
        refuses_at_once(client, || tcp_refusal(&bed, client))?;
        refuses_at_once(client, || udp_refusal(&bed, client))?;
    }
    tcp.iter_mut().try_for_each(|sessions| expect_none(&sessions.ping_all()))?;
    udp.iter_mut().try_for_each(|sessions| expect_none(&sessions.ping_all()))?;
    // Back again, it takes new ones.
    bed.file.service_mut("web").task_mut("web.1").weight = 1;
    bed.apply()?;
    open::<TcpSession>(&bed)?;
    tcp.iter_mut().try_for_each(|sessions| expect_none(&sessions.ping_all()))
}

fn open<S: Session>(bed: &Bed) -> Result<Vec<Sessions<S>>> {
    let open = |task: &str| Sessions::open(bed.task(task), &[bed.vip("web")], 10);
    CLIENTS.into_iter().map(open).collect()
}

fn tcp_refusal(bed: &Bed, client: &str) -> Result<()> {
    let error = dial(bed.task(client), bed.vip("web"), 0, PATIENCE)?.err();
    let error = error.context("TCP: a connection")?;
    ensure!(error.kind() == ErrorKind::ConnectionRefused, "TCP: {error}");
    Ok(())
}

fn udp_refusal(bed: &Bed, client: &str) -> Result<()> {
    let error = UdpSession::open(bed.task(client), bed.vip("web"), 0).err();
    let error = error.context("UDP: an answer")?;
    ensure!(format!("{error:#}").contains("refused"), "UDP: {error:#}");
    Ok(())
}

/// Insists on refusals, the quickest of which comes at once.
fn refuses_at_once(client: &str, refusal: impl Fn() -> Result<()>) -> Result<()> {
    for _try in 0..TRIES {
        let start = Instant::now();
        refusal().context(client.to_owned())?;
        if start.elapsed() < AT_ONCE {
            return Ok(());
        }
    }
    anyhow::bail!("{client}: no refusal in {TRIES} within {AT_ONCE:?}")
}
