//! Detach leaves Docker as it was: nothing in a node, in Docker's hidden namespaces or in a container
//! differs, and Docker goes on.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use lb_testbed::{Snapshot, dial, leftovers};

use super::bed::{AMPLE, Bed, NODES, await_answer};

#[test]
fn detach_leaves_docker_as_it_was() -> Result<()> {
    let bed = Bed::without_agents()?;
    bed.swarm.docker("n1", "network create --driver overlay inside")?;
    let words = "--replicas 3 --network inside --publish published=8080,target=80 whoami";
    let tasks = bed.swarm.create_service("web", words)?;
    let before = snapshots(&bed)?;
    bed.swarm.start_agents(NODES)?;
    bed.await_known(NODES, "web", tasks.len())?;
    await_answer(bed.client(), bed.at("n1", 8080))?;
    for node in NODES {
        bed.swarm.cluster().stop_agent(node)?;
        bed.swarm.swarmlb(node, "detach")?;
    }
    let after = snapshots(&bed)?;
    for (place, before) in &before {
        let difference = before.difference(&after[place]);
        ensure!(difference.is_empty(), "{place}:\n{}", difference.join("\n"));
    }
    ensure!(dial(bed.client(), bed.at("n1", 8080), 0, AMPLE)?.is_err(), "it still answers");
    let pins = leftovers(bed.swarm.cluster().prefix())?;
    ensure!(!pins.iter().any(|path| path.starts_with("/sys/fs/bpf")), "{pins:?}");
    // Docker goes on.
    bed.swarm.scale("web", 4)?;
    Ok(())
}

/// Every namespace of the Swarm with its name.
fn snapshots(bed: &Bed) -> Result<BTreeMap<String, Snapshot>> {
    let mut all = BTreeMap::new();
    for node in NODES {
        all.append(&mut bed.swarm.snapshots(node)?);
    }
    Ok(all)
}
