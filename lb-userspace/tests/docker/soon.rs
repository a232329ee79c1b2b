//! How soon a change of tasks is known everywhere.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lb_testbed::eventually;

use super::bed::{AMPLE, Bed, NODES};

/// A second, and what a very busy machine adds.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn new_tasks_are_soon_in_every_nodes_maps_and_stopping_ones_soon_out() -> Result<()> {
    let bed = Bed::shared()?;
    bed.service("soon", "--replicas 1 --publish published=8401,target=80 whoami")?;
    bed.swarm.docker("n1", "service scale --detach soon=3")?;
    eventually(AMPLE, "three tasks", || {
        bed.swarm.tasks("soon").is_ok_and(|tasks| tasks.len() == 3)
    })?;
    known_soon(&bed, 3)?;
    bed.swarm.docker("n1", "service scale --detach soon=1")?;
    // Its state is `running` and its desired state another for as long as it stops.
    eventually(AMPLE, "one task", || bed.swarm.tasks("soon").is_ok_and(|tasks| tasks.len() == 1))?;
    known_soon(&bed, 1)
}

fn known_soon(bed: &Bed, tasks: usize) -> Result<()> {
    let begun = Instant::now();
    bed.await_known(NODES, "soon", tasks)?;
    let took = begun.elapsed();
    println!("{tasks} tasks known everywhere after {took:?}");
    ensure!(took < SOON, "{tasks} tasks were known only after {took:?}");
    Ok(())
}
