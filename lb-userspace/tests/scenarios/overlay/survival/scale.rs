//! Services that grow and shrink while their virtual IP is used, by other services' tasks and by
//! their own.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use lb_testbed::{Load, RunningLoad, Session, Sessions, TcpSession, UdpSession, eventually};

use super::{
    super::bed::{Bed, PATIENCE},
    SERVICES, expect_none,
};

/// Who uses the virtual IP: on a third node, beside a task, and a task itself.
const CLIENTS: [&str; 3] = ["app.1", "app.2", "web.2"];

/// Flows that must stay with their tasks.
struct Held {
    tcp: Vec<Sessions<TcpSession>>,
    udp: Vec<Sessions<UdpSession>>,
}

impl Held {
    fn open(bed: &Bed) -> Result<Self> {
        Ok(Self { tcp: open(bed)?, udp: open(bed)? })
    }

    fn expect_all(&mut self) -> Result<()> {
        for sessions in &mut self.tcp {
            expect_none(&sessions.ping_all())?;
        }
        self.udp.iter_mut().try_for_each(|sessions| expect_none(&sessions.ping_all()))
    }
}

fn open<S: Session>(bed: &Bed) -> Result<Vec<Sessions<S>>> {
    let open = |task: &str| Sessions::open(bed.task(task), &[bed.vip("web")], 20);
    CLIENTS.into_iter().map(open).collect()
}

/// New connections from each client.
fn load(bed: &Bed) -> Result<Vec<RunningLoad>> {
    let start = |task: &str| {
        Load::new(bed.task(task), [bed.vip("web")]).per_second(70.0).concurrency(8).start()
    };
    CLIENTS.into_iter().map(start).collect()
}

#[test]
fn two_changes_in_a_row_break_no_flow_and_fail_no_new_one() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    let mut held = Held::open(&bed)?;
    let running = load(&bed)?;
    bed.hold_long();
    for node in ["n3", "n1"] {
        bed.add_task("web", node)?;
        bed.apply()?;
    }
    bed.file.service_mut("web").task_mut("web.1").weight = 4;
    bed.file.service_mut("web").task_mut("web.3").weight = 0;
    bed.apply()?;
    held.expect_all()?;
    for server in ["web.4", "web.5"] {
        eventually(PATIENCE, "connections to the new tasks", || {
            bed.server(server).seen().is_ok_and(|seen| !seen.is_empty())
        })?;
    }
    held.expect_all()?;
    expect_no_failure(running)
}

#[test]
fn tasks_that_drain_and_then_go_fail_no_flow_of_others() -> Result<()> {
    let mut bed = Bed::new(&[("web", &["n1", "n2", "n2", "n3", "n1"]), SERVICES[1]])?;
    let running = load(&bed)?;
    for task in ["web.4", "web.5"] {
        bed.file.service_mut("web").task_mut(task).weight = 0;
    }
    bed.apply()?;
    let mut held = Held::open(&bed)?;
    bed.file.service_mut("web").tasks.truncate(3);
    bed.apply()?;
    held.expect_all()?;
    running.iter().try_for_each(|load| load.wait_more_ok(50, PATIENCE))?;
    let met: BTreeSet<_> = held.tcp.iter().flat_map(|all| all.by_task().into_keys()).collect();
    ensure!(met.len() == 3, "{met:?}");
    expect_no_failure(running)
}

/// A task that meets itself sees the virtual IP in its own place, so that addresses say nothing here.
fn expect_no_failure(running: Vec<RunningLoad>) -> Result<()> {
    for load in running {
        let report = load.stop()?;
        ensure!(report.ok > 0 && report.failed == 0, "{report}");
    }
    Ok(())
}
