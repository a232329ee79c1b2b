//! Managers come and go under load: nodes are promoted and demoted, the leader's engine is killed.

use anyhow::{Context as _, Result};
use lb_testbed::{Load, eventually};

use super::bed::{AMPLE, Bed, NODES};

/// Requests per second.
const PER_S: f64 = 300.0;
/// Answers to wait for in each state.
const AROUND: u64 = 300;

#[test]
fn promoted_demoted_and_killed_managers_fail_no_request() -> Result<()> {
    let bed = Bed::with_agents()?;
    let words =
        "--replicas 2 --constraint node.hostname!=n1 --publish published=8080,target=80 whoami";
    bed.service("web", words)?;
    let load = Load::new(bed.client(), bed.everywhere(8080)).per_second(PER_S).start()?;
    load.wait_more_ok(AROUND, AMPLE)?;
    bed.swarm.docker("n1", "node promote n2 n3")?;
    says(&bed, "n2", &["Swarm manager", "from this manager's API"])?;
    says(&bed, "n3", &["Swarm manager", "from this manager's API"])?;
    load.wait_more_ok(AROUND, AMPLE)?;
    bed.swarm.engine("n1").kill()?;
    says(&bed, "n1", &["DOES NOT ANSWER", "from the manager's agent at"])?;
    // The others elect a leader first.
    eventually(AMPLE, "a new leader", || bed.swarm.docker("n2", "node ls").is_ok())?;
    bed.swarm.docker("n2", "service scale --detach web=4")?;
    bed.await_known(NODES, "web", 4)?;
    load.wait_more_ok(AROUND, AMPLE)?;
    bed.swarm.restart_engine("n1")?;
    says(&bed, "n1", &["Engine:   answers", "from this manager's API"])?;
    bed.swarm.docker("n2", "node demote n3")?;
    says(&bed, "n3", &["Swarm worker", "from the manager's agent at"])?;
    load.wait_more_ok(AROUND, AMPLE)?;
    load.stop()?.expect_clean()
}

/// Waits until `swarmlb status` on a node has all these words.
fn says(bed: &Bed, node: &str, words: &[&str]) -> Result<()> {
    let status = || bed.swarm.swarmlb(node, "status").unwrap_or_default();
    let has_all = || {
        let status = status();
        words.iter().all(|part| status.contains(part))
    };
    eventually(AMPLE, &format!("{words:?} in the status of {node}"), has_all).with_context(status)
}
