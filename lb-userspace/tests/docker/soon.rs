//! How soon a change of tasks is known everywhere. It is to take a second; what it took is printed. The
//! limit is five times that, and of the median of several rounds: the machine that tests may be slow and
//! is busy with other tests, agents without optimisation share its CPUs with engines, and each look at a
//! node's maps starts a program.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lb_testbed::eventually;

use super::bed::{AMPLE, Bed, NODES};

const LIMIT: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;

#[test]
fn new_tasks_are_soon_in_every_nodes_maps_and_stopping_ones_soon_out() -> Result<()> {
    let bed = Bed::shared()?;
    bed.service("soon", "--replicas 1 --publish published=8401,target=80 whoami")?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push((change(&bed, 3)?, change(&bed, 1)?));
    }
    let (new, stopping): (Vec<_>, Vec<_>) = rounds.into_iter().unzip();
    soon("new tasks in", new)?;
    soon("stopping tasks out of", stopping)
}

/// Scales to that many tasks, and tells how long it took from when the manager's engine first said so
/// until all nodes sent new flows to these. A task that stops runs still: only another state is desired.
fn change(bed: &Bed, tasks: usize) -> Result<Duration> {
    bed.swarm.docker("n1", &format!("service scale --detach soon={tasks}"))?;
    eventually(AMPLE, &format!("{tasks} tasks"), || {
        bed.swarm.tasks("soon").is_ok_and(|running| running.len() == tasks)
    })?;
    let begun = Instant::now();
    bed.await_known(NODES, "soon", tasks)?;
    Ok(begun.elapsed())
}

fn soon(what: &str, mut took: Vec<Duration>) -> Result<()> {
    took.sort_unstable();
    let median = took[took.len() / 2];
    println!("{what} every node's maps: median {median:.0?} of {took:.0?}");
    ensure!(median < LIMIT, "{what} every node's maps took {took:?}");
    Ok(())
}
