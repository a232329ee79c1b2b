//! Changes under load, 500 requests a second, a connection each: none fails.

use std::net::SocketAddrV4;

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Load, Ns, RunningLoad};

use super::bed::{AMPLE, Bed, NODES, await_answer};

/// Requests from outside to all nodes, per second.
const OUTSIDE_PER_S: f64 = 400.0;
/// Requests from a task to the virtual IP, per second.
const INSIDE_PER_S: f64 = 100.0;
/// Answers to wait for before and after each change, so that it falls amid the load.
const AROUND: u64 = 300;

/// Load from outside and inside.
struct Traffic {
    outside: RunningLoad,
    inside: RunningLoad,
}

impl Traffic {
    fn start(bed: &Bed, asker: &Ns, vip: SocketAddrV4) -> Result<Self> {
        let outside = Load::new(bed.client(), bed.everywhere(8080)).per_second(OUTSIDE_PER_S);
        let inside = Load::new(asker, [vip]).per_second(INSIDE_PER_S).concurrency(8);
        let traffic = Self { outside: outside.start()?, inside: inside.start()? };
        traffic.go_on("at first")?;
        Ok(traffic)
    }

    /// Waits for answers, and insists that none failed so far.
    fn go_on(&self, after: &str) -> Result<()> {
        self.outside.wait_more_ok(AROUND, AMPLE).with_context(|| after.to_owned())?;
        self.inside.wait_more_ok(AROUND / 10, AMPLE).with_context(|| after.to_owned())
    }

    fn expect_clean(self) -> Result<()> {
        self.outside.stop()?.expect_clean().context("from outside")?;
        self.inside.stop()?.expect_clean().context("to the virtual IP")
    }
}

/// A Swarm with the service `web`, and with a task of `ask` on n3.
fn stage() -> Result<(Bed, Ns, SocketAddrV4)> {
    let bed = Bed::with_agents()?;
    bed.swarm.docker("n1", "network create --driver overlay inside")?;
    let words = "--replicas 2 --network inside --publish published=8080,target=80 \
                 --update-parallelism 1 --update-monitor 500ms whoami";
    bed.service("web", words)?;
    let words = "--replicas 1 --constraint node.hostname==n3 --network inside whoami";
    let asker = bed.swarm.create_service("ask", words)?.remove(0);
    let ns = bed.swarm.task_ns(&asker)?;
    let vip = SocketAddrV4::new(bed.vip(&ns, "web")?, 80);
    await_answer(&ns, vip)?;
    Ok((bed, ns, vip))
}

#[test]
fn scaling_updating_and_draining_under_load_fail_no_request() -> Result<()> {
    let (bed, asker, vip) = stage()?;
    for (step, change) in [
        ("scale up", (|bed| bed.swarm.scale("web", 6).map(drop)) as fn(&Bed) -> Result<()>),
        ("scale down", |bed| bed.swarm.scale("web", 2).map(drop)),
        ("rolling update", |bed| bed.swarm.update_service("web", "--force").map(drop)),
        ("drain", drain),
    ] {
        let traffic = Traffic::start(&bed, &asker, vip)?;
        change(&bed).context(step)?;
        traffic.go_on(step)?;
        traffic.expect_clean().context(step)?;
    }
    Ok(())
}

/// Drains a node with a task of `web`, and goes on asking it.
fn drain(bed: &Bed) -> Result<()> {
    let tasks = bed.swarm.tasks("web")?;
    let task = tasks.iter().find(|task| task.node != "n3").context("no task to move")?;
    let node = task.node.clone();
    bed.swarm.docker("n1", &format!("node update --availability drain {node}"))?;
    let tasks = bed.swarm.await_moved("web", &node)?;
    ensure!(tasks.iter().all(|task| task.node != node), "{tasks:?}");
    Ok(())
}

#[test]
fn agents_killed_and_started_again_under_load_fail_no_request() -> Result<()> {
    let (bed, asker, vip) = stage()?;
    let traffic = Traffic::start(&bed, &asker, vip)?;
    for node in NODES {
        bed.swarm.cluster().kill_agent(node)?;
    }
    traffic.go_on("agents killed")?;
    // Nobody sees these come.
    let words = "--mode global --network inside --publish published=8090,target=80 whoami";
    let late = bed.swarm.create_service("late", words)?;
    bed.swarm.start_agents(NODES)?;
    traffic.go_on("agents started")?;
    traffic.expect_clean()?;
    bed.await_known(NODES, "late", late.len())?;
    for task in &late {
        let ns = bed.swarm.task_ns(task)?;
        await_answer(&ns, vip)?;
        await_answer(bed.client(), bed.at(&task.node, 8090))?;
    }
    Ok(())
}
