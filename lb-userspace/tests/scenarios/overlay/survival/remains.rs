//! What stays behind: nothing. A node without its networks, or after `detach`, is as it was, and so are
//! the namespaces of its tasks.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use lb_testbed::{ClusterFile, Load, NetworkTable, Sessions, Snapshot, TcpSession};

use super::{super::bed::Bed, NODES, SERVICES, expect_none};
use crate::common::detach;

type Snapshots = BTreeMap<String, Snapshot>;

#[test]
fn removing_networks_and_then_detaching_leave_everything_as_it_was() -> Result<()> {
    let bed = Bed::prepared(&SERVICES)?;
    let bare = snapshots(&bed)?;
    let nothing = ClusterFile::new(&bed.cluster).to_string();
    bed.cluster.write_config(&nothing)?;
    bed.cluster.start_agents()?;
    let idle = snapshots(&bed)?;

    bed.apply()?;
    bed.await_all()?;
    let load = || Load::new(bed.task("app.1"), [bed.vip("web")]).total(60).run();
    load()?.expect_clean()?;
    bed.cluster.apply_config(&nothing)?;
    expect_same(&idle, &snapshots(&bed)?)?;

    // Detached amid its work, a node is as before the first start.
    bed.apply()?;
    bed.await_all()?;
    load()?.expect_clean()?;
    for node in NODES {
        bed.cluster.stop_agent(node)?;
        detach(&bed.cluster, node)?;
    }
    expect_same(&bare, &snapshots(&bed)?)
}

#[test]
fn a_network_that_comes_and_goes_leaves_the_other_one_alone() -> Result<()> {
    let mut bed = Bed::new(&SERVICES)?;
    let before = snapshots(&bed)?;
    let mut held = Sessions::<TcpSession>::open(bed.task("app.1"), &[bed.vip("web")], 20)?;
    let one = bed.file.clone();
    let second = NetworkTable::new("second").subnet("10.51.0.0/24", 5101);
    bed.file = one.clone().network(second);
    for service in &mut bed.file.services {
        *service = service.clone().network("second");
    }
    bed.apply()?;
    let addresses = bed.cluster.sh_in(bed.task("web.1"), "ip -oneline address")?;
    ensure!(addresses.contains("10.51.0.") && addresses.contains("10.50.0.11/24"), "{addresses}");
    expect_none(&held.ping_all())?;
    bed.file = one;
    bed.apply()?;
    expect_none(&held.ping_all())?;
    expect_same(&before, &snapshots(&bed)?)
}

/// Of all nodes and tasks.
fn snapshots(bed: &Bed) -> Result<Snapshots> {
    let mut all = Snapshots::new();
    for node in NODES {
        all.insert(node.to_owned(), bed.cluster.snapshot(node)?);
    }
    for task in bed.tasks() {
        all.insert(task.to_owned(), bed.cluster.snapshot_ns(bed.task(task))?);
    }
    Ok(all)
}

fn expect_same(before: &Snapshots, after: &Snapshots) -> Result<()> {
    for ((place, before), after) in before.iter().zip(after.values()) {
        let difference = before.difference(after);
        ensure!(difference.is_empty(), "{place} has changed:\n{}", difference.join("\n"));
    }
    Ok(())
}
