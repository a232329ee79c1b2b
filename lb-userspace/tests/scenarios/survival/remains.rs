//! What stays behind: nothing. A node without its service, or after `detach`, is as it was.

use lb_testbed::{Load, Snapshot};

use super::stage::{SIX, Stage};
use crate::common::detach;

const NODES: [&str; 3] = ["n1", "n2", "n3"];

fn snapshots(stage: &Stage) -> [Snapshot; 3] {
    NODES.map(|node| stage.cluster.snapshot(node).expect("a snapshot"))
}

fn expect_same(before: &[Snapshot; 3], after: &[Snapshot; 3]) {
    for ((node, before), after) in NODES.iter().zip(before).zip(after) {
        let difference = before.difference(after);
        assert!(difference.is_empty(), "{node} has changed:\n{}", difference.join("\n"));
    }
}

#[test]
fn removing_the_service_and_then_detaching_leave_each_node_as_it_was() {
    let mut stage = Stage::bare();
    let config = stage.prepare(&SIX[..3]);
    let bare = snapshots(&stage);
    let task = stage.cluster.snapshot_ns(&stage.ns("t1")).expect("a snapshot");
    stage.cluster.write_config(&stage.idle_config()).expect("a cluster file");
    stage.cluster.start_agents().expect("agents");
    let idle = snapshots(&stage);

    stage.cluster.apply_config(&config).expect("the service");
    let load = Load::new(stage.client(), stage.everywhere()).total(60);
    load.run().expect("a load").expect_clean().expect("no failure");
    stage.cluster.apply_config(&stage.idle_config()).expect("the removal");
    expect_same(&idle, &snapshots(&stage));
    let task_now = stage.cluster.snapshot_ns(&stage.ns("t1")).expect("a snapshot");
    assert_eq!(task.difference(&task_now), [""; 0], "the task's namespace has changed");

    // Detached amid its work, a node is as before the first start.
    stage.cluster.apply_config(&config).expect("the service");
    for node in NODES {
        stage.cluster.stop_agent(node).expect("an end");
        detach(&stage.cluster, node).expect("detach");
    }
    expect_same(&bare, &snapshots(&stage));
    let task_now = stage.cluster.snapshot_ns(&stage.ns("t1")).expect("a snapshot");
    assert_eq!(task.difference(&task_now), [""; 0], "the task's namespace has changed");
}
