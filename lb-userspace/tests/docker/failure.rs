//! Failures under load: a task, an engine, a manager, each killed with SIGKILL.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Load, RunningLoad, SwarmTask, eventually};

use super::bed::{AMPLE, Bed};

/// Requests per second.
const PER_S: f64 = 400.0;
/// Answers to wait for in each state.
const AROUND: u64 = 800;
/// How long after a task's death requests may fail: a second, and what a busy machine adds.
const UNTIL: Duration = Duration::from_secs(5);

/// A service with a task on each node, and load on the nodes that are named.
fn stage(entries: &[&str]) -> Result<(Bed, Vec<SwarmTask>, RunningLoad)> {
    let bed = Bed::with_agents()?;
    let words = "--mode global --publish published=8080,target=80 whoami";
    let tasks = bed.service("web", words)?;
    let targets: Vec<_> = entries.iter().map(|node| bed.at(node, 8080)).collect();
    let load = Load::new(bed.client(), targets).per_second(PER_S).start()?;
    load.wait_more_ok(AROUND, AMPLE)?;
    Ok((bed, tasks, load))
}

fn on<'a>(tasks: &'a [SwarmTask], node: &str) -> Result<&'a SwarmTask> {
    tasks.iter().find(|task| task.node == node).with_context(|| format!("no task on {node}"))
}

/// Kills a task and insists that requests fail only at once, and only a few.
fn kill(task: &SwarmTask, load: RunningLoad) -> Result<()> {
    let killed = load.elapsed();
    task.kill()?;
    eventually(AMPLE, "the time in which requests may fail", || load.elapsed() > killed + UNTIL)?;
    load.wait_more_ok(AROUND, AMPLE)?;
    let report = load.stop()?;
    let late = report.last_failure.is_some_and(|last| last > killed + UNTIL);
    ensure!(!late && report.failed < PER_S as u64 / 3, "killed after {killed:?}: {report}");
    ensure!(report.by_task.len() >= 3, "{report}");
    Ok(())
}

#[test]
fn a_killed_task_fails_what_it_had_and_nothing_later() -> Result<()> {
    let (_bed, tasks, load) = stage(&["n1", "n2", "n3"])?;
    kill(on(&tasks, "n2")?, load)
}

/// Its containers go on, and so does forwarding to them.
#[test]
fn a_killed_engine_fails_no_request() -> Result<()> {
    let (bed, _, load) = stage(&["n1", "n2", "n3"])?;
    bed.swarm.engine("n3").kill()?;
    load.wait_more_ok(AROUND, AMPLE)?;
    eventually(AMPLE, "the manager to lose the node", || {
        let node = bed.swarm.api("n1", "/nodes/n3");
        node.is_ok_and(|node| node["Status"]["State"] == "down")
    })?;
    load.wait_more_ok(AROUND, AMPLE)?;
    load.stop()?.expect_clean()
}

/// The workers know each other's tasks by the gossip.
#[test]
fn workers_go_on_without_a_manager() -> Result<()> {
    let (bed, tasks, load) = stage(&["n2", "n3"])?;
    bed.swarm.cluster().kill_agent("n1")?;
    bed.swarm.engine("n1").kill()?;
    load.wait_more_ok(AROUND, AMPLE)?;
    ensure!(load.failed() == 0, "{}", load.stop()?);
    // Only its own engine can tell.
    kill(on(&tasks, "n2")?, load)
}
