//! Failures under load: a task, an engine, a manager, each killed with SIGKILL. Nothing is to fail a
//! second later; how long it did is printed. The limit is three seconds, since the machine that tests
//! may be slow and is busy: the load itself takes much of it.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Load, LoadReport, RunningLoad, SwarmTask, eventually, eventually_some};

use super::bed::{AMPLE, Bed};

/// Requests per second.
const PER_S: f64 = 400.0;
/// Answers to wait for in each state.
const AROUND: u64 = 800;
/// How long after a task's death requests may fail.
const UNTIL: Duration = Duration::from_secs(3);

/// A service with a task on each node, and load on the nodes that are named.
fn stage(entries: &[&str]) -> Result<(Bed, Vec<SwarmTask>, RunningLoad)> {
    let bed = Bed::with_agents()?;
    let words = "--mode global --publish published=8080,target=80 whoami";
    let tasks = bed.service("web", words)?;
    let load = load(&bed, entries)?;
    Ok((bed, tasks, load))
}

fn load(bed: &Bed, entries: &[&str]) -> Result<RunningLoad> {
    let targets: Vec<_> = entries.iter().map(|node| bed.at(node, 8080)).collect();
    let load = Load::new(bed.client(), targets).per_second(PER_S).start()?;
    load.wait_more_ok(AROUND, AMPLE)?;
    Ok(load)
}

fn on<'a>(tasks: &'a [SwarmTask], node: &str) -> Result<&'a SwarmTask> {
    tasks.iter().find(|task| task.node == node).with_context(|| format!("no task on {node}"))
}

/// Kills a task and insists that requests fail only at once, and only a few.
fn kill(task: &SwarmTask, load: RunningLoad) -> Result<()> {
    let killed = load.elapsed();
    task.kill()?;
    let report = few_failures("a task is killed", load, killed)?;
    ensure!(report.by_task.len() >= 3, "{report}");
    Ok(())
}

/// Insists that requests fail only for a moment after `ended`, in the load's time, and only a few.
fn few_failures(what: &str, load: RunningLoad, ended: Duration) -> Result<LoadReport> {
    let over = ended + UNTIL;
    eventually(AMPLE, "the time in which requests may fail", || load.elapsed() > over)?;
    load.wait_more_ok(AROUND, AMPLE)?;
    let report = load.stop()?;
    let last = report.last_failure.unwrap_or(ended);
    let took = last.saturating_sub(ended);
    println!("{what}: {} requests fail, the last one {took:.0?} later", report.failed);
    ensure!(last <= over && report.failed < PER_S as u64 / 3, "{what} at {ended:?}: {report}");
    Ok(report)
}

#[test]
fn a_killed_task_fails_what_it_had_and_nothing_later() -> Result<()> {
    let (bed, tasks, load) = stage(&["n1", "n2", "n3"])?;
    kill(on(&tasks, "n2")?, load)?;
    engine_started_again(&bed)
}

/// It kills the containers that it finds before it answers anybody.
fn engine_started_again(bed: &Bed) -> Result<()> {
    let load = load(bed, &["n1", "n2", "n3"])?;
    bed.swarm.engine("n3").kill()?;
    load.wait_more_ok(AROUND, AMPLE)?;
    ensure!(load.failed() == 0, "{}", load.stop()?);
    let ended = thread::scope(|scope| {
        let started = scope.spawn(|| bed.swarm.restart_engine("n3"));
        let failed = || (load.failed() > 0).then(|| load.elapsed());
        let ended = eventually_some(AMPLE, "the end of its tasks", failed);
        started.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(ended)
    })?;
    few_failures("an engine starts again", load, ended).map(drop)
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
