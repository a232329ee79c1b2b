//! Virtual IPs: spread, sources, weights, drains, refusal, and what survives.

use std::{io::ErrorKind, net::SocketAddrV4, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{
    Bulk, Direction, Load, Session as _, Sessions, TcpSession, UdpSession, chi_squared, dial,
    eventually, ping,
};

use super::bed::{Bed, PATIENCE, PORT, meet, names};

/// Three tasks of `web` on two nodes, a client on a third and one beside a task.
const SERVICES: [(&str, &[&str]); 2] = [("web", &["n1", "n2", "n2"]), ("app", &["n3", "n1"])];
/// A large transfer, bytes.
const BULK_BYTES: u64 = 500_000_000;
/// How soon a refusal has to come.
const AT_ONCE: Duration = Duration::from_secs(2);

#[test]
fn a_virtual_ip_leads_to_all_tasks_and_they_see_the_client() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let all = names(["web.1", "web.2", "web.3"]);
    for client in ["app.1", "app.2"] {
        ensure!(meet::<TcpSession>(&bed, client, bed.vip("web"), 60)? == all, "TCP {client}");
        ensure!(meet::<UdpSession>(&bed, client, bed.vip("web"), 60)? == all, "UDP {client}");
    }
    Ok(())
}

#[test]
fn new_connections_spread_evenly_and_by_weight() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    let spread = |bed: &Bed, weights: &[f64]| -> Result<()> {
        let load = Load::new(bed.task("app.1"), [bed.vip("web")]).total(6000);
        let report = load.run()?;
        report.expect_clean()?;
        let counts: Vec<u64> = report.by_task.values().copied().collect();
        ensure!(counts.len() == weights.len(), "{report}");
        ensure!(chi_squared(&counts, weights).is_plausible(), "{report}");
        Ok(())
    };
    spread(&bed, &[1.0, 1.0, 1.0])?;
    bed.file.service_mut("web").task_mut("web.2").weight = 3;
    bed.apply()?;
    spread(&bed, &[1.0, 3.0, 1.0])
}

#[test]
fn a_task_reaches_its_own_virtual_ip_and_itself_by_it() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    // Itself it sees as the virtual IP: no stack takes a packet from its own address.
    let sessions = Sessions::<TcpSession>::open(bed.task("web.2"), &[bed.vip("web")], 60)?;
    ensure!(sessions.by_task().len() == 3, "{:?}", sessions.by_task());
    let udp = Sessions::<UdpSession>::open(bed.task("web.2"), &[bed.vip("web")], 60)?;
    ensure!(udp.by_task().len() == 3, "{:?}", udp.by_task());
    Ok(())
}

#[test]
fn a_virtual_ip_answers_ping_and_any_port_is_the_tasks_own_business() -> Result<()> {
    let bed = Bed::new(&SERVICES)?;
    let vip = bed.vip("web");
    ping(bed.task("app.1"), *vip.ip(), 56, PATIENCE)?;
    let closed = SocketAddrV4::new(*vip.ip(), PORT + 1);
    let refused = dial(bed.task("app.1"), closed, 0, PATIENCE)?.err().context("an open port")?;
    ensure!(refused.kind() == ErrorKind::ConnectionRefused, "{refused}");
    Ok(())
}

#[test]
fn a_virtual_ip_without_tasks_refuses_at_once() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    bed.file.service_mut("web").tasks.clear();
    bed.apply()?;
    let vip = bed.vip("web");
    eventually(PATIENCE, "a refusal", || {
        let dialled = dial(bed.task("app.1"), vip, 0, AT_ONCE);
        dialled.is_ok_and(|stream| {
            stream.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        })
    })?;
    let error = UdpSession::open(bed.task("app.1"), vip, 0).err().context("a UDP answer")?;
    ensure!(format!("{error:#}").contains("refused"), "{error:#}");
    Ok(())
}

#[test]
fn half_a_gigabyte_crosses_nodes_by_a_virtual_ip_in_both_directions() -> Result<()> {
    let bed = Bed::new(&[("web", &["n2"]), ("app", &["n3"])])?;
    for direction in [Direction::Download, Direction::Upload] {
        let done = Bulk::run(bed.task("app.1"), bed.vip("web"), direction, BULK_BYTES)?;
        println!("{direction:?}: {:.2} Gbit/s", done.gbit_per_s());
    }
    Ok(())
}

#[test]
fn a_drained_task_keeps_its_flows_and_gets_no_new_ones() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    let vip = bed.vip("web");
    let mut held = Sessions::<TcpSession>::open(bed.task("app.1"), &[vip], 60)?;
    bed.file.service_mut("web").task_mut("web.1").weight = 0;
    bed.apply()?;
    let others = names(["web.2", "web.3"]);
    eventually(PATIENCE, "new flows to others only", || {
        meet::<TcpSession>(&bed, "app.1", vip, 30).is_ok_and(|tasks| tasks == others)
    })?;
    ensure!(held.by_task().contains_key("web.1"), "{:?}", held.by_task());
    let lost = held.ping_all();
    ensure!(lost.is_empty(), "{lost:#?}");
    Ok(())
}

#[test]
fn flows_of_a_removed_task_end_at_once_and_those_of_others_stay() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    let vip = bed.vip("web");
    let mut held = Sessions::<TcpSession>::open(bed.task("app.1"), &[vip], 60)?;
    let mut ended = held.take_task("web.1");
    ensure!(!ended.0.is_empty() && !held.0.is_empty(), "{:?}", held.by_task());
    bed.file.service_mut("web").tasks.retain(|task| task.name != "web.1");
    bed.apply()?;
    eventually(PATIENCE, "the end of its flows", || {
        ended.0.retain_mut(|session| session.ping().is_ok());
        ended.0.is_empty()
    })?;
    let lost = held.ping_all();
    ensure!(lost.is_empty(), "{lost:#?}");
    Ok(())
}

#[test]
fn udp_moves_to_another_task_when_its_own_goes() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    let vip = bed.vip("web");
    let mut flows = Sessions::<UdpSession>::open(bed.task("app.1"), &[vip], 30)?.take_task("web.1");
    ensure!(!flows.0.is_empty(), "nobody went to web.1");
    bed.file.service_mut("web").tasks.retain(|task| task.name != "web.1");
    bed.apply()?;
    for flow in &mut flows.0 {
        eventually(PATIENCE, "another task", || {
            flow.ask().is_ok_and(|answer| answer.task_name() != "web.1")
        })?;
    }
    Ok(())
}

#[test]
fn nobody_notices_agents_killed_and_restarted_or_a_service_that_grows() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    let vip = bed.vip("web");
    let fresh = Load::new(bed.task("app.1"), [vip]).per_second(100.0).start()?;
    let kept = Load::new(bed.task("app.2"), [vip]).keep_alive().per_second(50.0).start()?;
    let go_on = |answers| -> Result<()> {
        fresh.wait_more_ok(answers, PATIENCE)?;
        kept.wait_more_ok(answers / 4, PATIENCE)
    };
    go_on(100)?;
    for node in ["n1", "n2", "n3"] {
        bed.cluster.kill_agent(node)?;
    }
    go_on(200)?;
    bed.cluster.start_agents()?;
    go_on(100)?;
    bed.hold_long();
    bed.add_task("web", "n3")?;
    bed.apply()?;
    eventually(PATIENCE, "a connection to the new task", || {
        bed.server("web.4").seen().is_ok_and(|seen| !seen.is_empty())
    })?;
    go_on(100)?;
    fresh.stop()?.expect_clean()?;
    kept.stop()?.expect_clean()
}
